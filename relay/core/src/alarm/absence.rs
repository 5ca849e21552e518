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
fn finding(
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
mod tests {
    use super::*;

    const START: UnixMillis = UnixMillis(1_000_000_000);

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(START.0 + seconds * 1000)
    }

    fn device(n: u8) -> DeviceId {
        DeviceId::from_bytes([n; 16])
    }

    /// `(device or 0, rule, transition, suppressed)`, sorted.
    fn words(found: Vec<AbsenceFinding>) -> Vec<String> {
        let mut words: Vec<String> = found
            .into_iter()
            .map(|finding| match finding {
                AbsenceFinding::Event { device, event, suppressed } => format!(
                    "{} {} {}{}",
                    device.as_bytes()[0],
                    if event.rule == OUTAGE { event.instance.clone() } else { event.rule.clone() },
                    event.transition,
                    if suppressed.is_some() { " suppressed" } else { "" }
                ),
                AbsenceFinding::Released(_) => "released".into(),
            })
            .collect();
        words.sort();
        words
    }

    fn fresh() -> Absence {
        Absence::new(SilenceLimits::default(), vec![], vec![], START)
    }

    #[test]
    fn a_desktop_is_missed_in_its_usual_hours_and_a_server_at_any() {
        const HOUR: u64 = 3600;
        let hour = |n: u64| UnixMillis(n * HOUR * 1000);
        let week = 7 * 24;
        let mut absence = Absence::new(SilenceLimits::default(), vec![], vec![], hour(0));
        // Two weeks of which it was here from eight to sixteen each day; a server all the time.
        absence.here(device(2), DeviceProfile::Server, "a", hour(0));
        let mut learned = Vec::new();
        for n in 0..2 * week {
            let clock = n % 24;
            if clock == 8 {
                absence.here(device(1), DeviceProfile::Desktop, "b", hour(n));
            }
            if clock == 16 {
                absence.leaving(&device(1), ShutdownNotice::PowerOff);
                absence.gone(&device(1), UnixMillis(hour(n).0 - 60_000));
            }
            assert_eq!(words(absence.tick(hour(n))), Vec::<String>::new());
            learned.extend(absence.take_learned());
        }
        assert!(learned.iter().all(|(of, _)| *of == device(1)) && learned.len() > 300);
        // Lost without a word at half past fifteen of the next day: half an hour of it is usual, but the rest of the
        // night is not.
        let lost = |n: u64, seconds: u64| UnixMillis(hour(2 * week + n).0 + seconds * 1000);
        absence.here(device(1), DeviceProfile::Desktop, "b", lost(8, 0));
        absence.gone(&device(1), lost(15, 1900));
        absence.gone(&device(2), lost(15, 1900));
        assert_eq!(words(absence.tick(lost(17, 0))), ["2 offline raised"]);
        assert_eq!(words(absence.tick(lost(32, 60))), Vec::<String>::new());
        assert_eq!(
            words(absence.tick(lost(32, 200))),
            ["1 offline raised"],
            "the missing minutes, next morning"
        );
        // As it is after a restart of the relay.
        let (_, hours) = learned.pop().unwrap();
        assert_eq!(UsualHours::from_text(&hours.to_text()), hours);
    }

    #[test]
    fn a_server_is_missed_after_two_minutes_and_a_desktop_after_thirty() {
        let mut absence = fresh();
        absence.here(device(1), DeviceProfile::Server, "a", at(0));
        absence.here(device(2), DeviceProfile::Desktop, "b", at(0));
        for n in [1, 2] {
            absence.gone(&device(n), at(100));
        }
        assert_eq!(words(absence.tick(at(219))), [""; 0]);
        assert_eq!(words(absence.tick(at(220))), ["1 offline raised"]);
        assert_eq!(words(absence.tick(at(230))), [""; 0], "once");
        assert_eq!(words(absence.tick(at(1900))), ["2 offline raised"]);
        assert_eq!(words(absence.connected(&device(1), at(2000))), ["1 offline cleared"]);
        assert_eq!(words(absence.connected(&device(1), at(2001))), [""; 0]);
        // Withdrawn: nothing is missed any more.
        assert_eq!(words(absence.forget(&device(2), at(2001))), ["2 offline expired"]);
        assert_eq!(words(absence.tick(at(99_999))), [""; 0]);
    }

    #[test]
    fn a_goodbye_is_believed_as_far_as_it_goes() {
        let table = [
            (DeviceProfile::Server, ShutdownNotice::AgentStops, Some(300)),
            (DeviceProfile::Server, ShutdownNotice::Restart, Some(600)),
            (DeviceProfile::Server, ShutdownNotice::PowerOff, None),
            (DeviceProfile::Server, ShutdownNotice::Sleep, None),
            (DeviceProfile::Desktop, ShutdownNotice::AgentStops, None),
            (DeviceProfile::Desktop, ShutdownNotice::Restart, None),
            (DeviceProfile::Desktop, ShutdownNotice::PowerOff, None),
            (DeviceProfile::Desktop, ShutdownNotice::Sleep, None),
        ];
        for (profile, why, missed) in table {
            let mut absence = fresh();
            absence.here(device(1), profile, "a", at(0));
            absence.leaving(&device(1), why);
            absence.gone(&device(1), at(100));
            let first = (100..20_000).step_by(10).find(|s| !absence.tick(at(*s)).is_empty());
            assert_eq!(first.map(|s| s - 100), missed, "{profile:?} {why:?}");
            // The next time, it counts as if nothing had been said.
            absence.connected(&device(1), at(30_000));
            absence.gone(&device(1), at(30_000));
            assert!(!absence.tick(at(40_000)).is_empty(), "{profile:?} {why:?}");
        }
    }

    #[test]
    fn a_lost_site_is_one_alarm_that_suppresses_those_of_its_devices() {
        let mut absence = fresh();
        for n in 1..=10 {
            absence.here(device(n), DeviceProfile::Server, "203.0.113.7", at(0));
        }
        for n in 11..=40 {
            absence.here(device(n), DeviceProfile::Server, &format!("198.51.100.{n}"), at(0));
        }
        for n in 1..=4 {
            absence.gone(&device(n), at(100 + u64::from(n) * 10));
        }
        assert_eq!(words(absence.tick(at(145))), ["0 203.0.113.7 raised"]);
        // One more of them, later; and one elsewhere that has nothing to do with it.
        absence.gone(&device(5), at(160));
        absence.gone(&device(40), at(160));
        assert_eq!(words(absence.tick(at(165))), [""; 0]);
        let children = words(absence.tick(at(290)));
        assert_eq!(
            children,
            [
                "1 offline raised suppressed",
                "2 offline raised suppressed",
                "3 offline raised suppressed",
                "4 offline raised suppressed",
                "40 offline raised",
                "5 offline raised suppressed",
            ]
        );
        for n in 1..=2 {
            assert_eq!(words(absence.connected(&device(n), at(300))), [format!("{n} offline cleared")]);
        }
        assert_eq!(words(absence.tick(at(305))), [""; 0], "three are still away");
        absence.connected(&device(3), at(310));
        assert_eq!(words(absence.tick(at(315))), ["0 203.0.113.7 cleared", "released", "released"]);
    }

    #[test]
    fn what_is_lost_everywhere_is_told_once() {
        let mut absence = fresh();
        for n in 1..=12 {
            absence.here(device(n), DeviceProfile::Server, &format!("198.51.100.{}", n / 4), at(0));
        }
        (1..=9).for_each(|n| absence.gone(&device(n), at(100)));
        assert_eq!(words(absence.tick(at(110))), ["0 all raised"]);
        assert!(words(absence.tick(at(230))).iter().all(|w| w.ends_with("suppressed")));
    }

    #[test]
    fn a_few_or_a_small_part_or_leavers_are_no_outage() {
        let lost_of = |lost: u8, all: u8, leaving: Option<ShutdownNotice>| {
            let mut absence = fresh();
            (1..=all).for_each(|n| drop(absence.here(device(n), DeviceProfile::Desktop, "a", at(0))));
            for n in 1..=lost {
                if let Some(why) = leaving {
                    absence.leaving(&device(n), why);
                }
                absence.gone(&device(n), at(100));
            }
            words(absence.tick(at(101))).len()
        };
        assert_eq!(lost_of(2, 2, None), 0, "too few");
        assert_eq!(lost_of(3, 15, None), 1);
        assert_eq!(lost_of(3, 16, None), 0, "too small a part");
        assert_eq!(lost_of(15, 15, Some(ShutdownNotice::PowerOff)), 0, "the end of a working day");
    }

    #[test]
    fn after_its_own_restart_the_relay_waits_and_concludes_less() {
        let hours = UsualHours::default;
        let known = |n, profile, leaving, alarm| RememberedDevice {
            hours: hours(),
            device: device(n),
            profile,
            site: "a".into(),
            leaving,
            alarm,
        };
        let outage = outage_id("a");
        let remembered = vec![
            known(1, DeviceProfile::Server, None, OfflineAlarm::Cleared),
            known(2, DeviceProfile::Desktop, None, OfflineAlarm::Cleared),
            known(3, DeviceProfile::Server, Some(ShutdownNotice::PowerOff), OfflineAlarm::Cleared),
            known(4, DeviceProfile::Server, None, OfflineAlarm::Suppressed(outage)),
            known(5, DeviceProfile::Server, None, OfflineAlarm::Open),
            known(6, DeviceProfile::Server, None, OfflineAlarm::Cleared),
        ];
        let mut absence = Absence::new(SilenceLimits::default(), remembered, vec!["a".into()], START);
        assert_eq!(words(absence.connected(&device(5), at(1))), ["5 offline cleared"]);
        absence.connected(&device(6), at(20));
        assert_eq!(words(absence.tick(at(35))), [""; 0], "grace");
        // One member is left of the outage: its own alarm counts now.
        assert_eq!(words(absence.tick(at(36))), ["0 a cleared", "released"]);
        assert_eq!(words(absence.tick(at(119))), [""; 0]);
        assert_eq!(words(absence.tick(at(120))), ["1 offline raised"]);
        assert_eq!(words(absence.tick(at(90_000))), [""; 0], "the desktop may have said goodbye to nobody");
    }
}
