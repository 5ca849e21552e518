//! Silence of servers and desktops, goodbyes, outages of a place, and the relay's own restart.

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
    assert_eq!(words(absence.tick(lost(32, 200))), ["1 offline raised"], "the missing minutes, next morning");
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
