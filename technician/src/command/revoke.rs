//! `nearhand revoke`: revokes a device, a person or an invitation.
//!
//! The organisation's key signs the next revocation list here; the relay only distributes it. A device or a person is
//! revoked with all keys of their chain, so that no older key can be used again.

use nearhand_proto::credential::{FOR_EVER, MAX_REVOKED, RevocationList};
use nearhand_proto::id::InviteId;
use nearhand_proto::identity::PublicKey;
use nearhand_proto::message::control::RelayRequest;
use nearhand_proto::time::UnixMillis;
use serde_json::json;

use crate::clock;
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::membership::Membership;
use crate::relay::RelayClient;
use crate::selection::{SelectionResult, select};

/// Arguments of `nearhand revoke`.
#[derive(clap::Args)]
pub struct RevokeArgs {
    /// What to revoke.
    #[command(subcommand)]
    what: RevokeTarget,
}

/// What is revoked.
#[derive(clap::Subcommand)]
enum RevokeTarget {
    /// A device, by its label, its id or the beginning of it; by its whole id also if it isn't listed
    Device {
        /// The device's label, its id, or at least four digits of the beginning of its id
        #[arg(value_name = "ID-OR-LABEL")]
        which: String,
    },
    /// A person, by their name, their id or the beginning of it; by their whole id also if they aren't listed
    Person {
        /// The person's name, their id, or at least four digits of the beginning of their id
        #[arg(value_name = "ID-OR-NAME")]
        which: String,
    },
    /// An invitation or enrolment string, used or not, by the id that was printed with it
    Invite {
        /// The invitation's id
        #[arg(value_name = "ID")]
        id: InviteId,
    },
}

/// Somebody who can be revoked.
struct RevocationCandidate {
    id: String,
    name: String,
    keys: Vec<PublicKey>,
    /// Until when its credential is good: the list need not keep it for longer.
    until: UnixMillis,
}

/// Revokes.
///
/// # Errors
/// [`CommandFailure`]: the organisation's key is not here, no target or several fit, the list is full, or the
/// relay can't be reached or refuses.
pub async fn run(ctx: &CommandContext, args: RevokeArgs) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    let organisation = home.organisation_key_of(&home.profile()?)?;
    let relay = ctx.connect().await?;
    let mut list =
        home.revocations()?.next_list(organisation.public().organisation_id(), clock::now(), [], []);
    let what = match args.what {
        RevokeTarget::Device { which } => {
            match (one(&which, devices(&relay).await?, "device"), which.parse()) {
                (Ok(found), _) => found.revoke(&mut list, "device "),
                // What the relay doesn't list, or no longer, is revoked by its id.
                (Err(_), Ok(id)) => {
                    list.devices.insert(id, FOR_EVER);
                    format!("device {id}, which is not listed")
                }
                (Err(failure), Err(_)) => return Err(failure),
            }
        }
        RevokeTarget::Person { which } => match (one(&which, people(&relay).await?, "person"), which.parse())
        {
            (Ok(found), _) if found.keys.contains(&relay.identity().key.public()) => return Err(yourself()),
            (Err(_), Ok(id)) if id == relay.identity().id() => return Err(yourself()),
            (Ok(found), _) => found.revoke(&mut list, ""),
            (Err(_), Ok(id)) => {
                list.people.insert(id, FOR_EVER);
                format!("person {id}, who is not listed")
            }
            (Err(failure), Err(_)) => return Err(failure),
        },
        RevokeTarget::Invite { id } => {
            list.invites.insert(id, FOR_EVER);
            format!("invitation {id}")
        }
    };
    check_room(&list)?;
    let signed = organisation.sign(&list)?;
    // The relay first: if it has a newer list it refuses ours, and nothing has changed here.
    relay.done(&RelayRequest::Revoke(signed.clone())).await?;
    home.update_revocations(|known| known.apply(&signed, &organisation.public()))??;
    relay.finish().await;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"revoked": what, "list": list.number}))?);
    }
    Ok(ctx.output.line(&format!(
        "Revoked: {what}. It is on revocation list {}, which the relay distributes.",
        list.number
    ))?)
}

