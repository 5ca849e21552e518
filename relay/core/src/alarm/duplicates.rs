//! When one identity is used by two machines at once.
//!
//! A device's new connection replaces its old one, which is ordinary: the network changed, the agent was started again. It
//! isn't ordinary that the old one is still alive, since an agent has one connection. When that happens twice within an hour,
//! two programs replace each other in turn: a copied disk, or a stolen key. Pure: times are arguments. Must not live here: how a
//! connection is found alive.

use std::collections::HashMap;
use std::net::SocketAddr;

use nearhand_proto::alarm::{AlarmTransition, Severity};
use nearhand_proto::id::DeviceId;
use nearhand_proto::time::UnixMillis;

use super::absence::{AbsenceFinding, finding};

/// Rule of the alarm that two machines use one identity.
pub const DUPLICATE: &str = "duplicate-identity";
/// Replacements of living connections that are no accident any more.
const TIMES: usize = 2;
/// Within this time, in milliseconds; when it passes without another, the alarm is over.
const WITHIN_MS: u64 = 3_600_000;

#[derive(Debug)]
struct Alternation {
    /// When living connections were replaced.
    at: Vec<UnixMillis>,
    alarmed: bool,
}

/// Devices whose living connections were replaced lately.
#[derive(Debug, Default)]
pub struct DuplicateWatch {
    devices: HashMap<DeviceId, Alternation>,
}

impl DuplicateWatch {
    /// At the relay's start, with the devices whose alarm is open: each ends after a quiet hour.
    pub fn new(alarmed: impl IntoIterator<Item = DeviceId>, now: UnixMillis) -> Self {
        let devices =
            alarmed.into_iter().map(|id| (id, Alternation { at: vec![now], alarmed: true })).collect();
        Self { devices }
    }

    /// A connection of the device that was still alive was replaced by another.
    pub fn replaced_alive(
        &mut self,
        device: DeviceId,
        old: SocketAddr,
        new: SocketAddr,
        now: UnixMillis,
    ) -> Vec<AbsenceFinding> {
        let known =
            self.devices.entry(device).or_insert_with(|| Alternation { at: Vec::new(), alarmed: false });
        known.at.retain(|at| now.0.saturating_sub(at.0) < WITHIN_MS);
        known.at.push(now);
        if known.at.len() > TIMES {
            known.at.remove(0);
        }
        if known.alarmed || known.at.len() < TIMES {
            return Vec::new();
        }
        known.alarmed = true;
        let summary = format!(
            "two machines use this device's key in turn, from {old} and {new}: enrol the copy with a string of its own, \
             or revoke the device if the key was stolen"
        );
        vec![finding(device, DUPLICATE, "", AlarmTransition::Raised, Severity::Critical, summary, now, None)]
    }

    /// What time has made of it.
    pub fn tick(&mut self, now: UnixMillis) -> Vec<AbsenceFinding> {
        let mut found = Vec::new();
        self.devices.retain(|device, known| {
            let quiet = known.at.iter().all(|at| now.0.saturating_sub(at.0) >= WITHIN_MS);
            if quiet && known.alarmed {
                let summary = "for an hour, one machine has used this device's key".to_owned();
                let severity = Severity::Critical;
                let cleared = AlarmTransition::Cleared;
                found.push(finding(*device, DUPLICATE, "", cleared, severity, summary, now, None));
            }
            !quiet
        });
        found
    }

    /// A device does not belong here any more.
    pub fn forget(&mut self, device: &DeviceId, now: UnixMillis) -> Vec<AbsenceFinding> {
        match self.devices.remove(device) {
            Some(known) if known.alarmed => {
                let summary = "the device was withdrawn".to_owned();
                let (expired, severity) = (AlarmTransition::Expired, Severity::Critical);
                vec![finding(*device, DUPLICATE, "", expired, severity, summary, now, None)]
            }
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: DeviceId = DeviceId::from_bytes([1; 16]);

    fn at(minutes: u64) -> UnixMillis {
        UnixMillis(1_000_000_000 + minutes * 60_000)
    }

    fn from(n: u8) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, n], 4000))
    }

    fn raised(found: &[AbsenceFinding]) -> Option<(AlarmTransition, String)> {
        match found {
            [AbsenceFinding::Event { event, .. }] => Some((event.transition, event.summary.clone())),
            _ => None,
        }
    }

    #[test]
    fn connections_that_replace_each_other_are_two_machines() {
        let mut watch = DuplicateWatch::default();
        assert_eq!(watch.replaced_alive(DEVICE, from(1), from(2), at(0)), [], "once may be an accident");
        let (transition, summary) = raised(&watch.replaced_alive(DEVICE, from(2), from(1), at(5))).unwrap();
        assert_eq!(transition, AlarmTransition::Raised);
        assert!(summary.contains("192.0.2.1:4000") && summary.contains("192.0.2.2:4000"), "{summary}");
        assert_eq!(watch.replaced_alive(DEVICE, from(1), from(2), at(10)), [], "one alarm");
        assert_eq!(watch.tick(at(69)), []);
        let (transition, _) = raised(&watch.tick(at(70))).unwrap();
        assert_eq!(transition, AlarmTransition::Cleared);
        assert!(watch.devices.is_empty());
    }

    #[test]
    fn a_replacement_now_and_then_is_none() {
        let mut watch = DuplicateWatch::default();
        for hours in 0..10 {
            assert_eq!(watch.replaced_alive(DEVICE, from(1), from(2), at(hours * 61)), []);
        }
    }

    #[test]
    fn an_alarm_of_before_the_restart_ends_and_one_of_a_withdrawn_device_expires() {
        let mut watch = DuplicateWatch::new([DEVICE], at(0));
        assert_eq!(watch.replaced_alive(DEVICE, from(1), from(2), at(1)), [], "it is raised already");
        let (transition, _) = raised(&watch.forget(&DEVICE, at(2))).unwrap();
        assert_eq!(transition, AlarmTransition::Expired);
        let mut watch = DuplicateWatch::new([DEVICE], at(0));
        assert!(raised(&watch.tick(at(60))).is_some());
    }
}
