//! `nearhand audit`: the relay's log, row by row, and whether anybody has edited or cut it.
//!
//! The log is verified under the relay's pinned key, not under keys that the relay names, and against every head that
//! was verified here before.

use nearhand_proto::audit::{AuditHead, AuditRow, BrokenLog, LogDefect, LogVerifier};
use nearhand_proto::identity::PublicKey;
use serde_json::json;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::{TableCell, TextTone};
use crate::relay::{RelayClient, RelayClientError};

/// Arguments of `nearhand audit`.
#[derive(clap::Args)]
pub struct AuditArgs {
    /// Show or verify.
    #[command(subcommand)]
    what: Option<AuditAction>,
}

/// What is done with the log.
#[derive(clap::Subcommand)]
enum AuditAction {
    /// Show the rows (the default); with --json one row per line
    Show {
        /// Only rows after this number
        #[arg(long, value_name = "NUMBER", default_value_t = 0)]
        after: u64,
    },
    /// Check that no row was edited, put in, taken out or cut off
    Verify {
        /// A former key of the relay that its operator has confirmed; can be given several times
        #[arg(long, value_name = "KEY")]
        accept_key: Vec<PublicKey>,
    },
}

/// Shows the log, or verifies it.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses; with [`ExitCode::AuditBroken`], the relay's log
/// contradicts itself or what was witnessed here.
pub async fn run(ctx: &CommandContext, args: AuditArgs) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let outcome = match args.what.unwrap_or(AuditAction::Show { after: 0 }) {
        AuditAction::Show { after } => show(ctx, &relay, after).await,
        AuditAction::Verify { accept_key } => verify(ctx, &relay, accept_key).await,
    };
    relay.finish().await;
    outcome
}

async fn show(ctx: &CommandContext, relay: &RelayClient, mut after: u64) -> Result<(), CommandFailure> {
    loop {
        let (_, rows) = relay.audit(after).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        if last.number <= after {
            return Err(RelayClientError::nonsense("its audit rows go backwards").into());
        }
        after = last.number;
        if ctx.output.is_json() {
            rows.iter().try_for_each(|row| ctx.output.json(row))?;
        } else {
            let cells: Vec<_> = rows.into_iter().map(cells).collect();
            ctx.output.table(&["ROW", "AT", "WHO", "WHAT", "SESSION", "DETAIL"], &cells)?;
        }
    }
}

fn cells(row: AuditRow) -> Vec<TableCell> {
    let session = row.event.session.map(|s| s.to_string()).unwrap_or_default();
    vec![
        row.number.to_string().into(),
        row.at.to_string().into(),
        row.event.actor.into(),
        row.event.action.into(),
        TableCell::toned(session, TextTone::Faint),
        row.event.detail.into(),
    ]
}

async fn verify(
    ctx: &CommandContext,
    relay: &RelayClient,
    accepted: Vec<PublicKey>,
) -> Result<(), CommandFailure> {
    let pinned = relay.identity().profile.relay.key;
    let trusted: Vec<PublicKey> = core::iter::once(pinned).chain(accepted).collect();
    let busy = ctx.output.busy("verifying the relay's audit log");
    let verdict = check_log(relay, &trusted).await?;
    busy.finish_and_clear();
    match verdict {
        AuditVerdict::Whole(head) => {
            relay.home().witness(head)?;
            show_whole(ctx, head)
        }
        AuditVerdict::Broken(broken) => Err(show_broken(ctx, &broken)?),
    }
}

/// The first bad row, and the keys that the relay calls its own but this client does not trust.
struct BrokenAudit {
    broken: BrokenLog,
    strangers: Vec<PublicKey>,
}

/// What came of checking the log.
enum AuditVerdict {
    /// Nothing was edited or cut; its newest head.
    Whole(AuditHead),
    /// A row is not what was signed.
    Broken(BrokenAudit),
}

async fn check_log(relay: &RelayClient, trusted: &[PublicKey]) -> Result<AuditVerdict, CommandFailure> {
    let mut verifier = LogVerifier::new(trusted.to_vec(), relay.home().witnessed_heads()?);
    let mut taken = 0;
    let mut strangers = Vec::new();
    loop {
        let (keys, rows) = relay.audit(taken).await?;
        strangers.extend(keys.into_iter().filter(|key| !trusted.contains(key)));
        strangers.sort_unstable();
        strangers.dedup();
        strangers.truncate(MAX_STRANGERS);
        if rows.is_empty() {
            return Ok(match verifier.finish() {
                Ok(head) => AuditVerdict::Whole(head),
                Err(broken) => AuditVerdict::Broken(BrokenAudit { broken, strangers }),
            });
        }
        for row in &rows {
            if let Err(broken) = verifier.row(Some(row)) {
                return Ok(AuditVerdict::Broken(BrokenAudit { broken, strangers }));
            }
            taken = row.number;
        }
    }
}

/// Most unknown keys that the message lists.
const MAX_STRANGERS: usize = 8;

fn show_whole(ctx: &CommandContext, head: AuditHead) -> Result<(), CommandFailure> {
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"verified": true, "rows": head.number, "head": head}))?);
    }
    let note =
        "the log is complete; its newest hash is remembered here, so that a later cut or rewrite is found";
    Ok(ctx.output.line(&format!("{} rows verified: {note}.", head.number))?)
}

fn show_broken(ctx: &CommandContext, bad: &BrokenAudit) -> Result<CommandFailure, CommandFailure> {
    if ctx.output.is_json() {
        ctx.output.json(&json!({
            "verified": false,
            "row": bad.broken.row,
            "why": bad.broken.why.to_string(),
            "unknown_keys": bad.strangers.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }))?;
    }
    let mut message = format!("the relay's audit log is broken: {}", bad.broken);
    if bad.broken.why == LogDefect::Signature && !bad.strangers.is_empty() {
        let keys: Vec<_> = bad.strangers.iter().map(|key| format!("--accept-key {key}")).collect();
        message += &format!(
            ". The relay says that it had these keys before. If its operator confirms that by another way than through \
             the relay, run this again with {}",
            keys.join(" ")
        );
    }
    Ok(CommandFailure::new(ExitCode::AuditBroken, message))
}
