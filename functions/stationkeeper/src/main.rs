//! The binary. Everything that it does stands in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    stationkeeper::run()
}
