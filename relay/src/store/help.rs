//! The queue of people who asked for help, and what they thought of it, as stored.

use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::message::help::{
    FeedbackEntry, HelpEntry, HelpProgress, HelpRequest, HelpTaken, SessionFeedback, Urgency,
};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::network::SourceNetwork;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::codec::{from_big, millis, parse, to_big};
use super::outcome::PRUNED;
use super::{StoreError, StoreReader, StoredPage, WriteOutcome};

/// Most requests of enrolled devices that are open at once.
const MAX_OPEN_HELP: i64 = 2_000;
/// Most of guests: strangers have places of their own and never take those of devices.
const MAX_OPEN_OF_GUESTS: i64 = 1_000;
/// Of these, requests of one network (an IPv4 address, an IPv6 /64), and of what surrounds it (a /24, a /48).
const MAX_OPEN_OF_NETWORK: i64 = 20;
const MAX_OPEN_OF_SURROUNDING: i64 = 100;
/// How long a guest's request waits for somebody to take it, in milliseconds: a working day.
const GUEST_WAITS_MS: u64 = 24 * 3_600_000;
/// How long a device's does, in milliseconds.
const DEVICE_WAITS_MS: u64 = 14 * 24 * 3_600_000;
/// How many of the requests taken last are counted for the usual wait.
const LATELY: i64 = 20;
/// With fewer than these, nothing is told.
const ENOUGH: usize = 3;

/// A wish to be stored.
#[derive(Debug)]
pub struct NewHelpRequest {
    /// The device or guest that asks.
    pub peer: PeerId,
    /// The network that a guest's request is counted for.
    pub guest_of: Option<SourceNetwork>,
    /// Chosen by the device: the same wish sent again is the same.
    pub wish: u64,
    /// The device's label or host name.
    pub name: String,
    /// The request as the person wrote it.
    pub wanted: HelpRequest,
    /// When the relay received it.
    pub at: UnixMillis,
}

/// Something to store about help.
#[derive(Debug)]
pub enum HelpWrite {
    /// A wish; takes the place of what the same peer has open. Its number comes back; conflicts when too many are open.
    Ask(Box<NewHelpRequest>),
    /// The peer wants no help any more.
    Withdraw(PeerId, UnixMillis),
    /// A technician takes it. Conflicts if it is not open, or another's.
    Take(u64, TechnicianId, String, UnixMillis),
    /// It is over. Conflicts if it is not open.
    Close(u64, UnixMillis),
    /// Requests that nobody took for too long are over.
    Expire(UnixMillis),
    /// What the peer thinks of one of its sessions. Conflicts if it has no such session.
    Opine(PeerId, SessionId, SessionFeedback, UnixMillis),
}

type Tx<'a, 'b> = &'a mut Transaction<'b, Any>;

pub(super) async fn apply(tx: Tx<'_, '_>, write: &HelpWrite) -> Result<WriteOutcome, StoreError> {
    match write {
        HelpWrite::Ask(asking) => ask(tx, asking).await,
        HelpWrite::Withdraw(peer, at) => {
            close_of(tx, peer, *at).await?;
            Ok(WriteOutcome::Done)
        }
        HelpWrite::Take(number, by, name, at) => {
            let done = sqlx::query(
                "UPDATE help SET taken_at = $1, taken_by = $2, taken_name = $3 \
                 WHERE number = $4 AND closed_at = 0 AND (taken_by = '' OR taken_by = $5)",
            )
            .bind(to_big(at.0))
            .bind(by.to_string())
            .bind(name.clone())
            .bind(to_big(*number))
            .bind(by.to_string())
            .execute(&mut **tx)
            .await?;
            Ok(changed(done.rows_affected()))
        }
        HelpWrite::Close(number, at) => {
            let done = sqlx::query("UPDATE help SET closed_at = $1 WHERE number = $2 AND closed_at = 0")
                .bind(to_big(at.0.max(1)))
                .bind(to_big(*number))
                .execute(&mut **tx)
                .await?;
            Ok(changed(done.rows_affected()))
        }
        HelpWrite::Expire(now) => expire(tx, *now).await,
        HelpWrite::Opine(peer, session, opinion, at) => opine(tx, peer, session, opinion, *at).await,
    }
}

fn changed(rows: u64) -> WriteOutcome {
    if rows == 0 { WriteOutcome::Conflict } else { WriteOutcome::Done }
}

