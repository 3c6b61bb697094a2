//! A unit of work that met another commit is done again.

/// How often it is tried.
pub(crate) const ATTEMPTS: u32 = 5;

/// Does it again where its error says that it met another commit. A macro, since an async closure cannot promise to be `Send`.
macro_rules! repeating {
    ($work:expr) => {{
        let mut attempt = 1;
        loop {
            match $work.await {
                Err(error) if error.is_conflict() && attempt < $crate::repeating::ATTEMPTS => attempt += 1,
                done => break done,
            }
        }
    }};
}
pub(crate) use repeating;
