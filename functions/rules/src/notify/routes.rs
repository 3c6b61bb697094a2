//! Which receivers an alert concerns.

use super::Placed;
use crate::{NotificationSettings, Route};

/// Whether a route leads this alert to its receiver.
fn leads(route: &Route, placed: &Placed) -> bool {
    let rule = placed.alert.key.rule;
    (route.rules.is_empty() || route.rules.contains(&rule))
        && route.severity.is_none_or(|least| rule.severity() >= least)
        && (route.labs.is_empty() || placed.lab.as_ref().is_some_and(|lab| route.labs.contains(lab)))
        && (route.people.is_empty() || placed.person.as_ref().is_some_and(|person| route.people.contains(person)))
}

/// Whether any route leads this alert to that receiver.
pub fn concerns(settings: &NotificationSettings, receiver: &str, placed: &Placed) -> bool {
    settings.routes.iter().any(|route| route.receiver == receiver && leads(route, placed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::placed;
    use crate::{Rule, Severity};

    #[test]
    fn a_route_leads_what_meets_all_its_conditions() {
        let any = Route {
            receiver: "ops".to_owned(),
            rules: Vec::new(),
            severity: None,
            labs: Vec::new(),
            people: Vec::new(),
        };
        let mut of_nobody = placed(Rule::IngestStalled, "LAB-01", "2026-11-24T10:00");
        (of_nobody.alert.key.host, of_nobody.lab, of_nobody.person) = (None, None, None);
        let unready = placed(Rule::NotReady, "LAB-01", "2026-11-24T10:00");
        for (shows, route, placed, leads) in [
            ("without conditions everything", any.clone(), &unready, true),
            ("the system itself too", any.clone(), &of_nobody, true),
            ("a rule", Route { rules: vec![Rule::NotReady], ..any.clone() }, &unready, true),
            ("another rule", Route { rules: vec![Rule::ClockSkew], ..any.clone() }, &unready, false),
            ("as urgent as asked", Route { severity: Some(Severity::Warning), ..any.clone() }, &unready, true),
            ("less urgent", Route { severity: Some(Severity::Critical), ..any.clone() }, &unready, false),
            ("the laboratory", Route { labs: vec!["redes".to_owned()], ..any.clone() }, &unready, true),
            ("another", Route { labs: vec!["optics".to_owned()], ..any.clone() }, &unready, false),
            ("no laboratory", Route { labs: vec!["redes".to_owned()], ..any.clone() }, &of_nobody, false),
            ("the person", Route { people: vec!["mia".to_owned()], ..any.clone() }, &unready, true),
            ("another person", Route { people: vec!["leo".to_owned()], ..any.clone() }, &unready, false),
            ("nobody's", Route { people: vec!["mia".to_owned()], ..any.clone() }, &of_nobody, false),
        ] {
            let settings = NotificationSettings { routes: vec![route], ..NotificationSettings::default() };
            assert_eq!(concerns(&settings, "ops", placed), leads, "{shows}");
            assert!(!concerns(&settings, "others", placed), "{shows}");
        }
    }
}
