//! Mistakes in rules files are named with their line and what to write instead.

use nearhand_proto::alarm::{DeviceProfile, Severity};
use nearhand_rules::RuleSet;

fn rule(keys: &str) -> String {
    format!("[[rule]]\nname = \"mine\"\n{keys}\n")
}

#[test]
fn each_mistake_has_its_line() {
    let disk = "sensor = \"disk.used\"\n";
    let table: &[(String, usize, &str)] = &[
        ("profile = \"laptop\"\n".into(), 1, "there is no profile"),
        ("rule = 3\n".into(), 1, "invalid type"),
        ("[[rule]\n".into(), 1, ""),
        ("\n\n[[rule]]\nname = \"x\"\ncolour = \"red\"\n".into(), 5, "unknown field `colour`"),
        (rule("sensor = \"disk.used\"\nraise = 90"), 4, "invalid type"),
        (rule("sensor = \"disk.used\"\nraise = \"> 90\""), 4, "this is percent"),
        (rule("sensor = \"disk.used\"\nraise = \"> 5 GB\""), 4, "this is percent"),
        (rule("sensor = \"disk.used\"\nraise = \"90 %\""), 4, "is no condition"),
        (rule("sensor = \"disk.user\"\nraise = \"> 90 %\""), 3, "did you mean disk.used"),
        (rule("sensor = \"disk.used\"\nraise = \"> 90 %\"\nclear = \"< 95 %\""), 5, "wrong side"),
        (rule("sensor = \"disk.used\"\nraise = \"> 90 %\"\nclear = \"> 80 %\""), 5, "same way"),
        (rule("sensor = \"memory.available\"\nraise = \"< 5 %\"\nclear = \"> 3 %\""), 5, "wrong side"),
        (
            rule(
                "sensor = \"disk.used\"\nwarning = { raise = \"> 90 %\" }\n\
                 critical = { raise = \"> 80 %\" }",
            ),
            5,
            "raise of critical (> 80 %) is below that of warning (> 90 %)",
        ),
        (
            rule(
                "sensor = \"disk.used\"\nwarning = { raise = \"> 90 %\" }\ncritical = { raise = \"< 80 %\" }",
            ),
            5,
            "different ways",
        ),
        (
            rule("sensor = \"disk.used\"\nraise = \"> 9 %\"\nwarning = { raise = \"> 8 %\" }"),
            4,
            "of their own",
        ),
        (rule(&format!("{disk}raise = \"> 9 %\"\nfor = \"5\"")), 5, "is not a duration"),
        (rule(&format!("{disk}raise = \"> 9 %\"\naggregate = \"mean\"")), 1, "looks back"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nwindow = \"5s\"\naggregate = \"max\"")), 5, "shorter"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nevery = \"10ms\"")), 5, "from 1s"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nseverity = \"bad\"")), 5, "no such severity"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nsummary = \"{{who}}\"")), 5, "{who}"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nkind = \"guess\"")), 5, "there is no kind"),
        (rule(&format!("{disk}raise = \"> 9 %\"\nlimit = \"5 %\"")), 5, "only forecast"),
        (rule(disk), 1, "no limit"),
        (rule("raise = \"> 1\""), 1, "watches nothing"),
        (rule("kind = \"log\"\nfile = \"/x\"\nmatch = \"(\""), 5, "match"),
        (rule("kind = \"log\"\nfile = \"x\"\nmatch = \"x\""), 4, "doesn't begin with /"),
        (rule("kind = \"log\"\nmatch = \"x\""), 1, "where the lines come from"),
        (rule("kind = \"log\"\njournal = true"), 1, "needs match"),
        (rule("kind = \"absence\"\nsensor = \"backup.age\"\nraise = \"> 1h\""), 1, "must name"),
        (
            rule("kind = \"forecast\"\nsensor = \"disk.used\"\nraise = \"< 1h\"\nwindow = \"1h\""),
            1,
            "needs limit",
        ),
        (
            "[[rule]]\nname = \"No\"\nsensor = \"cpu.busy\"\nraise = \"> 1 %\"\n".into(),
            2,
            "can't be a rule's name",
        ),
        (
            "[[rule]]\nname = \"disk-space\"\nwarning = { raise = \"> 99.5 %\" }\n".into(),
            1,
            "below that of warning",
        ),
        (format!("{}{}", rule("off = true"), rule("off = true")), 5, "there already, in line 2"),
        ("[[rule]]\nraise = \"> 1\"\n".into(), 1, "has no name"),
        ("[watch]\ncertificates = [\n  \"/a\",\n  \"b\",\n]\n".into(), 4, "whole path"),
    ];
    for (text, line, words) in table {
        let mistakes = RuleSet::read(text, DeviceProfile::Server).unwrap_err();
        let fits = mistakes.iter().any(|m| m.line == *line && m.what.contains(words));
        assert!(fits, "expected line {line}: {words:?}, found {mistakes:?}\n{text}");
    }
}

