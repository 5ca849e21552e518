//! The engine: states, ladders, silence, clocks, restarts, flapping, a day of noise.
#![allow(clippy::unwrap_used, reason = "a test that can't read its own rules must end")]

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, DeviceProfile, Severity};
use nearhand_proto::time::UnixMillis;
use nearhand_rules::{Engine, EngineTime, RuleSet, SensorReading, StateRow};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

use AlarmTransition::{
    Cleared, Eased, Expired, FlappingBegan, FlappingEnded, Raised, SensorBack, SensorLost, Worsened,
};

const WALL: u64 = 1_700_000_000_000;

fn at(seconds: u64) -> EngineTime {
    EngineTime {
        monotonic: seconds * 1000,
        boot: [7; 16],
        wall: UnixMillis(WALL + seconds * 1000),
        ahead_ms: None,
    }
}

fn rules(text: &str) -> Vec<nearhand_rules::AlarmRule> {
    RuleSet::read(&format!("profile = \"none\"\n{text}"), DeviceProfile::Server).unwrap().rules
}

fn threshold(extra: &str) -> Vec<nearhand_rules::AlarmRule> {
    rules(&format!("[[rule]]\nname = \"busy\"\nsensor = \"cpu.busy\"\nevery = \"10s\"\n{extra}"))
}

fn cpu(value: f64) -> [SensorReading; 1] {
    [SensorReading::one("cpu.busy", value)]
}

fn short(events: &[AlarmEvent]) -> Vec<(AlarmTransition, Severity)> {
    events.iter().map(|event| (event.transition, event.severity)).collect()
}

const LADDER: &str = "warning = { raise = \"> 80 %\", clear = \"< 70 %\" }\n\
    critical = { raise = \"> 95 %\", clear = \"< 90 %\" }\n";

#[test]
fn a_ladder_is_raised_worsens_eases_and_clears_with_room_between() {
    let mut engine = Engine::new(threshold(LADDER));
    let mut seen = Vec::new();
    for (n, value) in [50.0, 81.0, 75.0, 96.0, 92.0, 89.0, 71.0, 69.0, 79.0].into_iter().enumerate() {
        seen.extend(short(&engine.step(at(n as u64 * 10), &cpu(value))));
    }
    use Severity::{Critical, Warning};
    assert_eq!(seen, [(Raised, Warning), (Worsened, Critical), (Eased, Warning), (Cleared, Warning)]);
}

#[test]
fn hold_and_keep_are_waited_for_without_interruption() {
    let mut engine =
        Engine::new(threshold("raise = \"> 80 %\"\nclear = \"< 70 %\"\nfor = \"30s\"\nkeep = \"20s\"\n"));
    let values = [90.0, 90.0, 90.0, 50.0, 90.0, 90.0, 90.0, 90.0, 60.0, 75.0, 60.0, 60.0, 60.0];
    let mut seen = Vec::new();
    for (n, value) in values.into_iter().enumerate() {
        seen.extend(engine.step(at(n as u64 * 10), &cpu(value)).iter().map(|e| (n, e.transition)));
    }
    assert_eq!(seen, [(7, Raised), (12, Cleared)]);
}

#[test]
fn silence_is_unknown_and_neither_raises_nor_clears() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\nclear = \"< 70 %\"\n"));
    assert_eq!(short(&engine.step(at(0), &cpu(90.0))), [(Raised, Severity::Warning)]);
    let mut seen = Vec::new();
    for t in (10..600).step_by(10) {
        seen.extend(engine.step(at(t), &[]).iter().map(|e| e.transition));
    }
    assert_eq!(seen, [SensorLost]);
    assert!(engine.alarms(false)[0].unknown);
    let back: Vec<_> = engine.step(at(600), &cpu(90.0)).iter().map(|e| e.transition).collect();
    assert_eq!(back, [SensorBack]);
    let over: Vec<_> = engine.step(at(610), &cpu(10.0)).iter().map(|e| e.transition).collect();
    assert_eq!(over, [Cleared]);
}

