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

use super::chance::{Chance, sleep_until};
use crate::parties::Agent;
use crate::program::until;
use crate::site::{LIMIT, Site};

/// Files that are turned at the same time.
const ABREAST: usize = 6;
/// After this long, others are: one that changed in four of 21 minutes would count as coming and going.
const MINUTE: Duration = Duration::from_secs(60);
/// So many times [`ABREAST`] files: enough for the longest siege, and no more than a rule watches (64).
const SETS: usize = 10;
/// An alarm's file is so old.
const OLD: Duration = Duration::from_secs(7200);

/// A file that is watched.
struct Lane {
    file: PathBuf,
    /// How often it was turned: an odd number means that it is old.
    turns: u64,
}

/// What an agent watches.
pub struct Watched(Vec<Lane>);

impl Watched {
    /// Turns the file of that number (beyond the last the first again): an alarm begins, or is over.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn turn(&mut self, number: usize) -> Result<()> {
        let place = number % self.0.len();
        let lane = self.0.get_mut(place).context("no such file")?;
        set_age(&lane.file, if lane.turns % 2 == 1 { Duration::ZERO } else { OLD })?;
        lane.turns += 1;
        Ok(())
    }

    /// How many events each instance must have.
    pub(crate) fn turns(&self) -> BTreeMap<String, u64> {
        let turned = self.0.iter().filter(|lane| lane.turns > 0);
        turned.map(|lane| (lane.file.display().to_string(), lane.turns)).collect()
    }
}

/// Enrols an agent that watches files of its own, 60 of them.
///
/// # Errors
/// Anything goes wrong.
pub fn enrol(site: &Site, n: u64) -> Result<(Agent, Watched)> {
    let place = site.directory(&format!("watched/{n}"))?;
    let lane = |k: usize| -> Result<Lane> {
        let file = place.join(format!("b{k:02}"));
        set_age(&file, Duration::ZERO)?;
        Ok(Lane { file, turns: 0 })
    };
    let lanes = (0..ABREAST * SETS).map(lane).collect::<Result<Vec<_>>>()?;
    let list: Vec<String> = lanes.iter().map(|lane| format!("\"{}\"", lane.file.display())).collect();
    let rules = format!(
        "profile = \"none\"\n[watch]\nbackups = [{}]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\nevery = \"1s\"\n\
         severity = \"error\"\nraise = \"> 1h\"\nclear = \"< 30m\"\nkeep = \"0s\"\n",
        list.join(", ")
    );
    // From its first moment: the machine of the test may have alarms of its own by the usual rules.
    let directory = site.directory(&format!("devices/till-{n}"))?;
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o700))?;
    fs::write(directory.join("rules.toml"), rules)?;
    let agent = site.device(&format!("till {n}"))?;
    until(LIMIT, "the agent goes by the siege's rule", || {
        Ok(report(&agent).is_some_and(|report| report.rules == 1))
    })?;
    Ok((agent, Watched(lanes)))
}

/// What an agent says of its alarms.
#[derive(Debug, Deserialize)]
pub(super) struct Report {
    alarms: Vec<Standing>,
    /// Events that the relay doesn't have yet.
    pub(super) waiting: u64,
    rules: u64,
}

#[derive(Debug, Deserialize)]
struct Standing {
    instance: String,
    phase: String,
}

/// Asks it; nothing while it isn't there.
pub(super) fn report(agent: &Agent) -> Option<Report> {
    let done = agent.run(&["alarms", "--json"]).ok()?.ok().ok()?;
    serde_json::from_str(&done.text).ok()
}

/// Turns files, and kills the agent at random moments, until it is over. Ends with the agent running; how often it
/// was killed.
pub(super) fn drive(
    mut agent: Agent,
    mut watched: Watched,
    over: Instant,
    mut chance: Chance,
) -> Result<(Agent, Watched, u64)> {
    let (least, most) = (Duration::from_millis(700), Duration::from_secs(9));
    let (began, mut kills) = (Instant::now(), 0);
    let mut kill_at = chance.kill_at(least, most);
    while Instant::now() < over {
        let look_at = Instant::now() + chance.between(Duration::from_millis(50), Duration::from_millis(400));
        sleep_until(look_at.min(kill_at).min(over));
        if Instant::now() >= kill_at && kill_at < over {
            agent.program.kill()?;
            kills += 1;
            sleep_until(Instant::now() + chance.between(Duration::ZERO, Duration::from_secs(1)));
            agent.restart()?;
            kill_at = chance.kill_at(least, most);
        } else if let Some(report) = report(&agent) {
            let set = usize::try_from(began.elapsed().as_secs() / MINUTE.as_secs())? % SETS;
            let active = watched.0.get_mut(set * ABREAST..(set + 1) * ABREAST).context("no such files")?;
            turn_seen(active, &report, &mut chance)?;
        }
    }
    Ok((agent, watched, kills))
}

/// Turns some of the files whose last turn the agent has seen.
fn turn_seen(lanes: &mut [Lane], report: &Report, chance: &mut Chance) -> Result<()> {
    let firing = |lane: &Lane| {
        let is_it = |one: &Standing| lane.file.to_str() == Some(&one.instance) && one.phase == "firing";
        report.alarms.iter().any(is_it)
    };
    for lane in lanes {
        let is_old = lane.turns % 2 == 1;
        if firing(lane) == is_old && chance.below(4) > 0 {
            set_age(&lane.file, if is_old { Duration::ZERO } else { OLD })?;
            lane.turns += 1;
        }
    }
    Ok(())
}

fn set_age(file: &Path, age: Duration) -> Result<()> {
    let opened = fs::OpenOptions::new().create(true).append(true).open(file)?;
    let at = SystemTime::now().checked_sub(age).context("a time")?;
    Ok(opened.set_modified(at)?)
}