async fn ask(tx: Tx<'_, '_>, asking: &NewHelpRequest) -> Result<WriteOutcome, StoreError> {
    let NewHelpRequest { peer, guest_of, wish, name, wanted, at } = asking;
    let at = *at;
    let wish = format!("{wish:016x}");
    let same: Option<(i64,)> = sqlx::query_as("SELECT number FROM help WHERE peer = $1 AND wish = $2")
        .bind(peer.to_string())
        .bind(wish.clone())
        .fetch_optional(&mut **tx)
        .await?;
    if let Some((number,)) = same {
        // Sent again: after a lost answer, or because it was closed while the device was away.
        return Ok(WriteOutcome::Number(from_big(number)));
    }
    close_of(tx, peer, at).await?;
    if !has_room(tx, *guest_of).await? {
        return Ok(WriteOutcome::Conflict);
    }
    let (last,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(number), 0) FROM help").fetch_one(&mut **tx).await?;
    let number = last + 1;
    sqlx::query(
        "INSERT INTO help (number, peer, network, surrounding, wish, name, what, urgency, reach, asked_at, taken_at, \
         taken_by, taken_name, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', '', 0)",
    )
    .bind(number)
    .bind(peer.to_string())
    .bind(guest_of.map(|network| network.to_string()).unwrap_or_default())
    .bind(guest_of.map(|network| network.surrounding().to_string()).unwrap_or_default())
    .bind(wish)
    .bind(name.clone())
    .bind(wanted.what.clone())
    .bind(urgency_number(wanted.urgency))
    .bind(wanted.reach.clone())
    .bind(to_big(at.0))
    .execute(&mut **tx)
    .await?;
    Ok(WriteOutcome::Number(from_big(number)))
}

/// Whether one more request may be open: of a guest of this network, or of a device.
async fn has_room(tx: Tx<'_, '_>, guest_of: Option<SourceNetwork>) -> Result<bool, StoreError> {
    let Some(network) = guest_of else {
        return Ok(open(tx, "network = $1", String::new()).await? < MAX_OPEN_HELP);
    };
    Ok(open(tx, "network <> $1", String::new()).await? < MAX_OPEN_OF_GUESTS
        && open(tx, "network = $1", network.to_string()).await? < MAX_OPEN_OF_NETWORK
        && open(tx, "surrounding = $1", network.surrounding().to_string()).await? < MAX_OPEN_OF_SURROUNDING)
}

async fn open(tx: Tx<'_, '_>, which: &'static str, value: String) -> Result<i64, StoreError> {
    let sql = format!("SELECT COUNT(*) FROM help WHERE closed_at = 0 AND {which}");
    let (count,) = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(value).fetch_one(&mut **tx).await?;
    Ok(count)
}

/// Ends requests that nobody took for too long. A guest's leaves nothing behind.
async fn expire(tx: Tx<'_, '_>, now: UnixMillis) -> Result<WriteOutcome, StoreError> {
    sqlx::query("DELETE FROM help WHERE network <> '' AND closed_at = 0 AND taken_at = 0 AND asked_at < $1")
        .bind(to_big(now.0.saturating_sub(GUEST_WAITS_MS)))
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE help SET closed_at = $1 WHERE closed_at = 0 AND taken_at = 0 AND asked_at < $2")
        .bind(to_big(now.0.max(1)))
        .bind(to_big(now.0.saturating_sub(DEVICE_WAITS_MS)))
        .execute(&mut **tx)
        .await?;
    Ok(WriteOutcome::Done)
}

/// Ends what a peer has open. Of a guest's request that nobody took nothing is kept: strangers could ask and withdraw for ever.
async fn close_of(tx: Tx<'_, '_>, peer: &PeerId, at: UnixMillis) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM help WHERE peer = $1 AND network <> '' AND closed_at = 0 AND taken_at = 0")
        .bind(peer.to_string())
        .execute(&mut **tx)
        .await?;
    sqlx::query("UPDATE help SET closed_at = $1 WHERE peer = $2 AND closed_at = 0")
        .bind(to_big(at.0.max(1)))
        .bind(peer.to_string())
        .execute(&mut **tx)
        .await?;
    Ok(())
}