#[test]
fn what_is_gone_for_a_day_is_no_longer_watched() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\n"));
    engine.step(at(0), &cpu(90.0));
    let mut seen = Vec::new();
    for t in (60..90_000).step_by(60) {
        seen.extend(engine.step(at(t), &[]).iter().map(|e| e.transition));
    }
    assert_eq!(seen, [SensorLost, Expired]);
    assert_eq!(engine.alarms(true), []);
}

#[test]
fn a_machine_that_slept_waits_again_and_loses_no_sensor() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\nfor = \"60s\"\n"));
    assert_eq!(engine.step(at(0), &cpu(90.0)), []);
    // Eight hours of sleep: the thirty seconds before it count, the night doesn't.
    assert_eq!(engine.step(at(30), &cpu(90.0)), []);
    assert_eq!(engine.step(at(28_830), &cpu(90.0)), []);
    assert_eq!(engine.step(at(28_850), &cpu(90.0)), []);
    assert_eq!(short(&engine.step(at(28_860), &cpu(90.0))), [(Raised, Severity::Warning)]);
    assert_eq!(engine.step(at(60_000), &[]), [], "just awake, nothing measured yet");
}

#[test]
fn the_wall_clock_decides_nothing() {
    let run = |wall: fn(u64) -> u64| {
        let mut engine =
            Engine::new(threshold("raise = \"> 80 %\"\nclear = \"< 70 %\"\nfor = \"30s\"\nkeep = \"30s\"\n"));
        let mut seen = Vec::new();
        for n in 0..40_u64 {
            let moment = EngineTime { wall: UnixMillis(wall(n)), ..at(n * 10) };
            let value = if n < 20 { 90.0 } else { 10.0 };
            seen.extend(engine.step(moment, &cpu(value)).iter().map(|e| (n, e.transition)));
        }
        seen
    };
    let steady = run(|n| WALL + n * 10_000);
    assert_eq!(steady, [(3, Raised), (23, Cleared)]);
    assert_eq!(run(|n| if n % 2 == 0 { 0 } else { u64::MAX }), steady);
    assert_eq!(run(|n| WALL - n * 86_400_000), steady);
}

#[test]
fn a_monotonic_clock_that_goes_back_does_no_harm() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\nfor = \"30s\"\n"));
    for t in [1000, 10, 990, 0, 1000] {
        engine.step(at(t), &cpu(90.0));
    }
    assert_eq!(engine.alarms(false).len(), 1);
}

#[test]
fn counters_rates_and_restarts_of_counters() {
    let oom = "[[rule]]\nname = \"oom\"\nkind = \"rate\"\nsensor = \"oom.kills\"\nwindow = \"30m\"\nraise = \">= 2\"\n";
    let mut engine = Engine::new(rules(oom));
    let mut seen = Vec::new();
    // 5 before we looked; one more; the machine restarts and one is there again.
    for (t, kills) in [(0, 5.0), (10, 5.0), (20, 6.0), (30, 1.0), (40, 1.0)] {
        seen.extend(
            engine.step(at(t), &[SensorReading::one("oom.kills", kills)]).iter().map(|e| (t, e.transition)),
        );
    }
    for t in (50..2000).step_by(10) {
        seen.extend(
            engine.step(at(t), &[SensorReading::one("oom.kills", 1.0)]).iter().map(|e| (t, e.transition)),
        );
    }
    assert_eq!(seen[0], (30, Raised));
    assert_eq!((seen.len(), seen[1].1), (2, Cleared));
    assert!((1800..=1900).contains(&seen[1].0), "{seen:?}");
}

