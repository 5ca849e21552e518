//! Programs that take the whole processor: they wait for others, or are ended.
//!
//! Only names that the owner has listed. A process is known by its number, its name and the moment it started, and is
//! held by a descriptor while something is done to it, so that another one that got its number is never hit.

use std::time::Duration;

use nearhand_proto::runbook::{ParameterValues, matches};

use super::context::{ActContext, ActError, ActResult, number, text};
use crate::platform::ProcessHandle;
use crate::runbook::ledger::UndoStep;

/// How long it is watched to see how busy it is.
const WATCH: Duration = Duration::from_secs(1);
/// How long a process that was asked to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(200);
/// Most processes of one name.
const MOST: usize = 64;
/// The priority of what waits for others.
const NICE: i32 = 19;
/// Never touched, even if the owner lists them.
const PROTECTED: [&str; 18] = [
    "systemd*",
    "init",
    "sshd*",
    "dbus*",
    "nearhand*",
    "login",
    "agetty",
    "getty",
    "Xorg",
    "Xwayland",
    "gnome-shell",
    "kwin*",
    "plasmashell",
    "gdm*",
    "sddm*",
    "lightdm*",
    "(sd-pam)",
    "kthreadd",
];

/// A process as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
struct FoundProcess {
    pid: i32,
    /// When it started, in ticks since the machine did.
    started: u64,
    /// Time on processors so far, in ticks.
    ticks: u64,
    nice: i32,
}

/// A line of `/proc/PID/stat`: the name stands in brackets and may hold anything.
fn parse(pid: i32, stat: &str) -> Option<(String, FoundProcess)> {
    let (before, after) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(before + 1..after)?.to_owned();
    let fields: Vec<&str> = stat.get(after + 1..)?.split_whitespace().collect();
    // Counted from the state, which is field 3 in proc_pid_stat(5).
    let field = |number: usize| fields.get(number - 3).copied();
    let ticks = field(14)?.parse::<u64>().ok()? + field(15)?.parse::<u64>().ok()?;
    let found =
        FoundProcess { pid, started: field(22)?.parse().ok()?, ticks, nice: field(19)?.parse().ok()? };
    Some((name, found))
}

fn read(pid: i32) -> Option<(String, FoundProcess)> {
    let bytes = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&bytes))
}

/// All processes of that name, but for ours, the first, and the kernel's own.
fn named(name: &str) -> Vec<FoundProcess> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let fits = |pid: i32| {
        let (called, found) = read(pid)?;
        let program = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
        (called == name && pid > 1 && pid != own && program).then_some(found)
    };
    pids.filter_map(fits).take(MOST).collect()
}

fn allowed(ground: &ActContext, name: &str) -> Result<(), ActError> {
    if PROTECTED.iter().any(|pattern| matches(pattern, name)) {
        return Err(ActError::Cannot(format!("{name} is never touched by a runbook")));
    }
    if !ground.rules.processes.iter().any(|pattern| matches(pattern, name)) {
        return Err(ActError::Cannot(format!(
            "the owner's list of processes does not have {name} (policy.toml, [runbooks], processes)"
        )));
    }
    Ok(())
}

/// Those that are busy enough, after having been watched.
async fn busy(ground: &ActContext, values: &ParameterValues) -> Result<Vec<FoundProcess>, ActError> {
    let name = text(values, "process");
    allowed(ground, name)?;
    let before = named(name);
    tokio::time::sleep(WATCH).await;
    let least = number(values, "busy").saturating_mul(crate::platform::ticks_per_second()) / 100;
    let after = before.into_iter().filter_map(|old| {
        let (called, new) = read(old.pid)?;
        let same = called == name && new.started == old.started;
        (same && new.ticks.saturating_sub(old.ticks) >= least).then_some(new)
    });
    Ok(after.collect())
}

fn pids(found: &[FoundProcess]) -> String {
    found.iter().map(|one| one.pid.to_string()).collect::<Vec<_>>().join(", ")
}

pub(super) async fn look(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let found = busy(ground, values).await?;
    let name = text(values, "process");
    match found.as_slice() {
        [] => Err(ActError::Nothing(format!("no {name} is that busy"))),
        found => Ok(format!("busy: {name} with the number {}", pids(found))),
    }
}

pub(super) async fn dry_run(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let found = busy(ground, values).await?;
    let what = if text(values, "how") == "end" { "end" } else { "have wait for all others" };
    Ok(format!("would {what}: {} with the number {}", text(values, "process"), pids(&found)))
}

/// Which ones, and what they were: what is done is done to these.
pub(super) async fn prepare(
    ground: &ActContext,
    values: &ParameterValues,
) -> Result<Vec<UndoStep>, ActError> {
    let found = busy(ground, values).await?;
    if found.is_empty() {
        return Err(ActError::Nothing(format!("no {} is that busy any more", text(values, "process"))));
    }
    let undo = |one: &FoundProcess| UndoStep::Nice { pid: one.pid, started: one.started, nice: one.nice };
    Ok(found.iter().map(undo).collect())
}

/// Holds a process if it is still the one that was found.
fn hold(pid: i32, started: u64) -> Option<ProcessHandle> {
    let held = ProcessHandle::open(pid)?;
    let (_, now) = read(pid)?;
    (now.started == started && held.is_alive()).then_some(held)
}

pub(super) async fn apply(ground: &ActContext, values: &ParameterValues, undo: &[UndoStep]) -> ActResult {
    allowed(ground, text(values, "process"))?;
    let mut done = 0;
    for one in undo {
        let UndoStep::Nice { pid, started, .. } = one else { continue };
        let Some(held) = hold(*pid, *started) else { continue };
        let result = match text(values, "how") {
            "end" => end(&held).await,
            _ => held.set_nice(NICE),
        };
        result.map_err(|error| ActError::Failed(format!("process {pid}: {error}")))?;
        done += 1;
    }
    let what = if text(values, "how") == "end" { "ended" } else { "told to wait for all others" };
    Ok(format!("{done} processes were {what}"))
}

