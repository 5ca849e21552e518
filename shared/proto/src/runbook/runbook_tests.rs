//! Tests of runbooks: hostile values, narrowing, classes, and the eight that come with the program.

use proptest::prelude::*;

use super::*;
use crate::wire;

fn built(name: &str) -> Manifest {
    built_in().into_iter().find(|manifest| manifest.name == name).unwrap()
}

fn said(values: &[(&str, &str)]) -> Vec<(String, ParameterValue)> {
    values
        .iter()
        .map(|(name, value)| ((*name).to_owned(), ParameterValue::Text((*value).to_owned())))
        .collect()
}

#[test]
fn the_eight_are_sound_and_each_is_called_as_its_act() {
    let all = built_in();
    assert_eq!(all.len(), 8);
    for (manifest, action) in all.iter().zip(RunbookAction::ALL) {
        assert_eq!(manifest.check(), [], "{}", manifest.name);
        assert_eq!(manifest.name, action.name());
        assert!(manifest.parameters.iter().all(|parameter| !parameter.about.is_empty()), "{}", manifest.name);
        assert!(manifest.class < RiskClass::Destructive);
    }
    assert_eq!(all.iter().filter(|m| m.class == RiskClass::Reads).count(), 1);
}

#[test]
fn the_class_of_a_run_is_that_of_what_it_does() {
    let network = built("mend-network");
    assert_eq!(network.class, RiskClass::Disruptive);
    let class = |how| network.class_of(&network.bind(&said(&[("how", how)])).unwrap());
    assert_eq!((class("flush-dns"), class("reset-adapter")), (RiskClass::Reversible, RiskClass::Disruptive));
    let stricter = Manifest { class: RiskClass::Destructive, ..network.clone() };
    assert_eq!(stricter.class_of(&stricter.bind(&[]).unwrap()), RiskClass::Destructive);
    let milder = Manifest { class: RiskClass::Reversible, ..network };
    assert!(milder.check().iter().any(|mistake| mistake.place == MistakePlace::Field("class")));
}

#[test]
fn what_does_not_fit_is_refused_and_named() {
    let caches = built("clear-caches");
    let number = |n| vec![("older-than".to_owned(), ParameterValue::Integer(n))];
    assert!(caches.bind(&number(24)).is_ok());
    for (bad, says) in [
        (number(0), "from 1 to 8760"),
        (said(&[("older-than", "24")]), "a whole number"),
        (said(&[("shell", "rm")]), "no parameter \"shell\""),
        (said(&[("on", "-rf")]), "absolute path"),
        ([number(2), number(3)].concat(), "twice"),
        (said(&[("a\u{1b}[2J", "x")]), "no parameter \"a\u{fffd}[2J\""),
    ] {
        let why = caches.bind(&bad).unwrap_err().to_string();
        assert!(why.contains(says), "{why}");
    }
    assert!(built("restart-service").bind(&[]).unwrap_err().to_string().contains("service must be said"));
}

#[test]
fn hostile_values_are_none_of_their_kind() {
    let any = || vec!["*".to_owned()];
    let kinds = [
        ParameterKind::Service(any()),
        ParameterKind::Process(any()),
        ParameterKind::Interface,
        ParameterKind::MountPoint,
    ];
    for text in [
        "",
        "-",
        "--now",
        "-H.service",
        "a b.service",
        "a;b.service",
        "$(x).service",
        "`x`.service",
        "a\nb.service",
        "a/../b.service",
        "../x.service",
        "a\0.service",
        "é.service",
        "x.socket",
        ".service",
        "..service",
        "*",
        "*.service",
        "/tmp/..",
        "/tmp/../etc",
        "/tmp/./x",
        "//tmp",
        "/tmp/",
        "/-rf",
        "/tmp/-x",
        "/tmp x",
        "tmp",
        "/tmp\n",
        "lo",
        ".",
    ] {
        for kind in &kinds {
            let read = kind.read(text);
            let fine = matches!((kind, text), (ParameterKind::Process(_), "lo"))
                || matches!((kind, text), (ParameterKind::MountPoint, "lo"));
            let plain = matches!(kind, ParameterKind::Process(_) | ParameterKind::Interface)
                && matches!(text, "tmp" | "x.socket" | ".service" | "..service" | "lo");
            assert!(
                read.is_err()
                    || (plain && !(text == "lo" && matches!(kind, ParameterKind::Interface)))
                    || fine,
                "{kind} takes {text:?}"
            );
        }
    }
    for (kind, text) in [
        (&kinds[0], "getty@tty1.service"),
        (&kinds[1], "chrome"),
        (&kinds[2], "enp0s31f6"),
        (&kinds[3], "/"),
        (&kinds[3], "/var/lib/app-1"),
    ] {
        kind.read(text).unwrap();
    }
}

