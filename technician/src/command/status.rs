//! `nearhand status`: your identity and organisation, whether the relay can be reached, and what needs attention.

use nearhand_proto::credential::MAX_LINKS;
use serde_json::json;

use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::home::{ClientHome, TechnicianIdentity};
use crate::membership::Membership;
use crate::output::{TableCell, TextTone};
use crate::relay::{RelayClient, RelayClientError};

/// Milliseconds before the end of a membership from which on it is pointed out: two weeks.
const WARN_MS: u64 = 14 * 86_400_000;

/// Shows the status. If the relay can't be reached, fails with its error after the rest has been shown.
///
/// # Errors
/// [`CommandFailure`]: there is no profile, the relay can't be reached or refuses, or the membership is not valid;
/// the exit code tells which.
pub async fn run(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    // First, because it settles a change of identity that was begun.
    let relay = ctx.connect().await;
    let identity = match &relay {
        Ok(relay) => relay.identity().clone(),
        // A join that isn't settled has no identity yet; then the relay's error is all there is to say.
        Err(RelayClientError::Home(_)) => home.identity()?,
        Err(e) => home
            .identity()
            .map_err(|_| CommandFailure::new(crate::exit::HasExitCode::exit_code(e), e.to_string()))?,
    };
    let status = ClientStatus::gather(&home, &identity)?;
    if ctx.output.is_json() {
        ctx.output.json(&status.as_json(&home, &identity, relay.as_ref()))?;
    } else {
        ctx.output.facts(&status.facts(&home, &identity, relay.as_ref()))?;
        status.warn(ctx, &identity);
    }
    match relay {
        Ok(relay) if status.membership == Membership::Valid => {
            relay.finish().await;
            Ok(())
        }
        Ok(_) => Err(CommandFailure::new(ExitCode::Revoked, "your membership no longer counts")),
        Err(e) => Err(e.into()),
    }
}

struct ClientStatus {
    membership: Membership,
    expires_soon: bool,
    organisation_key: bool,
    list: u64,
    known_devices: usize,
}

impl ClientStatus {
    fn gather(home: &ClientHome, identity: &TechnicianIdentity) -> Result<Self, CommandFailure> {
        let revocations = home.revocations()?;
        let (now, profile) = (clock::now(), &identity.profile);
        let (membership, _) = Membership::of(&profile.credential, &profile.organisation, &revocations, now);
        Ok(Self {
            membership,
            expires_soon: identity.who.invite.valid_until.0.saturating_sub(now.0) < WARN_MS,
            organisation_key: home.has_organisation_key(),
            list: revocations.list().and_then(|l| l.peek().ok()).map_or(0, |l| l.number),
            known_devices: home.known_devices()?.entries().len(),
        })
    }

    fn as_json(
        &self,
        home: &ClientHome,
        identity: &TechnicianIdentity,
        relay: Result<&RelayClient, &RelayClientError>,
    ) -> serde_json::Value {
        let (profile, invite) = (&identity.profile, &identity.who.invite);
        json!({
            "name": identity.name(),
            "id": identity.id().to_string(),
            "role": invite.role.to_string(),
            "membership": self.membership,
            "valid_until": invite.valid_until.to_string(),
            "rotations_left": MAX_LINKS.saturating_sub(identity.who.keys().len()),
            "organisation": {
                "name": profile.organisation_name,
                "id": profile.organisation.organisation_id().to_string(),
            },
            "organisation_key": self.organisation_key,
            "relay": {
                "address": profile.relay.to_string(),
                "key": profile.relay.key.to_string(),
                "reachable": relay.is_ok() || refused(relay),
                "at": relay.ok().map(|r| r.relay_addr().to_string()),
                "version": relay.ok().map(|r| r.welcome().program.version.clone()),
                "error": relay.err().map(ToString::to_string),
            },
            "revocation_list": self.list,
            "known_devices": self.known_devices,
            "home": home.dir(),
        })
    }

    fn facts(
        &self,
        home: &ClientHome,
        identity: &TechnicianIdentity,
        relay: Result<&RelayClient, &RelayClientError>,
    ) -> Vec<(&'static str, TableCell)> {
        let (profile, invite) = (&identity.profile, &identity.who.invite);
        let reached = match relay {
            Ok(r) => TableCell::toned(
                format!(
                    "{}, reached at {}, version {}",
                    profile.relay,
                    r.relay_addr(),
                    r.welcome().program.version
                ),
                TextTone::Good,
            ),
            Err(_) if refused(relay) => {
                TableCell::toned(format!("{}, reached, but it refused", profile.relay), TextTone::Bad)
            }
            Err(_) => TableCell::toned(format!("{}, not reached", profile.relay), TextTone::Bad),
        };
        let key = if self.organisation_key { "here (keep a backup of it)" } else { "not here" };
        vec![
            ("You", format!("{}, {} ({})", identity.name(), invite.role, identity.id()).into()),
            ("Organisation", profile.organisation_name.clone().into()),
            (
                "Membership",
                TableCell::toned(
                    format!("{}, until {}", self.membership.name(), invite.valid_until),
                    self.membership.tone(),
                ),
            ),
            ("Organisation key", key.into()),
            ("Relay", reached),
            ("Revocation list", self.list.to_string().into()),
            ("Devices met", self.known_devices.to_string().into()),
            ("Directory", home.dir().display().to_string().into()),
        ]
    }

    fn warn(&self, ctx: &CommandContext, identity: &TechnicianIdentity) {
        if self.membership == Membership::Valid && self.expires_soon {
            ctx.output.warn(&format!(
                "your membership ends at {}: ask the administrator for a new invitation",
                identity.who.invite.valid_until
            ));
        }
    }
}

/// A relay that refuses was reached.
fn refused(relay: Result<&RelayClient, &RelayClientError>) -> bool {
    relay.is_err_and(|error| error.refusal().is_some())
}
