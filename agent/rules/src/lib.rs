//! Alarm rules: what is measured, when that is an alarm, and when it is over.
//!
//! A pure core. Lives here: the catalogue of [`sensor`]s, reading rules from TOML with errors that name the line
//! ([`parse`]), the default [`profile`]s, and the [`engine`] that turns readings into events. Must not live here: how
//! anything is measured, clocks, files, and where events go. Time comes as an argument, both as the monotonic clock
//! (which alone decides) and as the wall clock (which events are stamped with).

pub mod condition;
pub mod engine;
mod flap;
mod instance;
pub mod parse;
pub mod profile;
mod raw;
pub mod rule;
pub mod sensor;
mod summary;
pub mod units;
mod window;

pub use engine::{Engine, EngineTime, InstanceStatus, StateRow};
pub use parse::{RuleMistake, RuleSet};
pub use rule::AlarmRule;
pub use sensor::{SensorReading, SensorSpec, SensorUnit};
