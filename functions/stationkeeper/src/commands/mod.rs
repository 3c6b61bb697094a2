//! A command a module.

pub mod access;
pub mod actions;
pub mod alerts;
pub mod bench;
pub mod config;
pub mod explain;
pub mod history;
pub mod hosts;
pub mod migrate;
pub mod normalize;
pub mod notifications;
pub mod queue;
pub mod raw;
pub mod replay;
pub mod reserve;
pub mod run;
pub mod share;
pub mod silence;
pub mod simulate;
pub mod station;
pub mod status;
pub mod summary;
pub mod train_dictionary;
pub mod wake;
