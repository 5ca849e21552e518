//! `nearhand invite`, `nearhand enrol`, `nearhand site`: strings with which people join and devices enrol.
//!
//! Signing needs no relay: the organisation's key is here, and the relay learns of an invitation when it is
//! used. The strings of the first two hold a one-time secret; they go to the standard output and nowhere else.

use std::time::Duration;

use nearhand_proto::credential::{self, Invite, Role};
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::invitation::{EnrolmentString, InviteString, OneTime, SiteString};
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire::WireError;
use rand_core::OsRng;
use serde_json::json;

use super::parse;
use crate::clock;
use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::home::TechnicianProfile;

const DAY: Duration = Duration::from_secs(86_400);
/// Most days a credential can be valid: ten years.
const MAX_DAYS: i64 = 3650;

/// Arguments of `nearhand invite`.
#[derive(clap::Args)]
pub struct InviteArgs {
    /// The person's name, as customers see it
    #[arg(value_parser = parse::name)]
    name: String,
    /// They also read the relay's audit log and pass on revocations
    #[arg(long)]
    admin: bool,
    /// For how many days they are a member
    #[arg(long, value_name = "DAYS", default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=MAX_DAYS))]
    valid_days: u32,
    /// How long the string can be used
    #[arg(long, value_name = "TIME", default_value = "48h", value_parser = parse::duration)]
    use_within: Duration,
}

/// Arguments of `nearhand enrol`.
#[derive(clap::Args)]
pub struct EnrolDeviceArgs {
    /// The device's label
    #[arg(value_parser = parse::name)]
    name: String,
    /// For how many days the device is enrolled
    #[arg(long, value_name = "DAYS", default_value_t = 1825, value_parser = clap::value_parser!(u32).range(1..=MAX_DAYS))]
    valid_days: u32,
    /// How long the string can be used
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = parse::duration)]
    use_within: Duration,
}

/// What an invitation says.
pub(super) struct InviteTerms<'a> {
    pub(super) organisation_name: &'a str,
    pub(super) role: Role,
    pub(super) name: &'a str,
    pub(super) now: UnixMillis,
    pub(super) use_within: Duration,
    pub(super) valid_for: Duration,
}

/// Signs an invitation, and returns it with its one-time key.
pub(super) fn issue(
    organisation: &SecretKey,
    what: &InviteTerms<'_>,
) -> Result<(Signed<Invite>, OneTime), WireError> {
    let (invite, key) = credential::invite(organisation, &mut OsRng, |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: what.organisation_name.to_owned(),
        key,
        role: what.role,
        name: what.name.to_owned(),
        issued: what.now,
        use_by: what.now.after(what.use_within),
        valid_until: what.now.after(what.valid_for),
    })?;
    Ok((invite, OneTime::new(*key.seed())))
}

/// Invites a person.
///
/// # Errors
/// [`CommandFailure`]: the organisation's key is not in this directory, or the invitation can't be signed or
/// shown.
pub fn run(ctx: &CommandContext, args: &InviteArgs) -> Result<(), CommandFailure> {
    let role = if args.admin { Role::Admin } else { Role::Technician };
    let wanted = InviteRequest { name: &args.name, role, days: args.valid_days, use_within: args.use_within };
    let (profile, invite, secret) = signed(ctx, &wanted)?;
    let string = InviteString {
        relay: profile.relay,
        organisation: profile.organisation,
        invite: invite.clone(),
        secret,
    };
    show(ctx, &invite, &string.reveal(), "nearhand join STRING")
}

/// Enrols a device.
///
/// # Errors
/// [`CommandFailure`]: the organisation's key is not in this directory, or the enrolment can't be signed or shown.
pub fn enrol(ctx: &CommandContext, args: &EnrolDeviceArgs) -> Result<(), CommandFailure> {
    let wanted = InviteRequest {
        name: &args.name,
        role: Role::Device,
        days: args.valid_days,
        use_within: args.use_within,
    };
    let (profile, invite, secret) = signed(ctx, &wanted)?;
    let string = EnrolmentString {
        relay: profile.relay,
        organisation: profile.organisation,
        invite: invite.clone(),
        secret,
    };
    show(ctx, &invite, &string.reveal(), "nearhand-agent enrol STRING")
}

/// Prints the string for help without enrolment.
///
/// # Errors
/// [`CommandFailure`]: the technician's directory holds no profile, or the output can't be written.
pub fn site(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let profile = ctx.home()?.profile()?;
    let string = SiteString {
        relay: profile.relay,
        organisation: profile.organisation,
        organisation_name: profile.organisation_name,
    };
    let revealed = string.reveal();
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "string": revealed.as_str(),
            "relay": string.relay.to_string(),
            "organisation": {
                "name": string.organisation_name,
                "id": string.organisation.organisation_id().to_string(),
            },
        }))?);
    }
    ctx.output.line(&revealed)?;
    ctx.output.note("It holds no secret and can be published.");
    Ok(())
}

struct InviteRequest<'a> {
    name: &'a str,
    role: Role,
    days: u32,
    use_within: Duration,
}

fn signed(
    ctx: &CommandContext,
    wanted: &InviteRequest<'_>,
) -> Result<(TechnicianProfile, Signed<Invite>, OneTime), CommandFailure> {
    let home = ctx.home()?;
    let profile = home.profile()?;
    let organisation = home.organisation_key_of(&profile)?;
    let what = InviteTerms {
        organisation_name: &profile.organisation_name,
        role: wanted.role,
        name: wanted.name,
        now: clock::now(),
        use_within: wanted.use_within,
        valid_for: DAY.saturating_mul(wanted.days),
    };
    let (invite, secret) = issue(&organisation, &what)?;
    Ok((profile, invite, secret))
}

/// Only the string goes to the standard output, so that it can be piped.
fn show(
    ctx: &CommandContext,
    invite: &Signed<Invite>,
    string: &str,
    how: &str,
) -> Result<(), CommandFailure> {
    let invite =
        invite.peek().map_err(|e| CommandFailure::new(crate::exit::ExitCode::Unexpected, e.to_string()))?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "string": string,
            "invite": invite.id.to_string(),
            "name": invite.name,
            "role": invite.role.to_string(),
            "use_by": invite.use_by.to_string(),
            "valid_until": invite.valid_until.to_string(),
        }))?);
    }
    ctx.output.line(string)?;
    ctx.output.note(&format!(
        "For {} ({}), once, until {}: {how}\nIt works for the first person who uses it: hand it over safely. To withdraw it: \
         nearhand revoke invite {}",
        invite.name, invite.role, invite.use_by, invite.id
    ));
    Ok(())
}
