//! Reads what is due for the alarms' own thread: files of the kernel and of the machine.
//!
//! The thread itself reads only what the kernel has in memory. Everything else (file systems, files on them, devices) may
//! hang, and is asked through [`HangGuard`]: the thread waits a moment and goes on without it. What hangs is a reading of
//! its own; of what it would have told there is none, so alarms about it become unknown.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearhand_rules::{EngineTime, RuleSet, SensorReading};
use x509_parser::pem::Pem;

use super::notes::{AlarmNotes, untold};
use super::readings;
use super::tail::LogTail;
use super::write_history;
use crate::platform;
use nearhand_agent_core::schedule::{AlarmProbe, ProbeSchedule};
use nearhand_diagnostics::facts::child::SystemPrograms;
use nearhand_diagnostics::facts::hang::{HangGuard, SilentThing, Unanswered};
use nearhand_diagnostics::facts::probe::ProbeTargets;
use nearhand_diagnostics::facts::root::SystemRoot;
use nearhand_diagnostics::facts::{self, CollectContext, CpuMeter, Fact, FactSource, SourceFacts};

/// Most of a certificate file that is read, in bytes.
const CERTIFICATE_LIMIT: u64 = 1024 * 1024;

/// How long the thread waits for what may hang.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often file systems of networks are asked whether they answer, in milliseconds.
const REMOTE_EVERY: u64 = 60_000;

/// Reads the machine for a set of rules.
pub(crate) struct AlarmSampler {
    context: CollectContext,
    processors: CpuMeter,
    processors_at: u64,
    /// What is due when.
    pub(crate) schedule: ProbeSchedule,
    certificates: Vec<String>,
    backups: Vec<String>,
    tails: Vec<SharedTail>,
    /// When file systems of networks were asked last.
    remote_at: Option<u64>,
    /// Whether this machine is one whose clock may be kept from outside.
    guest: bool,
}

/// A log file, which a worker may stand with.
struct SharedTail {
    /// The rule's name.
    rule: String,
    /// What hangs if the worker stands: the file, for this rule.
    thing: String,
    tail: Arc<Mutex<LogTail>>,
}

/// What collectors may use, on this machine.
pub(crate) fn context(now: EngineTime) -> CollectContext {
    CollectContext {
        root: SystemRoot::new("/"),
        programs: SystemPrograms::default(),
        targets: ProbeTargets::default(),
        patience: Duration::from_secs(2),
        now: now.wall,
        hangs: HangGuard::of_process(),
    }
}

impl AlarmSampler {
    /// For these rules.
    pub(crate) fn new(set: &RuleSet, now: EngineTime, notes: &AlarmNotes) -> Self {
        let context = context(now);
        let guest = match glance(FactSource::TimeSync, &context) {
            Ok(SourceFacts::TimeSync(sync)) => sync.guest && sync.service.is_none(),
            _ => false,
        };
        let shared = |mut tail: LogTail| {
            let (rule, thing) = (tail.rule.clone(), format!("{} (rule {})", tail.path(), tail.rule));
            tail.resume_at(notes.get(&format!("tail.{}", tail.rule)).map(Vec::as_slice));
            SharedTail { rule, thing, tail: Arc::new(Mutex::new(tail)) }
        };
        let tails: Vec<SharedTail> = LogTail::of(&set.rules).into_iter().map(shared).collect();
        let begin = |one: &SharedTail| {
            let tail = one.tail.clone();
            (one.thing.clone(), move || locked(&tail).begin())
        };
        // A file that hangs begins when it answers.
        let _begun = context.hangs.ask_each(PATIENCE, tails.iter().map(begin).collect());
        Self {
            context,
            processors: CpuMeter::default(),
            processors_at: 0,
            schedule: ProbeSchedule::of(&set.rules),
            certificates: set.certificates.clone(),
            backups: set.backups.clone(),
            tails,
            remote_at: None,
            guest,
        }
    }

    /// Reads one probe. What the alarms know of themselves isn't read here.
    pub(crate) fn read(
        &mut self,
        probe: AlarmProbe,
        now: EngineTime,
        notes: &mut AlarmNotes,
    ) -> Vec<SensorReading> {
        self.context.now = now.wall;
        match probe {
            AlarmProbe::Activity => self.activity(now),
            AlarmProbe::Memory => self.glance(FactSource::Memory),
            AlarmProbe::Pressure => self.glance(FactSource::Pressure),
            AlarmProbe::Mounts => self.mounts(now, notes),
            AlarmProbe::Answers => self.answers(now),
            AlarmProbe::Raid => self.glance(FactSource::Raid),
            AlarmProbe::Ecc => self.glance(FactSource::Ecc),
            AlarmProbe::Sensors => self.glance(FactSource::Sensors),
            AlarmProbe::Upkeep => self.glance(FactSource::Upkeep),
            AlarmProbe::Crashes => self.crashes(now, notes),
            AlarmProbe::Clock => self.clock(now),
            AlarmProbe::Certificates => self.certificates(now),
            AlarmProbe::Backups => self.backups(now),
            AlarmProbe::LogFiles => self.log_files(notes),
            _ => Vec::new(),
        }
    }

