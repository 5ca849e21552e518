//! A program under test: started in a separate process group, its output kept line by line, killed when it is
//! dropped, or when the test's thread ends in any way.
//!
//! Waiting is always for a condition and always with a limit; what all programs of the test have said goes into
//! the error when it doesn't come. Must not live here: what the programs are for (see [`crate::deployment`]).

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Lines of each program shown when a wait fails.
const SHOWN: usize = 60;
/// How often a condition is looked at that can't be waited for.
const POLL: Duration = Duration::from_millis(15);
/// How long a killed program may take to be gone.
const REAP: Duration = Duration::from_secs(10);

/// Waits until `condition` holds.
///
/// # Errors
/// It doesn't within `limit`, or fails.
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    loop {
        if condition()? {
            return Ok(started.elapsed());
        }
        ensure!(started.elapsed() < limit, "{what}: not within {limit:?}");
        thread::park_timeout(POLL);
    }
}

/// What all programs of a test have said.
#[derive(Clone, Default)]
pub struct ProgramLogs(Arc<Mutex<Vec<Log>>>);

/// A program's name and what it printed.
type Log = (String, Arc<CapturedOutput>);

impl ProgramLogs {
    /// The last lines of each program.
    pub fn dump(&self) -> String {
        let mut text = String::new();
        for (name, output) in self.lock().iter() {
            let lines = output.lock();
            let skip = lines.said.len().saturating_sub(SHOWN);
            let _ = writeln!(text, "--- {name} ({} lines)", lines.said.len());
            for line in lines.said.iter().skip(skip) {
                let _ = writeln!(text, "    {line}");
            }
        }
        text
    }

    /// Programs whose output has a line with `needle`.
    pub fn with(&self, needle: &str) -> Vec<String> {
        let said = |output: &CapturedOutput| output.lock().said.iter().any(|line| line.contains(needle));
        self.lock().iter().filter(|(_, output)| said(output)).map(|(name, _)| name.clone()).collect()
    }

    /// Lines that `pick` takes, each behind the name of its program.
    pub fn lines(&self, pick: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found = Vec::new();
        for (name, output) in self.lock().iter() {
            let lines = output.lock();
            found.extend(lines.said.iter().filter(|line| pick(line)).map(|line| format!("{name}: {line}")));
        }
        found
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(String, Arc<CapturedOutput>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one program has said.
#[derive(Default)]
pub struct CapturedOutput {
    lines: Mutex<OutputLines>,
    changed: Condvar,
}

#[derive(Default)]
struct OutputLines {
    said: Vec<String>,
    /// Streams that are still open.
    open: usize,
}

impl CapturedOutput {
    fn lock(&self) -> MutexGuard<'_, OutputLines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(self: &Arc<Self>, from: impl Read + Send + 'static) {
        self.lock().open += 1;
        let output = self.clone();
        thread::spawn(move || {
            let mut reader = BufReader::new(from);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\n').to_owned();
                output.lock().said.push(text);
                output.changed.notify_all();
                line.clear();
            }
            output.lock().open -= 1;
            output.changed.notify_all();
        });
    }
}

/// A running program.
pub struct TestProgram {
    name: String,
    child: Child,
    pid: Pid,
    stdin: Option<ChildStdin>,
    output: Arc<CapturedOutput>,
    logs: ProgramLogs,
    /// Lines before this one have been waited for.
    next: usize,
}

impl TestProgram {
    /// Starts `words` (a program and its arguments), in a separate environment with `home` as its home.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(name: &str, words: &[String], home: &std::path::Path, logs: &ProgramLogs) -> Result<Self> {
        // The kernel ends it if this thread is gone before it could.
        let guard = ["setpriv", "--pdeathsig", "KILL", "--"].map(str::to_owned);
        let words = [guard.as_slice(), words].concat();
        let (program, arguments) = words.split_first().context("no program")?;
        let mut child = Command::new(program)
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("NO_COLOR", "1")
            .current_dir(home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{name} can't be started: {words:?}"))?;
        let output = Arc::new(CapturedOutput::default());
        if let Some(from) = child.stdout.take() {
            output.follow(from);
        }
        if let Some(from) = child.stderr.take() {
            output.follow(from);
        }
        logs.lock().push((name.to_owned(), output.clone()));
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).context("no process id")?;
        let stdin = child.stdin.take();
        Ok(Self { name: name.to_owned(), child, pid, stdin, output, logs: logs.clone(), next: 0 })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Waits for the next line with `needle`; later waits begin after it.
    ///
    /// # Errors
    /// The program ends first, or the line doesn't come within `limit`.
    pub fn wait_for(&mut self, needle: &str, limit: Duration) -> Result<String> {
        self.wait_map(&format!("a line with {needle:?}"), limit, |line| {
            line.contains(needle).then(|| line.to_owned())
        })
    }

