//! Errors, crashes and unclean starts: `journalctl -o json`, core dumps' file names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::facts::journal::{JournalEntry, JournalLines};
use crate::facts::log::{JournalErrors, JournalGroup, ProgramCrash, UncleanBoots};
use crate::facts::root::SystemRoot;
use crate::facts::{CollectContext, Fact, MissingFact};

/// Most entries that are asked for.
const ENTRY_LIMIT: usize = 3_000;

/// Most of journalctl's output that is read, in bytes; of the newest entries.
const OUTPUT_LIMIT: u64 = 64 * 1024 * 1024;

/// Most groups that are kept.
const GROUP_LIMIT: usize = 20;

/// Longest pattern that is kept, in characters.
const PATTERN_LIMIT: usize = 160;

/// Signs of failing hardware or a failing kernel: what the kernel writes, and what it is.
const KERNEL_SIGNS: [(&str, &str); 11] = [
    ("I/O error, dev", "disk read or write errors"),
    ("Medium Error", "disk surface errors"),
    ("blk_update_request: critical", "disk read or write errors"),
    ("EXT4-fs error", "file system errors"),
    ("XFS (", "file system errors"),
    ("BTRFS error", "file system errors"),
    ("[Hardware Error]", "processor or memory hardware errors"),
    ("Machine check", "processor or memory hardware errors"),
    ("blocked for more than", "tasks that hung for minutes"),
    ("soft lockup", "a processor that did not answer"),
    ("Out of memory: Killed process", "programs ended because memory ran out"),
];

/// Entries of error level or worse since the start, grouped. Newest first, so that what a limit leaves out is the oldest.
pub(super) async fn errors(context: &Arc<CollectContext>) -> Fact<JournalErrors> {
    require_journal(&context.root)?;
    let limit = ENTRY_LIMIT.to_string();
    let fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,_TRANSPORT";
    // With --all, long fields come as they are and not as null.
    let arguments =
        ["-o", "json", "--all", "--reverse", "--no-pager", "-q", "-b", "-p", "err", "-n", &limit, fields];
    let (mut lines, mut groups) = (JournalLines::default(), ErrorGroups::default());
    let sink = |bytes: &[u8]| lines.push(bytes, |entry| groups.add(&entry));
    let output = context.programs.run_into("journalctl", &arguments, OUTPUT_LIMIT, sink).await?;
    if output.code != Some(0) && groups.entries == 0 {
        return Err(MissingFact::failed("journalctl", no_journal(&output.complaint)));
    }
    let mut journal = groups.finish();
    journal.cut |= output.cut;
    journal.restricted = rustix::process::geteuid().as_raw() != 0;
    Ok(journal)
}

/// Without journal files journalctl answers with nothing, which would look like "no errors".
fn require_journal(root: &SystemRoot) -> Fact<()> {
    let kept = |path: &str| root.names(path).is_ok_and(|names| !names.is_empty());
    match kept("/var/log/journal") || kept("/run/log/journal") {
        true => Ok(()),
        false => Err(MissingFact::Absent("a journal (systemd-journald)".to_owned())),
    }
}

fn no_journal(complaint: &str) -> &str {
    if complaint.is_empty() { "there is no journal of this start" } else { complaint }
}

/// Said of an entry whose text journalctl left out.
const NO_TEXT: &str = "(a text that can't be shown)";

/// Entries by who wrote them and what they say.
#[derive(Default)]
struct ErrorGroups {
    programs: BTreeMap<(String, String), usize>,
    kernel: BTreeMap<(String, String), usize>,
    entries: usize,
}

impl ErrorGroups {
    fn add(&mut self, entry: &JournalEntry) {
        self.entries += 1;
        let message = entry.message.as_deref().unwrap_or(NO_TEXT);
        let is_kernel = entry.transport.as_deref() == Some("kernel");
        let sign = KERNEL_SIGNS.iter().find(|(sign, _)| is_kernel && message.contains(sign));
        let source = entry.identifier.clone().unwrap_or_else(|| "unknown".to_owned());
        match sign {
            Some((_, what)) => *self.kernel.entry((source, (*what).to_owned())).or_default() += 1,
            None => *self.programs.entry((source, pattern(message))).or_default() += 1,
        }
    }

    fn finish(self) -> JournalErrors {
        JournalErrors {
            programs: largest(self.programs),
            kernel: largest(self.kernel),
            entries: self.entries,
            cut: self.entries >= ENTRY_LIMIT,
            restricted: false,
        }
    }
}

