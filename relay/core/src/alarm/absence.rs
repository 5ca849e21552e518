//! When silence is an alarm: devices that are gone without having said so, and sites that are gone at once.
//!
//! A **server** is meant to be there always; a **desktop** is switched off and taken home, so it is missed only when
//! it left without a goodbye, late, and in its usual hours (see [`super::hours`]). Many devices that are lost within a minute have one cause: one alarm for all
//! of them, which suppresses theirs. Devices that have not been seen since the relay started may have said goodbye to
//! nobody, so less is concluded from their silence. Pure: times are arguments. Must not live here: connections and
//! where this is kept over a restart.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, DeviceProfile, Severity, ShutdownNotice};
use nearhand_proto::id::{DeviceId, Fingerprint};
use nearhand_proto::message::control::KEEP_ALIVE;
use nearhand_proto::time::UnixMillis;

use super::NO_DEVICE;
use super::hours::{self, UsualHours};

/// Rule of the alarm that a device is silent.
pub const OFFLINE: &str = "offline";
/// Rule of the alarm that many devices fell silent at once.
pub const OUTAGE: &str = "site-outage";
/// Instance of the outage of devices behind several networks.
pub const EVERYWHERE: &str = "all";

/// When what is concluded from silence. Milliseconds and counts.
#[derive(Clone, Copy, Debug)]
pub struct SilenceLimits {
    /// A server that left without a word.
    pub server: u64,
    /// A desktop that did: so much of its usual hours.
    pub desktop: u64,
    /// A server whose agent was stopped or replaced.
    pub agent_stopped: u64,
    /// A server that said that it restarts.
    pub restart: u64,
    /// After the relay's start, before anything is concluded: three keep-alives.
    pub grace: u64,
    /// Devices lost within this time are lost together.
    pub together: u64,
    /// The fewest lost devices that count as an outage.
    pub outage_devices: usize,
    /// An outage is at least one device in this many.
    pub outage_one_in: usize,
}

impl Default for SilenceLimits {
    fn default() -> Self {
        Self {
            server: minutes(2),
            desktop: minutes(30),
            agent_stopped: minutes(5),
            restart: minutes(10),
            grace: millis(KEEP_ALIVE) * 3,
            together: minutes(1),
            outage_devices: 3,
            outage_one_in: 5,
        }
    }
}

const fn minutes(n: u64) -> u64 {
    n * 60_000
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Something for the log.
#[derive(Clone, PartialEq, Debug)]
pub enum AbsenceFinding {
    /// The relay's rule found something.
    Event {
        /// The device, or [`NO_DEVICE`] for an outage.
        device: DeviceId,
        /// The event, to be stored like one from a device.
        event: Box<AlarmEvent>,
        /// It is a consequence of that alarm.
        suppressed: Option<Fingerprint>,
    },
    /// A device's alarm stands for itself again.
    Released(Fingerprint),
}

/// The alarm about a silent device, as the relay finds it stored at its start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OfflineAlarm {
    /// None is open.
    Cleared,
    /// It is open and stands for itself.
    Open,
    /// It is open, and a consequence of this outage, whose alarm stands for all its devices.
    Suppressed(Fingerprint),
}

impl OfflineAlarm {
    /// The outage that it is a consequence of.
    fn outage(self) -> Option<Fingerprint> {
        match self {
            Self::Suppressed(outage) => Some(outage),
            Self::Cleared | Self::Open => None,
        }
    }
}

/// What is known of a device at the relay's start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RememberedDevice {
    /// The device's id.
    pub device: DeviceId,
    /// What kind of machine it is.
    pub profile: DeviceProfile,
    /// The network it was last seen in.
    pub site: String,
    /// What it said last, if that was a goodbye.
    pub leaving: Option<ShutdownNotice>,
    /// Whether its alarm is open.
    pub alarm: OfflineAlarm,
    /// When it is usually on.
    pub hours: UsualHours,
}