#[test]
fn a_manifest_narrows_and_never_widens() {
    let hours = |min, max| ParameterKind::Integer { min, max, unit: ParameterUnit::Hours };
    assert!(hours(2, 5).is_within(&hours(1, 5)) && !hours(0, 5).is_within(&hours(1, 5)));
    assert!(!ParameterKind::Integer { min: 2, max: 3, unit: ParameterUnit::Seconds }.is_within(&hours(1, 5)));
    let choice = |words: &[&str]| ParameterKind::Choice(words.iter().map(|w| (*w).to_owned()).collect());
    assert!(
        choice(&["a"]).is_within(&choice(&["a", "b"])) && !choice(&["c"]).is_within(&choice(&["a", "b"]))
    );
    assert!(!choice(&["a"]).is_within(&ParameterKind::Interface));
    let service =
        |patterns: &[&str]| ParameterKind::Service(patterns.iter().map(|p| (*p).to_owned()).collect());
    assert!(service(&["web-*"]).is_within(&service(&["*"])));
    assert!(!service(&["*"]).is_within(&service(&["web-*"])));
    assert!(service(&["web-1.service"]).is_within(&service(&["web-*"])));
}

#[test]
fn the_hash_is_of_every_field() {
    let manifest = built("clear-caches");
    let hash = manifest.hash();
    let mut other = manifest.clone();
    other.parameters[0].default = Some(ParameterValue::Integer(1));
    assert_ne!(other.hash(), hash);
    assert_ne!(Manifest { timeout: 1, ..manifest.clone() }.hash(), hash);
    let again: Manifest = wire::decode(&wire::encode(&manifest).unwrap()).unwrap();
    assert_eq!(again.hash(), hash);
}

#[test]
fn patterns_mean_what_they_say() {
    for (pattern, text, fits) in [
        ("*", "", true),
        ("*", "x", true),
        ("", "", true),
        ("", "x", false),
        ("a*", "abc", true),
        ("a*", "ba", false),
        ("*c", "abc", true),
        ("a*c", "abc", true),
        ("a*c", "ac", true),
        ("a*c", "acb", false),
        ("a*b*c", "a1b2c", true),
        ("a*b*c", "acb", false),
        ("ab", "abc", false),
        ("a*a", "a", false),
    ] {
        assert_eq!(matches(pattern, text), fits, "{pattern:?} and {text:?}");
    }
}

proptest! {
    /// A text that gets through has no character that a shell, an option parser or a path could take for something
    /// else.
    #[test]
    fn nothing_that_gets_through_can_be_anything_else(text in any::<String>()) {
        let any = || vec!["*".to_owned()];
        for kind in [ParameterKind::Service(any()), ParameterKind::Process(any()), ParameterKind::Interface, ParameterKind::MountPoint] {
            if kind.read(&text).is_ok() {
                prop_assert!(!text.starts_with('-') && !text.is_empty() && text.len() <= MAX_TEXT);
                prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || "._+@:-/".contains(c)));
                prop_assert!(text.split('/').all(|part| part != ".."));
                prop_assert!(kind == ParameterKind::MountPoint || !text.contains('/'));
            }
        }
    }

    /// A parameter that was judged to be within an act's own kind lets nothing through that the act doesn't take.
    #[test]
    fn within_means_that_whatever_fits_fits(
        narrow in "[a-c*]{1,4}", wide in "[a-c*]{1,4}", name in "[a-c]{1,5}"
    ) {
        let (narrow, wide) = (ParameterKind::Process(vec![narrow]), ParameterKind::Process(vec![wide]));
        let value = ParameterValue::Text(name);
        if narrow.is_within(&wide) && narrow.check(&value).is_ok() {
            prop_assert!(wide.check(&value).is_ok());
        }
    }

    /// A manifest from anywhere is checked without a panic, and a sound one binds to what its acts take.
    #[test]
    fn what_is_sound_binds_to_what_acts_take(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(manifest) = wire::decode::<Manifest>(&bytes)
            && manifest.check().is_empty()
            && let Ok(bound) = manifest.bind(&[])
        {
            for (action, values) in bound {
                for argument in action.arguments() {
                    prop_assert!(values.get(argument.name).is_none_or(|value| argument.kind.check(value).is_ok()));
                }
            }
        }
    }
}
