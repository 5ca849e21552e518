//! Every language says the same things with the same variables, and the markup asks for nothing that isn't there.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// Message and the variables in it, by the form of the files: a message begins at the margin.
fn messages(language: Language) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut current = String::new();
    for line in language.source().lines().filter(|line| !line.starts_with('#')) {
        let margin = line.starts_with(|c: char| c.is_ascii_lowercase());
        if let Some((key, _)) = line.split_once(" = ").filter(|_| margin) {
            current = key.to_owned();
            assert!(all.insert(current.clone(), BTreeSet::new()).is_none(), "{key} is there twice");
        }
        for rest in line.split('$').skip(1) {
            let name = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
            all.get_mut(&current).unwrap().insert(name);
        }
    }
    all
}

#[test]
fn every_language_has_every_message_with_the_same_variables() {
    let english = messages(Language::English);
    assert!(english.len() > 150, "{}", english.len());
    for language in Language::ALL {
        assert_eq!(messages(language), english, "{language:?}");
    }
}

#[test]
fn every_message_can_be_said_and_is_translated() {
    let english = Catalog::new(Language::English);
    for language in Language::ALL {
        let catalog = Catalog::new(language);
        let mut same = Vec::new();
        for (key, variables) in messages(Language::English) {
            for number in [0, 1, 2, 5, 100] {
                let given: Vec<_> = ["n", "hours", "minutes"].map(|n| (n, Arg::Number(number))).into();
                let given: Vec<_> = given
                    .into_iter()
                    .chain(
                        [
                            "text",
                            "time",
                            "why",
                            "what",
                            "name",
                            "technician",
                            "organisation",
                            "key",
                            "window",
                        ]
                        .map(|name| (name, Arg::Text("×"))),
                    )
                    .chain(
                        ["who", "from", "to", "file", "device", "relay", "version"]
                            .map(|n| (n, Arg::Text("×"))),
                    )
                    .filter(|(name, _)| variables.contains(*name))
                    .collect();
                assert_eq!(given.len(), variables.len(), "{key}: {variables:?}");
                let said = catalog.with(&key, &given);
                assert!(
                    said != key && !said.contains('$') && !said.contains("{ "),
                    "{language:?} {key}: {said:?}"
                );
            }
            if language != Language::English && catalog.text(&key) == english.text(&key) {
                same.push(key);
            }
        }
        assert!(language == Language::English || same.len() < 12, "{language:?} is not translated: {same:?}");
    }
}

#[test]
fn the_markup_asks_for_messages_that_are_there() {
    let english = messages(Language::English);
    let mut asked = 0;
    for source in [
        include_str!("../ui/controls.slint"),
        include_str!("../ui/pages.slint"),
        include_str!("../ui/window.slint"),
    ] {
        for rest in source.split("Texts.get(\"").skip(1) {
            let key: String = rest.chars().take_while(|c| *c != '"').collect();
            // The end of some is a number.
            let known = english.contains_key(&key)
                || (key.ends_with('-') && english.contains_key(&format!("{key}1")));
            assert!(known, "{key}");
            asked += 1;
        }
    }
    assert!(asked > 60, "{asked}");
}

#[test]
fn the_language_is_what_the_locale_says() {
    let of = |all: [&str; 3]| Language::of_locale(all.map(|one| Some(one.to_owned())));
    assert_eq!(of(["", "de_AT.UTF-8", "ja_JP"]), Language::German);
    assert_eq!(of(["ar", "de", ""]), Language::Arabic);
    assert_eq!(of(["C.UTF-8", "de", "de"]), Language::English);
    assert_eq!(Language::of_locale([None, None, None]), Language::English);
    assert_eq!(Language::of("ES-mx"), Some(Language::Spanish));
    assert_eq!(Language::of("nl_NL"), None);
}

/// What is written on what: the palette's names, and the least contrast (WCAG 2.2, 1.4.3 and 1.4.11).
const PAIRS: [(&str, &str, f64); 25] = [
    ("text", "ground", 4.5),
    ("text", "surface", 4.5),
    ("text", "theirs", 4.5),
    ("text", "soft", 4.5),
    ("muted", "ground", 4.5),
    ("muted", "surface", 4.5),
    ("muted", "theirs", 4.5),
    ("muted", "soft", 4.5),
    ("on-accent", "accent", 4.5),
    ("on-accent", "accent-deep", 4.5),
    ("on-danger", "danger", 4.5),
    ("on-danger", "danger-deep", 4.5),
    ("alarm", "surface", 4.5),
    ("good", "surface", 4.5),
    ("on-warning", "warning", 4.5),
    ("on-off", "off", 4.5),
    ("link", "surface", 4.5),
    ("link", "ground", 4.5),
    ("link", "soft", 4.5),
    ("on-bar", "bar", 4.5),
    ("bar-muted", "bar", 4.5),
    ("edge", "surface", 3.0),
    ("edge", "ground", 3.0),
    ("accent", "surface", 3.0),
    ("danger", "bar", 2.0),
];

#[test]
fn what_is_written_can_be_read() {
    let source = include_str!("../ui/theme.slint");
    // Dark, and light.
    let colours = |name: &str| {
        let start = format!("out property <color> {name}: ");
        let line = source.lines().find_map(|line| line.trim().strip_prefix(&start));
        let line = line.unwrap_or_else(|| panic!("no colour {name}")).trim_end_matches(';');
        let both = line.strip_prefix("dark ? ").map_or((line, line), |both| both.split_once(" : ").unwrap());
        [both.0, both.1].map(|hex| u32::from_str_radix(hex.trim_start_matches('#'), 16).unwrap())
    };
    let channel = |value: u32| {
        let value = f64::from(value & 0xff) / 255.0;
        if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    let light = |c: u32| 0.2126 * channel(c >> 16) + 0.7152 * channel(c >> 8) + 0.0722 * channel(c);
    for (on, ground, least) in PAIRS {
        for (on_it, it) in colours(on).into_iter().zip(colours(ground)) {
            let (a, b) = (light(on_it), light(it));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= least, "{on} on {ground} (#{on_it:06x} on #{it:06x}): {contrast:.2}");
        }
    }
}

#[test]
fn what_the_agent_says_has_its_messages() {
    let english = messages(Language::English);
    let mut known = 0;
    for source in [include_str!("model/messages.rs"), include_str!("model/activity.rs")] {
        let keys = ["\"said-", "\"act-", "\"fix-"]
            .into_iter()
            .flat_map(|start| source.split(start).skip(1).map(move |rest| (start, rest)));
        for (start, rest) in keys {
            let key = format!("{}{}", start.trim_start_matches('"'), rest.split('"').next().unwrap());
            assert!(english.contains_key(&key), "{key}");
            known += 1;
        }
    }
    assert!(known > 80, "{known}");
    for act in nearhand_proto::runbook::RunbookAction::ALL {
        assert!(english.contains_key(&format!("repair-{}", act.name())), "{act:?}");
    }
}
