//! `GET /`: who needs somebody, why, since when. Rendered here, readable without script.

use askama::Template;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use chrono::{DateTime, Utc};
use stationkeeper_api::{
    AlertView, HealthView, Instant, Language, StationView, phrase, rule_text, severity_text, word_text,
};
use stationkeeper_rules::notify::{Placed, muting, silence_of};
use stationkeeper_rules::{AlertState, StationWord};
use stationkeeper_store::{AlertFilter, StationFilter};

use crate::actor::Actor;
use crate::error::ApiError;
use crate::extract::Reader;
use crate::{Gateway, alerts, headers, stations};

/// Rows that one page shows of each table.
const MOST: u32 = 500;

/// Those that need somebody first.
const ORDER: [StationWord; 9] = [
    StationWord::Down,
    StationWord::Attention,
    StationWord::Late,
    StationWord::Unknown,
    StationWord::Held,
    StationWord::Busy,
    StationWord::Waking,
    StationWord::Off,
    StationWord::Ready,
];

#[derive(Template)]
#[template(path = "status.html")]
struct StatusPage {
    language: Language,
    health: HealthView,
    stations: Vec<StationRow>,
    alerts: Vec<AlertRow>,
    more: bool,
    now: DateTime<Utc>,
}

struct StationRow {
    view: StationView,
    marks: Vec<String>,
}

struct AlertRow {
    view: AlertView,
    /// Who silenced it, and why.
    silence: Option<(String, String)>,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    language: Language,
    problem: Option<String>,
}

/// Why a login form is shown again.
pub(crate) enum LoginProblem {
    /// No such token.
    Wrong,
    /// Too many attempts.
    Wait {
        /// Until the next one.
        seconds: u64,
    },
}

/// The page for whoever is logged in, otherwise the login form.
pub(crate) async fn page(
    State(gateway): State<Gateway>,
    Reader(language): Reader,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _body) = request.into_parts();
    match Actor::from_request_parts(&mut parts, &gateway).await {
        Ok(_actor) => {}
        Err(ApiError::Unauthenticated) => return login_form(language, None),
        Err(error) => return Err(error),
    }
    let now = gateway.now();
    let health = gateway.health(true).await;
    let mut found = gateway.store().stations(&StationFilter::default(), None, MOST + 1).await?;
    let more = found.len() > MOST as usize;
    found.truncate(MOST as usize);
    let reservations = stations::reservations(&gateway, None, now).await?;
    let mut rows: Vec<StationRow> = found
        .iter()
        .map(|station| {
            stations::view((&station.state, station.entry.lab.as_deref()), &reservations, &[], language, now)
        })
        .map(|view| StationRow { marks: marks(&view, language), view })
        .collect();
    rows.sort_by_key(|row| ORDER.iter().position(|word| *word == row.view.state));
    let open = AlertFilter { states: vec![AlertState::Open, AlertState::Acknowledged], ..AlertFilter::default() };
    let mut unresolved = gateway.store().alerts(&open, None, MOST).await?;
    unresolved.sort_by_key(|alert| {
        (alert.state != AlertState::Open, std::cmp::Reverse(alert.key.rule.severity()), alert.opened_at)
    });
    let labs = alerts::labs(&gateway, &unresolved).await?;
    let silences = gateway.store().silences(Some(now), None, MOST).await?;
    let muting = muting(&silences, now);
    let alerts = unresolved
        .into_iter()
        .map(|alert| {
            let lab = alerts::lab(&labs, &alert).map(str::to_owned);
            let view = AlertView::new(&alert, lab.as_deref(), language);
            let silence = silence_of(&muting, &Placed { alert, lab, person: None });
            let silence = silence.map(|(silence, _)| (silence.author.clone(), silence.reason.clone()));
            AlertRow { view, silence }
        })
        .collect();
    html(StatusCode::OK, &StatusPage { language, health, stations: rows, alerts, more, now })
}

/// The form, with why it is shown again.
pub(crate) fn login_form(language: Language, problem: Option<LoginProblem>) -> Result<Response, ApiError> {
    let (status, problem, retry) = match problem {
        None => (StatusCode::UNAUTHORIZED, None, None),
        Some(LoginProblem::Wrong) => (StatusCode::UNAUTHORIZED, Some(phrase(language, "login", "wrong", &[])), None),
        Some(LoginProblem::Wait { seconds }) => (
            StatusCode::TOO_MANY_REQUESTS,
            Some(phrase(language, "login", "wait", &[("seconds", &seconds.to_string())])),
            Some(seconds),
        ),
    };
    let mut response = html(status, &LoginPage { language, problem })?;
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

/// A page with the headers of a page.
pub(crate) fn html(status: StatusCode, page: &impl Template) -> Result<Response, ApiError> {
    let mut response = (status, Html(page.render()?)).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(headers::PAGE));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-language, cookie"));
    Ok(response)
}