#[derive(Debug)]
struct DevicePresence {
    profile: DeviceProfile,
    site: String,
    /// When its last connection ended; `None` while it is connected.
    silent: Option<UnixMillis>,
    /// It was connected since the relay started: only then was a goodbye heard if there was one.
    seen: bool,
    leaving: Option<ShutdownNotice>,
    alarmed: bool,
    outage: Option<Fingerprint>,
    hours: UsualHours,
    /// It was connected at some time in the present hour.
    here: bool,
}

/// All devices whose silence is watched, and the outages that go on.
#[derive(Debug)]
pub struct Absence {
    patience: SilenceLimits,
    started: UnixMillis,
    devices: HashMap<DeviceId, DevicePresence>,
    /// By the alarm: where.
    outages: BTreeMap<Fingerprint, String>,
    /// The hour that goes on.
    hour: u64,
    /// Devices whose hours have changed and are to be stored.
    learned: Vec<(DeviceId, UsualHours)>,
}

impl Absence {
    /// At the relay's start, with the instances of outages whose alarm is open.
    pub fn new(
        patience: SilenceLimits,
        remembered: Vec<RememberedDevice>,
        outages: Vec<String>,
        now: UnixMillis,
    ) -> Self {
        let watched = |known: RememberedDevice| DevicePresence {
            profile: known.profile,
            site: known.site,
            silent: Some(now),
            seen: false,
            leaving: known.leaving,
            alarmed: known.alarm != OfflineAlarm::Cleared,
            outage: known.alarm.outage(),
            hours: known.hours,
            here: false,
        };
        let devices = remembered.into_iter().map(|known| (known.device, watched(known))).collect();
        let outages = outages.into_iter().map(|site| (outage_id(&site), site)).collect();
        Self { patience, started: now, devices, outages, hour: hours::number(now), learned: Vec::new() }
    }

    /// A device is here and says what it is. What follows is for the log.
    pub fn here(
        &mut self,
        device: DeviceId,
        profile: DeviceProfile,
        site: &str,
        now: UnixMillis,
    ) -> Vec<AbsenceFinding> {
        // The hour before was without it.
        self.learn(now);
        let watched = self.devices.entry(device).or_insert_with(|| DevicePresence {
            profile,
            site: site.to_owned(),
            silent: None,
            seen: true,
            leaving: None,
            alarmed: false,
            outage: None,
            hours: UsualHours::default(),
            here: true,
        });
        (watched.profile, watched.site) = (profile, site.to_owned());
        self.connected(&device, now)
    }

    /// A device is connected, and what it reports plays no part; does nothing for one that is not watched.
    pub fn connected(&mut self, device: &DeviceId, now: UnixMillis) -> Vec<AbsenceFinding> {
        self.learn(now);
        let Some(watched) = self.devices.get_mut(device) else { return Vec::new() };
        let since = watched.silent.take();
        (watched.seen, watched.here, watched.leaving, watched.outage) = (true, true, None, None);
        if !core::mem::take(&mut watched.alarmed) {
            return Vec::new();
        }
        let away = since.map_or(0, |since| now.0.saturating_sub(since.0) / 60_000);
        let summary = format!("connected again after {away} min");
        let severity = severity_of(watched.profile);
        vec![finding(*device, OFFLINE, "", AlarmTransition::Cleared, severity, summary, now, None)]
    }

    /// A device says that it is about to leave.
    pub fn leaving(&mut self, device: &DeviceId, why: ShutdownNotice) {
        if let Some(watched) = self.devices.get_mut(device) {
            watched.leaving = Some(why);
        }
    }

    /// A device's last connection is gone.
    pub fn gone(&mut self, device: &DeviceId, now: UnixMillis) {
        self.learn(now);
        if let Some(watched) = self.devices.get_mut(device) {
            watched.silent = Some(now);
        }
    }

    /// A device does not belong here any more. Its alarm, if it has one, ends.
    pub fn forget(&mut self, device: &DeviceId, now: UnixMillis) -> Vec<AbsenceFinding> {
        let Some(watched) = self.devices.remove(device).filter(|watched| watched.alarmed) else {
            return Vec::new();
        };
        let severity = severity_of(watched.profile);
        let summary = "the device was withdrawn".to_owned();
        vec![finding(*device, OFFLINE, "", AlarmTransition::Expired, severity, summary, now, None)]
    }