fn yourself() -> CommandFailure {
    CommandFailure::new(
        ExitCode::Usage,
        "that is you: another administrator's organisation key must revoke you",
    )
}

impl RevocationCandidate {
    /// Puts all its keys on the list, for as long as its credential would have been good; what was revoked, in words.
    fn revoke(self, list: &mut RevocationList, kind: &str) -> String {
        list.keys.extend(self.keys.iter().map(|key| (*key, self.until)));
        format!("{kind}{} ({})", self.name, self.id)
    }
}

fn check_room(list: &RevocationList) -> Result<(), CommandFailure> {
    if list.entries() <= MAX_REVOKED {
        return Ok(());
    }
    Err(CommandFailure::new(
        ExitCode::Full,
        format!(
            "the organisation's revocation list is full ({MAX_REVOKED} entries): claim a new organisation"
        ),
    ))
}

/// The devices that the relay lists, and those known here that it doesn't list, so that a device that the relay hides
/// can be revoked too.
async fn devices(relay: &RelayClient) -> Result<Vec<RevocationCandidate>, CommandFailure> {
    let organisation = relay.identity().profile.organisation;
    let revocations = relay.home().revocations()?;
    let mut all: Vec<RevocationCandidate> = Vec::new();
    for entry in relay.devices().await? {
        let (_, who) = Membership::of(&entry.credential, &organisation, &revocations, clock::now());
        let Some((id, who)) = who.and_then(|who| Some((who.device_id()?, who))) else { continue };
        all.push(RevocationCandidate {
            id: id.to_string(),
            keys: who.keys().to_vec(),
            until: who.invite.valid_until,
            name: who.invite.name,
        });
    }
    for known in relay.home().known_devices()?.entries() {
        let id = known.id.to_string();
        if all.iter().all(|listed| listed.id != id) {
            all.push(RevocationCandidate {
                id,
                name: known.label.clone(),
                keys: vec![known.key],
                until: FOR_EVER,
            });
        }
    }
    Ok(all)
}

async fn people(relay: &RelayClient) -> Result<Vec<RevocationCandidate>, CommandFailure> {
    let organisation = relay.identity().profile.organisation;
    let revocations = relay.home().revocations()?;
    let mut all = Vec::new();
    for entry in relay.people().await? {
        let (_, who) = Membership::of(&entry.credential, &organisation, &revocations, clock::now());
        let Some((id, who)) = who.and_then(|who| Some((who.technician_id()?, who))) else { continue };
        all.push(RevocationCandidate {
            id: id.to_string(),
            keys: who.keys().to_vec(),
            until: who.invite.valid_until,
            name: who.invite.name,
        });
    }
    Ok(all)
}

fn one(
    asked: &str,
    all: Vec<RevocationCandidate>,
    kind: &str,
) -> Result<RevocationCandidate, CommandFailure> {
    let id = match select(asked, &all, |c| c.id.clone(), |c| &c.name) {
        SelectionResult::One(found, _) => found.id.clone(),
        SelectionResult::None => {
            return Err(CommandFailure::new(ExitCode::NoSuchDevice, format!("there is no {kind} {asked:?}")));
        }
        SelectionResult::Several(several) => {
            let named: Vec<_> = several.iter().take(5).map(|c| format!("{} ({})", c.name, c.id)).collect();
            return Err(CommandFailure::new(
                ExitCode::Usage,
                format!("{asked:?} fits several: {}: give the id", named.join(", ")),
            ));
        }
    };
    all.into_iter()
        .find(|c| c.id == id)
        .ok_or_else(|| CommandFailure::new(ExitCode::Unexpected, "the list changed while it was read"))
}
