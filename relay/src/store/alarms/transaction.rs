//! What one transaction knows and changes of alarms: read once for all its writes, written once at its end.

use std::collections::{BTreeSet, HashMap};

use nearhand_proto::alarm::{AlarmBatch, AlarmEvent, AlarmTransition, Severity};
use nearhand_proto::credential::Credential;
use nearhand_proto::id::{DeviceId, Fingerprint, StreamId};
use nearhand_proto::message::alarms::{
    AlarmAction, AlarmActor, AlarmChange, MaintenanceWindow, NewMaintenanceWindow,
};
use nearhand_proto::time::UnixMillis;
use nearhand_relay_core::alarm::AlarmNotice;
use nearhand_relay_core::alarm::absence::{AbsenceFinding, OFFLINE};
use nearhand_relay_core::alarm::damping::DampingLimit;
use nearhand_relay_core::alarm::{
    self, AlarmLogEntry, AlarmProjection, GAP, LoggedHappening, NoticeKind, TOO_MANY,
};
use sqlx::{Any, Row, Transaction};

use super::outbox;
use super::outlet::ReceiverOutlet;
use super::read;
use super::records::{alarm_row, log_row, subjects, windows};
use super::rows::{self, SqlValue};
use super::write::{AlarmWrite, MAX_OPEN, MAX_WINDOWS};
use crate::store::StoreError;
use crate::store::codec::{from_big, from_text, parse, to_big, to_json};
use crate::store::outcome::WriteOutcome;

/// A device with fewer open alarms than this has few enough again.
const FEW_AGAIN: usize = MAX_OPEN - MAX_OPEN / 10;
/// Most alarms woken in one transaction; the next ones follow in the next.
const WAKE: i64 = 500;

struct StreamRow {
    device: DeviceId,
    through: u64,
    first: UnixMillis,
    changed: bool,
}

#[derive(Default)]
struct AlarmSlot {
    alarm: Option<AlarmProjection>,
    changed: bool,
}

/// One transaction's alarms.
pub(in crate::store) struct AlarmTransaction {
    own: (StreamId, u64),
    damping: DampingLimit,
    newest: u64,
    streams: HashMap<StreamId, StreamRow>,
    alarms: HashMap<Fingerprint, AlarmSlot>,
    open: HashMap<DeviceId, usize>,
    windows: Vec<MaintenanceWindow>,
    log: Vec<AlarmLogEntry>,
    notices: Vec<(NoticeKind, Option<Severity>, AlarmProjection, UnixMillis)>,
}

