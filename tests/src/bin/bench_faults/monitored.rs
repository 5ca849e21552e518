//! A relay, a device and a receiver, and whether they still do what they are for.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use nearhand_tests::crash_test::{ReceiverProcess, tell_relay};
use nearhand_tests::deployment::{DeploymentPlan, LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::disk::small_disk;
use nearhand_tests::parties::TestAgent;
use nearhand_tests::program::until;
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use rustix::process::Signal;

/// What is watched: one file for each alarm of a case.
const FILES: usize = 24;
/// How long anything may take to work again.
const AGAIN: Duration = Duration::from_secs(120);

/// A device with its relay and a receiver of alarms, and the conditions that a test makes true at it.
pub(super) struct MonitoredSite {
    pub(super) site: TestDeployment,
    pub(super) agent: TestAgent,
    pub(super) receiver: ReceiverProcess,
    files: Vec<PathBuf>,
    raised: usize,
}

impl MonitoredSite {
    /// All is well at first. `relay` and `device`: what the programs are put behind.
    pub(super) fn new(relay: ProgramPlace, device: ProgramPlace) -> Result<Self> {
        let (site, receiver) = watched_site(relay)?;
        let agent = site.device_at("pc-1", device)?;
        let directory = agent.data().to_owned();
        Self::begin(site, agent, receiver, &directory)
    }

    /// As [`MonitoredSite::new`], with the device's directory on its own small disk. `None` where that isn't permitted.
    pub(super) fn on_a_small_disk() -> Result<Option<(Self, PathBuf)>> {
        let (site, receiver) = watched_site(ProgramPlace::default())?;
        let directory = site.directory("devices/pc-1")?;
        let Some(place) = small_disk(&directory, "80m") else { return Ok(None) };
        let agent = site.device_in(&place, "pc-1")?;
        let seen = PathBuf::from(format!("/proc/{}/root{}", agent.program.pid(), directory.display()));
        Ok(Some((Self::begin(site, agent, receiver, &seen)?, directory)))
    }

    fn begin(
        site: TestDeployment,
        mut agent: TestAgent,
        receiver: ReceiverProcess,
        directory: &Path,
    ) -> Result<Self> {
        let place = site.directory("watched")?;
        let files: Vec<PathBuf> = (0..FILES).map(|n| place.join(format!("b{n:02}"))).collect();
        files.iter().try_for_each(|file| fs::write(file, "backed up"))?;
        fs::write(directory.join("rules.toml"), rules(&files))?;
        agent.program.signal(Signal::HUP)?;
        agent.program.wait_for("other rules from now on", LIMIT)?;
        let mut ward = Self { site, agent, receiver, files, raised: 0 };
        ward.raise(1)?;
        ward.arrive(LIMIT)?;
        Ok(ward)
    }

    /// `count` further conditions become true.
    pub(super) fn raise(&mut self, count: usize) -> Result<()> {
        for file in self.files.get(self.raised..self.raised + count).context("too few files")? {
            let old = SystemTime::now().checked_sub(Duration::from_secs(7200)).context("a time")?;
            fs::OpenOptions::new().append(true).open(file)?.set_modified(old)?;
        }
        self.raised += count;
        Ok(())
    }

    /// Waits until all that were raised are at the receiver; how long that took from here.
    fn arrive(&self, limit: Duration) -> Result<Duration> {
        let raised = self.files.get(..self.raised).context("too few files")?;
        until(limit, "all alarms at the receiver", || {
            let heard = self.receiver.heard()?;
            let came = |file: &PathBuf| heard.first.contains_key(file.to_string_lossy().as_ref());
            Ok(raised.iter().all(came))
        })
    }

    /// While nobody may come in: who comes is refused, and is told why. An alarm is raised meanwhile.
    pub(super) fn refused(&mut self, name: &str, why: &str) -> Result<BenchmarkRow> {
        self.raise(1)?;
        let done = self.site.admin().run(&["devices"])?;
        let told = done.code != 0 && done.text.contains(why);
        if !told {
            eprintln!("{name}: exit code {}, {}", done.code, done.text);
        }
        let wrong = if told { 0.0 } else { 1.0 };
        Ok(BenchmarkRow::new(
            &format!("{name}: refused without a reason"),
            wrong,
            "",
            Some(0.0),
            BetterWhen::Lower,
        ))
    }

    /// After a fault: all alarms arrive, the records verify, nothing came twice, nobody panicked. A row for the time
    /// and one for what was wrong.
    pub(super) fn verdict(&mut self, name: &str, within: f64) -> Result<Vec<BenchmarkRow>> {
        let began = Instant::now();
        let mut wrong = Vec::new();
        self.raise(1)?;
        if let Err(error) = self.arrive(AGAIN) {
            wrong.push(format!("{error:#}"));
        }
        let took = began.elapsed().as_secs_f64();
        for (what, done) in [
            ("the device's record", self.agent.run(&["audit", "verify"])),
            ("the relay's record", self.site.admin().run(&["audit", "verify"])),
        ] {
            if let Err(error) = done.and_then(nearhand_tests::deployment::CommandResult::ok) {
                wrong.push(format!("{what}: {error:#}"));
            }
        }
        let heard = self.receiver.heard()?;
        // Before it got its rules, the device may have told of the machine it runs on.
        let ours = |instance: &String| self.files.iter().any(|file| file.to_str() == Some(instance));
        let told = heard.told.iter().filter(|(instance, told)| ours(instance) && told.len() != 1);
        wrong.extend(told.map(|one| format!("{one:?}")));
        wrong.extend(self.site.logs().with("panicked at"));
        for one in &wrong {
            eprintln!("{name}: {one}");
        }
        let count = f64::from(u32::try_from(wrong.len())?);
        Ok(vec![
            BenchmarkRow::new(&format!("{name}: works again"), took, "s", Some(within), BetterWhen::Lower),
            BenchmarkRow::new(&format!("{name}: broken promises"), count, "", Some(0.0), BetterWhen::Lower),
        ])
    }
}

/// A relay that tells a receiver.
fn watched_site(place: ProgramPlace) -> Result<(TestDeployment, ReceiverProcess)> {
    let mut site = TestDeployment::planned(DeploymentPlan { place, ..DeploymentPlan::default() })?;
    let binary = std::env::current_exe()?.with_file_name("webhook_receiver");
    let receiver = ReceiverProcess::start(&binary, &site)?;
    tell_relay(&mut site, receiver.port())?;
    Ok((site, receiver))
}

fn rules(files: &[PathBuf]) -> String {
    let list: Vec<String> = files.iter().map(|file| format!("\"{}\"", file.display())).collect();
    format!(
        "profile = \"none\"\n[watch]\nbackups = [{}]\n[[rule]]\nname = \"old\"\nsensor = \"backup.age\"\nevery = \"1s\"\n\
         raise = \"> 1h\"\nclear = \"< 30m\"\n",
        list.join(", ")
    )
}
