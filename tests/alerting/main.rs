//! Who is told what, over the parts themselves: the real ingest, check and planner over a bucket in memory, both databases, and a clock
//! that stands where it is put. A test is a timeline: this happens, and that is what people hear.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod crashes;
mod stories;
mod world;
