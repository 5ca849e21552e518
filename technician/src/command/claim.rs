//! `nearhand claim`: makes the organisation's key and its first administrator.

use std::time::Duration;

use nearhand_proto::credential::{Credential, Role};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::ClaimString;
use nearhand_proto::message::control::RelayRequest;
use rand_core::OsRng;
use serde_json::json;

use super::invite::{InviteTerms, issue};
use super::join::{admitted, settle_earlier};
use super::parse;
use crate::clock;
use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::home::{
    ClientHome, ClientHomeError, IdentityChange, PendingIdentity, TechnicianIdentity, TechnicianProfile,
};
use crate::relay;

/// Validity of the claimer's own credential. Long, because the holder of the organisation's key can renew it at any
/// time.
const OWN_VALIDITY: Duration = Duration::from_secs(3650 * 86_400);
/// Time within which the claimer's own invite must be used; it is used at once.
const OWN_USE: Duration = Duration::from_secs(86_400);

/// Arguments of `nearhand claim`.
#[derive(clap::Args)]
pub struct ClaimArgs {
    /// The string that `nearhand-relay init` printed; - reads it from the standard input
    #[arg(value_name = "STRING")]
    string: String,
    /// The organisation's name, as customers see it
    #[arg(long, value_name = "NAME", value_parser = parse::name)]
    organisation: Option<String>,
    /// Your name, as customers see it
    #[arg(long, value_name = "YOU", value_parser = parse::name)]
    name: Option<String>,
    /// Claim a new relay for the organisation whose key is here already (after a relay was lost)
    #[arg(long)]
    keep_organisation: bool,
}

/// Claims the relay.
///
/// # Errors
/// [`CommandFailure`]: the string is wrong, the relay can't be reached or refuses, or the directory belongs to
/// another identity.
pub async fn run(ctx: &CommandContext, args: ClaimArgs) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    let text = parse::string_or_stdin(args.string)?;
    let string: ClaimString = text.parse()?;
    if settle_earlier(ctx, &home).await? {
        return Ok(());
    }
    let (organisation, known_name) = organisation_key(&home, args.keep_organisation)?;
    let organisation_name = parse::name_or_ask(
        args.organisation.or(known_name),
        "the organisation's name (--organisation NAME)",
        None,
    )?;
    let user = std::env::var("USER").or_else(|_| std::env::var("USERNAME")).ok();
    let name = parse::name_or_ask(args.name, "your name (--name YOU)", user)?;
    let (pending, request) = prepare(&string, organisation, &organisation_name, &name)?;
    let busy = ctx.output.busy("claiming the relay");
    let outcome = relay::admit(&home, &pending, &request).await;
    busy.finish_and_clear();
    admitted(ctx, IdentityChange::Claim, outcome)?;
    report(ctx, &home, &pending.identity)
}

/// A new key, or with `keep` the one that is here. A key that is here is never overwritten.
fn organisation_key(home: &ClientHome, keep: bool) -> Result<(SecretKey, Option<String>), CommandFailure> {
    let profile = match home.profile() {
        Ok(profile) => Some(profile),
        Err(ClientHomeError::NotSetUp { .. }) => None,
        Err(e) => return Err(e.into()),
    };
    if keep {
        let name = profile.as_ref().map(|p| p.organisation_name.clone());
        let key = profile.map_or_else(|| home.organisation_key(), |p| home.organisation_key_of(&p))?;
        return Ok((key, name));
    }
    if home.has_organisation_key() {
        let path = home.dir().join("organisation.key");
        return Err(ClientHomeError::OrganisationKeyExists { path }.into());
    }
    super::join::must_be_new(home)?;
    Ok((SecretKey::generate(&mut OsRng), None))
}

fn prepare(
    string: &ClaimString,
    organisation: SecretKey,
    organisation_name: &str,
    name: &str,
) -> Result<(PendingIdentity, RelayRequest), CommandFailure> {
    let now = clock::now();
    let own = SecretKey::generate(&mut OsRng);
    let (invite, one_time) = issue(
        &organisation,
        &InviteTerms {
            organisation_name,
            role: Role::Admin,
            name,
            now,
            use_within: OWN_USE,
            valid_for: OWN_VALIDITY,
        },
    )?;
    let credential = Credential::join(invite, &one_time.key(), &own.public(), now)?;
    let profile = TechnicianProfile {
        relay: string.relay.clone(),
        organisation: organisation.public(),
        organisation_name: organisation_name.to_owned(),
        credential: credential.clone(),
    };
    let request = RelayRequest::Claim {
        secret: string.secret.clone(),
        organisation: organisation.public(),
        credential,
    };
    let identity = TechnicianIdentity::new(profile, own)
        .map_err(|error| CommandFailure::new(crate::exit::ExitCode::Unexpected, error.to_string()))?;
    Ok((
        PendingIdentity { step: IdentityChange::Claim, identity, organisation_key: Some(organisation) },
        request,
    ))
}

fn report(
    ctx: &CommandContext,
    home: &ClientHome,
    identity: &TechnicianIdentity,
) -> Result<(), CommandFailure> {
    let out = &ctx.output;
    let profile = &identity.profile;
    if out.is_json() {
        return Ok(out.json(&json!({
            "organisation": {"name": profile.organisation_name, "id": profile.organisation.organisation_id().to_string()},
            "name": identity.name(), "id": identity.id().to_string(),
            "relay": profile.relay.to_string(),
            "organisation_key": home.dir().join("organisation.key"),
        }))?);
    }
    out.line(&format!(
        "{} now belongs to {}, and {} is its first administrator.",
        profile.relay,
        profile.organisation_name,
        identity.name()
    ))?;
    out.warn(&format!(
        "the organisation's key exists only in {}. Anyone who has it can invite anybody; without it nobody can be \
         invited, enrolled or revoked again. Back it up now, and keep the file and its passphrase apart from \
         this machine:\n\n    nearhand organisation backup FILE\n",
        home.dir().join("organisation.key").display()
    ));
    out.note("Next: `nearhand invite NAME` for people, `nearhand enrol NAME` for devices.");
    Ok(())
}