fn largest(groups: BTreeMap<(String, String), usize>) -> Vec<JournalGroup> {
    let mut groups: Vec<JournalGroup> = groups
        .into_iter()
        .map(|((source, pattern), count)| JournalGroup { source, pattern, count })
        .collect();
    // A stable sort: equal counts stay in the map's order, so the same entries give the same groups.
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    groups.truncate(GROUP_LIMIT);
    groups
}

/// The message without what differs from one to the next (numbers, hashes) and without what may be secret
/// (credentials in addresses, values after `password=` and the like).
fn pattern(message: &str) -> String {
    let line = message.lines().next().unwrap_or("");
    let words: Vec<String> = line.split(' ').take(60).map(plain_word).collect();
    words.join(" ").chars().take(PATTERN_LIMIT).collect()
}

fn plain_word(word: &str) -> String {
    const SECRETS: [&str; 6] = ["pass", "token", "secret", "key=", "key:", "auth"];
    let lower = word.to_ascii_lowercase();
    if SECRETS.iter().any(|secret| lower.contains(secret))
        && let Some(at) = word.find(['=', ':'])
    {
        return word
            .chars()
            .take(word.get(..=at).map_or(0, |head| head.chars().count()))
            .chain(['…'])
            .collect();
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = authority.rsplit('@').next().unwrap_or("");
        let path = if path.is_empty() { "" } else { "/…" };
        return format!("{scheme}://{host}{path}");
    }
    // Long mixed words are hashes, keys, identifiers.
    if word.len() >= 24 && word.bytes().any(|b| b.is_ascii_digit()) && !word.contains('/') {
        return "#".to_owned();
    }
    let mut out = String::new();
    for c in word.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

/// Reads the file names of core dumps and crash reports; never their content.
pub(super) fn crashes(root: &SystemRoot) -> Fact<Vec<ProgramCrash>> {
    let dumps = root.names("/var/lib/systemd/coredump");
    let reports = root.names("/var/crash");
    if let (Err(why), Err(_)) = (&dumps, &reports) {
        return match why {
            MissingFact::Absent(_) => {
                Err(MissingFact::Absent("a collector of crashes (systemd-coredump, apport)".into()))
            }
            other => Err(other.clone()),
        };
    }
    let mut crashes: Vec<ProgramCrash> = dumps.iter().flatten().filter_map(|name| core_name(name)).collect();
    for name in reports.iter().flatten().filter(|name| name.ends_with(".crash")) {
        // `_usr_bin_gedit.1000.crash`
        let program = name.split('.').next().unwrap_or("").rsplit('_').next().unwrap_or("").to_owned();
        let at = root.changed_at(&format!("/var/crash/{name}")).unwrap_or(0);
        crashes.push(ProgramCrash { program, at });
    }
    Ok(crashes)
}

/// `core.NAME.UID.BOOT.PID.MICROSECONDS.zst`; the name itself may hold dots.
fn core_name(name: &str) -> Option<ProgramCrash> {
    let name = [".zst", ".lz4", ".xz"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let mut parts = name.strip_prefix("core.")?.rsplitn(5, '.');
    let (time, _pid, _boot, _uid, program) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let time: u64 = time.parse().ok()?;
    // Microseconds since systemd 236, seconds before.
    let at = if time > 100_000_000_000 { time / 1_000_000 } else { time };
    Some(ProgramCrash { program: program.replace("\\x2e", "."), at })
}

/// Starts at which journald found that its files had not been closed.
pub(super) async fn unclean(context: &Arc<CollectContext>) -> Fact<UncleanBoots> {
    require_journal(&context.root)?;
    let arguments = [
        "-o",
        "json",
        "--no-pager",
        "-q",
        "-t",
        "systemd-journald",
        "--since",
        "-30d",
        "-n",
        "2000",
        "--output-fields=MESSAGE,_BOOT_ID",
    ];
    let output = context.programs.run("journalctl", &arguments).await?;
    match output.text.is_empty() {
        true => Err(MissingFact::failed("journalctl", no_journal(&output.complaint))),
        false => Ok(parse_unclean(&output.text)),
    }
}

fn parse_unclean(text: &str) -> UncleanBoots {
    let mut boots = BTreeSet::new();
    let mut at = Vec::new();
    for entry in text.lines().filter_map(|line| JournalEntry::parse(line.as_bytes())) {
        // Once a start for the system's own file; users' files are opened later.
        let message = entry.message.unwrap_or_default();
        if message.contains("system.journal corrupted or uncleanly shut down")
            && boots.insert(entry.boot.unwrap_or_default())
        {
            at.extend(entry.timestamp.and_then(|text| text.parse::<u64>().ok()).map(|us| us / 1_000_000));
        }
    }
    UncleanBoots { at }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn groups_what_says_the_same() {
        let (mut lines, mut groups) = (JournalLines::default(), ErrorGroups::default());
        lines.push(include_bytes!("fixtures/journal.jsonl"), |entry| groups.add(&entry));
        let journal = groups.finish();
        assert_eq!(journal.entries, 9);
        assert_eq!(journal.programs[0].count, 2);
        let systemd = journal.programs.iter().find(|group| group.source == "systemd").unwrap();
        assert_eq!((systemd.pattern.as_str(), systemd.count), ("Failed to start unit after # tries", 2));
        assert_eq!(
            journal.kernel,
            [JournalGroup { source: "kernel".into(), pattern: "disk read or write errors".into(), count: 2 }]
        );
        let binary = journal.programs.iter().find(|g| g.source == "odd").unwrap();
        assert_eq!(binary.pattern, "\u{1b}[#mred");
        let of = |source: &str| {
            let group = journal.programs.iter().find(|group| group.source == source).unwrap();
            (group.pattern.as_str(), group.count)
        };
        assert_eq!(of("quiet"), (NO_TEXT, 1));
        // A field that was set twice, in the message and in the name.
        assert_eq!(of("twice"), ("first line", 1));
        let payroll = of("payroll");
        assert!(payroll.0.starts_with("java.lang.OutOfMemoryError: Java heap space at"), "{payroll:?}");
        assert_eq!(payroll.1, 2, "long entries are counted by their first words");
    }

    #[tokio::test]
    async fn long_entries_are_asked_for_whole() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, root) = tree(&[("/var/log/journal/0123/system.journal", "")]);
        // As journalctl: null for a long field, unless it is asked for all.
        let script = "#!/bin/sh\ncase \"$*\" in *--all*) long=\\\"$(head -c 6000 /dev/zero | tr '\\0' x)\\\";; *) long=null;; esac\n\
            echo \"{\\\"SYSLOG_IDENTIFIER\\\":\\\"payroll\\\",\\\"MESSAGE\\\":$long}\"\n";
        let path = dir.path().join("journalctl");
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let context = CollectContext::of_test(root, dir.path());
        let journal = errors(&Arc::new(context)).await.unwrap();
        assert_eq!(journal.programs.len(), 1);
        assert!(journal.programs[0].pattern.starts_with("xxxxxx"), "{}", journal.programs[0].pattern);
    }

    #[test]
    fn patterns_hold_no_secrets() {
        let text = pattern(
            "login https://me:hunter2@host.example/a?b=c password=hunter2 token:abc 4711 deadbeefdeadbeefdeadbeef00",
        );
        assert_eq!(text, "login https://host.example/… password=… token:… # #");
        assert!(pattern(&"x".repeat(1_000_000)).len() <= PATTERN_LIMIT);
    }

    #[test]
    fn core_dumps_are_told_by_their_names() {
        let (_dir, root) = tree(&[
            ("/var/lib/systemd/coredump/core.my.app.1000.0123456789abcdef.4711.1700000000000000.zst", ""),
            ("/var/lib/systemd/coredump/notes.txt", ""),
            ("/var/crash/_usr_bin_gedit.1000.crash", ""),
        ]);
        let crashes = crashes(&root).unwrap();
        assert_eq!(crashes[0], ProgramCrash { program: "my.app".into(), at: 1_700_000_000 });
        assert_eq!(crashes[1].program, "gedit");
    }

    #[test]
    fn unclean_starts_count_once() {
        let line = |boot: &str, text: &str| {
            format!(r#"{{"__REALTIME_TIMESTAMP":"1700000000000000","_BOOT_ID":"{boot}","MESSAGE":"{text}"}}"#)
        };
        let unclean = "File /var/log/journal/x/system.journal corrupted or uncleanly shut down, renaming.";
        let text = [line("a", unclean), line("a", unclean), line("b", "Journal started"), line("c", unclean)];
        assert_eq!(parse_unclean(&text.join("\n")).at, [1_700_000_000, 1_700_000_000]);
    }
}