#[test]
fn too_many_rules_are_refused() {
    let many: String = (0..201)
        .map(|n| format!("[[rule]]\nname = \"r{n}\"\nsensor = \"cpu.busy\"\nraise = \"> 1 %\"\n"))
        .collect();
    let mistakes = RuleSet::read(&format!("profile = \"none\"\n{many}"), DeviceProfile::Server).unwrap_err();
    assert!(mistakes[0].what.contains("201 rules are too many"), "{mistakes:?}");
    assert!(RuleSet::read(&"#".repeat(300_000), DeviceProfile::Server).is_err());
}

#[test]
fn all_mistakes_are_told_at_once_in_order() {
    let text = "[[rule]]\nname = \"a\"\nsensor = \"cpu.busy\"\nraise = \"x\"\nfor = \"y\"\n\
        [[rule]]\nname = \"b\"\nsensor = \"nope\"\n";
    let lines: Vec<usize> =
        RuleSet::read(text, DeviceProfile::Server).unwrap_err().iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [4, 5, 8]);
}

#[test]
fn the_profiles_are_right_and_hold_the_defaults() {
    for profile in [DeviceProfile::Desktop, DeviceProfile::Server] {
        let set = RuleSet::read("", profile).unwrap();
        assert_eq!(set.advice, []);
        assert_eq!(set, RuleSet::of_profile(profile));
        assert!(set.rules.len() >= 20);
    }
    let server = RuleSet::of_profile(DeviceProfile::Server);
    let disk = server.rules.iter().find(|r| r.name == "disk-space").unwrap();
    let limits: Vec<_> = disk.levels.iter().map(|l| (l.severity, l.raise.limit, l.clear.limit)).collect();
    assert_eq!(limits, [(Severity::Warning, 90.0, 80.0), (Severity::Critical, 98.0, 90.0)]);
    assert_eq!(disk.levels[1].also.map(|(s, c)| (s.name, c.limit)), Some(("disk.free", 5e9)));
    let desktop = RuleSet::of_profile(DeviceProfile::Desktop);
    assert!(desktop.rules.iter().all(|r| r.name != "inodes" && r.name != "load"));
    assert_eq!(desktop.rules.iter().find(|r| r.name == "cpu").unwrap().levels[0].severity, Severity::Info);
}

#[test]
fn a_file_changes_adds_and_switches_off() {
    let text = "profile = \"server\"\n\
        [[rule]]\nname = \"disk-space\"\ninstances = [\"/\"]\nwarning = { raise = \"> 70 %\", clear = \"< 60 %\" }\n\
        [[rule]]\nname = \"swap\"\noff = true\n\
        [[rule]]\nname = \"web\"\nkind = \"log\"\nunit = \"nginx.service\"\nmatch = \"5\\\\d\\\\d \"\n";
    let set = RuleSet::read(text, DeviceProfile::Desktop).unwrap();
    assert_eq!(set.profile, DeviceProfile::Server);
    let disk = set.rules.iter().find(|r| r.name == "disk-space").unwrap();
    assert_eq!((disk.levels[0].raise.limit, disk.levels[1].raise.limit), (70.0, 98.0));
    assert!(disk.instances.takes("/") && !disk.instances.takes("/home"));
    assert!(set.rules.iter().all(|rule| rule.name != "swap"));
    let before = RuleSet::of_profile(DeviceProfile::Server);
    assert_ne!(disk.version, before.rules.iter().find(|r| r.name == "disk-space").unwrap().version);
    assert!(set.rules.iter().any(|rule| rule.name == "web" && rule.lines.is_some()));
}

#[test]
fn a_limit_without_room_about_it_is_advised_against() {
    let set =
        RuleSet::read(&rule("sensor = \"cpu.busy\"\nraise = \"> 90 %\""), DeviceProfile::Server).unwrap();
    assert_eq!((set.advice.len(), set.advice[0].line), (1, 4));
}
