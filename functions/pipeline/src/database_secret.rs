//! User and password of the database from AWS Secrets Manager, which may change them while a function runs.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use crate::secrets::{SecretError, Secrets};

/// Where RDS names its databases. Their certificates are signed by authorities of RDS, which no public list of roots has.
const RDS: [&str; 2] = [".rds.amazonaws.com", ".rds.amazonaws.com.cn"];

/// A secret in the form that RDS gives it: JSON with `username`, `password`, `host`, `port` and `dbname`.
#[derive(Debug)]
pub(crate) struct DatabaseSecret {
    secrets: Secrets,
    arn: String,
    authorities: Option<String>,
}

impl DatabaseSecret {
    /// The secret of this ARN. With `authorities`, the path of a PEM file, the certificate of the database is checked.
    pub(crate) fn new(secrets: Secrets, arn: String, authorities: Option<String>) -> Self {
        Self { secrets, arn, authorities }
    }

    /// The URL of the database as the secret says it now.
    pub(crate) async fn url(&self) -> Result<String, SecretError> {
        let text = self.secrets.text(&self.arn).await?;
        let login = Login::parse(&text).map_err(|problem| SecretError::Form {
            arn: self.arn.clone(),
            problem,
            form: "JSON with username, password, host, port and dbname",
        })?;
        login.url(self.authorities.as_deref())
    }
}

/// What the secret says.
#[derive(PartialEq, Eq)]
struct Login {
    user: String,
    password: String,
    host: String,
    port: u16,
    database: String,
}

impl Login {
    /// Reads it; an error names fields, never what they hold (the parser's own words would).
    fn parse(secret: &str) -> Result<Self, String> {
        let fields: Map<String, Value> = serde_json::from_str(secret).map_err(|_| "it is no JSON object".to_owned())?;
        let text = |name: &str| match fields.get(name) {
            Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
            Some(_) => Err(format!("its {name} is no text, or empty")),
            None => Err(format!("it has no {name}")),
        };
        let port = match fields.get("port") {
            Some(Value::Number(number)) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
            // By hand it is often written so.
            Some(Value::String(text)) => text.parse().ok(),
            Some(_) => None,
            None => return Err("it has no port".to_owned()),
        };
        let host = text("host")?;
        // The host alone stands in the URL as it is.
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
            return Err("its host is no name of a host".to_owned());
        }
        Ok(Self {
            user: text("username")?,
            password: text("password")?,
            host,
            port: port.filter(|port| *port > 0).ok_or("its port is no number from 1 to 65535")?,
            database: text("dbname")?,
        })
    }

    /// `mysql://…`, with the certificate checked where there are authorities. RDS is not spoken to without them.
    fn url(&self, authorities: Option<&str>) -> Result<String, SecretError> {
        let [user, password, database] =
            [&self.user, &self.password, &self.database].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
        let (host, port) = (&self.host, self.port);
        let tls = match authorities {
            Some(path) => {
                format!("?ssl-mode=VERIFY_IDENTITY&ssl-ca={}", utf8_percent_encode(path, NON_ALPHANUMERIC))
            }
            None if RDS.iter().any(|domain| host.to_ascii_lowercase().ends_with(domain)) => {
                return Err(SecretError::NoAuthorities { host: host.clone() });
            }
            None => String::new(),
        };
        Ok(format!("mysql://{user}:{password}@{host}:{port}/{database}{tls}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:secretsmanager:eu-south-2:123456789012:secret:stationkeeper-database-a1b2c3";
    const CLUSTER: &str = "lab.c1.eu-south-2.rds.amazonaws.com";

    fn secret(host: &str) -> String {
        format!(
            r#"{{"engine":"mysql","host":"{host}","port":3306,"dbname":"lab","username":"ann","password":"p:a/s@s?#%"}}"#
        )
    }

    fn login(secret: &str) -> Login {
        Login::parse(secret).unwrap_or_else(|problem| panic!("{problem}: {secret}"))
    }

    #[test]
    fn a_password_may_hold_what_a_url_may_not() {
        let url = login(&secret("10.87.0.5")).url(None).unwrap();
        assert_eq!(url, "mysql://ann:p%3Aa%2Fs%40s%3F%23%25@10.87.0.5:3306/lab");
    }

    #[test]
    fn a_port_may_be_written_as_text() {
        let written = secret("db").replace("3306", "\"3307\"");
        assert_eq!(login(&written).url(None).unwrap(), "mysql://ann:p%3Aa%2Fs%40s%3F%23%25@db:3307/lab");
    }

    #[test]
    fn rds_is_spoken_to_only_where_its_certificate_can_be_checked() {
        for (host, authorities, url) in [
            (CLUSTER, Some("/opt/rds.pem"), Some("?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fopt%2Frds%2Epem")),
            ("10.87.0.5", Some("/opt/rds.pem"), Some("?ssl-mode=VERIFY_IDENTITY&ssl-ca=%2Fopt%2Frds%2Epem")),
            ("10.87.0.5", None, Some("")),
            ("not-rds.amazonaws.com", None, Some("")),
            (CLUSTER, None, None),
            ("LAB.C1.EU-SOUTH-2.RDS.AMAZONAWS.COM", None, None),
            ("lab.c1.rds.cn-north-1.rds.amazonaws.com.cn", None, None),
        ] {
            match (login(&secret(host)).url(authorities), url) {
                (Ok(said), Some(tls)) => assert!(said.ends_with(&format!("/lab{tls}")), "{host}: {said}"),
                (Err(error), None) => {
                    assert!(error.to_string().starts_with("STATIONKEEPER_DATABASE_CA is not set: "), "{error}");
                }
                (said, _) => panic!("{host}: {said:?}"),
            }
        }
    }

    #[test]
    fn what_is_wrong_with_a_secret_is_said_without_its_values() {
        for (secret, problem) in [
            ("p:a/s@s", "it is no JSON object"),
            (r#"["p:a/s@s"]"#, "it is no JSON object"),
            (r#"{"username":"ann","password":"p:a/s@s","host":"db","port":3306}"#, "it has no dbname"),
            (r#"{"password":"p:a/s@s","host":"db","port":3306,"dbname":"lab"}"#, "it has no username"),
            (
                r#"{"username":"ann","password":77,"host":"db","port":3306,"dbname":"lab"}"#,
                "its password is no text, or empty",
            ),
            (
                r#"{"username":"ann","password":"","host":"db","port":3306,"dbname":"lab"}"#,
                "its password is no text, or empty",
            ),
            (r#"{"username":"ann","password":"p","host":"db","dbname":"lab"}"#, "it has no port"),
            (
                r#"{"username":"ann","password":"p","host":"db","port":"p:a/s@s","dbname":"lab"}"#,
                "its port is no number from 1 to 65535",
            ),
            (
                r#"{"username":"ann","password":"p","host":"db","port":0,"dbname":"lab"}"#,
                "its port is no number from 1 to 65535",
            ),
            (
                r#"{"username":"ann","password":"p","host":"db/p:a/s@s","port":1,"dbname":"lab"}"#,
                "its host is no name of a host",
            ),
        ] {
            let Err(said) = Login::parse(secret) else { panic!("taken: {secret}") };
            assert_eq!(said, problem, "{secret}");
            let error = SecretError::Form { arn: ARN.to_owned(), problem: said, form: "JSON" };
            assert!(!format!("{error} {error:?}").contains("a/s@s"), "{error}");
        }
    }
}
