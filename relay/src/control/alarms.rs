//! Alarms: what devices say, what people ask and do, and who has fallen silent.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nearhand_proto::alarm::{AlarmBatch, MonitoringHello, ShutdownNotice};
use nearhand_proto::credential::VerifiedCredential;
use nearhand_proto::id::Fingerprint;
use nearhand_proto::message::alarms::{
    AlarmAction, AlarmActor, AlarmFilter, MAX_FOLLOW_MS, MaintenanceWindow, NewMaintenanceWindow,
};
use nearhand_proto::message::control::{PAGE, RelayRefusal, RelayReply};
use nearhand_proto::peer_text::PeerText;
use nearhand_proto::text;
use nearhand_relay_core::alarm::absence::AbsenceFinding;
use nearhand_relay_core::caller::PeerId;

use super::lists::that_fit;
use super::plane::{ConnectedPeer, ControlPlane, now_unix, storage};
use super::refusals::event;
use crate::store::{AlarmWrite, StoreWrite, WriteOutcome};

/// Devices whose usual hours are stored in one write, so that others need not wait long.
const HOURS_AT_ONCE: usize = 200;
/// A follower hears of news at most this often.
const NEWS: Duration = Duration::from_millis(100);
/// Largest number of a record: the database's numbers have a sign.
const MAX_SEQ: u64 = i64::MAX as u64;

/// A person, as alarms name them.
pub(super) fn actor(who: &VerifiedCredential) -> AlarmActor {
    AlarmActor { id: Some(who.first_key().technician_id()), name: who.invite.name.clone() }
}

/// Where a device is, as far as its address tells: behind the same IPv4 address or in the same IPv6 /64.
fn site(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
    }
}

fn invalid(what: impl Into<PeerText>) -> RelayRefusal {
    RelayRefusal::Invalid { what: what.into() }
}

impl ControlPlane {
    pub(super) async fn monitoring(
        self: &Arc<Self>,
        peer: &ConnectedPeer,
        said: MonitoringHello,
    ) -> Result<RelayReply, RelayRefusal> {
        let Some(PeerId::Device(device)) = peer.id() else { return Err(RelayRefusal::NotAllowed) };
        let known = self.store.reader().stream(&said.stream).await.map_err(storage)?;
        let through = match known {
            Some((owner, _)) if owner != device => return Err(RelayRefusal::ForeignStream),
            Some((_, through)) => through,
            None => 0,
        };
        let site = site(peer.connection.remote_address().ip());
        self.store
            .write_alarm(AlarmWrite::Monitor(device, said.profile, site.clone()))
            .await
            .map_err(storage)?;
        let found = self.watch.absence().here(device, said.profile, &site, now_unix());
        self.watch.keep(found);
        self.store_found().await;
        Ok(RelayReply::AlarmsStored { stream: said.stream, through })
    }

    pub(super) async fn alarms(
        &self,
        peer: &ConnectedPeer,
        batch: AlarmBatch,
    ) -> Result<RelayReply, RelayRefusal> {
        let Some(PeerId::Device(device)) = peer.id() else { return Err(RelayRefusal::NotAllowed) };
        batch.check().map_err(|error| invalid(error.to_string()))?;
        if batch.records.iter().any(|record| record.seq >= MAX_SEQ) {
            return Err(invalid("a record's number is too large"));
        }
        self.state().registry.count_alarms(device, batch.records.len(), Instant::now())?;
        let stream = batch.stream;
        match self.store.write_alarm(AlarmWrite::Batch(device, batch, now_unix())).await.map_err(storage)? {
            WriteOutcome::Number(through) => Ok(RelayReply::AlarmsStored { stream, through }),
            WriteOutcome::Done | WriteOutcome::Conflict => {
                let detail =
                    format!("device {device} sent alarms of stream {stream}, which belongs to another");
                self.audit_refusal(&peer.actor(), "alarms.refused", peer.network, &detail).await;
                Err(RelayRefusal::ForeignStream)
            }
        }
    }

    pub(super) async fn leaving(
        &self,
        peer: &ConnectedPeer,
        why: ShutdownNotice,
    ) -> Result<RelayReply, RelayRefusal> {
        let Some(PeerId::Device(device)) = peer.id() else { return Err(RelayRefusal::NotAllowed) };
        self.watch.absence().leaving(&device, why);
        self.store.write_alarm(AlarmWrite::Leaving(device, why)).await.map_err(storage)?;
        Ok(RelayReply::Done)
    }

