//! `nearhand connect`: help at a device.

use std::time::Duration;

use nearhand_shared::grant::Capability;

use super::Context;
use crate::exit::{ExitCode, Failure};

/// Arguments of `nearhand connect`.
#[derive(clap::Args)]
pub struct ConnectArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    pub target: String,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// What to ask for at once, such as view,control
    #[arg(long, value_name = "CAP,CAP", value_delimiter = ',')]
    pub ask: Vec<Capability>,
    /// For how long it is asked
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = super::parse::duration)]
    pub duration: Duration,
}

/// Not built yet.
///
/// # Errors
/// Always.
#[allow(clippy::unused_async, clippy::needless_pass_by_value, reason = "a placeholder")]
pub async fn run(_ctx: &Context, _args: ConnectArgs) -> Result<(), Failure> {
    Err(Failure::new(ExitCode::Unexpected, "not built yet"))
}
