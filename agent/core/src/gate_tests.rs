//! Tests of the gate: each of the owner's keys, times, limits, and what nobody has said.

use super::*;

const MINUTE: u64 = 60_000;
const T: UnixMillis = UnixMillis(1_000_000_000);

fn rules(text: &str) -> RunbookRules {
    toml::from_str(text).unwrap()
}

fn ask(class: RiskClass, by: RunStarter) -> GateRequest<'static> {
    GateRequest { name: "clear-caches", built_in: true, class, mode: RunMode::Apply, by }
}

fn now() -> GateConditions {
    GateConditions { wall: T, minute: Some(12 * 60), idle: None, switched_off: false }
}

const SESSION: RunStarter = RunStarter::Technician { attended: false };

fn past(minutes_ago: u64, by_rule: bool) -> PastRun {
    let began = UnixMillis(T.0 - minutes_ago * MINUTE);
    PastRun { runbook: "clear-caches".into(), began, by_rule, applied: true }
}

#[test]
fn without_a_word_of_the_owner_only_mild_built_in_ones_and_nothing_by_itself() {
    let usual = RunbookRules::default();
    assert_eq!(usual.judge(&ask(RiskClass::Reversible, SESSION), &[], &now()), Ok(()));
    assert_eq!(
        usual.judge(&ask(RiskClass::Disruptive, SESSION), &[], &now()),
        Err(RunRefusal::Class { class: 2, most: 1 })
    );
    let foreign = GateRequest { built_in: false, ..ask(RiskClass::Reads, SESSION) };
    assert!(matches!(usual.judge(&foreign, &[], &now()), Err(RunRefusal::NotAllowed(_))));
    assert!(matches!(
        usual.judge(&ask(RiskClass::Reads, RunStarter::Rule), &[], &now()),
        Err(RunRefusal::NotAllowed(_))
    ));
}

#[test]
fn the_owners_lists_and_switches_win() {
    let text = "allow = [\"other\"]\n";
    assert!(matches!(
        rules(text).judge(&ask(RiskClass::Reads, SESSION), &[], &now()),
        Err(RunRefusal::NotAllowed(_))
    ));
    let off = rules("off = true\nallow = [\"clear-caches\"]\n");
    assert_eq!(off.judge(&ask(RiskClass::Reads, SESSION), &[], &now()), Err(RunRefusal::Off));
    let switched = GateConditions { switched_off: true, ..now() };
    assert_eq!(
        RunbookRules::default().judge(&ask(RiskClass::Reads, SESSION), &[], &switched),
        Err(RunRefusal::Off)
    );
    // By itself it needs both lists.
    let both = rules("allow = [\"clear-caches\"]\nautomatic = [\"clear-caches\"]\n");
    assert_eq!(both.judge(&ask(RiskClass::Reversible, RunStarter::Rule), &[], &now()), Ok(()));
    let one = rules("allow = [\"x\"]\nautomatic = [\"clear-caches\"]\n");
    assert!(one.judge(&ask(RiskClass::Reversible, RunStarter::Rule), &[], &now()).is_err());
}

#[test]
fn class_3_never_runs_by_itself() {
    let all = rules("max_class = 3\nautomatic = [\"clear-caches\"]\nquiet = \"00:00-23:59\"\n");
    assert_eq!(all.judge(&ask(RiskClass::Disruptive, RunStarter::Rule), &[], &now()), Ok(()));
    assert_eq!(
        all.judge(&ask(RiskClass::Destructive, RunStarter::Rule), &[], &now()),
        Err(RunRefusal::Class { class: 3, most: 2 })
    );
}

#[test]
fn class_2_needs_a_person_a_quiet_time_or_an_idle_machine() {
    let text = "max_class = 2\nautomatic = [\"clear-caches\"]\nquiet = \"22:00-06:00\"\n";
    let rules = rules(text);
    let at = |minute: u16| GateConditions { minute: Some(minute), ..now() };
    let by_rule = ask(RiskClass::Disruptive, RunStarter::Rule);
    for (minute, runs) in
        [(22 * 60, true), (23 * 60 + 59, true), (0, true), (359, true), (360, false), (720, false)]
    {
        assert_eq!(rules.judge(&by_rule, &[], &at(minute)).is_ok(), runs, "{minute}");
    }
    let refused = rules.judge(&by_rule, &[], &at(720)).unwrap_err();
    assert!(refused.to_string().contains("from 22:00 to 06:00"), "{refused}");
    let idle = |seconds| GateConditions { idle: Some(Duration::from_secs(seconds)), ..at(720) };
    assert!(rules.judge(&by_rule, &[], &idle(599)).is_err());
    assert!(rules.judge(&by_rule, &[], &idle(600)).is_ok());
    let attended = ask(RiskClass::Disruptive, RunStarter::Technician { attended: true });
    assert!(rules.judge(&attended, &[], &at(720)).is_ok());
    assert!(rules.judge(&ask(RiskClass::Disruptive, SESSION), &[], &at(720)).is_err());
    // A dry run changes nothing at any time.
    let dry = GateRequest { mode: RunMode::DryRun, ..by_rule };
    assert!(rules.judge(&dry, &[], &at(720)).is_ok());
}