#[test]
fn a_disk_that_fills_is_foreseen() {
    let fills = "[[rule]]\nname = \"fills\"\nkind = \"forecast\"\nsensor = \"disk.used\"\nlimit = \"100 %\"\nwindow = \"6h\"\n\
        warning = { raise = \"< 8h\", clear = \"> 48h\" }\ncritical = { raise = \"< 2h\", clear = \"> 24h\" }\n";
    let mut engine = Engine::new(rules(fills));
    let mut seen = Vec::new();
    for minute in 0..1200_u64 {
        let used = 40.0 + 3.0 * minute as f64 / 60.0;
        let reading = SensorReading { sensor: "disk.used".into(), values: vec![("/".into(), used)] };
        let events = engine.step(at(minute * 60), &[reading]);
        seen.extend(events.iter().map(|e| (minute, e.transition)));
    }
    // 3 % an hour: full in 20 h, so it is told after 12 h and again after 18 h.
    assert_eq!((seen[0].1, seen[1].1, seen.len()), (Raised, Worsened, 2), "{seen:?}");
    assert!(seen[0].0.abs_diff(720) < 15 && seen[1].0.abs_diff(1080) < 15, "{seen:?}");
}

/// What the server profile's forecast tells of a disk, as minute and transition.
fn forecast(minutes: u64, used: impl Fn(u64) -> f64) -> Vec<(u64, AlarmTransition)> {
    let profile = RuleSet::of_profile(DeviceProfile::Server).rules;
    let mut engine = Engine::new(profile.into_iter().filter(|rule| rule.name == "disk-fills").collect());
    let mut seen = Vec::new();
    for minute in 0..minutes {
        let reading =
            SensorReading { sensor: "disk.used".into(), values: vec![("/".into(), used(minute).min(99.9))] };
        let events = engine.step(at(minute * 60), &[reading]);
        seen.extend(events.iter().map(|event| (minute, event.transition)));
    }
    seen
}

#[test]
fn a_large_copy_is_no_disk_that_fills_and_a_trend_is() {
    // From, to, and over how many minutes, after four hours of rest.
    for (from, to, over) in
        [(30.0, 60.0, 60), (50.0, 70.0, 30), (10.0, 14.0, 60), (30.0, 85.0, 60), (40.0, 65.0, 5)]
    {
        let copy =
            |minute: u64| from + (to - from) * (minute.saturating_sub(240).min(over) as f64) / over as f64;
        assert_eq!(forecast(1_440, copy), [], "{from} to {to} % in {over} min");
    }
    let seen = forecast(900, |minute| 50.0 + 5.0 * minute as f64 / 60.0);
    assert_eq!(seen[0].1, Raised, "{seen:?}");
    assert!((120..=300).contains(&seen[0].0), "{seen:?}");
    // The same, and then somebody finds what fills it.
    let ended = forecast(1_200, |minute| 50.0 + 5.0 * minute.min(360) as f64 / 60.0);
    let last = ended.last().unwrap();
    assert_eq!(last.1, Cleared, "{ended:?}");
    assert!((361..=420).contains(&last.0), "{ended:?}");
}

#[test]
fn what_should_come_and_does_not() {
    let backup = "[[rule]]\nname = \"nightly\"\nkind = \"absence\"\nfile = \"/var/log/backup\"\nmatch = \"finished\"\n\
        raise = \"> 26h\"\n";
    let mut engine = Engine::new(rules(backup));
    let lines = |n: f64| [SensorReading { sensor: "log.lines".into(), values: vec![("nightly".into(), n)] }];
    let hour = 3600;
    assert_eq!(engine.step(at(0), &lines(0.0)), []);
    let mut seen = Vec::new();
    for minute in 1..(60 * 80_u64) {
        let came = f64::from(u8::from(minute == 60 * 10 || minute == 60 * 60));
        let events = engine.step(at(minute * 60), &lines(came));
        seen.extend(events.iter().map(|e| (minute * 60 / hour, e.transition)));
    }
    assert_eq!(seen, [(36, Raised), (60, Cleared)]);
}

