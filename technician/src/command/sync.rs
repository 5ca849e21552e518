//! `nearhand sync`: fetches the newest revocation list; an administrator's client gives the relay a newer one.

use nearhand_proto::message::control::RelayRequest;
use serde_json::json;

use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::relay::RelayClient;

/// Synchronises revocation lists.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, or the lists in the technician's directory can't be
/// read or written.
pub async fn run(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let before = number(&ctx.home()?.revocations()?);
    let relay = ctx.connect().await?;
    let handed_on = hand_on(&relay).await?;
    let known = relay.home().revocations()?;
    relay.finish().await;
    let list = known.list().and_then(|list| list.peek().ok());
    let (keys, invites) = list.as_ref().map_or((0, 0), |l| (l.keys.len(), l.invites.len()));
    let now = number(&known);
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "list": now, "keys": keys, "invites": invites, "news": now > before, "handed_on": handed_on,
        }))?);
    }
    let news = if now > before { "new" } else { "unchanged" };
    let mut line = match list {
        None => "Nothing has been revoked.".to_owned(),
        Some(list) => {
            format!("Revocation list {now} of {} ({news}): {keys} keys, {invites} invitations.", list.issued)
        }
    };
    if handed_on {
        line += " The relay had an older list and has this one now.";
    }
    Ok(ctx.output.line(&line)?)
}

fn number(known: &nearhand_proto::credential::Revocations) -> u64 {
    known.list().and_then(|list| list.peek().ok()).map_or(0, |list| list.number)
}

/// A relay that was set back (restored from a backup, or by somebody) gets the newer list from an administrator.
async fn hand_on(relay: &RelayClient) -> Result<bool, CommandFailure> {
    if !relay.identity().is_admin() {
        return Ok(false);
    }
    let known = relay.home().revocations()?;
    let Some(list) = known.list() else { return Ok(false) };
    let organisation = &relay.identity().profile.organisation;
    let welcome = relay.welcome();
    let theirs =
        welcome.revocations.as_ref().and_then(|list| list.open(organisation).ok()).map_or(0, |l| l.number);
    if theirs >= number(&known) {
        return Ok(false);
    }
    relay.done(&RelayRequest::Revoke(list.clone())).await?;
    Ok(true)
}
