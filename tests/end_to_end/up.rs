//! `stationkeeper up` from the outside: S3 clients in front, the API behind, the database beside it.

mod bad_input;
mod life;
mod telemetry;
mod uploads;
