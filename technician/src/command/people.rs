//! `nearhand people`: the organisation's people.

use nearhand_proto::message::control::PersonEntry;
use serde::Serialize;

use crate::clock;
use crate::context::CommandContext;
use crate::exit::CommandFailure;
use crate::membership::Membership;
use crate::output::{TableCell, TextTone};
use crate::relay::RelayClient;

#[derive(Serialize)]
struct PeopleListing {
    people: Vec<ListedPerson>,
}

/// A person as they are shown.
#[derive(Serialize)]
struct ListedPerson {
    id: String,
    /// Signed by the organisation; empty if it isn't.
    name: String,
    role: Option<String>,
    membership: Membership,
    online: bool,
    last_seen: String,
    valid_until: Option<String>,
    you: bool,
}

/// Lists people.
///
/// # Errors
/// [`CommandFailure`]: the relay can't be reached or refuses, the known revocations can't be read, or the
/// output can't be written.
pub async fn run(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let relay = ctx.connect().await?;
    let entries = relay.people().await?;
    let people = entries
        .into_iter()
        .map(|entry| person(&relay, &entry))
        .collect::<Result<Vec<_>, CommandFailure>>()?;
    relay.finish().await;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&PeopleListing { people })?);
    }
    let rows: Vec<_> = people.into_iter().map(row).collect();
    Ok(ctx.output.table(&["NAME", "ROLE", "CONNECTED", "MEMBERSHIP", "UNTIL", "ID"], &rows)?)
}

fn person(relay: &RelayClient, entry: &PersonEntry) -> Result<ListedPerson, CommandFailure> {
    let identity = relay.identity();
    let revocations = relay.home().revocations()?;
    let (membership, who) =
        Membership::of(&entry.credential, &identity.profile.organisation, &revocations, clock::now());
    let who = who.filter(|who| who.technician_id() == Some(entry.id));
    Ok(ListedPerson {
        id: entry.id.to_string(),
        name: who.as_ref().map(|w| w.invite.name.clone()).unwrap_or_default(),
        role: who.as_ref().map(|w| w.invite.role.to_string()),
        membership: if who.is_some() { membership } else { Membership::Unsigned },
        online: entry.online,
        last_seen: entry.last_seen.to_string(),
        valid_until: who.map(|w| w.invite.valid_until.to_string()),
        you: entry.id == identity.id(),
    })
}

fn row(person: ListedPerson) -> Vec<TableCell> {
    let name = if person.name.is_empty() { "?".to_owned() } else { person.name };
    let connected = if person.online {
        TableCell::toned("now", TextTone::Good)
    } else {
        TableCell::toned(person.last_seen, TextTone::Faint)
    };
    vec![
        (if person.you { format!("{name} (you)") } else { name }).into(),
        person.role.unwrap_or_default().into(),
        connected,
        TableCell::toned(person.membership.name(), person.membership.tone()),
        person.valid_until.unwrap_or_default().into(),
        person.id.into(),
    ]
}