    /// What time has made of silence.
    pub fn tick(&mut self, now: UnixMillis) -> Vec<AbsenceFinding> {
        if now.0.saturating_sub(self.started.0) < self.patience.grace {
            return Vec::new();
        }
        self.learn(now);
        let mut found = Vec::new();
        self.end_outages(now, &mut found);
        self.begin_outages(now, &mut found);
        self.miss(now, &mut found);
        found
    }

    /// Once an hour is over: who was here in it. One that the relay has not seen whole says nothing of who was not.
    fn learn(&mut self, now: UnixMillis) {
        let (hour, over) = (hours::number(now), self.hour);
        if hour == over {
            return;
        }
        self.hour = hour;
        let whole = hour == over + 1 && hours::number(self.started) < over;
        for (device, watched) in self.devices.iter_mut().filter(|(_, w)| w.profile == DeviceProfile::Desktop)
        {
            if watched.here || whole {
                watched.hours.over(over, watched.here);
                self.learned.push((*device, watched.hours.clone()));
            }
            watched.here = watched.silent.is_none();
        }
    }

    /// Whose usual hours are to be stored.
    pub fn take_learned(&mut self) -> Vec<(DeviceId, UsualHours)> {
        core::mem::take(&mut self.learned)
    }

    fn begin_outages(&mut self, now: UnixMillis, found: &mut Vec<AbsenceFinding>) {
        let mut places: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        let mut sites_hit = std::collections::BTreeSet::new();
        for watched in self.devices.values() {
            let lost = watched.lost_together(now, &self.patience);
            if !lost && watched.silent.is_some() {
                continue;
            }
            for place in [watched.site.as_str(), EVERYWHERE] {
                let (of, here) = places.entry(place).or_default();
                *here += 1;
                *of += usize::from(lost);
            }
            if lost {
                sites_hit.insert(watched.site.as_str());
            }
        }
        let several = sites_hit.len() > 1;
        let mut hit: Vec<(String, usize, usize)> = places
            .into_iter()
            .filter(|(place, _)| *place != EVERYWHERE || several)
            .filter(|(_, (lost, all))| {
                *lost >= self.patience.outage_devices && lost * self.patience.outage_one_in >= *all
            })
            .map(|(place, (lost, all))| (place.to_owned(), lost, all))
            .collect();
        // One cause: what is gone everywhere is not told site by site.
        if hit.iter().any(|(place, ..)| place == EVERYWHERE) {
            hit.retain(|(place, ..)| place == EVERYWHERE);
        }
        for (place, lost, all) in hit {
            self.begin_outage(place, (lost, all), now, found);
        }
    }

    fn begin_outage(
        &mut self,
        place: String,
        (lost, all): (usize, usize),
        now: UnixMillis,
        found: &mut Vec<AbsenceFinding>,
    ) {
        let id = outage_id(&place);
        let patience = self.patience;
        for watched in self.devices.values_mut() {
            if (place == EVERYWHERE || watched.site == place) && watched.lost_together(now, &patience) {
                watched.outage = Some(id);
            }
        }
        if self.outages.contains_key(&id) {
            return;
        }
        let where_ = if place == EVERYWHERE { "several networks".to_owned() } else { place.clone() };
        let summary = format!("{lost} of {all} devices behind {where_} were lost within a minute");
        let severity = Severity::Critical;
        found.push(finding(NO_DEVICE, OUTAGE, &place, AlarmTransition::Raised, severity, summary, now, None));
        self.outages.insert(id, place);
    }