async fn opine(
    tx: Tx<'_, '_>,
    peer: &PeerId,
    session: &SessionId,
    opinion: &SessionFeedback,
    at: UnixMillis,
) -> Result<WriteOutcome, StoreError> {
    let theirs: Option<(String,)> = sqlx::query_as("SELECT id FROM sessions WHERE id = $1 AND peer = $2")
        .bind(session.to_string())
        .bind(peer.to_string())
        .fetch_optional(&mut **tx)
        .await?;
    if theirs.is_none() {
        return Ok(WriteOutcome::Conflict);
    }
    let (stars, comment, report) = match opinion {
        SessionFeedback::Rating { stars, comment } => (i64::from(*stars), comment.as_str(), ""),
        SessionFeedback::Report { text } => (0, "", text.as_str()),
    };
    let sql = match opinion {
        SessionFeedback::Rating { .. } => {
            "INSERT INTO opinions (session, at, stars, comment, report) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (session) DO UPDATE SET at = excluded.at, stars = excluded.stars, comment = excluded.comment"
        }
        SessionFeedback::Report { .. } => {
            "INSERT INTO opinions (session, at, stars, comment, report) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (session) DO UPDATE SET at = excluded.at, report = excluded.report"
        }
    };
    sqlx::query(sql)
        .bind(session.to_string())
        .bind(to_big(at.0))
        .bind(stars)
        .bind(comment.to_owned())
        .bind(report.to_owned())
        .execute(&mut **tx)
        .await?;
    Ok(WriteOutcome::Done)
}

/// Forgets a part of what was closed and said before. Returns the most rows that went of a table.
pub(super) async fn prune(tx: Tx<'_, '_>, before: UnixMillis) -> Result<u64, StoreError> {
    let mut most = 0;
    for sql in [
        "DELETE FROM help WHERE number IN (SELECT number FROM help WHERE closed_at > 0 AND closed_at < $1 LIMIT $2)",
        "DELETE FROM opinions WHERE session IN (SELECT session FROM opinions WHERE at < $1 LIMIT $2)",
    ] {
        let query = sqlx::query(sql).bind(to_big(before.0)).bind(PRUNED);
        most = most.max(query.execute(&mut **tx).await?.rows_affected());
    }
    Ok(most)
}

const fn urgency_number(urgency: Urgency) -> i64 {
    match urgency {
        Urgency::CanWait => 0,
        Urgency::Hampered => 1,
        Urgency::Stopped => 2,
    }
}

fn urgency(number: i64) -> Result<Urgency, StoreError> {
    let found = Urgency::ALL.into_iter().find(|urgency| urgency_number(*urgency) == number);
    found.ok_or(StoreError::Unreadable("help"))
}

/// A wish as it is listed, and whose it is.
fn entry(row: &AnyRow) -> Result<(PeerId, HelpEntry), StoreError> {
    let peer: PeerId = parse(&row.try_get::<String, _>("peer")?, "help")?;
    let (taken, closed): (i64, i64) = (row.try_get("taken_at")?, row.try_get("closed_at")?);
    let by: String = row.try_get("taken_name")?;
    let entry = HelpEntry {
        number: from_big(row.try_get("number")?),
        device: peer.device(),
        resembles: None,
        name: row.try_get("name")?,
        online: false,
        wanted: HelpRequest {
            what: row.try_get("what")?,
            urgency: urgency(row.try_get("urgency")?)?,
            reach: row.try_get("reach")?,
        },
        asked: millis(row.try_get("asked_at")?),
        taken: (taken > 0).then(|| Box::new(HelpTaken { by, at: millis(taken) })),
        closed: (closed > 0).then(|| millis(closed)),
    };
    Ok((peer, entry))
}

const COLUMNS: &str =
    "SELECT number, peer, name, what, urgency, reach, asked_at, taken_at, taken_name, closed_at FROM help";

