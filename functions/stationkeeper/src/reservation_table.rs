//! Where another system keeps its reservations: `--reservations-database`, else what the older service's environment says: `MYSQL_DSN`,
//! or `OPS_BACKEND_MYSQL_USER`, `OPS_BACKEND_MYSQL_PASSWORD`, `OPS_MYSQL_DATABASE` (`BLOCKCHAIN_MYSQL_DATABASE`), `MYSQL_HOSTNAME`
//! (`MYSQL_HOST`) and `MYSQL_PORT`, unless `OPS_RESERVATION_AUTOMATION` says no.

use std::fmt::Write as _;
use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use stationkeeper_store::LabReservations;

use crate::environment::{secret, variable};
use crate::failure::{Exit, Failure};
use crate::older_service::flag;

const OURS: &str = "STATIONKEEPER_RESERVATIONS_DATABASE_URL";

/// The table, if one is named. It is not connected to yet.
pub fn table(said: Option<&str>) -> Result<Option<Arc<LabReservations>>, Failure> {
    let ours = match said {
        Some(url) => Some(url.to_owned()),
        None => secret(OURS)?,
    };
    let (url, place) = match ours {
        Some(url) => (url, "--reservations-database"),
        None => match older()? {
            Some(url) => (url, "the older service's environment (MYSQL_DSN, OPS_BACKEND_MYSQL_…)"),
            None => return Ok(None),
        },
    };
    let table = LabReservations::new(&url).map_err(|error| {
        Failure::because(Exit::Configuration, format_args!("cannot read reservations as {place} says"), &error)
    })?;
    Ok(Some(Arc::new(table)))
}

fn older() -> Result<Option<String>, Failure> {
    if flag("OPS_RESERVATION_AUTOMATION")? == Some(false) {
        return Ok(None);
    }
    if let Some(dsn) = secret("MYSQL_DSN")? {
        if dsn.split_once('?').is_some_and(|(_, options)| options.split('&').any(|option| option.starts_with("ssl"))) {
            tracing::warn!(
                "what MYSQL_DSN says of encryption is its old driver's and not heeded: say it by --reservations-database, as ?ssl-mode=VERIFY_CA&ssl-ca=FILE"
            );
        }
        return Ok(Some(of_dsn(&dsn)));
    }
    let database = variable("OPS_MYSQL_DATABASE").or_else(|| variable("BLOCKCHAIN_MYSQL_DATABASE"));
    let (user, database) = match (variable("OPS_BACKEND_MYSQL_USER"), database) {
        (Some(user), Some(database)) => (user, database),
        (None, None) => return Ok(None),
        _ => {
            tracing::warn!(
                "no reservations are read: OPS_BACKEND_MYSQL_USER and OPS_MYSQL_DATABASE (or MYSQL_DSN) name their database, and one of them is not set"
            );
            return Ok(None);
        }
    };
    let host = variable("MYSQL_HOSTNAME").or_else(|| variable("MYSQL_HOST")).unwrap_or_else(|| "mysql".to_owned());
    let port = variable("MYSQL_PORT").unwrap_or_else(|| "3306".to_owned());
    Ok(Some(of_parts(&user, secret("OPS_BACKEND_MYSQL_PASSWORD")?.as_deref(), &host, &port, &database)))
}

/// A URL of the older service names its driver, and says what only that driver knows.
fn of_dsn(dsn: &str) -> String {
    let (scheme, rest) = dsn.split_once("://").unwrap_or(("", dsn));
    let rest = rest.split_once('?').map_or(rest, |(before, _)| before);
    let scheme = scheme.split('+').next().unwrap_or_default();
    format!("{scheme}://{rest}")
}

fn of_parts(user: &str, password: Option<&str>, host: &str, port: &str, database: &str) -> String {
    let plain = |text| utf8_percent_encode(text, NON_ALPHANUMERIC);
    let mut url = format!("mysql://{}", plain(user));
    if let Some(password) = password {
        let _ = write!(url, ":{}", plain(password));
    }
    let _ = write!(url, "@{host}:{port}/{}", plain(database));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_the_older_service_are_ours_too() {
        for (dsn, url) in [
            ("mysql+pymysql://ops:s3cret@db:3306/bookings?charset=utf8mb4", "mysql://ops:s3cret@db:3306/bookings"),
            ("mysql://ops@db/bookings", "mysql://ops@db/bookings"),
        ] {
            assert_eq!(of_dsn(dsn), url);
            assert!(LabReservations::new(url).is_ok(), "{url}");
        }
        assert!(LabReservations::new(&of_dsn("postgresql://ops@db/bookings")).is_err());
        assert!(LabReservations::new(&of_dsn("bookings")).is_err());
    }

    #[test]
    fn a_password_may_hold_what_a_url_may_not_and_is_never_shown() {
        let url = of_parts("ops", Some("a/b@c:d?e#f%"), "db", "3307", "block chain");
        let table = LabReservations::new(&url).expect("a URL");
        assert_eq!(table.describe(), "MySQL ops@db:3307/block chain");
        assert!(!format!("{table:?}").contains("a/b"));
    }
}
