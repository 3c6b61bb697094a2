//! The binary. Everything that it does stands in the library beside it.

use std::process::ExitCode;

/// Many small strings come and go with every heartbeat.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    stationkeeper::run()
}