#[test]
fn services_logs_and_changes() {
    let text = "[[rule]]\nname = \"svc\"\nkind = \"service\"\ninstances = [\"!getty*\"]\nseverity = \"error\"\n\
        [[rule]]\nname = \"io\"\nkind = \"log\"\njournal = true\nmatch = \"I/O\"\nraise = \">= 3\"\nclear = \"< 1\"\nkeep = \"0s\"\n\
        [[rule]]\nname = \"bad\"\nkind = \"change\"\nsensor = \"smart.reallocated\"\ndirection = \"rises\"\nwindow = \"1h\"\nevery = \"60s\"\n";
    let mut engine = Engine::new(rules(text));
    let read = |sensor: &str, values: &[(&str, f64)]| SensorReading {
        sensor: sensor.into(),
        values: values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    };
    let first = [
        read("service.failed", &[("nginx.service", 1.0), ("getty@tty1.service", 1.0)]),
        read("log.lines", &[("io", 2.0)]),
        read("smart.reallocated", &[("/dev/sda", 3.0)]),
    ];
    let events = engine.step(at(0), &first);
    assert_eq!((events.len(), events[0].instance.as_str()), (1, "nginx.service"));
    // Systemd lists only what failed: what it leaves out is well.
    let second = [
        read("service.failed", &[]),
        read("log.lines", &[("io", 1.0)]),
        read("smart.reallocated", &[("/dev/sda", 4.0)]),
    ];
    let mut events: Vec<_> =
        engine.step(at(60), &second).into_iter().map(|e| (e.rule, e.transition)).collect();
    events.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(events, [("bad".into(), Raised), ("io".into(), Raised), ("svc".into(), Cleared)]);
    let mut over = Vec::new();
    for t in (120..4000).step_by(60) {
        let rest = [read("log.lines", &[("io", 0.0)]), read("smart.reallocated", &[("/dev/sda", 4.0)])];
        over.extend(engine.step(at(t), &rest).into_iter().map(|e| (e.rule, e.transition)));
    }
    assert_eq!(over, [("io".into(), Cleared), ("bad".into(), Cleared)]);
}

#[test]
fn a_second_condition_must_hold_as_well() {
    let text = "[[rule]]\nname = \"full\"\nsensor = \"disk.used\"\n\
        critical = { raise = \"> 98 %\", clear = \"< 90 %\", also = \"disk.free < 5 GB\" }\n";
    let mut engine = Engine::new(rules(text));
    let disk = |free: f64| {
        [
            SensorReading { sensor: "disk.used".into(), values: vec![("/".into(), 99.0)] },
            SensorReading { sensor: "disk.free".into(), values: vec![("/".into(), free)] },
        ]
    };
    assert_eq!(engine.step(at(0), &disk(80e9)), []);
    assert_eq!(short(&engine.step(at(10), &disk(1e9))), [(Raised, Severity::Critical)]);
}

#[test]
fn instances_are_bounded_and_nonsense_is_passed_over() {
    let mut engine =
        Engine::new(rules("[[rule]]\nname = \"d\"\nsensor = \"disk.used\"\nraise = \"> 1 %\"\n"));
    let values = (0..500).map(|n| (format!("/mnt/{n}"), 50.0)).collect();
    let events = engine.step(at(0), &[SensorReading { sensor: "disk.used".into(), values }]);
    assert_eq!((events.len(), engine.left_out()), (256, vec![("d", 244)]));
    assert!(events.iter().all(|event| event.check().is_ok()));
    let odd = vec![("x".repeat(500), 99.0), ("/nan".into(), f64::NAN), ("/inf".into(), f64::INFINITY)];
    assert_eq!(engine.step(at(10), &[SensorReading { sensor: "disk.used".into(), values: odd }]), []);
}