    /// An outage is over when too few of its devices are away to be one.
    fn end_outages(&mut self, now: UnixMillis, found: &mut Vec<AbsenceFinding>) {
        let mut away: HashMap<Fingerprint, usize> = HashMap::new();
        for watched in self.devices.values().filter(|w| w.silent.is_some()) {
            if let Some(outage) = watched.outage {
                *away.entry(outage).or_default() += 1;
            }
        }
        let least = self.patience.outage_devices;
        let over: Vec<(Fingerprint, String)> = self
            .outages
            .iter()
            .filter(|(id, _)| away.get(id).is_none_or(|n| *n < least))
            .map(|(id, place)| (*id, place.clone()))
            .collect();
        for (id, place) in over {
            self.outages.remove(&id);
            let left = away.get(&id).copied().unwrap_or_default();
            let summary = format!("the devices are back, except for {left}");
            let severity = Severity::Critical;
            found.push(finding(
                NO_DEVICE,
                OUTAGE,
                &place,
                AlarmTransition::Cleared,
                severity,
                summary,
                now,
                None,
            ));
            for (device, watched) in self.devices.iter_mut().filter(|(_, w)| w.outage == Some(id)) {
                watched.outage = None;
                if watched.alarmed {
                    found.push(AbsenceFinding::Released(Fingerprint::of(*device, OFFLINE, "")));
                }
            }
        }
    }

    fn miss(&mut self, now: UnixMillis, found: &mut Vec<AbsenceFinding>) {
        for (device, watched) in &mut self.devices {
            let Some(since) = watched.silent else { continue };
            let Some((patience, reason)) = watched.patience(&self.patience) else { continue };
            let missed = match watched.profile {
                DeviceProfile::Server => now.0.saturating_sub(since.0),
                DeviceProfile::Desktop => watched.hours.missed(since, now),
            };
            if watched.alarmed || missed < patience {
                continue;
            }
            watched.alarmed = true;
            let summary = format!("{reason}, silent since {since}");
            let severity = severity_of(watched.profile);
            let raised = AlarmTransition::Raised;
            found.push(finding(*device, OFFLINE, "", raised, severity, summary, now, watched.outage));
        }
    }
}

impl DevicePresence {
    /// Lost without a word within the last minute or so.
    fn lost_together(&self, now: UnixMillis, patience: &SilenceLimits) -> bool {
        self.seen
            && self.leaving.is_none()
            && self.silent.is_some_and(|since| now.0.saturating_sub(since.0) <= patience.together)
    }

    /// How long its silence is no alarm, and why it is one then; `None`: never.
    fn patience(&self, patience: &SilenceLimits) -> Option<(u64, &'static str)> {
        match (self.profile, self.leaving) {
            (_, Some(ShutdownNotice::PowerOff | ShutdownNotice::Sleep))
            | (DeviceProfile::Desktop, Some(_)) => None,
            (DeviceProfile::Server, None) => Some((patience.server, "lost without a word")),
            (DeviceProfile::Server, Some(ShutdownNotice::AgentStops)) => {
                Some((patience.agent_stopped, "its agent was stopped and did not come back"))
            }
            (DeviceProfile::Server, Some(ShutdownNotice::Restart)) => {
                Some((patience.restart, "did not come back from its restart"))
            }
            // It may have said goodbye while no relay was there to hear it.
            (DeviceProfile::Desktop, None) if !self.seen => None,
            (DeviceProfile::Desktop, None) => Some((patience.desktop, "lost without a word")),
        }
    }
}

fn severity_of(profile: DeviceProfile) -> Severity {
    match profile {
        DeviceProfile::Server => Severity::Error,
        DeviceProfile::Desktop => Severity::Warning,
    }
}

fn outage_id(place: &str) -> Fingerprint {
    Fingerprint::of(NO_DEVICE, OUTAGE, place)
}

#[allow(clippy::too_many_arguments, reason = "the fields of one event, each of another type")]
pub(super) fn finding(
    device: DeviceId,
    rule: &str,
    instance: &str,
    transition: AlarmTransition,
    severity: Severity,
    summary: String,
    now: UnixMillis,
    suppressed: Option<Fingerprint>,
) -> AbsenceFinding {
    let event = AlarmEvent {
        rule: rule.to_owned(),
        rule_version: 1,
        instance: instance.to_owned(),
        transition,
        severity,
        value: None,
        summary,
        observed_at: now,
        clock_ahead_ms: None,
        runbook: None,
        article: None,
    };
    AbsenceFinding::Event { device, event: Box::new(event), suppressed }
}

#[cfg(test)]
mod tests;
