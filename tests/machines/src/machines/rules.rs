//! The alarms' engine: with any readings and clocks, and however often it is killed, an alarm is raised before it is
//! over, over before it is raised again, and what was kept is what goes on.

use std::collections::BTreeMap;

use nearhand_proto::alarm::{AlarmEvent, AlarmTransition, DeviceProfile};
use nearhand_proto::time::UnixMillis;
use nearhand_rules::{AlarmRule, Engine, EngineTime, RuleSet, SensorReading, StateRow};

use super::InputDraw;

/// Rules of every kind, and others under the same names.
const FILES: [&str; 3] = [
    "profile = \"none\"\n[[rule]]\nname = \"busy\"\nsensor = \"cpu.busy\"\nevery = \"10s\"\n\
     warning = { raise = \"> 80 %\", clear = \"< 70 %\" }\ncritical = { raise = \"> 95 %\", clear = \"< 90 %\" }\n\
     for = \"30s\"\nkeep = \"20s\"\n",
    "profile = \"none\"\n[[rule]]\nname = \"busy\"\nsensor = \"cpu.busy\"\nevery = \"10s\"\n\
     raise = \"> 50 %\"\nclear = \"< 40 %\"\n",
    "profile = \"server\"\n",
];
/// What is read: sensors, of which some are of the profile.
const SENSORS: [&str; 6] =
    ["cpu.busy", "disk.used", "memory.available", "service.failed", "no.such", "disk.inodes"];
const INSTANCES: [&str; 4] = ["", "/", "/home", "nginx.service"];

fn rules(draw: &mut InputDraw<'_>) -> Vec<AlarmRule> {
    let text = FILES[draw.below(FILES.len())];
    RuleSet::read(text, DeviceProfile::Server).map(|set| set.rules).unwrap_or_default()
}

struct RulesRun {
    engine: Engine,
    now: EngineTime,
    /// As the spool keeps them.
    kept: BTreeMap<(String, String), Vec<u8>>,
    /// Alarms that are open, from what was told.
    open: BTreeMap<(String, String), ()>,
}

impl RulesRun {
    fn told(&mut self, events: &[AlarmEvent]) {
        for event in events {
            let key = (event.rule.clone(), event.instance.clone());
            let was_open = self.open.contains_key(&key);
            match event.transition {
                AlarmTransition::Raised => {
                    assert!(!was_open, "raised twice: {event:?}");
                    self.open.insert(key, ());
                }
                AlarmTransition::Cleared | AlarmTransition::Expired => {
                    assert!(was_open, "over before it began: {event:?}");
                    self.open.remove(&key);
                }
                AlarmTransition::Worsened | AlarmTransition::Eased => {
                    assert!(was_open, "of nothing: {event:?}");
                }
                _ => {}
            }
            assert!(event.value.as_ref().is_none_or(|value| value.value.is_finite()), "{event:?}");
        }
        for row in self.engine.changed_rows() {
            keep(&mut self.kept, row);
        }
    }
}

fn keep(kept: &mut BTreeMap<(String, String), Vec<u8>>, row: StateRow) {
    let key = (row.rule, row.instance);
    match row.state {
        Some(state) => drop(kept.insert(key, state)),
        None => drop(kept.remove(&key)),
    }
}

fn value(draw: &mut InputDraw<'_>) -> f64 {
    match draw.byte() {
        0 => f64::NAN,
        1 => f64::INFINITY,
        2 => f64::NEG_INFINITY,
        3 => f64::MAX,
        4 => -1.0,
        other => f64::from(other) / 255.0 * if other & 1 == 0 { 100.0 } else { 1.0 },
    }
}

pub(super) fn run(input: &[u8]) {
    let mut draw = InputDraw::new(input);
    let now =
        EngineTime { monotonic: 1_000, boot: [1; 16], wall: UnixMillis(1_700_000_000_000), ahead_ms: None };
    let engine = Engine::new(rules(&mut draw));
    let mut scene = RulesRun { engine, now, kept: BTreeMap::new(), open: BTreeMap::new() };
    while let Some(operation) = draw.operation(8) {
        match operation {
            0..=3 => {
                let passed = u64::try_from(draw.while_passes().as_millis()).unwrap_or(u64::MAX);
                scene.now.monotonic = scene.now.monotonic.saturating_add(passed);
                scene.now.wall = UnixMillis(scene.now.wall.0.saturating_add(passed));
                let mut readings = Vec::new();
                for _ in 0..draw.below(3) {
                    let sensor = SENSORS[draw.below(SENSORS.len())].to_owned();
                    let values = (0..=draw.below(3))
                        .map(|_| (INSTANCES[draw.below(INSTANCES.len())].to_owned(), value(&mut draw)));
                    readings.push(SensorReading { sensor, values: values.collect() });
                }
                let events = scene.engine.step(scene.now, &readings);
                scene.told(&events);
            }
            4 => {
                // Somebody sets the clock, a day or ten years to either side.
                let by = if draw.coin() { 86_400_000 } else { 315_360_000_000 };
                let wall = scene.now.wall.0;
                let wall = if draw.coin() { wall.saturating_add(by) } else { wall.saturating_sub(by) };
                scene.now.wall = UnixMillis(wall);
            }
            5 => {
                // The machine starts again.
                scene.now.boot = [draw.byte(); 16];
                scene.now.monotonic = u64::from(draw.byte()) * 1000;
                restart(&mut scene);
            }
            6 => restart(&mut scene),
            _ => {
                let rules = rules(&mut draw);
                let events = scene.engine.replace(rules, scene.now);
                scene.told(&events);
            }
        }
    }
}

/// The agent is killed: what goes on is what was kept before anything was told.
fn restart(scene: &mut RulesRun) {
    let rows: Vec<StateRow> = scene
        .kept
        .iter()
        .map(|((rule, instance), state)| StateRow {
            rule: rule.clone(),
            instance: instance.clone(),
            state: Some(state.clone()),
        })
        .collect();
    let rules = scene.engine.rules().to_vec();
    let (engine, gone) = Engine::restore(rules, &rows, scene.now);
    assert!(gone.is_empty(), "nothing has changed, and yet is over: {gone:?}");
    scene.engine = engine;
    let open: Vec<_> =
        scene.engine.open(scene.now).into_iter().map(|event| (event.rule, event.instance)).collect();
    let told: Vec<_> = scene.open.keys().cloned().collect();
    let mut sorted = open;
    sorted.sort();
    assert_eq!(sorted, told, "other alarms are open than were told");
}
