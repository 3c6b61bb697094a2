//! What a message says, in a person's language: a subject, a plain text and HTML.

use askama::Template;
use chrono::{DateTime, Utc};
use stationkeeper_api::{Language as TextLanguage, phrase, rule_text, severity_text, text};
use stationkeeper_rules::{Language, Message, MessageKind, News, NewsEvent, Problem, Severity};

/// Most characters of a subject.
const MOST_OF_SUBJECT: usize = 140;
/// Most characters of a line: a station's reasons may be long.
const MOST_OF_LINE: usize = 600;
/// Stations that a subject names.
const NAMED_STATIONS: usize = 3;
/// Problems that a footer lists.
const MOST_CURRENT: usize = 50;
/// News that a text lists.
const MOST_NEWS: usize = 200;

/// The words of one message. All of them are lines without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(path = "mail.html")]
pub struct Wording {
    /// One line.
    pub subject: String,
    /// The status page, where its address is known.
    pub link: Option<String>,
    language: &'static str,
    lead: String,
    news: Vec<Line>,
    current_title: String,
    current: Vec<Line>,
    all_quiet: String,
    more: String,
    link_text: String,
    made_at: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    head: String,
    text: String,
    at: String,
    colour: &'static str,
}

/// The language of texts that a receiver's language is.
pub(crate) fn of_texts(language: Language) -> TextLanguage {
    match language {
        Language::En => TextLanguage::En,
        Language::Es => TextLanguage::Es,
    }
}

impl Wording {
    /// What `message` says in a language; `page_url` is where the status page is seen.
    pub fn new(message: &Message, language: Language, page_url: Option<&str>) -> Self {
        let language = of_texts(language);
        let say = |key: &str, values: &[(&str, &str)]| phrase(language, "notification", key, values);
        let lab = message.lab.clone().unwrap_or_else(|| say("no_lab", &[]));
        let is_test = message.kind == MessageKind::Test;
        let lead = if is_test { say("test_text", &[]) } else { String::new() };
        let hidden = message.current.len().saturating_sub(MOST_CURRENT) + message.news.len().saturating_sub(MOST_NEWS);
        let more = if hidden > 0 { say("more", &[("count", &hidden.to_string())]) } else { String::new() };
        Self {
            subject: subject(message, language, &lab),
            link: page_url.map(str::to_owned),
            language: language.tag(),
            lead,
            news: message.news.iter().take(MOST_NEWS).map(|news| of_news(news, language)).collect(),
            // A test knows of no alert, and shall not say that there is none.
            current_title: if is_test { String::new() } else { line(&say("current", &[("lab", &lab)])) },
            current: message.current.iter().take(MOST_CURRENT).map(|one| of_problem(one, language)).collect(),
            all_quiet: say("all_quiet", &[]),
            more,
            link_text: page_url.map(|url| say("link", &[("url", url)])).unwrap_or_default(),
            made_at: say("made_at", &[("at", &minute(message.made_at))]),
        }
    }

    /// As plain text: lines that end with `\n`.
    pub fn plain(&self) -> String {
        let mut lines = Vec::new();
        if !self.lead.is_empty() {
            lines.extend([self.lead.clone(), String::new()]);
        }
        for one in &self.news {
            lines.extend([one.head.clone(), format!("  {}", one.text), format!("  {}", one.at), String::new()]);
        }
        if !self.current_title.is_empty() {
            lines.push(self.current_title.clone());
            if self.current.is_empty() {
                lines.push(format!("  {}", self.all_quiet));
            }
        }
        lines.extend(self.current.iter().map(|one| format!("- {}: {} ({})", one.head, one.text, one.at)));
        if !self.more.is_empty() {
            lines.push(self.more.clone());
        }
        if !self.current_title.is_empty() {
            lines.push(String::new());
        }
        if self.link.is_some() {
            lines.push(self.link_text.clone());
        }
        lines.push(self.made_at.clone());
        lines.join("\n") + "\n"
    }

    /// As a page of HTML; everything is escaped. Falls back to the escaped subject, which a test shows not to happen.
    pub fn html(&self) -> String {
        self.render().unwrap_or_else(|_| {
            askama::filters::escape(&self.subject, askama::filters::Html)
                .map_or_else(|_| String::new(), |safe| safe.to_string())
        })
    }
}

