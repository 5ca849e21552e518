//! `nearhand diagnose`: check how a device is doing.

use std::path::PathBuf;
use std::time::Duration;

use super::Context;
use crate::exit::{ExitCode, Failure};

/// Arguments of `nearhand diagnose`.
#[derive(clap::Args)]
pub struct DiagnoseArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    pub target: String,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only the quick checks
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// All checks
    #[arg(long)]
    pub full: bool,
    /// Where to put the report [default: the session's directory]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// An earlier report to compare with
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Replace names and addresses in the report
    #[arg(long)]
    pub pseudonymise: bool,
    /// For how long it is asked
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = super::parse::duration)]
    pub duration: Duration,
}

/// Not built yet.
///
/// # Errors
/// Always.
#[allow(clippy::unused_async, clippy::needless_pass_by_value, reason = "a placeholder")]
pub async fn run(_ctx: &Context, _args: DiagnoseArgs) -> Result<(), Failure> {
    Err(Failure::new(ExitCode::Unexpected, "not built yet"))
}
