//! The receiver's process, killed and started again, and what it has on its disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::Value;

use super::SeededRng;
use crate::deployment::{LIMIT, ProgramPlace, TestDeployment};
use crate::program::{ProgramLogs, TestProgram};

/// A process that is told of alarms.
pub struct ReceiverProcess {
    program: TestProgram,
    binary: PathBuf,
    file: PathBuf,
    port: u16,
    logs: ProgramLogs,
}

/// What it was told, without what came again.
pub struct ReceivedAlarms {
    /// By instance, in the order in which it came: the kinds.
    pub told: BTreeMap<String, Vec<String>>,
    /// When the first about an instance came, in milliseconds since 1970.
    pub first: BTreeMap<String, u64>,
    /// What came again with the same id.
    pub again: u64,
    /// Ids under which something else came the second time.
    pub changed: Vec<String>,
}

impl ReceivedAlarms {
    /// How many different notices.
    pub fn notices(&self) -> u64 {
        self.told.values().map(|kinds| u64::try_from(kinds.len()).unwrap_or(u64::MAX)).sum()
    }
}

impl ReceiverProcess {
    /// Starts it, with a directory in that site.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(binary: &Path, site: &TestDeployment) -> Result<Self> {
        let file = site.directory("receiver")?.join("heard.jsonl");
        let logs = site.logs().clone();
        let (program, port) = start(binary, &file, 0, &logs)?;
        Ok(Self { program, binary: binary.to_owned(), file, port, logs })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it at random moments until then; how often. Ends with it running.
    pub(super) fn kill_until(mut self, over: Instant, mut rng: SeededRng) -> Result<(Self, u64)> {
        let mut kills = 0;
        while rng.wait_for_a_kill(Duration::from_millis(300), Duration::from_secs(5), over) {
            self.program.kill()?;
            kills += 1;
            thread::park_timeout(rng.between(Duration::ZERO, Duration::from_millis(1500)));
            self.restart()?;
        }
        Ok((self, kills))
    }

    /// Kills it and starts it again.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.program.kill()?;
        (self.program, _) = start(&self.binary, &self.file, self.port, &self.logs)?;
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.program.pid()
    }

    /// What is on its disk.
    ///
    /// # Errors
    /// A line of it is not what it writes.
    pub fn heard(&self) -> Result<ReceivedAlarms> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        let mut heard =
            ReceivedAlarms { told: BTreeMap::new(), first: BTreeMap::new(), again: 0, changed: Vec::new() };
        let mut bodies: BTreeMap<String, String> = BTreeMap::new();
        // What is being written has no end yet.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let line: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
            let text =
                |pointer: &str| line.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let (id, body) = (text("/id"), line.pointer("/body").map(Value::to_string).unwrap_or_default());
            match bodies.get(&id) {
                None => {
                    let (instance, at) =
                        (text("/body/data/instance"), line.pointer("/at").and_then(Value::as_u64));
                    heard.first.entry(instance.clone()).or_insert(at.unwrap_or_default());
                    heard.told.entry(instance).or_default().push(text("/body/type"));
                    bodies.insert(id, body);
                }
                Some(before) => {
                    heard.again += 1;
                    if *before != body {
                        heard.changed.push(id);
                    }
                }
            }
        }
        let unique: BTreeSet<&String> = heard.changed.iter().collect();
        heard.changed = unique.into_iter().cloned().collect();
        Ok(heard)
    }
}

fn start(binary: &Path, file: &Path, port: u16, logs: &ProgramLogs) -> Result<(TestProgram, u16)> {
    let words =
        [&binary.to_string_lossy(), &file.to_string_lossy(), port.to_string().as_str()].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut program = ProgramPlace::default().program("receiver", &words, logs)?;
    let port = program.wait_map("its port", LIMIT, |line| line.strip_prefix("listens on ")?.parse().ok())?;
    Ok((program, port))
}