impl StoreReader {
    /// Who asked for help: those who wait first, by urgency, then those whom somebody has; with `closed` the others
    /// after them, the newest first. The first `skip` are left out.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a request for help in it can't be decoded.
    pub async fn help_queue(
        &self,
        closed: bool,
        skip: u32,
        limit: usize,
    ) -> Result<StoredPage<(PeerId, HelpEntry)>, StoreError> {
        let which = if closed { "" } else { "WHERE closed_at = 0" };
        let count = format!("SELECT COUNT(*) FROM help {which}");
        let (total,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(count)).fetch_one(self.pool()).await?;
        let sql = format!(
            "{COLUMNS} {which} ORDER BY CASE WHEN closed_at > 0 THEN 2 WHEN taken_at > 0 THEN 1 ELSE 0 END, \
             closed_at DESC, urgency DESC, number LIMIT $1 OFFSET $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(i64::from(skip))
            .fetch_all(self.pool())
            .await?;
        let rows = rows.iter().map(entry).collect::<Result<_, _>>()?;
        Ok(StoredPage { rows, total: from_big(total).saturating_sub(u64::from(skip)) })
    }

    /// Where a wish stands; `None`: there is none of that number.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or the request for help in it can't be decoded.
    pub async fn help_place(&self, number: u64) -> Result<Option<(PeerId, HelpProgress)>, StoreError> {
        let sql = format!("{COLUMNS} WHERE number = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(to_big(number)).fetch_optional(self.pool()).await?;
        let Some((peer, entry)) = row.as_ref().map(entry).transpose()? else { return Ok(None) };
        let place = match entry {
            HelpEntry { closed: Some(_), .. } => HelpProgress::Closed { number },
            HelpEntry { taken: Some(taken), .. } => HelpProgress::Taken { number, technician: taken.by },
            HelpEntry { wanted, .. } => HelpProgress::Waiting {
                number,
                ahead: self.ahead(number, wanted.urgency).await?,
                wait: usual_wait(&self.waits().await?),
            },
        };
        Ok(Some((peer, place)))
    }

    async fn ahead(&self, number: u64, of: Urgency) -> Result<u32, StoreError> {
        let urgency = urgency_number(of);
        let (count,): (i64,) = sqlx::query_as(
            "SELECT COUNT(*) FROM help WHERE closed_at = 0 AND taken_at = 0 \
             AND (urgency > $1 OR (urgency = $2 AND number < $3))",
        )
        .bind(urgency)
        .bind(urgency)
        .bind(to_big(number))
        .fetch_one(self.pool())
        .await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// How long those waited who were taken last, in milliseconds.
    async fn waits(&self) -> Result<Vec<u64>, StoreError> {
        let rows: Vec<(i64,)> = sqlx::query_as(
            "SELECT taken_at - asked_at FROM help WHERE taken_at > 0 ORDER BY taken_at DESC LIMIT $1",
        )
        .bind(LATELY)
        .fetch_all(self.pool())
        .await?;
        Ok(rows.into_iter().map(|(wait,)| from_big(wait)).collect())
    }

    /// What people thought of sessions: of one technician's, or of all, the newest first.
    ///
    /// # Errors
    /// [`StoreError`]: the database can't be read, or a rating in it can't be decoded.
    pub async fn opinions(
        &self,
        of: Option<TechnicianId>,
        skip: u32,
        limit: usize,
    ) -> Result<StoredPage<FeedbackEntry>, StoreError> {
        let all = i64::from(of.is_none());
        let of = of.map(|id| id.to_string()).unwrap_or_default();
        // Reports are for administrators: the one who sees only their own sessions sees their ratings.
        const FROM: &str = "FROM opinions o JOIN sessions s ON s.id = o.session \
                            WHERE $1 = 1 OR (s.technician = $2 AND o.stars > 0)";
        let count = format!("SELECT COUNT(*) {FROM}");
        let (total,): (i64,) = sqlx::query_as(sqlx::AssertSqlSafe(count))
            .bind(all)
            .bind(of.clone())
            .fetch_one(self.pool())
            .await?;
        let sql = format!(
            "SELECT o.session, o.at, o.stars, o.comment, o.report, s.technician, s.technician_name, s.device_name \
             {FROM} ORDER BY o.at DESC, o.session LIMIT $3 OFFSET $4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(all)
            .bind(of)
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .bind(i64::from(skip))
            .fetch_all(self.pool())
            .await?;
        let rows = rows.iter().map(opinion).collect::<Result<_, _>>()?;
        Ok(StoredPage { rows, total: from_big(total).saturating_sub(u64::from(skip)) })
    }
}

fn opinion(row: &AnyRow) -> Result<FeedbackEntry, StoreError> {
    let text = |column: &'static str| row.try_get::<String, _>(column);
    let stars: i64 = row.try_get("stars")?;
    Ok(FeedbackEntry {
        session: parse(&text("session")?, "opinions")?,
        technician: parse(&text("technician")?, "opinions")?,
        technician_name: text("technician_name")?,
        device_name: text("device_name")?,
        at: millis(row.try_get("at")?),
        stars: u8::try_from(stars).ok().filter(|stars| *stars > 0),
        comment: text("comment")?,
        report: text("report")?,
    })
}

/// What half of them waited at most, in seconds.
fn usual_wait(waits: &[u64]) -> Option<u32> {
    if waits.len() < ENOUGH {
        return None;
    }
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len() / 2)?;
    u32::try_from(middle.div_ceil(1000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_wait_is_not_bent_by_one_night() {
        assert_eq!(usual_wait(&[60_000, 90_000]), None, "too few to tell");
        assert_eq!(usual_wait(&[60_000, 50_000_000, 90_000]), Some(90));
    }
}
