//! Memory in pages of 4 KiB.

/// Whatever this process asks for from now on comes in small pages. The allocator asks for huge ones, which are quicker, but a service whose memory comes and goes
/// with every batch holds a third more in them.
#[cfg(target_os = "linux")]
pub fn ask() {
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(error = %error, "memory comes in huge pages");
    }
}

/// Elsewhere nobody asks for huge pages.
#[cfg(not(target_os = "linux"))]
pub fn ask() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn no_huge_pages_come_afterwards() {
        super::ask();
        assert!(rustix::thread::transparent_huge_pages_are_disabled().unwrap());
    }
}