/// What stands beside the state, never instead of it.
fn marks(view: &StationView, language: Language) -> Vec<String> {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "page", key, values);
    let session = (view.local_session_active == Some(true)).then(|| match view.local_users.as_slice() {
        [] => say("local_session_unnamed", &[]),
        users => say("local_session", &[("users", &users.join(", "))]),
    });
    let running = view.current_reservation.as_ref().map(|now| say("in_session_until", &[("end", &clock(now.end))]));
    // The same two minutes as the rule: less is what every clock does.
    let skew = view.skew_seconds.filter(|seconds| seconds.abs() > 120).map(|seconds| {
        let key = if seconds < 0 { "clock_slow" } else { "clock_fast" };
        say(key, &[("seconds", &seconds.unsigned_abs().to_string())])
    });
    [running, session, skew].into_iter().flatten().collect()
}

/// Hour and minute in UTC; the time zone of a lab is not known here yet.
fn clock(at: Instant) -> String {
    at.0.format("%H:%M UTC").to_string()
}

/// Two units at most: `41 s`, `4 min 52 s`, `1 h 18 min`, `3 d 4 h`.
fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

impl StatusPage {
    fn say(&self, section: &str, key: &str) -> String {
        phrase(self.language, section, key, &[])
    }

    fn summary(&self) -> String {
        let open = self.alerts.iter().filter(|row| row.view.state == AlertState::Open).count();
        let values = [("stations", &*self.stations.len().to_string()), ("alerts", &*open.to_string())];
        phrase(self.language, "page", "summary", &values)
    }

    fn as_of(&self) -> String {
        phrase(self.language, "page", "as_of", &[("now", &self.now.format("%H:%M:%S UTC").to_string())])
    }

    fn more_text(&self) -> String {
        phrase(self.language, "page", "more_stations", &[("shown", &MOST.to_string())])
    }

    fn health_word(&self) -> String {
        self.say("health", if self.health.parts.named().iter().all(|(_, part)| part.ok) { "ok" } else { "degraded" })
    }

    fn word(&self, row: &StationRow) -> String {
        word_text(self.language, row.view.state)
    }

    fn age(&self, row: &StationRow) -> String {
        match row.view.age_seconds {
            Some(seconds) => phrase(self.language, "page", "age", &[("age", &duration(seconds))]),
            None => self.say("page", "never"),
        }
    }

    fn next(&self, row: &StationRow) -> String {
        match &row.view.next_reservation {
            Some(next) if next.start.0 - self.now < chrono::TimeDelta::hours(24) => {
                format!("{}–{}", next.start.0.format("%H:%M"), clock(next.end))
            }
            Some(next) => next.start.0.format("%Y-%m-%d %H:%M UTC").to_string(),
            None => self.say("page", "none"),
        }
    }

    fn rule(&self, row: &AlertRow) -> String {
        rule_text(self.language, row.view.rule)
    }

    fn severity(&self, row: &AlertRow) -> String {
        severity_text(self.language, row.view.severity)
    }

    fn since(&self, row: &AlertRow) -> String {
        let age = duration((self.now - row.view.opened_at.0).num_seconds());
        phrase(self.language, "page", "age", &[("age", &age)])
    }

    fn taken(&self, row: &AlertRow) -> Option<String> {
        let name = row.view.acknowledged_by.as_deref()?;
        Some(phrase(self.language, "page", "acknowledged_by", &[("name", name)]))
    }
}

impl StatusPage {
    fn silenced(&self, row: &AlertRow) -> Option<String> {
        let (name, reason) = row.silence.as_ref()?;
        Some(phrase(self.language, "page", "silenced_by", &[("name", name), ("reason", reason)]))
    }
}

impl LoginPage {
    fn say(&self, key: &str) -> String {
        phrase(self.language, "login", key, &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_two_units_at_most() {
        for (seconds, text) in [
            (-5, "0 s"),
            (59, "59 s"),
            (60, "1 min 0 s"),
            (3_599, "59 min 59 s"),
            (3_600, "1 h 0 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 d 0 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn every_state_has_its_place_in_the_order() {
        for word in StationWord::ALL {
            assert!(ORDER.contains(&word), "{word:?}");
        }
    }
}