fn subject(message: &Message, language: TextLanguage, lab: &str) -> String {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "notification", key, values);
    let word = match message.kind {
        MessageKind::Problem => "problem",
        MessageKind::Resolution => "resolution",
        MessageKind::Reminder => "reminder",
        MessageKind::Flapping => "flapping",
        MessageKind::Test => "test",
    };
    let said = match message.news.as_slice() {
        _ if message.kind == MessageKind::Test => say("subject_test", &[]),
        [only] => {
            let station = station(&only.problem, language);
            let rule = rule_text(language, only.problem.rule);
            say(&format!("subject_{word}"), &[("station", &station), ("rule", &rule)])
        }
        several => {
            let mut stations: Vec<String> = Vec::new();
            for news in several {
                let station = station(&news.problem, language);
                if !stations.contains(&station) {
                    stations.push(station);
                }
            }
            let hidden = stations.len().saturating_sub(NAMED_STATIONS);
            stations.truncate(NAMED_STATIONS);
            let mut named = stations.join(", ");
            if hidden > 0 {
                named.push(' ');
                named.push_str(&say("more", &[("count", &hidden.to_string())]));
            }
            let count = several.len().to_string();
            say(&format!("subject_{word}s"), &[("lab", lab), ("count", &count), ("stations", &named)])
        }
    };
    one_line(&format!("[{}] {said}", say("brand", &[])), MOST_OF_SUBJECT)
}

fn station(problem: &Problem, language: TextLanguage) -> String {
    match &problem.host {
        Some(host) => host.to_string(),
        None => phrase(language, "notification", "system", &[]),
    }
}

fn of_news(news: &News, language: TextLanguage) -> Line {
    let event = match news.event {
        NewsEvent::Opened => "opened",
        NewsEvent::StillOpen => "still_open",
        NewsEvent::Flapping => "flapping",
        NewsEvent::Resolved => "resolved",
    };
    let event = phrase(language, "notification", event, &[]);
    let head = [
        event,
        severity_text(language, news.problem.severity),
        station(&news.problem, language),
        rule_text(language, news.problem.rule),
    ];
    let colour = if news.event == NewsEvent::Resolved { "#2e7d32" } else { colour(news.problem.severity) };
    Line { head: line(&head.join(" · ")), text: line(&text(language, &news.cause)), at: minute(news.at), colour }
}

fn of_problem(problem: &Problem, language: TextLanguage) -> Line {
    let say = |key: &str, values: &[(&str, &str)]| phrase(language, "notification", key, values);
    let mut about = vec![say("since", &[("at", &minute(problem.opened_at))])];
    about.extend(problem.reservation_id.iter().map(|id| say("reservation", &[("id", &id.0)])));
    about.extend(problem.acknowledged_by.iter().map(|name| say("taken", &[("name", name)])));
    let head =
        [severity_text(language, problem.severity), station(problem, language), rule_text(language, problem.rule)];
    Line {
        head: line(&head.join(" · ")),
        text: line(&text(language, &problem.cause)),
        at: line(&about.join(", ")),
        colour: colour(problem.severity),
    }
}

const fn colour(severity: Severity) -> &'static str {
    match severity {
        Severity::Notice => "#546e7a",
        Severity::Warning => "#b26a00",
        Severity::Critical => "#b00020",
    }
}

fn minute(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn line(text: &str) -> String {
    one_line(text, MOST_OF_LINE)
}

/// A text as one line of at most `most` characters: what breaks a line, controls or turns the direction of a text is a blank, and
/// blanks stand alone.
pub fn one_line(text: &str, most: usize) -> String {
    let breaks = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
    };
    let words: Vec<_> = text.split(breaks).filter(|word| !word.is_empty()).collect();
    shortened(&words.join(" "), most)
}

/// At most so many characters; what is cut off is seen to be.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
pub(crate) mod testing {
    use chrono::{DateTime, Utc};
    use proptest::prelude::*;
    use stationkeeper_rules::{
        AlertId, Cause, Message, MessageId, MessageKind, News, NewsEvent, Problem, Rule, Severity,
    };
    use stationkeeper_telemetry::HostName;

    /// A message about one station whose reason, lab and users are what the station said.
    pub(crate) fn message(host: &str, said: &str) -> Message {
        let at: DateTime<Utc> = "2026-11-24T10:00:00Z".parse().unwrap();
        let cause = Cause::LookFailed { error: said.to_owned() };
        let problem = Problem {
            alert_id: AlertId("0f".to_owned()),
            rule: Rule::NotReady,
            severity: Severity::Warning,
            host: HostName::parse(host).ok(),
            reservation_id: None,
            opened_at: at,
            cause: cause.clone(),
            acknowledged_by: Some(said.to_owned()),
        };
        let news = News { event: NewsEvent::Opened, at, cause, problem: problem.clone() };
        Message {
            id: MessageId::derive("ops", MessageKind::Problem, [(&problem.alert_id, news.event, at)]),
            receiver: "ops".to_owned(),
            kind: MessageKind::Problem,
            lab: Some(format!("lab {said}")),
            made_at: at,
            news: vec![news.clone(), news],
            current: vec![problem],
        }
    }