    /// A connection of a device was welcomed.
    pub(super) fn device_connected(self: &Arc<Self>, peer: &PeerId) {
        let Some(device) = peer.device() else { return };
        let found = self.watch.absence().connected(&device, now_unix());
        if !found.is_empty() {
            self.watch.keep(found);
            let control = Arc::clone(self);
            tokio::spawn(async move { control.store_found().await });
        }
    }

    /// A device's last connection is gone.
    pub(super) fn device_gone(&self, peer: &PeerId) {
        if let Some(device) = peer.device() {
            self.watch.absence().gone(&device, now_unix());
        }
    }

    /// Devices that were withdrawn are not missed.
    pub(super) async fn forget_withdrawn(&self) {
        let withdrawn = self.state().admission.withdrawn_peers();
        for device in withdrawn.iter().filter_map(PeerId::device) {
            let found = self.watch.absence().forget(&device, now_unix());
            self.watch.keep(found);
            let found = self.duplicates().forget(&device, now_unix());
            self.watch.keep(found);
            // A failure is known to the store's health; after a restart it is forgotten again.
            let _ = self.store.write_alarm(AlarmWrite::Forget(device)).await;
        }
        self.store_found().await;
    }

    /// What the clock makes of silence, snoozes and maintenance windows.
    pub(super) async fn watch_silence(&self) {
        if !self.is_stopping() {
            let (found, learned) = {
                let mut absence = self.watch.absence();
                (absence.tick(now_unix()), absence.take_learned())
            };
            self.watch.keep(found);
            self.watch.keep(self.duplicates().tick(now_unix()));
            for some in learned.chunks(HOURS_AT_ONCE) {
                // What can't be stored is learned again in a week; the store's health tells the operator.
                let _ = self.store.write_alarm(AlarmWrite::Hours(some.to_vec())).await;
            }
        }
        self.store_found().await;
        let _ = self.store.write_alarm(AlarmWrite::Wake(now_unix())).await;
    }

    /// Stores what another rule of the relay found.
    pub(super) async fn keep_found(&self, found: Vec<AbsenceFinding>) {
        self.watch.keep(found);
        self.store_found().await;
    }

    async fn store_found(&self) {
        let _one = self.watch.storing.lock().await;
        let found = self.watch.take();
        if found.is_empty() {
            return;
        }
        if self.store.write_alarm(AlarmWrite::Found(found.clone(), now_unix())).await.is_err() {
            // Tried again in the next round, before what is found by then.
            let later = self.watch.take();
            self.watch.keep(found);
            self.watch.keep(later);
        }
    }

    pub(crate) async fn alarms_since(
        &self,
        filter: &AlarmFilter,
        after: u64,
        wait_ms: u32,
    ) -> Result<RelayReply, RelayRefusal> {
        let until = tokio::time::Instant::now() + Duration::from_millis(wait_ms.min(MAX_FOLLOW_MS).into());
        let mut newest = self.store.newest_alarm();
        loop {
            newest.borrow_and_update();
            let (entries, cursor) =
                self.store.reader().alarms_since(filter, after, PAGE).await.map_err(storage)?;
            if !entries.is_empty() || tokio::time::Instant::now() >= until {
                let count = entries.len();
                let entries = that_fit(entries);
                // What doesn't fit is asked for next.
                let cursor = match entries.last() {
                    Some(last) if entries.len() < count => last.number,
                    _ => cursor,
                };
                return Ok(RelayReply::Alarms { entries, cursor });
            }
            let _ = tokio::time::timeout_at(until, newest.changed()).await;
            tokio::time::sleep(NEWS).await;
        }
    }

    pub(crate) async fn alarm_history(
        &self,
        alarm: Fingerprint,
        after: u64,
    ) -> Result<RelayReply, RelayRefusal> {
        let reader = self.store.reader();
        let found = reader.alarm(&alarm).await.map_err(storage)?.ok_or(RelayRefusal::NoSuchAlarm)?;
        let entries = reader.alarm_history(&alarm, after, PAGE).await.map_err(storage)?;
        Ok(RelayReply::AlarmHistory { alarm: Box::new(found), entries: that_fit(entries) })
    }