/// Asks it to end; ends it if it doesn't.
async fn end(held: &ProcessHandle) -> std::io::Result<()> {
    held.ask_to_end()?;
    let mut waited = Duration::ZERO;
    while held.is_alive() && waited < GRACE {
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
    if held.is_alive() { held.end() } else { Ok(()) }
}

pub(super) fn verify(values: &ParameterValues, undo: &[UndoStep]) -> ActResult {
    let ends = text(values, "how") == "end";
    for one in undo {
        let UndoStep::Nice { pid, started, .. } = one else { continue };
        let Some((_, now)) = read(*pid).filter(|(_, now)| now.started == *started) else { continue };
        let gone = hold(*pid, *started).is_none();
        if ends && !gone {
            return Err(ActError::Failed(format!("process {pid} is still there")));
        }
        if !ends && now.nice != NICE {
            return Err(ActError::Failed(format!("process {pid} has the priority {}", now.nice)));
        }
    }
    Ok(if ends { "they are gone" } else { "they wait for all others" }.to_owned())
}

/// Gives a process its priority back, if it is still the same one.
pub(super) fn undo(pid: i32, started: u64, nice: i32) -> Result<String, String> {
    let Some(held) = hold(pid, started) else { return Ok(format!("process {pid} is gone")) };
    held.set_nice(nice).map_err(|error| format!("process {pid}: {error}"))?;
    Ok(format!("process {pid} has the priority {nice} again"))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command};

    use super::super::context::tests::{said, stand_in};
    use super::*;
    use nearhand_proto::runbook::ParameterValue;

    /// A program that only keeps a processor busy, under a unique name.
    struct BusyProgram(Child, String, #[expect(dead_code, reason = "holds the program")] tempfile::TempDir);

    impl BusyProgram {
        fn new(name: &str) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join(name);
            std::fs::copy("/bin/sh", &path).unwrap();
            let child = Command::new(&path).args(["-c", "while :; do :; done"]).spawn().unwrap();
            Self(child, name.to_owned(), dir)
        }

        fn values(&self, how: &str) -> ParameterValues {
            let mut values = said(&[("process", &self.1), ("how", how)]);
            values.insert("busy".into(), ParameterValue::Integer(10));
            values
        }

        fn nice(&self) -> i32 {
            read(i32::try_from(self.0.id()).unwrap()).unwrap().1.nice
        }
    }

    impl Drop for BusyProgram {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[tokio::test]
    async fn a_busy_process_waits_for_others_and_gets_its_priority_back() {
        let hog = BusyProgram::new("nh-test-hog-1");
        let mut stage = stand_in("none", "exit 0");
        let values = hog.values("renice");
        assert!(matches!(look(&stage.ground, &values).await, Err(ActError::Cannot(_))), "not listed");
        stage.ground.rules.processes = vec!["nh-test-hog-*".into()];
        let before = hog.nice();
        look(&stage.ground, &values).await.unwrap();
        let undo_it = prepare(&stage.ground, &values).await.unwrap();
        assert_eq!(undo_it.len(), 1);
        assert!(matches!(verify(&values, &undo_it), Err(ActError::Failed(_))), "nothing was done yet");
        apply(&stage.ground, &values, &undo_it).await.unwrap();
        verify(&values, &undo_it).unwrap();
        assert_eq!(hog.nice(), NICE);
        let UndoStep::Nice { pid, started, nice } = undo_it[0].clone() else { panic!() };
        assert_eq!(nice, before);
        assert_eq!(
            undo(pid, started + 1, nice),
            Ok(format!("process {pid} is gone")),
            "another one's number"
        );
        assert_eq!(hog.nice(), NICE);
        undo(pid, started, nice).unwrap();
        assert_eq!(hog.nice(), before);
    }

    #[tokio::test]
    async fn a_busy_process_is_ended_and_an_idle_one_is_not() {
        let mut hog = BusyProgram::new("nh-test-hog-2");
        let mut stage = stand_in("none", "exit 0");
        stage.ground.rules.processes = vec!["nh-test-*".into(), "sleep".into()];
        let values = hog.values("end");
        let undo_it = prepare(&stage.ground, &values).await.unwrap();
        apply(&stage.ground, &values, &undo_it).await.unwrap();
        verify(&values, &undo_it).unwrap();
        assert!(!hog.0.wait().unwrap().success());
        let mut idle = Command::new("sleep").arg("600").spawn().unwrap();
        let mut values = said(&[("process", "sleep"), ("how", "end")]);
        values.insert("busy".into(), ParameterValue::Integer(10));
        assert!(matches!(look(&stage.ground, &values).await, Err(ActError::Nothing(_))));
        idle.kill().unwrap();
        idle.wait().unwrap();
        for name in ["systemd", "sshd", "nearhand-agent"] {
            stage.ground.rules.processes = vec!["*".into()];
            assert!(matches!(allowed(&stage.ground, name), Err(ActError::Cannot(_))), "{name}");
        }
    }

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let rest = "S 1 1 1 0 -1 0 0 0 0 0 30 12 0 0 20 5 1 0 777 0";
        let (name, found) = parse(9, &format!("9 (a) (b) {rest}")).unwrap();
        assert_eq!(name, "a) (b");
        assert_eq!(found, FoundProcess { pid: 9, started: 777, ticks: 42, nice: 5 });
        assert_eq!(parse(9, "9 (x"), None);
    }
}
