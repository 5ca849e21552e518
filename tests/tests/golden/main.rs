//! What is released stays as it is: every message's bytes, against `tests/golden`.
//!
//! Each module here lists the values of one conversation, for every variant of every message. The tests hold
//! that today's encoder gives exactly the released bytes, and that the released bytes decode to the value. A
//! new variant doesn't compile until it has a value here ([`variants!`] matches without a wildcard), and then
//! fails until its bytes are written:
//!
//! ```text
//! NEARHAND_REGENERATE_GOLDEN=1 cargo test -p nearhand-tests --test golden
//! ```
//!
//! This adds what is new to the files and nothing else: bytes that differ from released ones fail as before.
//! Look at what was added, and commit it with the message. BIND packets have their vectors next to their codec,
//! `shared/proto/src/forward/packet.rs`; the whole of the report's form is `docs/report.schema.json`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this crate is a test"
)]

mod audit;
mod control;
mod fixed;
mod local;
mod proof;
mod report;
mod runbook;
mod screen;
mod session;
mod signed;
mod strings;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::fs;

use nearhand_machines::golden::{self, GoldenVector};
use nearhand_proto::{text, wire};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Most of a value's description that is written next to its bytes, in characters.
const SHOWN: usize = 400;

/// What today's decoder makes of bytes: the value encoded again and described for a reader, or why it is none.
type Decoded = Result<(Vec<u8>, String), String>;

/// A kind of message's decoder.
type Again = dyn Fn(&[u8]) -> Decoded;

/// A value, its bytes today, and what today's decoder makes of other bytes.
struct Case {
    kind: &'static str,
    vector: GoldenVector,
    /// The value for a reader.
    shown: String,
    /// What today's decoder makes of other bytes.
    again: Box<Again>,
}

/// All values that have released bytes.
#[derive(Default)]
struct Table(Vec<Case>);

impl Table {
    fn all() -> Self {
        let mut table = Self::default();
        control::fill(&mut table);
        screen::fill(&mut table);
        session::fill(&mut table);
        local::fill(&mut table);
        signed::fill(&mut table);
        strings::fill(&mut table);
        audit::fill(&mut table);
        proof::fill(&mut table);
        report::fill(&mut table);
        runbook::fill(&mut table);
        table
    }

