//! The settings, as they are shown.

use serde::Serialize;

use crate::{Link, Mode, Role, Scene, Settings};

/// The choices, and to whom the app is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingsView {
    /// As they stand.
    pub settings: Settings,
    /// The gateway's host, without anything that is a secret; none: it is not paired.
    pub gateway: Option<String>,
    /// Whose token it is.
    pub name: Option<String>,
    /// What it may do.
    pub role: Option<Role>,
    /// Choices about what the older service does not tell are not there.
    pub has_reservations: bool,
}

impl SettingsView {
    /// Of a scene, with the host that it is connected to.
    pub fn of(scene: &Scene<'_>, gateway: Option<&str>) -> Self {
        let person = scene.world.person.as_ref().filter(|_| scene.world.link != Link::Unpaired);
        Self {
            settings: scene.settings.clone(),
            gateway: gateway.filter(|_| scene.world.link != Link::Unpaired).map(str::to_owned),
            name: person.map(|person| person.name.clone()),
            role: person.map(|person| person.role),
            has_reservations: scene.world.mode == Mode::Full,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stage;

    #[test]
    fn the_settings_say_where_and_as_whom() {
        let mut stage = Stage::of("10:42:00", vec![]);
        let shown = SettingsView::of(&stage.scene(), Some("lab-gateway.uni.example"));
        assert_eq!(shown.gateway.as_deref(), Some("lab-gateway.uni.example"));
        assert_eq!((shown.name.as_deref(), shown.role), (Some("ana"), Some(Role::Instructor)));
        assert!(shown.has_reservations);
        stage.world.link = Link::Unpaired;
        let shown = SettingsView::of(&stage.scene(), Some("lab-gateway.uni.example"));
        assert_eq!((shown.gateway, shown.name), (None, None));
    }
}
