//! Real agents and the files that they watch: a file that grows old is an alarm, one that is written again ends it.
//!
//! A file is turned only once the agent says that it has seen the turn before, so each turn is exactly one event.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::rng::{SeededRng, sleep_until};
use crate::deployment::{LIMIT, TestDeployment};
use crate::parties::TestAgent;
use crate::program::until;

/// Files that are turned at the same time.
const ABREAST: usize = 6;
/// After this long, others are: one that changed in four of 21 minutes would count as coming and going.
const MINUTE: Duration = Duration::from_secs(60);
/// Sets of [`ABREAST`] files: enough for the longest crash test, and no more than a rule watches (64).
const SETS: usize = 10;
/// An alarm's file is so old.
const OLD: Duration = Duration::from_secs(7200);

/// A file that is watched.
struct WatchedFile {
    file: PathBuf,
    /// How often it was turned: an odd number means that it is old.
    turns: u64,
}

/// What an agent watches.
pub struct AgentWorkload(Vec<WatchedFile>);

impl AgentWorkload {
    /// Turns the file of that number (beyond the last the first again): an alarm begins, or is over.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn turn(&mut self, number: usize) -> Result<()> {
        let place = number % self.0.len();
        let watched = self.0.get_mut(place).context("no such file")?;
        set_age(&watched.file, if watched.turns % 2 == 1 { Duration::ZERO } else { OLD })?;
        watched.turns += 1;
        Ok(())
    }

    /// How many events each instance must have.
    pub(crate) fn turns(&self) -> BTreeMap<String, u64> {
        let turned = self.0.iter().filter(|watched| watched.turns > 0);
        turned.map(|watched| (watched.file.display().to_string(), watched.turns)).collect()
    }
}

/// Enrols an agent that watches 60 files that no other agent watches.
///
/// # Errors
/// Anything goes wrong.
pub fn enrol(site: &TestDeployment, n: u64) -> Result<(TestAgent, AgentWorkload)> {
    let place = site.directory(&format!("watched/{n}"))?;
    let watched = |k: usize| -> Result<WatchedFile> {
        let file = place.join(format!("b{k:02}"));
        set_age(&file, Duration::ZERO)?;
        Ok(WatchedFile { file, turns: 0 })
    };
    let files = (0..ABREAST * SETS).map(watched).collect::<Result<Vec<_>>>()?;
    let list: Vec<String> = files.iter().map(|watched| format!("\"{}\"", watched.file.display())).collect();
    let rules = format!(
        "profile = \"none\"\n[watch]\nbackups = [{}]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\nevery = \"1s\"\n\
         severity = \"error\"\nraise = \"> 1h\"\nclear = \"< 30m\"\nkeep = \"0s\"\n",
        list.join(", ")
    );
    // From its first moment: the machine of the test may have alarms by the usual rules.
    let directory = site.directory(&format!("devices/till-{n}"))?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    fs::write(directory.join("rules.toml"), rules)?;
    let agent = site.device(&format!("till {n}"))?;
    until(LIMIT, "the agent goes by the crash test's rule", || {
        Ok(report(&agent).is_some_and(|report| report.rules == 1))
    })?;
    Ok((agent, AgentWorkload(files)))
}

/// What an agent says of its alarms.
#[derive(Debug, Deserialize)]
pub(super) struct AlarmListing {
    alarms: Vec<ListedAlarm>,
    /// Events that the relay doesn't have yet.
    pub(super) waiting: u64,
    rules: u64,
}

#[derive(Debug, Deserialize)]
struct ListedAlarm {
    instance: String,
    phase: String,
}

/// Asks it; nothing while it isn't there.
pub(super) fn report(agent: &TestAgent) -> Option<AlarmListing> {
    let done = agent.run(&["alarms", "--json"]).ok()?.ok().ok()?;
    serde_json::from_str(&done.text).ok()
}

/// Turns files, and kills the agent at random moments, until it is over. Ends with the agent running; how often it
/// was killed.
pub(super) fn drive(
    mut agent: TestAgent,
    mut watched: AgentWorkload,
    over: Instant,
    mut rng: SeededRng,
) -> Result<(TestAgent, AgentWorkload, u64)> {
    let (least, most) = (Duration::from_millis(700), Duration::from_secs(9));
    let (began, mut kills) = (Instant::now(), 0);
    let mut kill_at = rng.kill_at(least, most);
    while Instant::now() < over {
        let look_at = Instant::now() + rng.between(Duration::from_millis(50), Duration::from_millis(400));
        sleep_until(look_at.min(kill_at).min(over));
        if Instant::now() >= kill_at && kill_at < over {
            agent.program.kill()?;
            kills += 1;
            sleep_until(Instant::now() + rng.between(Duration::ZERO, Duration::from_secs(1)));
            agent.restart()?;
            kill_at = rng.kill_at(least, most);
        } else if let Some(report) = report(&agent) {
            let set = usize::try_from(began.elapsed().as_secs() / MINUTE.as_secs())? % SETS;
            let active = watched.0.get_mut(set * ABREAST..(set + 1) * ABREAST).context("no such files")?;
            turn_seen(active, &report, &mut rng)?;
        }
    }
    Ok((agent, watched, kills))
}

/// Turns some of the files whose last turn the agent has seen.
fn turn_seen(files: &mut [WatchedFile], report: &AlarmListing, rng: &mut SeededRng) -> Result<()> {
    let firing = |watched: &WatchedFile| {
        let is_it = |one: &ListedAlarm| watched.file.to_str() == Some(&one.instance) && one.phase == "firing";
        report.alarms.iter().any(is_it)
    };
    for watched in files {
        let is_old = watched.turns % 2 == 1;
        if firing(watched) == is_old && rng.below(4) > 0 {
            set_age(&watched.file, if is_old { Duration::ZERO } else { OLD })?;
            watched.turns += 1;
        }
    }
    Ok(())
}

fn set_age(file: &Path, age: Duration) -> Result<()> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(file)?;
    let at = SystemTime::now().checked_sub(age).context("a time")?;
    Ok(opened.set_modified(at)?)
}