    /// Somebody does something about an alarm; `name` is who for the audit log.
    pub(crate) async fn alarm_act(
        &self,
        by: &AlarmActor,
        name: &str,
        alarm: Fingerprint,
        act: AlarmAction,
    ) -> Result<RelayReply, RelayRefusal> {
        let now = now_unix();
        act.check(now).map_err(|error| invalid(error.to_string()))?;
        let act = self.known_assignee(act).await?;
        let detail = match &act {
            AlarmAction::Acknowledge { comment } | AlarmAction::Comment(comment) => {
                format!("alarm {alarm}: {comment}")
            }
            AlarmAction::Assign(to) => format!("alarm {alarm} to {}", to.name),
            AlarmAction::Snooze { until } => format!("alarm {alarm} until {until}"),
            AlarmAction::Unacknowledge | AlarmAction::Unassign | AlarmAction::Unsnooze => {
                format!("alarm {alarm}")
            }
        };
        let row = event(name, action(&act), None, detail);
        let write = StoreWrite::Alarm(Box::new(AlarmWrite::Act(alarm, by.clone(), act, now)));
        match self.store.write_audited(write, vec![row]).await.map_err(storage)? {
            WriteOutcome::Conflict => Err(RelayRefusal::NoSuchAlarm),
            WriteOutcome::Done | WriteOutcome::Number(_) => Ok(RelayReply::Done),
        }
    }

    /// The person to whom the alarm is assigned has the name that the organisation gave them.
    async fn known_assignee(&self, act: AlarmAction) -> Result<AlarmAction, RelayRefusal> {
        let AlarmAction::Assign(AlarmActor { id: Some(id), .. }) = act else { return Ok(act) };
        let found = self.store.reader().person(&id).await.map_err(storage)?;
        let person = found.ok_or_else(|| invalid("there is no such person"))?;
        let invite = person.credential.invite.peek().map_err(|_| RelayRefusal::Storage)?;
        Ok(AlarmAction::Assign(AlarmActor { id: Some(id), name: text::one_line(&invite.name, 100) }))
    }

    pub(crate) async fn open_window(
        &self,
        by: &AlarmActor,
        name: &str,
        what: NewMaintenanceWindow,
    ) -> Result<RelayReply, RelayRefusal> {
        let now = now_unix();
        what.check(now).map_err(|error| invalid(error.to_string()))?;
        let device = what.device.map_or_else(|| "all devices".to_owned(), |id| format!("device {id}"));
        let rule = what.rule.as_deref().unwrap_or("all rules");
        let detail = format!("{device}, {rule}, {} to {}: {}", what.begins, what.ends, what.reason);
        let row = event(name, "maintenance.open", None, detail);
        let write = StoreWrite::Alarm(Box::new(AlarmWrite::OpenWindow(what.clone(), by.clone(), now)));
        match self.store.write_audited(write, vec![row]).await.map_err(storage)? {
            WriteOutcome::Number(number) => Ok(RelayReply::MaintenanceWindow(MaintenanceWindow {
                number,
                what,
                by: by.clone(),
                closed: None,
            })),
            WriteOutcome::Done | WriteOutcome::Conflict => {
                Err(RelayRefusal::Full { what: "maintenance windows".into() })
            }
        }
    }

    pub(crate) async fn close_window(&self, name: &str, window: u64) -> Result<RelayReply, RelayRefusal> {
        let row = event(name, "maintenance.close", None, format!("window {window}"));
        let write = StoreWrite::Alarm(Box::new(AlarmWrite::CloseWindow(window, now_unix())));
        match self.store.write_audited(write, vec![row]).await.map_err(storage)? {
            WriteOutcome::Conflict => Err(RelayRefusal::NoSuchWindow),
            WriteOutcome::Done | WriteOutcome::Number(_) => Ok(RelayReply::Done),
        }
    }

    pub(crate) async fn windows(&self) -> Result<RelayReply, RelayRefusal> {
        let windows = self.store.reader().maintenance(now_unix(), PAGE).await.map_err(storage)?;
        Ok(RelayReply::MaintenanceWindows(that_fit(windows)))
    }
}

const fn action(act: &AlarmAction) -> &'static str {
    match act {
        AlarmAction::Acknowledge { .. } => "alarm.acknowledge",
        AlarmAction::Unacknowledge => "alarm.unacknowledge",
        AlarmAction::Assign(_) => "alarm.assign",
        AlarmAction::Unassign => "alarm.unassign",
        AlarmAction::Snooze { .. } => "alarm.snooze",
        AlarmAction::Unsnooze => "alarm.unsnooze",
        AlarmAction::Comment(_) => "alarm.comment",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_an_address_or_a_slash_64() {
        let of = |text: &str| site(text.parse().unwrap());
        assert_eq!(of("203.0.113.7"), "203.0.113.7");
        assert_eq!(of("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(of("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
    }
}
