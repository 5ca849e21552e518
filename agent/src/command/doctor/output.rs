//! The report of `doctor` on the terminal and in files.
//!
//! Lives here: asking the terminal what it can, reading the older report, writing the three forms. Must not live
//! here: how a report looks (`nearhand_proto::report`).

use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use nearhand_report::model::Report;
use nearhand_report::shareable::ShareableReport;
use nearhand_report::{parse, text_view};
use nearhand_transport::platform::{create_private_dir, write_private};
use rand_core::{OsRng, RngCore};
use zeroize::Zeroizing;

use crate::home::AgentHome;

/// Widest text, in columns: longer lines are hard to read.
const MAX_WIDTH: usize = 120;

/// An older report to compare with. Anybody may have written it, so nothing in it is trusted.
pub(super) fn load(path: &Path) -> anyhow::Result<Report> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("can't open {shown}"))?;
    let mut bytes = Vec::new();
    // One byte more than is read, so that a longer one is refused and not cut.
    let limit = u64::try_from(parse::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    file.take(limit).read_to_end(&mut bytes).with_context(|| format!("can't read {shown}"))?;
    parse::parse(&bytes).with_context(|| format!("{shown}"))
}

/// The key of the tokens: this machine's, kept in the agent's directory; where there can't be one, a key for
/// this run alone.
pub(super) fn pseudonym_key(data: PathBuf) -> Zeroizing<[u8; 32]> {
    let kept = AgentHome::open(data).and_then(|home| home.pseudonym_key());
    kept.unwrap_or_else(|error| {
        eprintln!("no key is kept ({error}), so the names of this report can't be compared with another's");
        let mut key = Zeroizing::new([0; 32]);
        OsRng.fill_bytes(key.as_mut());
        key
    })
}

/// Shows the report on the standard output.
pub(super) fn show(edition: &ShareableReport, json: bool) -> anyhow::Result<()> {
    let text = match json {
        true => serde_json::to_string_pretty(edition)? + "\n",
        false => text_view::render(&edition.report, edition.since.as_ref(), style()),
    };
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // The reader has seen enough, as with `| head`.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can't write the report"),
    }
}

/// Colour and width as the terminal has them; plain text of 100 columns where there is none, or with `NO_COLOR`
/// (<https://no-color.org>).
fn style() -> text_view::TextStyle {
    let plain = text_view::TextStyle::default();
    if !std::io::stdout().is_terminal() {
        return plain;
    }
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    text_view::TextStyle {
        colour: !set("NO_COLOR") && !dumb,
        width: crate::platform::terminal_width().unwrap_or(plain.width).min(MAX_WIDTH),
        ..plain
    }
}

/// Saves the report in its three forms, readable by its owner only: it tells much about the machine. All or nothing: the
/// forms are written next to them, and take their places when all are there.
pub(super) fn save(edition: &ShareableReport, directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_new = !directory.exists();
    create_private_dir(directory).with_context(|| format!("can't create {}", directory.display()))?;
    let beside = directory.join(UNFINISHED);
    let saved = written_beside(edition, &beside, directory);
    // What is left there is of no use, and a full disk needs the room.
    let _ = std::fs::remove_dir_all(&beside);
    if saved.is_err() && is_new {
        // Only goes while it is empty.
        let _ = std::fs::remove_dir(directory);
    }
    saved
}

/// Directory for forms of a report that isn't finished.
const UNFINISHED: &str = "report.unfinished";

fn written_beside(
    edition: &ShareableReport,
    beside: &Path,
    directory: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    create_private_dir(beside).with_context(|| format!("can't create {}", beside.display()))?;
    let files = edition.files()?;
    for (name, bytes) in &files {
        write_private(&beside.join(name), bytes)
            .with_context(|| format!("can't write {}", directory.join(name).display()))?;
    }
    let places = files.iter().map(|(name, _)| (beside.join(name), directory.join(name)));
    places
        .map(|(from, to)| {
            std::fs::rename(&from, &to).with_context(|| format!("can't write {}", to.display()))?;
            Ok(to)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use nearhand_proto::message::session::CheckSet;
    use nearhand_report::model::ReportSubject;

    use super::*;

    fn edition() -> ShareableReport {
        let subject = ReportSubject {
            device: String::new(),
            hostname: "box".into(),
            os: "Debian".into(),
            kernel: "6.1".into(),
            model: String::new(),
        };
        let report =
            Report::new("nearhand-agent".into(), subject, "2025-03-14T09:12:33Z".into(), CheckSet::Quick);
        ShareableReport::new(report, None, None)
    }

    #[test]
    fn the_three_forms_are_saved_for_their_owner_only_and_can_be_compared_with() {
        let dir = tempfile::tempdir().unwrap();
        let saved = save(&edition(), &dir.path().join("new/deep")).unwrap();
        let names: Vec<_> = saved.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["report.html", "report.json", "report.md"]);
        for path in &saved {
            assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(load(&saved[1]).unwrap(), edition().report);
    }

    #[test]
    fn a_report_that_cannot_be_saved_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        // A directory stands where the first form goes.
        std::fs::create_dir(dir.path().join("report.html")).unwrap();
        assert!(save(&edition(), dir.path()).is_err());
        let left: Vec<_> =
            std::fs::read_dir(dir.path()).unwrap().flatten().map(|file| file.file_name()).collect();
        assert_eq!(left, ["report.html"]);
        // What an earlier run had saved stays, and nothing of an unfinished one.
        let place = dir.path().join("new");
        save(&edition(), &place).unwrap();
        save(&edition(), &place).unwrap();
        assert_eq!(std::fs::read_dir(&place).unwrap().count(), 3);
    }

    #[test]
    fn what_is_no_report_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("old.json");
        let why = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            format!("{:#}", load(&path).unwrap_err())
        };
        assert!(why(b"not json").contains("this is no report"));
        assert!(why(b"{\"schema_version\": 99}").contains("update this program"));
        assert!(why(&vec![b' '; parse::MAX_BYTES + 1]).contains("at most"));
        assert!(format!("{:#}", load(dir.path()).unwrap_err()).contains("can't"));
        assert!(format!("{:#}", load(&dir.path().join("none")).unwrap_err()).contains("can't open"));
    }

    #[test]
    fn the_key_of_the_tokens_stays_and_is_made_for_one_run_where_it_cant() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("agent");
        assert_eq!(*pseudonym_key(home.clone()), *pseudonym_key(home));
        let nowhere = PathBuf::from("/dev/null/agent");
        assert_ne!(*pseudonym_key(nowhere.clone()), *pseudonym_key(nowhere));
    }
}