    fn glance(&self, source: FactSource) -> Vec<SensorReading> {
        match glance(source, &self.context) {
            Ok(gathered) => readings::readings(&gathered),
            Err(why) => {
                tracing::debug!(?source, %why, "nothing is known");
                Vec::new()
            }
        }
    }

    fn mounts(&self, now: EngineTime, notes: &mut AlarmNotes) -> Vec<SensorReading> {
        match facts::glance(FactSource::Mounts, &self.context) {
            Ok(SourceFacts::Mounts(mut mounts)) => {
                write_history::mark_stopped(&mut mounts, now.boot, notes);
                readings::readings(&SourceFacts::Mounts(mounts))
            }
            _ => Vec::new(),
        }
    }

    /// What doesn't answer. Everything else is asked for its own sake; file systems of networks for this alone.
    fn answers(&mut self, now: EngineTime) -> Vec<SensorReading> {
        if self.remote_at.is_none_or(|at| now.monotonic.saturating_sub(at) >= REMOTE_EVERY) {
            self.remote_at = Some(now.monotonic);
            if let Err(why) = facts::ask_remote_mounts(&self.context) {
                tracing::debug!(%why, "file systems of networks can't be asked");
            }
        }
        vec![readings::silence(&self.context.hangs.silent())]
    }

    fn activity(&mut self, now: EngineTime) -> Vec<SensorReading> {
        let over = Duration::from_millis(now.monotonic.saturating_sub(self.processors_at));
        self.processors_at = now.monotonic;
        match self.processors.activity(&self.context.root, over) {
            Ok(Some(activity)) => readings::activity(&activity),
            _ => Vec::new(),
        }
    }

    fn crashes(&self, now: EngineTime, notes: &mut AlarmNotes) -> Vec<SensorReading> {
        let Ok(SourceFacts::Crashes(crashes)) = glance(FactSource::Crashes, &self.context) else {
            return Vec::new();
        };
        let count = untold("crash.told", crashes.iter().map(|crash| crash.at), now, notes);
        vec![SensorReading::one("crash.programs", count)]
    }

    fn clock(&self, now: EngineTime) -> Vec<SensorReading> {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of centuries fit")]
        let offset = now
            .ahead_ms
            .map(|ahead| SensorReading::one("clock.offset", ahead.unsigned_abs() as f64 / 1000.0));
        // A guest whose host keeps its clock looks the same as a machine that nothing keeps right.
        let kept = platform::clock_is_synchronised().filter(|_| !self.guest);
        let kept = kept.map(|kept| SensorReading::one("clock.unsynchronised", f64::from(u8::from(!kept))));
        offset.into_iter().chain(kept).collect()
    }

    /// Asks the watched files side by side. `None` for one that doesn't answer.
    fn of_files<T: Send + 'static>(
        &self,
        paths: &[String],
        read: fn(&SystemRoot, &str) -> T,
    ) -> Vec<(String, Option<T>)> {
        let question = |path: &String| {
            let (root, path) = (self.context.root.clone(), path.clone());
            (path.clone(), move || read(&root, &path))
        };
        let answers = self.context.hangs.ask_each(PATIENCE, paths.iter().map(question).collect());
        paths.iter().cloned().zip(answers.into_iter().map(Result::ok)).collect()
    }

    fn certificates(&self, now: EngineTime) -> Vec<SensorReading> {
        let read = self.of_files(&self.certificates, |root, path| root.bytes(path, CERTIFICATE_LIMIT));
        let values = read.into_iter().filter_map(|(path, bytes)| {
            let bytes =
                bytes?.inspect_err(|why| tracing::warn!(%why, "a watched certificate can't be read")).ok()?;
            Some((path, seconds_left(&bytes, now)?))
        });
        let values: Vec<_> = values.collect();
        if values.is_empty() {
            return Vec::new();
        }
        vec![SensorReading { sensor: "certificate.left".to_owned(), values }]
    }

    /// A backup that was never made is as old as 1970; of one whose disk hangs nothing is known.
    fn backups(&self, now: EngineTime) -> Vec<SensorReading> {
        if self.backups.is_empty() {
            return Vec::new();
        }
        let changed = self.of_files(&self.backups, |root, path| root.changed_at(path).unwrap_or(0));
        let age = |(path, at): (String, Option<u64>)| {
            #[expect(clippy::cast_precision_loss, reason = "seconds fit")]
            let age = (now.wall.0 / 1000).saturating_sub(at?) as f64;
            Some((path, age))
        };
        vec![SensorReading {
            sensor: "backup.age".to_owned(),
            values: changed.into_iter().filter_map(age).collect(),
        }]
    }

    fn log_files(&mut self, notes: &mut AlarmNotes) -> Vec<SensorReading> {
        let look = |one: &SharedTail| {
            let tail = one.tail.clone();
            (one.thing.clone(), move || locked(&tail).look())
        };
        let looked = self.context.hangs.ask_each(PATIENCE, self.tails.iter().map(look).collect());
        let mut values = Vec::new();
        for (one, looked) in self.tails.iter().zip(looked) {
            // A worker that still stands with the file holds its lock.
            let (Ok(()), Ok(mut tail)) = (looked, one.tail.try_lock()) else { continue };
            let Some(count) = tail.take_found() else { continue };
            #[expect(clippy::cast_precision_loss, reason = "lines of a look fit")]
            values.push((one.rule.clone(), count as f64));
            if let Some(place) = tail.place() {
                notes.insert(format!("tail.{}", one.rule), place.to_vec());
            }
        }
        if values.is_empty() {
            return Vec::new();
        }
        vec![SensorReading { sensor: "log.lines".to_owned(), values }]
    }

    /// What doesn't answer now, in words.
    pub(crate) fn silent(&self) -> Vec<String> {
        let words = |one: SilentThing| {
            let why = Unanswered::Silent(one.silent_for);
            format!("{} {why}: what is known of it is old", one.thing)
        };
        self.context.hangs.silent().into_iter().map(words).collect()
    }
}