    /// Any text, with what breaks lines and pages more often than by chance.
    pub(crate) fn said_by_a_station() -> impl Strategy<Value = String> {
        prop::collection::vec(
            prop_oneof![
                any::<String>(),
                Just("\r\nBcc: everybody@example.org\r\n\r\n".to_owned()),
                Just("\u{2028}\u{202e}\u{85}".to_owned()),
                Just("<script>alert(1)</script>\"'&".to_owned()),
                Just("{lab}{count}%0d%0a=?utf-8?q?=0a?=".to_owned()),
                "[A-Za-z ]{0,300}",
            ],
            0..5,
        )
        .prop_map(|parts| parts.concat())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::testing::{message, said_by_a_station};
    use super::*;

    #[test]
    fn a_message_says_what_happened_and_what_else_is_open() {
        let mut problem = message("LAB-01", "no route");
        problem.news.truncate(1);
        let english = Wording::new(&problem, Language::En, Some("https://lab.example.org/"));
        assert_eq!(english.subject, "[Stationkeeper] LAB-01: Not ready");
        assert_eq!(
            english.plain(),
            "Open · Warning · LAB-01 · Not ready\n  The bucket could not be looked into: no route\n  2026-11-24 10:00 UTC\n\n\
             All open problems: lab no route\n\
             - Warning · LAB-01 · Not ready: The bucket could not be looked into: no route (since 2026-11-24 10:00 UTC, taken by no route)\n\n\
             Status page: https://lab.example.org/\nMade at 2026-11-24 10:00 UTC. All times are UTC.\n"
        );
        problem.kind = MessageKind::Resolution;
        problem.news[0].event = NewsEvent::Resolved;
        problem.current.clear();
        let spanish = Wording::new(&problem, Language::Es, None);
        assert!(spanish.subject.starts_with("[Stationkeeper] Resuelto: LAB-01: "), "{}", spanish.subject);
        assert!(spanish.plain().contains("No hay ningún problema abierto."), "{}", spanish.plain());
        assert!(spanish.html().contains("<html lang=\"es\">") && !spanish.html().contains("<a href"));
    }

    #[test]
    fn every_kind_has_its_words_in_both_languages() {
        for kind in [
            MessageKind::Problem,
            MessageKind::Resolution,
            MessageKind::Reminder,
            MessageKind::Flapping,
            MessageKind::Test,
        ] {
            for language in [Language::En, Language::Es] {
                for news in 0..3 {
                    let mut message = message("LAB-01", "x");
                    message.kind = kind;
                    message.news.truncate(news);
                    let wording = Wording::new(&message, language, None);
                    let said = format!("{}{}{}", wording.subject, wording.plain(), wording.html());
                    assert!(!said.contains("notification.") && !said.contains('{'), "{kind:?} {language:?}: {said}");
                }
            }
        }
    }

    #[test]
    fn a_subject_names_a_few_stations_and_how_many_more() {
        let mut lab = message("LAB-01", "x");
        lab.news = (1..=9)
            .map(|number| {
                let mut news = lab.news[0].clone();
                news.problem.host = stationkeeper_telemetry::HostName::parse(&format!("LAB-0{number}")).ok();
                news
            })
            .collect();
        let subject = Wording::new(&lab, Language::En, None).subject;
        assert_eq!(subject, "[Stationkeeper] lab x: 9 problems (LAB-01, LAB-02, LAB-03 and 6 more)");
    }

    #[test]
    fn a_line_is_one_line() {
        for (text, most, line) in [
            ("a\r\n b\t\u{2028}c", 99, "a b c"),
            ("abc\u{202e}def", 99, "abc def"),
            ("abcdef", 4, "abc…"),
            ("\u{0}", 9, ""),
        ] {
            assert_eq!(one_line(text, most), line, "{text:?}");
        }
    }

    /// Tags and attributes of a page, without what stands between them.
    fn marks(page: &str) -> Vec<&str> {
        page.split('<').skip(1).map(|rest| rest.split('>').next().unwrap_or_default()).collect()
    }

    proptest! {
        #[test]
        fn whatever_a_station_says_its_page_has_the_same_marks(said in said_by_a_station()) {
            let of = |said: &str| Wording::new(&message("LAB-01", said), Language::En, Some("https://x.example/")).html();
            let (page, plain) = (of(&said), of("x"));
            prop_assert_eq!(marks(&page), marks(&plain));
        }

        #[test]
        fn whatever_a_station_says_a_subject_is_one_short_line(said in said_by_a_station()) {
            let wording = Wording::new(&message("LAB-01", &said), Language::Es, None);
            let breaks = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{202e}';
            prop_assert!(!wording.subject.contains(breaks), "it is one line");
            prop_assert!(wording.subject.chars().count() <= MOST_OF_SUBJECT);
            prop_assert!(!wording.plain().contains('\r'));
        }
    }
}
