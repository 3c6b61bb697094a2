//! Who may command a simulated station.

use std::fmt;

use md5::Digest;
use sha2::Sha256;

/// A local account of a station.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name; letter case does not matter.
    pub user: String,
    /// Never shown.
    pub password: String,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Account {
    /// Whether these are its name and password, as HTTP's Basic scheme has them.
    pub fn is(&self, user: &str, password: &str) -> bool {
        let name = user.rsplit('\\').next().unwrap_or(user);
        name.to_uppercase() == self.user.to_uppercase() && same(password.as_bytes(), self.password.as_bytes())
    }
}

/// Compared in a time that says nothing about where they differ.
pub(super) fn same(a: &[u8], b: &[u8]) -> bool {
    // Of hashes, how much is equal says nothing.
    Sha256::digest(a) == Sha256::digest(b)
}
