//! `nearhand people`: who belongs to the organisation.

use nearhand_proto::message::control::PersonEntry;
use serde::Serialize;

use super::Context;
use crate::clock;
use crate::exit::Failure;
use crate::membership::Standing;
use crate::output::{Cell, Tone};
use crate::relay::RelayConnection;

#[derive(Serialize)]
struct Listing {
    people: Vec<Person>,
}

/// A person as they are shown.
#[derive(Serialize)]
struct Person {
    id: String,
    /// Signed by the organisation; empty if it isn't.
    name: String,
    role: Option<String>,
    standing: Standing,
    online: bool,
    last_seen: String,
    valid_until: Option<String>,
    you: bool,
}

/// Lists people.
///
/// # Errors
/// [`Failure`].
pub async fn run(ctx: &Context) -> Result<(), Failure> {
    let relay = ctx.connect().await?;
    let entries = relay.people().await?;
    let people =
        entries.into_iter().map(|entry| person(&relay, &entry)).collect::<Result<Vec<_>, Failure>>()?;
    relay.finish().await;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&Listing { people })?);
    }
    let rows: Vec<_> = people.into_iter().map(row).collect();
    Ok(ctx.output.table(&["NAME", "ROLE", "CONNECTED", "STANDING", "UNTIL", "ID"], &rows)?)
}

fn person(relay: &RelayConnection, entry: &PersonEntry) -> Result<Person, Failure> {
    let identity = relay.identity();
    let revocations = relay.home().revocations()?;
    let (standing, who) =
        Standing::of(&entry.credential, &identity.profile.organisation, &revocations, clock::now());
    let who = who.filter(|who| who.technician_id() == Some(entry.id));
    Ok(Person {
        id: entry.id.to_string(),
        name: who.as_ref().map(|w| w.invite.name.clone()).unwrap_or_default(),
        role: who.as_ref().map(|w| w.invite.role.to_string()),
        standing: if who.is_some() { standing } else { Standing::Unsigned },
        online: entry.online,
        last_seen: entry.last_seen.to_string(),
        valid_until: who.map(|w| w.invite.valid_until.to_string()),
        you: entry.id == identity.id(),
    })
}

fn row(person: Person) -> Vec<Cell> {
    let name = if person.name.is_empty() { "?".to_owned() } else { person.name };
    let connected = if person.online {
        Cell::toned("now", Tone::Good)
    } else {
        Cell::toned(person.last_seen, Tone::Faint)
    };
    vec![
        (if person.you { format!("{name} (you)") } else { name }).into(),
        person.role.unwrap_or_default().into(),
        connected,
        Cell::toned(person.standing.word(), person.standing.tone()),
        person.valid_until.unwrap_or_default().into(),
        person.id.into(),
    ]
}
