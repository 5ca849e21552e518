//! `nearhand rotate`: a new key, endorsed by the old one, which retires itself.

use rand_core::OsRng;
use serde_json::json;

use super::join::admitted;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::home::IdentityChange;

/// Rotates.
///
/// # Errors
/// [`CommandFailure`]: the key has been rotated as often as is possible, the relay can't be reached or refuses, or the
/// output can't be written.
pub async fn run(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    if relay.rotations_left() == 0 {
        return Err(CommandFailure::new(
            ExitCode::Usage,
            "this key has been rotated as often as is possible: ask the administrator for a new invitation",
        ));
    }
    let busy = ctx.output.busy("replacing the key");
    let outcome = relay.rotate(&mut OsRng).await;
    busy.finish_and_clear();
    let relay = match outcome {
        Ok(relay) => relay,
        Err(e) => return admitted(ctx, IdentityChange::Rotation, Err(e)),
    };
    let (key, left) = (relay.identity().key.public(), relay.rotations_left());
    relay.finish().await;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"key": key.to_string(), "rotations_left": left}))?);
    }
    Ok(ctx.output.line(&format!(
        "Your key has been replaced; the old one is no longer valid. It can be replaced {left} more times; then you need a \
         new invitation."
    ))?)
}
