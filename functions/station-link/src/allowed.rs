//! Which commands of Lab Station a deployment lets callers name.

use std::collections::BTreeSet;

/// The commands that callers may name here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedCommands(BTreeSet<&'static str>);

impl AllowedCommands {
    const ALL: [&str; 6] = ["prepare-session", "release-session", "session", "power", "recovery", "status-json"];

    /// Only those of a list, by commas or spaces (`OPS_ALLOWED_COMMANDS`), and its words that mean nothing here. An empty list narrows nothing, and
    /// none widens.
    pub fn narrowed(list: &str) -> (Self, Vec<String>) {
        let mut words = list.split([',', ';']).flat_map(str::split_whitespace).peekable();
        if words.peek().is_none() {
            return (Self::default(), Vec::new());
        }
        let mut allowed = BTreeSet::new();
        let mut unknown = Vec::new();
        for word in words {
            match Self::ALL.into_iter().find(|known| known.eq_ignore_ascii_case(word)) {
                Some(known) => {
                    allowed.insert(known);
                }
                None => unknown.push(word.to_owned()),
            }
        }
        (Self(allowed), unknown)
    }

    /// Whether a caller may name it.
    pub fn allows(&self, command: &str) -> bool {
        self.0.contains(command)
    }
}

/// All that there are.
impl Default for AllowedCommands {
    fn default() -> Self {
        Self(Self::ALL.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_narrows_and_never_widens() {
        let (allowed, unknown) = AllowedCommands::narrowed("status-json, Power;account energy");
        assert_eq!(unknown, ["account", "energy"]);
        for (command, allows) in
            [("status-json", true), ("power", true), ("prepare-session", false), ("account", false)]
        {
            assert_eq!(allowed.allows(command), allows, "{command}");
        }
        assert_eq!(AllowedCommands::narrowed(" , "), (AllowedCommands::default(), vec![]));
        let (none, _) = AllowedCommands::narrowed("account");
        assert!(!none.allows("power"));
    }
}