fn locked(tail: &Mutex<LogTail>) -> std::sync::MutexGuard<'_, LogTail> {
    tail.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks a source of the kernel's own memory directly, and any other by a worker.
fn glance(source: FactSource, context: &CollectContext) -> Fact<SourceFacts> {
    if matches!(source, FactSource::Memory | FactSource::Pressure) {
        return facts::glance(source, context);
    }
    let thing = format!("the source {source:?}");
    let owned = context.clone();
    let answer = context.hangs.ask(&thing, PATIENCE, move || facts::glance(source, &owned));
    answer.unwrap_or_else(|why| Err(why.about(&thing)))
}

/// Seconds until the first certificate of a file (PEM or DER) ends.
fn seconds_left(bytes: &[u8], now: EngineTime) -> Option<f64> {
    let first = Pem::iter_from_buffer(bytes).flatten().find(|pem| pem.label == "CERTIFICATE");
    let der = first.map_or_else(|| bytes.to_vec(), |pem| pem.contents);
    let (_, certificate) = x509_parser::parse_x509_certificate(&der).ok()?;
    let end = certificate.validity().not_after.timestamp();
    let now = i64::try_from(now.wall.0 / 1000).ok()?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of centuries fit")]
    Some(end.saturating_sub(now) as f64)
}

#[cfg(test)]
mod tests {
    use nearhand_proto::alarm::DeviceProfile;
    use nearhand_proto::time::UnixMillis;

    use super::*;

    fn at(wall: u64) -> EngineTime {
        EngineTime { monotonic: wall, boot: [0; 16], wall: UnixMillis(wall), ahead_ms: Some(-2500) }
    }

    #[test]
    fn this_machine_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let certificate = dir.path().join("c.pem");
        let mut params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        let lines = data_encoding::BASE64.encode(&der);
        let lines: Vec<&str> =
            lines.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"));
        assert_eq!(seconds_left(&der, at(0)), seconds_left(pem.as_bytes(), at(0)));
        std::fs::write(&certificate, pem).unwrap();
        let text = format!(
            "profile = \"server\"\n[watch]\ncertificates = [\"{}\"]\nbackups = [\"{}\", \"/nowhere\"]\n",
            certificate.display(),
            certificate.display()
        );
        let set = RuleSet::read(&text, DeviceProfile::Server).unwrap();
        let mut notes = AlarmNotes::new();
        let mut sampler = AlarmSampler::new(&set, at(1), &notes);
        let mut all = Vec::new();
        let new_year = at(1_861_920_000_000);
        for probe in sampler.schedule.due(1) {
            all.extend(sampler.read(probe, new_year, &mut notes));
        }
        let of = |sensor: &str| all.iter().find(|reading| reading.sensor == sensor).map(|r| r.values.clone());
        let one = |sensor: &str| of(sensor).and_then(|values| values.first().map(|(_, value)| *value));
        assert!((1.0..=100.0).contains(&one("memory.available").unwrap()));
        assert_eq!(one("clock.offset"), Some(2.5));
        // 2029-01-01 to 2030-01-01.
        assert_eq!(one("certificate.left"), Some(365.0 * 86_400.0));
        assert!(of("backup.age").unwrap().iter().any(|(path, age)| path == "/nowhere" && *age > 1.8e9));
        assert!(of("disk.used").unwrap().iter().all(|(_, used)| (0.0..=100.0).contains(used)));
        assert_eq!(one("cpu.busy"), None, "the first look has nothing to compare with");
        assert!(!sampler.read(AlarmProbe::Activity, at(1_861_920_010_000), &mut notes).is_empty());
    }
}