    /// Waits for the next line that `pick` takes; later waits begin after it.
    ///
    /// # Errors
    /// No such line came within the limit, or the program ended.
    pub fn wait_map<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut pick: impl FnMut(&str) -> Option<T>,
    ) -> Result<T> {
        let until = Instant::now() + limit;
        let mut lines = self.output.lock();
        loop {
            while let Some(line) = lines.said.get(self.next) {
                self.next += 1;
                if let Some(found) = pick(line) {
                    return Ok(found);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || lines.open == 0 {
                let ended = lines.open == 0;
                drop(lines);
                let how = if ended { "it ended".to_owned() } else { format!("not within {limit:?}") };
                bail!("{}: {what} did not come: {how}\n{}", self.name, self.logs.dump());
            }
            (lines, _) =
                self.output.changed.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Whether any line so far has `needle`.
    pub fn said(&self, needle: &str) -> bool {
        self.count(needle) > 0
    }

    /// How many lines so far have `needle`.
    pub fn count(&self, needle: &str) -> usize {
        self.output.lock().said.iter().filter(|line| line.contains(needle)).count()
    }

    /// All that it has said.
    pub fn text(&self) -> String {
        self.output.lock().said.join("\n")
    }

    /// Types a line.
    ///
    /// # Errors
    /// Its input is closed.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        let name = &self.name;
        let stdin = self.stdin.as_mut().with_context(|| format!("{name}: its input is closed"))?;
        writeln!(stdin, "{line}").with_context(|| format!("{name} doesn't read"))?;
        Ok(stdin.flush()?)
    }

    /// Ends its input.
    pub fn close_input(&mut self) {
        self.stdin = None;
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid, signal).with_context(|| format!("{} can't be signalled", self.name))
    }

    /// Kills it as a crash would, and waits until it is gone.
    ///
    /// # Errors
    /// It doesn't go.
    pub fn kill(&mut self) -> Result<()> {
        // Gone already is as good.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.exit(REAP).map(|_| ())
    }

    /// Waits for its end; its exit code, or 128 and the signal's number.
    ///
    /// # Errors
    /// It still runs after `limit`.
    pub fn exit(&mut self, limit: Duration) -> Result<i32> {
        let (logs, name) = (self.logs.clone(), self.name.clone());
        let mut status = None;
        until(limit, "its end", || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })
        .map_err(|error| anyhow!("{name}: {error}\n{}", logs.dump()))?;
        // What it said last counts.
        let output = self.output.lock();
        let _ =
            self.output.changed.wait_timeout_while(output, Duration::from_secs(2), |lines| lines.open > 0);
        let status = status.context("no status")?;
        Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()))
    }

    /// Processes of that name (its first 15 bytes count) that it has started and that still run.
    pub fn children(&self, name: &str) -> Vec<i32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid())).into_iter().flatten().flatten();
        let started = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        let ids: Vec<i32> =
            started.flat_map(|ids| ids.split(' ').flat_map(str::parse).collect::<Vec<_>>()).collect();
        let called = |id: &i32| {
            let is = std::fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
            is.trim_end() == name.get(..15).unwrap_or(name)
        };
        ids.into_iter().filter(called).collect()
    }

    /// Whether it runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for TestProgram {
    fn drop(&mut self) {
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Kills any process, with no chance to clean up.
///
/// # Errors
/// It is gone already.
pub fn kill(pid: i32) -> Result<()> {
    signal(pid, Signal::KILL)
}

/// Sends a signal to any process.
///
/// # Errors
/// It is gone already.
pub fn signal(pid: i32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(pid).context("no process id")?;
    kill_process(pid, signal).with_context(|| format!("{pid:?} can't be signalled"))
}