    /// A value in wire form. Two values are the same when their bytes are (the codec keeps all of a value),
    /// so a message need not have `PartialEq`.
    fn wire<T>(&mut self, kind: &'static str, name: impl Into<String>, value: &T)
    where
        T: Serialize + DeserializeOwned + Debug,
    {
        let again = |bytes: &[u8]| {
            let value: T = wire::decode(bytes).map_err(|e| format!("{e}: {e:?}"))?;
            Ok((wire::encode(&value).map_err(|e| e.to_string())?, format!("{value:?}")))
        };
        self.add(kind, name, wire::encode(value).unwrap(), format!("{value:?}"), again);
    }

    /// A value in its JSON form.
    fn json<T>(&mut self, kind: &'static str, name: impl Into<String>, value: &T)
    where
        T: Serialize + DeserializeOwned,
    {
        let again = |bytes: &[u8]| {
            let value: T = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            let json = serde_json::to_string(&value).map_err(|e| e.to_string())?;
            Ok((json.clone().into_bytes(), json))
        };
        let json = serde_json::to_string(value).unwrap();
        self.add(kind, name, json.clone().into_bytes(), json, again);
    }

    /// A value in a separate form.
    fn add(
        &mut self,
        kind: &'static str,
        name: impl Into<String>,
        bytes: Vec<u8>,
        shown: String,
        again: impl Fn(&[u8]) -> Decoded + 'static,
    ) {
        let vector = GoldenVector { name: name.into(), bytes };
        self.0.push(Case { kind, vector, shown, again: Box::new(again) });
    }

    /// A value in text form.
    fn text<T>(&mut self, kind: &'static str, name: &str, text: &str, parse: fn(&str) -> Option<T>)
    where
        T: Textual + 'static,
    {
        let again = move |bytes: &[u8]| {
            let text = str::from_utf8(bytes).map_err(|e| e.to_string())?;
            let value = parse(text).ok_or("does not parse")?;
            Ok((value.as_text().into_bytes(), text.to_owned()))
        };
        self.add(kind, name, text.as_bytes().to_vec(), text.to_owned(), again);
    }

    fn kinds(&self) -> BTreeSet<&'static str> {
        self.0.iter().map(|case| case.kind).collect()
    }
}

/// What has a text form that is released.
trait Textual {
    fn as_text(&self) -> String;
}

/// Adds one value or more of each variant. The match has no wildcard: a variant that isn't listed is an error
/// of the compiler, and each is listed with a value.
macro_rules! variants {
    ($table:ident, $kind:literal, $($rest:tt)+) => { variants!($table, wire $kind, $($rest)+) };
    ($table:ident, $form:ident $kind:literal, $type:ident { $($variant:ident: [$($value:expr),+ $(,)?]),+ $(,)? }) => {{
        fn name(value: &$type) -> &'static str {
            match value {
                $($type::$variant { .. } => stringify!($variant),)+
            }
        }
        $(for (index, value) in [$($value),+].iter().enumerate() {
            assert_eq!(name(value), stringify!($variant), "listed under another variant");
            let suffix = if index == 0 { String::new() } else { format!(".{}", index + 1) };
            $table.$form($kind, format!("{}{suffix}", stringify!($variant)), value);
        })+
    }};
}
use variants;

#[test]
fn what_is_encoded_is_what_was_released() {
    let table = Table::all();
    let mut wrong = Vec::new();
    for kind in table.kinds() {
        wrong.extend(compare(&table, kind));
    }
    assert!(wrong.is_empty(), "{} differences:\n{}\n", wrong.len(), wrong.join("\n"));
}

/// What differs between a file and today's bytes. New vectors are written, if that is asked for.
fn compare(table: &Table, kind: &str) -> Vec<String> {
    let released = golden::read(kind).unwrap();
    let cases: Vec<&Case> = table.0.iter().filter(|case| case.kind == kind).collect();
    let mut wrong: Vec<String> = released
        .iter()
        .filter(|vector| cases.iter().all(|case| case.vector.name != vector.name))
        .map(|vector| format!("{kind} {}: released, and has no value here any more", vector.name))
        .collect();
    let mut new = Vec::new();
    for case in cases {
        match released.iter().find(|vector| vector.name == case.vector.name) {
            Some(vector) if *vector == case.vector => {}
            Some(vector) => wrong.push(format!(
                "{kind} {}: released as\n  {:02x?}\nand is encoded today as\n  {:02x?}",
                vector.name, vector.bytes, case.vector.bytes
            )),
            None => new.push(case),
        }
    }
    if std::env::var_os("NEARHAND_REGENERATE_GOLDEN").is_some() {
        append(kind, &new);
    } else {
        wrong.extend(new.iter().map(|case| format!("{kind} {}: has no vector", case.vector.name)));
    }
    wrong
}

/// Adds vectors to a file; what is there stays as it is.
fn append(kind: &str, new: &[&Case]) {
    if new.is_empty() {
        return;
    }
    let path = golden::path(kind);
    let mut text = fs::read_to_string(&path).unwrap_or_default();
    for case in new {
        let hex = data_encoding::HEXLOWER.encode(&case.vector.bytes);
        text.push_str(&format!("# {}\n{} {hex}\n", text::one_line(&case.shown, SHOWN), case.vector.name));
    }
    fs::write(path, text).unwrap();
}

#[test]
fn what_was_released_decodes_to_its_value() {
    for case in Table::all().0 {
        let (kind, GoldenVector { name, .. }) = (case.kind, &case.vector);
        let released = golden::read(kind).unwrap();
        // One without released bytes is the other test's finding.
        let Some(vector) = released.iter().find(|vector| vector.name == *name) else { continue };
        let (bytes, shown) = (case.again)(&vector.bytes).unwrap_or_else(|why| panic!("{kind} {name}: {why}"));
        assert_eq!(shown, case.shown, "{kind} {name} decodes to another value");
        assert_eq!(bytes, vector.bytes, "{kind} {name} is encoded otherwise once decoded");
    }
}

#[test]
fn no_name_is_given_twice_and_no_file_is_left_over() {
    let table = Table::all();
    let mut names = BTreeSet::new();
    for case in &table.0 {
        assert!(names.insert((case.kind, case.vector.name.clone())), "{} {}", case.kind, case.vector.name);
        assert!(!case.vector.name.contains(char::is_whitespace), "{}", case.vector.name);
    }
    let files: BTreeSet<String> = golden::kinds().unwrap().into_iter().collect();
    let kinds: BTreeSet<String> = table.kinds().into_iter().map(str::to_owned).collect();
    let left_over: Vec<_> = files.difference(&kinds).collect();
    assert!(left_over.is_empty(), "files of messages that are gone: {left_over:?}");
}

#[test]
fn every_released_message_has_a_decoder_that_is_fuzzed() {
    use nearhand_machines::decoders::DECODERS;
    // What is only ever a part of a report, and fuzzed as one.
    let parts = ["report-status", "report-area", "report-chart-kind", "report-set"];
    let kinds = golden::kinds().unwrap().into_iter();
    let missing: Vec<_> = kinds
        .filter(|kind| !parts.contains(&kind.as_str()) && DECODERS.iter().all(|d| d.name != kind))
        .collect();
    assert!(missing.is_empty(), "add them to tests/machines/src/decoders.rs: {missing:?}");
}