impl AlarmTransaction {
    /// Reads what the writes are about. `own` is the relay's own stream and its last number.
    pub(in crate::store) async fn open(
        tx: &mut Transaction<'_, Any>,
        writes: &[&AlarmWrite],
        own: (StreamId, u64),
        damping: DampingLimit,
    ) -> Result<Self, StoreError> {
        // The first statement writes, so that SQLite takes its write lock now: a transaction that has read can't take it
        // any more once another process (`receivers replay`) has written. On PostgreSQL it locks this row, which the
        // migration has made, so that two transactions never give out the same number.
        let lock =
            sqlx::query("UPDATE meta SET value = value WHERE name = 'alarms'").execute(&mut **tx).await?;
        if lock.rows_affected() != 1 {
            return Err(StoreError::Unreadable("meta: the row that alarms lock is missing"));
        }
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) AS newest FROM alarm_log")
            .fetch_one(&mut **tx)
            .await?;
        let mut book = Self {
            own,
            damping,
            newest: from_big(row.try_get("newest")?),
            streams: HashMap::new(),
            alarms: HashMap::new(),
            open: HashMap::new(),
            windows: windows(tx).await?,
            log: Vec::new(),
            notices: Vec::new(),
        };
        let (mut streams, mut alarms, mut devices) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        for write in writes {
            subjects(write, &mut streams, &mut alarms, &mut devices);
        }
        book.load_streams(tx, streams).await?;
        book.load_alarms(tx, alarms).await?;
        book.load_open(tx, devices).await?;
        Ok(book)
    }

    /// The relay's own stream and its last number.
    pub(in crate::store) fn own(&self) -> (StreamId, u64) {
        self.own
    }

    /// The newest number of the log.
    pub(in crate::store) fn newest(&self) -> u64 {
        self.newest
    }

    /// Does one write.
    pub(in crate::store) async fn apply(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        write: &AlarmWrite,
    ) -> Result<WriteOutcome, StoreError> {
        match write {
            AlarmWrite::Batch(device, batch, at) => Ok(self.batch(*device, batch, *at)),
            AlarmWrite::Found(findings, at) => {
                for finding in findings {
                    self.found(tx, finding, *at).await?;
                }
                Ok(WriteOutcome::Done)
            }
            AlarmWrite::Act(id, by, act, at) => Ok(self.act(*id, by, act, *at)),
            AlarmWrite::OpenWindow(what, by, at) => self.open_window(tx, what, by, *at).await,
            AlarmWrite::CloseWindow(number, at) => self.close_window(tx, *number, *at).await,
            AlarmWrite::Wake(at) => {
                self.wake(tx, *at).await?;
                Ok(WriteOutcome::Done)
            }
            _ => Ok(WriteOutcome::Done),
        }
    }

    fn batch(&mut self, device: DeviceId, batch: &AlarmBatch, at: UnixMillis) -> WriteOutcome {
        let stream = self.streams.entry(batch.stream).or_insert(StreamRow {
            device,
            through: 0,
            first: at,
            changed: true,
        });
        if stream.device != device {
            return WriteOutcome::Conflict;
        }
        let known = stream.through;
        let last = batch.records.last().map_or(known, |record| record.seq.max(known));
        if last > known {
            (stream.through, stream.changed) = (last, true);
        }
        for (seq, what) in alarm::news(batch, known) {
            if let AlarmChange::Gap { lost, .. } = &what {
                self.gap(device, *lost, at);
            }
            let id = alarm::alarm_of(device, &what);
            if id.is_some_and(|id| self.is_one_too_many(device, id, &what, at)) {
                continue;
            }
            self.note(batch.stream, seq, device, id, what, None, at);
        }
        self.few_again(device, at);
        WriteOutcome::Number(last)
    }

    /// Events were given up: somebody has to know.
    fn gap(&mut self, device: DeviceId, lost: u64, at: UnixMillis) {
        let summary = format!(
            "the device had no room for {lost} events and gave them up; how its alarms stand is known"
        );
        self.own_event(device, GAP, AlarmTransition::Raised, Severity::Warning, summary, at);
        let summary = "its alarms stand as they are told".to_owned();
        self.own_event(device, GAP, AlarmTransition::Cleared, Severity::Warning, summary, at);
    }

    /// Whether this would open more alarms than a device may have. Then that is an alarm.
    fn is_one_too_many(
        &mut self,
        device: DeviceId,
        id: Fingerprint,
        what: &AlarmChange,
        at: UnixMillis,
    ) -> bool {
        let opens =
            matches!(what, AlarmChange::Event(event) if !event.transition.ends()) && !self.is_open(&id);
        if !opens || self.open.get(&device).copied().unwrap_or_default() < MAX_OPEN {
            return false;
        }
        if !self.is_open(&Fingerprint::of(device, TOO_MANY, "")) {
            let summary =
                format!("more than {MAX_OPEN} alarms are open on this device: further ones are not kept");
            self.own_event(device, TOO_MANY, AlarmTransition::Raised, Severity::Error, summary, at);
        }
        true
    }

    fn few_again(&mut self, device: DeviceId, at: UnixMillis) {
        let few = self.open.get(&device).is_some_and(|open| *open < FEW_AGAIN);
        if few && self.is_open(&Fingerprint::of(device, TOO_MANY, "")) {
            let summary = "alarms are kept again".to_owned();
            self.own_event(device, TOO_MANY, AlarmTransition::Cleared, Severity::Error, summary, at);
        }
    }

    async fn found(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        finding: &AbsenceFinding,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        match finding {
            AbsenceFinding::Released(id) => self.own_note(*id, AlarmChange::Released, at),
            AbsenceFinding::Event { device, event, suppressed } => {
                let id = Fingerprint::of(*device, &event.rule, &event.instance);
                let (stream, seq) = self.next_own();
                let what = AlarmChange::Event((**event).clone());
                self.note(stream, seq, *device, Some(id), what, *suppressed, at);
                if event.rule == OFFLINE {
                    self.device_alarms(tx, *device, event.transition, at).await?;
                }
            }
        }
        Ok(())
    }

    /// A silent device's alarms neither go on nor end, as far as anybody can tell.
    async fn device_alarms(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        device: DeviceId,
        transition: AlarmTransition,
        at: UnixMillis,
    ) -> Result<(), StoreError> {
        let what = match transition {
            AlarmTransition::Raised => AlarmChange::DeviceSilent,
            AlarmTransition::Cleared => AlarmChange::DeviceBack,
            _ => return Ok(()),
        };
        let rows = sqlx::query("SELECT body FROM alarms WHERE device = $1 AND is_open = 1")
            .bind(device.to_string())
            .fetch_all(&mut **tx)
            .await?;
        self.take_in(rows)?;
        let of_device = |slot: &&AlarmSlot| {
            slot.alarm.as_ref().is_some_and(|a| a.device == device && a.is_open() && a.rule != OFFLINE)
        };
        let mut ids: Vec<Fingerprint> =
            self.alarms.values().filter(of_device).filter_map(|slot| Some(slot.alarm.as_ref()?.id)).collect();
        ids.sort();
        for id in ids {
            self.own_note(id, what.clone(), at);
        }
        Ok(())
    }

    fn act(&mut self, id: Fingerprint, by: &AlarmActor, act: &AlarmAction, at: UnixMillis) -> WriteOutcome {
        if self.alarms.get(&id).is_none_or(|slot| slot.alarm.is_none()) {
            return WriteOutcome::Conflict;
        }
        self.own_note(id, AlarmChange::Act { by: by.clone(), act: act.clone() }, at);
        WriteOutcome::Done
    }

    async fn open_window(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        what: &NewMaintenanceWindow,
        by: &AlarmActor,
        at: UnixMillis,
    ) -> Result<WriteOutcome, StoreError> {
        if self.windows.iter().filter(|w| w.closed.is_none() && w.what.ends > at).count() >= MAX_WINDOWS {
            return Ok(WriteOutcome::Conflict);
        }
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) AS last FROM maintenance")
            .fetch_one(&mut **tx)
            .await?;
        let number = from_big(row.try_get("last")?) + 1;
        let window = MaintenanceWindow { number, what: what.clone(), by: by.clone(), closed: None };
        sqlx::query(
            "INSERT INTO maintenance (number, ends_at, closed_at, is_over, body) VALUES ($1, $2, 0, 0, $3)",
        )
        .bind(to_big(number))
        .bind(to_big(what.ends.0))
        .bind(to_json(&window)?)
        .execute(&mut **tx)
        .await?;
        self.windows.push(window);
        Ok(WriteOutcome::Number(number))
    }

    async fn close_window(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        number: u64,
        at: UnixMillis,
    ) -> Result<WriteOutcome, StoreError> {
        let open = |w: &&mut MaintenanceWindow| w.number == number && w.closed.is_none() && w.what.ends > at;
        let Some(window) = self.windows.iter_mut().find(open) else { return Ok(WriteOutcome::Conflict) };
        window.closed = Some(at);
        sqlx::query("UPDATE maintenance SET closed_at = $1, body = $2 WHERE number = $3")
            .bind(to_big(at.0.max(1)))
            .bind(to_json(window)?)
            .bind(to_big(number))
            .execute(&mut **tx)
            .await?;
        self.wake(tx, at).await?;
        Ok(WriteOutcome::Done)
    }

    async fn wake(&mut self, tx: &mut Transaction<'_, Any>, at: UnixMillis) -> Result<(), StoreError> {
        let rows = sqlx::query("SELECT body FROM alarms WHERE wake_at > 0 AND wake_at <= $1 LIMIT $2")
            .bind(to_big(at.0))
            .bind(WAKE)
            .fetch_all(&mut **tx)
            .await?;
        for id in self.take_in(rows)? {
            let alarm = self.alarms.get(&id).and_then(|slot| slot.alarm.as_ref());
            let snooze_ended = alarm.is_some_and(|alarm| alarm.snoozed.is_some_and(|until| until <= at));
            let steady = alarm.is_some_and(|alarm| alarm.damping.until().is_some_and(|until| until <= at));
            if snooze_ended {
                self.own_note(id, AlarmChange::SnoozeEnded, at);
            }
            if steady {
                self.own_note(id, AlarmChange::Steady, at);
            }
        }
        let over: Vec<u64> = self
            .windows
            .iter()
            .filter(|w| w.closed.is_some() || w.what.ends <= at)
            .map(|w| w.number)
            .collect();
        for window in over {
            let rows = sqlx::query("SELECT body FROM alarms WHERE held = $1 LIMIT $2")
                .bind(to_big(window))
                .bind(WAKE)
                .fetch_all(&mut **tx)
                .await?;
            let more = i64::try_from(rows.len()).unwrap_or(i64::MAX) == WAKE;
            self.take_in(rows)?;
            let held = |slot: &&AlarmSlot| slot.alarm.as_ref().is_some_and(|a| a.held == Some(window));
            let ids: Vec<Fingerprint> =
                self.alarms.values().filter(held).filter_map(|slot| Some(slot.alarm.as_ref()?.id)).collect();
            for id in ids {
                self.own_note(id, AlarmChange::WindowEnded { window }, at);
            }
            if !more {
                sqlx::query("UPDATE maintenance SET is_over = 1 WHERE number = $1")
                    .bind(to_big(window))
                    .execute(&mut **tx)
                    .await?;
            }
        }
        Ok(())
    }

    fn is_open(&self, id: &Fingerprint) -> bool {
        self.alarms.get(id).and_then(|slot| slot.alarm.as_ref()).is_some_and(AlarmProjection::is_open)
    }

    fn next_own(&mut self) -> (StreamId, u64) {
        self.own.1 += 1;
        self.own
    }

    fn own_note(&mut self, id: Fingerprint, what: AlarmChange, at: UnixMillis) {
        let Some(device) = self.alarms.get(&id).and_then(|slot| Some(slot.alarm.as_ref()?.device)) else {
            return;
        };
        let (stream, seq) = self.next_own();
        self.note(stream, seq, device, Some(id), what, None, at);
    }

    fn own_event(
        &mut self,
        device: DeviceId,
        rule: &str,
        transition: AlarmTransition,
        severity: Severity,
        summary: String,
        at: UnixMillis,
    ) {
        let event = AlarmEvent {
            rule: rule.to_owned(),
            rule_version: 1,
            instance: String::new(),
            transition,
            severity,
            value: None,
            summary,
            observed_at: at,
            clock_ahead_ms: None,
            runbook: None,
            article: None,
        };
        let (stream, seq) = self.next_own();
        let id = Fingerprint::of(device, rule, "");
        self.note(stream, seq, device, Some(id), AlarmChange::Event(event), None, at);
    }

    /// Puts something into the log, into its alarm, and into what has to be told.
    #[allow(clippy::too_many_arguments, reason = "the fields of one log entry, each of another type")]
    fn note(
        &mut self,
        stream: StreamId,
        seq: u64,
        device: DeviceId,
        id: Option<Fingerprint>,
        what: AlarmChange,
        suppressed: Option<Fingerprint>,
        at: UnixMillis,
    ) {
        let held = match &what {
            AlarmChange::Event(event) => alarm::window_for(&self.windows, device, &event.rule, at),
            _ => None,
        };
        self.newest += 1;
        let what = LoggedHappening { what, held, suppressed };
        let entry = AlarmLogEntry { number: self.newest, stream, seq, device, alarm: id, at, what };
        if let Some(id) = id {
            let slot = self.alarms.entry(id).or_default();
            let was_open = slot.alarm.as_ref().is_some_and(AlarmProjection::is_open);
            let step = AlarmProjection::step(slot.alarm.as_ref(), &entry, self.damping);
            let is_open = step.alarm.as_ref().is_some_and(AlarmProjection::is_open);
            let open = self.open.entry(device).or_default();
            match (was_open, is_open) {
                (false, true) => *open += 1,
                (true, false) => *open = open.saturating_sub(1),
                _ => {}
            }
            if let (Some((kind, before)), Some(alarm)) = (step.notice, &step.alarm) {
                self.notices.push((kind, before, alarm.clone(), at));
            }
            (slot.alarm, slot.changed) = (step.alarm, true);
        }
        self.log.push(entry);
    }

    /// Takes alarms from rows with a `body`, unless they are in here already. Returns which they are.
    fn take_in(&mut self, rows: Vec<sqlx::any::AnyRow>) -> Result<Vec<Fingerprint>, StoreError> {
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let alarm = read::alarm(&row)?;
            ids.push(alarm.id);
            self.alarms.entry(alarm.id).or_insert(AlarmSlot { alarm: Some(alarm), changed: false });
        }
        Ok(ids)
    }

    async fn load_streams(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        ids: BTreeSet<StreamId>,
    ) -> Result<(), StoreError> {
        let keys = ids.iter().map(ToString::to_string).collect();
        let sql = "SELECT stream, device, through, first_at FROM alarm_streams WHERE stream";
        for row in rows::select(tx, sql, keys, "").await? {
            let stream = StreamRow {
                device: parse(&row.try_get::<String, _>("device")?, "alarm_streams")?,
                through: from_big(row.try_get("through")?),
                first: UnixMillis(from_big(row.try_get("first_at")?)),
                changed: false,
            };
            self.streams.insert(parse(&row.try_get::<String, _>("stream")?, "alarm_streams")?, stream);
        }
        Ok(())
    }

    async fn load_alarms(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        ids: BTreeSet<Fingerprint>,
    ) -> Result<(), StoreError> {
        let keys = ids.iter().map(ToString::to_string).collect();
        let rows = rows::select(tx, "SELECT body FROM alarms WHERE fingerprint", keys, "").await?;
        self.take_in(rows)?;
        Ok(())
    }

    async fn load_open(
        &mut self,
        tx: &mut Transaction<'_, Any>,
        devices: BTreeSet<DeviceId>,
    ) -> Result<(), StoreError> {
        let keys = devices.iter().map(ToString::to_string).collect();
        let sql = "SELECT device, COUNT(*) AS open_alarms FROM alarms WHERE is_open = 1 AND device";
        for row in rows::select(tx, sql, keys, "GROUP BY device").await? {
            let device = parse(&row.try_get::<String, _>("device")?, "alarms")?;
            let open = usize::try_from(row.try_get::<i64, _>("open_alarms")?).unwrap_or(usize::MAX);
            self.open.insert(device, open);
        }
        Ok(())
    }

    /// Writes everything that was changed.
    pub(in crate::store) async fn close(
        self,
        tx: &mut Transaction<'_, Any>,
        outlets: &[ReceiverOutlet],
    ) -> Result<(), StoreError> {
        let text = SqlValue::Text;
        let streams = self.streams.iter().filter(|(_, stream)| stream.changed).map(|(id, stream)| {
            vec![
                text(id.to_string()),
                text(stream.device.to_string()),
                SqlValue::Big(to_big(stream.through)),
                SqlValue::Big(to_big(stream.first.0)),
            ]
        });
        rows::insert(
            tx,
            "INSERT INTO alarm_streams (stream, device, through, first_at)",
            4,
            "ON CONFLICT (stream) DO UPDATE SET through = excluded.through",
            streams.collect(),
        )
        .await?;
        let log = self.log.iter().map(log_row).collect::<Result<Vec<_>, StoreError>>()?;
        let sql = "INSERT INTO alarm_log (number, stream, seq, device, fingerprint, at, entry)";
        rows::insert(tx, sql, 7, "", log).await?;
        let changed = self.alarms.values().filter(|slot| slot.changed).filter_map(|slot| slot.alarm.as_ref());
        let alarms = changed.map(alarm_row).collect::<Result<Vec<_>, StoreError>>()?;
        rows::insert(
            tx,
            "INSERT INTO alarms (fingerprint, device, rule, state, is_open, severity, told, number, changed_at, \
             wake_at, held, body)",
            12,
            "ON CONFLICT (fingerprint) DO UPDATE SET state = excluded.state, is_open = excluded.is_open, \
             severity = excluded.severity, told = excluded.told, number = excluded.number, \
             changed_at = excluded.changed_at, wake_at = excluded.wake_at, held = excluded.held, \
             body = excluded.body",
            alarms,
        )
        .await?;
        self.post(tx, outlets).await
    }

    /// Writes what has to be told.
    async fn post(self, tx: &mut Transaction<'_, Any>, outlets: &[ReceiverOutlet]) -> Result<(), StoreError> {
        let wanted = |alarm: &AlarmProjection| outlets.iter().any(|o| alarm.told_worst >= Some(o.at_least));
        let told: Vec<_> = self.notices.into_iter().filter(|(_, _, alarm, _)| wanted(alarm)).collect();
        if told.is_empty() {
            return Ok(());
        }
        let devices: BTreeSet<String> =
            told.iter().map(|(_, _, alarm, _)| alarm.device.to_string()).collect();
        let mut names = HashMap::new();
        let sql = "SELECT id, credential FROM devices WHERE id";
        for row in rows::select(tx, sql, devices.into_iter().collect(), "").await? {
            let device: DeviceId = parse(&row.try_get::<String, _>("id")?, "devices")?;
            let credential: Credential = from_text(&row.try_get::<String, _>("credential")?, "devices")?;
            names.insert(device, read::label(&credential));
        }
        let notices: Vec<AlarmNotice> = told
            .into_iter()
            .map(|(kind, before, alarm, at)| AlarmNotice {
                id: AlarmNotice::id_of(self.own.0, alarm.number),
                number: alarm.number,
                at,
                kind,
                before,
                device_name: names.get(&alarm.device).cloned().unwrap_or_default(),
                alarm,
            })
            .collect();
        outbox::post(tx, &notices, outlets).await
    }
}
