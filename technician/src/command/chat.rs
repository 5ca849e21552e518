//! `nearhand chat`: chat with the person at a device, without asking for any capability.

use super::{connect, in_session};
use crate::context::CommandContext;
use crate::exit::CommandFailure;

/// Arguments of `nearhand chat`.
#[derive(clap::Args)]
pub struct ChatArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    #[arg(required = true, num_args = 1.., value_name = "TARGET")]
    pub target: Vec<String>,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// Connects, and chats until the session ends.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: ChatArgs) -> Result<(), CommandFailure> {
    let reason = args.reason.as_deref().unwrap_or_default();
    let (session, updates) = in_session::open(ctx, &args.target.join(" "), reason).await?;
    connect::converse(ctx, session, updates, nearhand_proto::grant::DEFAULT_DURATION).await
}
