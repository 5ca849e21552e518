//! `nearhand join`: an invitation becomes a membership.

use nearhand_proto::credential::{Credential, Role};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::InviteString;
use nearhand_proto::message::control::RelayRequest;
use rand_core::OsRng;
use serde_json::json;

use super::parse;
use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode, HasExitCode};
use crate::home::{
    ClientHome, ClientHomeError, IdentityChange, PendingIdentity, TechnicianIdentity, TechnicianProfile,
};
use crate::relay::{self, RelayClient, RelayClientError};

/// Arguments of `nearhand join`.
#[derive(clap::Args)]
pub struct JoinArgs {
    /// The string you were given; - reads it from the standard input
    #[arg(value_name = "STRING")]
    string: String,
}

/// Joins the organisation.
///
/// # Errors
/// [`CommandFailure`]: the string is wrong, the directory has an identity already, or the relay can't be reached
/// or refuses.
pub async fn run(ctx: &CommandContext, args: JoinArgs) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    let text = parse::string_or_stdin(args.string)?;
    let string: InviteString = text.parse()?;
    if settle_earlier(ctx, &home).await? {
        return Ok(());
    }
    must_be_new(&home)?;
    let (pending, request) = prepare(&string)?;
    let busy = ctx.output.busy("joining");
    let outcome = relay::admit(&home, &pending, &request).await;
    busy.finish_and_clear();
    admitted(ctx, IdentityChange::Join, outcome)?;
    report(ctx, &pending.identity)
}

/// [`ClientHomeError::AlreadySetUp`] if the directory has an identity already.
pub(super) fn must_be_new(home: &ClientHome) -> Result<(), ClientHomeError> {
    match home.identity() {
        Ok(identity) => Err(ClientHomeError::AlreadySetUp {
            dir: home.dir().to_owned(),
            name: identity.name().to_owned(),
            organisation: identity.profile.organisation_name,
        }),
        Err(ClientHomeError::NotSetUp { .. }) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Asks the relay about a claim or a join that was begun before. `true` if it had succeeded.
pub(super) async fn settle_earlier(ctx: &CommandContext, home: &ClientHome) -> Result<bool, CommandFailure> {
    let Some(pending) = home.pending()? else { return Ok(false) };
    match RelayClient::connect(home).await {
        Ok(connection) if connection.identity().key.public() == pending.identity.key.public() => {
            ctx.output.note(&format!(
                "The {} that was begun earlier had succeeded; it is finished now.",
                pending.step
            ));
            report(ctx, connection.identity())?;
            connection.finish().await;
            Ok(true)
        }
        Ok(_) | Err(RelayClientError::Home(ClientHomeError::NotSetUp { .. })) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// Passes on the outcome of asking the relay, and says what to do if it isn't known.
pub(super) fn admitted(
    ctx: &CommandContext,
    step: IdentityChange,
    outcome: Result<(), RelayClientError>,
) -> Result<(), CommandFailure> {
    if outcome.as_ref().is_err_and(RelayClientError::leaves_open) {
        ctx.output.warn(&format!(
            "whether the relay agreed to the {step} is not known; nothing is lost. `nearhand status` finds out."
        ));
    }
    Ok(outcome?)
}

fn prepare(string: &InviteString) -> Result<(PendingIdentity, RelayRequest), CommandFailure> {
    let now = clock::now();
    let own = SecretKey::generate(&mut OsRng);
    let credential = Credential::join(string.invite.clone(), &string.secret.key(), &own.public(), now)?;
    let who = credential
        .verify(&string.organisation, now)
        .map_err(|e| CommandFailure::new(e.exit_code(), format!("this invitation does not count: {e}")))?;
    if who.invite.role == Role::Device {
        return Err(CommandFailure::new(ExitCode::Usage, "this string is for a device, not for a person"));
    }
    let profile = TechnicianProfile {
        relay: string.relay.clone(),
        organisation: string.organisation,
        organisation_name: who.invite.organisation_name,
        credential: credential.clone(),
    };
    let identity = TechnicianIdentity::new(profile, own)
        .map_err(|error| CommandFailure::new(ExitCode::Usage, error.to_string()))?;
    let pending = PendingIdentity { step: IdentityChange::Join, identity, organisation_key: None };
    Ok((pending, RelayRequest::Join { credential, facts: None }))
}

fn report(ctx: &CommandContext, identity: &TechnicianIdentity) -> Result<(), CommandFailure> {
    let (profile, invite) = (&identity.profile, &identity.who.invite);
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "organisation": {"name": profile.organisation_name, "id": profile.organisation.organisation_id().to_string()},
            "name": identity.name(), "id": identity.id().to_string(), "role": invite.role.to_string(),
            "relay": profile.relay.to_string(), "valid_until": invite.valid_until.to_string(),
        }))?);
    }
    Ok(ctx.output.line(&format!(
        "{} is now {} at {}, until {}.",
        identity.name(),
        invite.role,
        profile.organisation_name,
        invite.valid_until
    ))?)
}