#[test]
fn a_rule_runs_it_once_in_half_an_hour_and_three_times_a_day() {
    let rules = rules("automatic = [\"clear-caches\"]\n");
    let by_rule = ask(RiskClass::Reversible, RunStarter::Rule);
    assert_eq!(rules.judge(&by_rule, &[past(29, true)], &now()), Err(RunRefusal::TooOften(60)));
    assert_eq!(rules.judge(&by_rule, &[past(30, true)], &now()), Ok(()));
    let three = [past(31, true), past(600, true), past(1430, true)];
    assert_eq!(rules.judge(&by_rule, &three, &now()), Err(RunRefusal::TooOften(600)));
    // Others, technicians and dry runs are counted apart.
    let other = PastRun { runbook: "sync-time".into(), ..past(1, true) };
    let dry = PastRun { applied: false, ..past(1, true) };
    assert_eq!(rules.judge(&by_rule, &[other, dry, past(1, false)], &now()), Ok(()));
    // A clock that was set back doesn't make room.
    let ahead = PastRun { began: UnixMillis(T.0 + 600 * MINUTE), ..past(0, true) };
    assert!(rules.judge(&by_rule, &[ahead], &now()).is_err());
}

#[test]
fn a_technician_runs_it_six_times_an_hour() {
    let six: Vec<PastRun> = (0..6).map(|n| past(n * 9 + 5, false)).collect();
    let rules = RunbookRules::default();
    assert_eq!(rules.judge(&ask(RiskClass::Reversible, SESSION), &six[..5], &now()), Ok(()));
    assert_eq!(
        rules.judge(&ask(RiskClass::Reversible, SESSION), &six, &now()),
        Err(RunRefusal::TooOften(600))
    );
}

#[test]
fn an_order_begins_within_its_time_or_not_at_all() {
    let at = |minutes: i64| UnixMillis(T.0.checked_add_signed(minutes * 60_000).unwrap());
    assert_eq!(in_time(at(0), at(10), T), Ok(()));
    assert_eq!(in_time(at(-60), at(0), T), Ok(()));
    assert_eq!(in_time(at(-10), at(-1), T), Err(RunRefusal::Late(at(-1))));
    assert_eq!(in_time(at(0), at(61), T), Err(RunRefusal::TooFar(at(61))));
    assert_eq!(in_time(at(-30), at(31), T), Err(RunRefusal::TooFar(at(31))), "longer than an hour in all");
    assert_eq!(in_time(at(5), at(10), T), Err(RunRefusal::TooFar(at(10))), "from the future");
    assert_eq!(
        in_time(UnixMillis(0), UnixMillis(u64::MAX), T),
        Err(RunRefusal::TooFar(UnixMillis(u64::MAX)))
    );
}

#[test]
fn mistakes_of_the_owner_are_named() {
    for (text, says) in [
        ("max_class = 4", "max_class"),
        ("allow = [\"Clear Caches\"]", "no name of a runbook"),
        ("quiet = \"22-6\"", "no time of day"),
        ("quiet = \"24:00-06:00\"", "no time of day"),
        ("clear = [\"/\"]", "can't be cleared"),
        ("clear = [\"/etc\"]", "can't be cleared"),
        ("clear = [\"/srv/../etc\"]", "can't be cleared"),
        ("clear = [\"srv/cache\"]", "can't be cleared"),
        ("services = [\"-x.service\"]", "not possible"),
        ("processes = [\"a/b\"]", "not possible"),
        ("colour = 1", "unknown field"),
    ] {
        let error = toml::from_str::<RunbookRules>(text).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
    assert_eq!(rules("clear = [\"/srv/cache\", \"/tmp\"]").clear.unwrap().len(), 2);
}