#[test]
fn what_matters_takes_the_place_of_what_is_well_and_stands_behind_it() {
    let mut engine =
        Engine::new(rules("[[rule]]\nname = \"d\"\nsensor = \"disk.used\"\nraise = \"> 90 %\"\n"));
    let memory = |n: usize| (format!("/run/{n}"), if n == 0 { 99.0 } else { 1.0 });
    let reading = |disk: Option<(String, f64)>| {
        let values = disk.into_iter().chain((0..300).map(memory)).collect();
        [SensorReading { sensor: "disk.used".into(), values }]
    };
    assert_eq!(engine.step(at(0), &reading(None)).len(), 1);
    assert_eq!(engine.left_out(), [("d", 44)]);
    let events = engine.step(at(10), &reading(Some(("/data".into(), 100.0))));
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].instance, "/data", "a disk that is mounted late is watched");
    assert_eq!(engine.left_out(), [("d", 45)]);
    let open: Vec<String> = engine.alarms(false).into_iter().map(|alarm| alarm.instance).collect();
    assert_eq!(open, ["/data", "/run/0"], "an open alarm keeps its place");
}

#[test]
fn a_rule_that_goes_expires_its_alarms_and_one_that_changes_keeps_them() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\nclear = \"< 70 %\"\n"));
    engine.step(at(0), &cpu(90.0));
    assert_eq!(engine.replace(threshold("raise = \"> 85 %\"\nclear = \"< 75 %\"\n"), at(5)), []);
    assert_eq!(engine.step(at(10), &cpu(90.0)), [], "it is still the same alarm");
    let gone = engine.replace(Vec::new(), at(20));
    assert_eq!(short(&gone), [(Expired, Severity::Warning)]);
    let rows = engine.changed_rows();
    assert!(rows.iter().any(|row| row.rule == "busy" && row.state.is_none()), "its row is to be removed");
}

