//! `nearhand chat`: write with the person at a device.

use super::Context;
use crate::exit::{ExitCode, Failure};

/// Arguments of `nearhand chat`.
#[derive(clap::Args)]
pub struct ChatArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    pub target: String,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Not built yet.
///
/// # Errors
/// Always.
#[allow(clippy::unused_async, clippy::needless_pass_by_value, reason = "a placeholder")]
pub async fn run(_ctx: &Context, _args: ChatArgs) -> Result<(), Failure> {
    Err(Failure::new(ExitCode::Unexpected, "not built yet"))
}