#[test]
fn an_alarm_that_comes_and_goes_is_told_once() {
    let mut engine = Engine::new(threshold("raise = \"> 80 %\"\nclear = \"< 70 %\"\n"));
    let mut seen = Vec::new();
    for minute in 0..240_u64 {
        let value = if minute < 120 && minute % 2 == 0 { 90.0 } else { 10.0 };
        seen.extend(engine.step(at(minute * 60), &cpu(value)).iter().map(|e| e.transition));
    }
    assert_eq!(seen, [Raised, Cleared, Raised, FlappingBegan, FlappingEnded, Cleared]);
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Roughly normal, by the sum of twelve.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

/// A day of a processor that works near its limit: a slow wave, noise, and swings of minutes.
fn noisy_day() -> Vec<f64> {
    let mut noise = Noise(42);
    let mut drift = 0.0;
    (0..8640)
        .map(|n| {
            let hour = f64::from(n) / 360.0;
            drift = 0.9 * drift + noise.bell();
            (83.0 + 3.0 * (hour / 3.7).sin() + drift + 6.0 * noise.bell()).clamp(0.0, 100.0)
        })
        .collect()
}

fn notices(rules: Vec<nearhand_rules::AlarmRule>, day: &[f64]) -> usize {
    let mut engine = Engine::new(rules);
    (0..).step_by(10).zip(day).map(|(t, value)| engine.step(at(t), &cpu(*value)).len()).sum()
}

#[test]
fn a_day_of_noise_gives_at_most_two_notices_and_naively_hundreds() {
    let day = noisy_day();
    let named = |profile: DeviceProfile| {
        RuleSet::of_profile(profile).rules.into_iter().filter(|r| r.name == "cpu").collect::<Vec<_>>()
    };
    // What a rule without room, patience and memory would say: one notice each time the limit is passed.
    let naive = day.windows(2).filter(|pair| (pair[0] > 85.0) != (pair[1] > 85.0)).count();
    let (server, desktop) =
        (notices(named(DeviceProfile::Server), &day), notices(named(DeviceProfile::Desktop), &day));
    println!("naively {naive}, server {server}, desktop {desktop}");
    assert!(naive >= 300, "{naive}");
    assert!((1..=2).contains(&server), "{server}");
    assert!(desktop <= 2, "{desktop}");
}

fn samples() -> impl Strategy<Value = Vec<(u64, Option<f64>)>> {
    let sample = (1_u64..200, proptest::option::weighted(0.9, 0.0_f64..100.0));
    proptest::collection::vec(sample, 1..400)
}

const ANY: &str = "keep = \"20s\"\nfor = \"10s\"\nwarning = { raise = \"> 60 %\", clear = \"< 40 %\" }\n\
    critical = { raise = \"> 80 %\", clear = \"< 70 %\" }\n";

fn many() -> Vec<nearhand_rules::AlarmRule> {
    let more = "[[rule]]\nname = \"mean\"\nsensor = \"cpu.busy\"\naggregate = \"mean\"\nwindow = \"2m\"\nraise = \"> 50 %\"\n\
        [[rule]]\nname = \"moves\"\nkind = \"change\"\nsensor = \"cpu.busy\"\nwindow = \"1m\"\ndirection = \"rises\"\n\
        [[rule]]\nname = \"grows\"\nkind = \"rate\"\nsensor = \"cpu.busy\"\nwindow = \"1m\"\nraise = \"> 90 %\"\n";
    let first = format!("[[rule]]\nname = \"busy\"\nsensor = \"cpu.busy\"\n{ANY}");
    rules(&format!("{first}{more}"))
}

fn run(steps: &[(u64, Option<f64>)], restart_at: Option<usize>) -> (Vec<AlarmEvent>, Vec<StateRow>) {
    let mut engine = Engine::new(many());
    let (mut t, mut events) = (0, Vec::new());
    for (n, (by, value)) in steps.iter().enumerate() {
        if restart_at == Some(n) {
            let rows = engine.all_rows();
            let (next, gone) = Engine::restore(many(), &rows, at(t));
            assert_eq!(gone, []);
            engine = next;
        }
        t += by;
        let reading: Vec<SensorReading> = value.iter().map(|v| SensorReading::one("cpu.busy", *v)).collect();
        events.extend(engine.step(at(t), &reading));
    }
    let rows = engine.all_rows();
    (events, rows)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]
    #[test]
    fn a_restart_in_the_middle_changes_nothing(steps in samples(), cut in 0_usize..400) {
        let whole = run(&steps, None);
        prop_assert_eq!(&run(&steps, None), &whole, "the same samples give the same events");
        prop_assert_eq!(&run(&steps, Some(cut % steps.len())), &whole);
    }

    #[test]
    fn beginnings_and_ends_alternate(steps in samples()) {
        let (events, _) = run(&steps, None);
        for rule in ["busy", "mean", "moves", "grows"] {
            let mut open: Option<Severity> = None;
            let mut flapping = false;
            let mut lost = false;
            for event in events.iter().filter(|event| event.rule == rule) {
                prop_assert!(event.check().is_ok());
                match event.transition {
                    Raised => {
                        prop_assert!(open.is_none(), "raised twice");
                        open = Some(event.severity);
                    }
                    Worsened => {
                        prop_assert!(open.is_some_and(|s| event.severity > s));
                        open = Some(event.severity);
                    }
                    Eased => {
                        prop_assert!(!flapping && open.is_some_and(|s| event.severity < s));
                        open = Some(event.severity);
                    }
                    Cleared | Expired => {
                        prop_assert!(open.is_some(), "ended without a beginning");
                        prop_assert!(!flapping);
                        open = None;
                    }
                    SensorLost => {
                        prop_assert!(open.is_some() && !lost);
                        lost = true;
                    }
                    SensorBack => {
                        prop_assert!(lost);
                        lost = false;
                    }
                    FlappingBegan => {
                        prop_assert!(open.is_some() && !flapping);
                        flapping = true;
                    }
                    FlappingEnded => {
                        prop_assert!(flapping);
                        flapping = false;
                        open = Some(event.severity);
                    }
                }
            }
        }
    }
}
