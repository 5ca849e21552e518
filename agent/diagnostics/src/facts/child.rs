//! Child programs that tell facts.
//!
//! Lives here: finding a program in fixed directories and running it with a cleaned environment, no input,
//! bounded output and a deadline. Dropping the future ends the program and everything it started. Must not
//! live here: which programs there are, and what their output means. There is never a shell.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::hang::AskedThing;
use super::{Fact, MissingFact};

/// Where programs are looked for; `PATH` is not asked, because a user may have put anything there.
const DIRECTORIES: [&str; 4] = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"];

/// Most of a program's output that is kept; the rest is not read and the program ended.
const OUTPUT_LIMIT: u64 = 4 * 1024 * 1024;

/// What a program said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProgramOutput {
    /// Exit code; `None` if a signal or our limit ended it.
    pub code: Option<i32>,
    /// Standard output, at most [`OUTPUT_LIMIT`] bytes; invalid UTF-8 replaced.
    pub text: String,
    /// First line of the standard error.
    pub complaint: String,
    /// `true` where the output was longer than the limit.
    pub cut: bool,
}

/// The programs of this machine.
#[derive(Clone, Debug)]
pub struct SystemPrograms {
    directories: Vec<PathBuf>,
}

impl Default for SystemPrograms {
    fn default() -> Self {
        Self { directories: DIRECTORIES.iter().map(PathBuf::from).collect() }
    }
}

impl SystemPrograms {
    /// Programs of one directory instead of the system's, for tests.
    pub fn only_in(directory: &Path) -> Self {
        Self { directories: vec![directory.to_owned()] }
    }

    /// Absolute path of a program.
    pub fn find(&self, name: &str) -> Fact<PathBuf> {
        self.directories
            .iter()
            .map(|directory| directory.join(name))
            .find(|path| path.is_file())
            .ok_or_else(|| MissingFact::Absent(name.to_owned()))
    }

    /// Runs a program to its end. There is no deadline here: drop the future, and the program ends too.
    pub async fn run(&self, name: &str, arguments: &[&str]) -> Fact<ProgramOutput> {
        self.run_about(name, arguments, None).await
    }

    /// The same for a program that asks something that may hang. A program that stands in the kernel can't be ended: it
    /// keeps `asked` until it is gone, so that no second one is started for the same thing.
    pub async fn run_about(
        &self,
        name: &str,
        arguments: &[&str],
        asked: Option<Arc<AskedThing>>,
    ) -> Fact<ProgramOutput> {
        let mut text = Vec::new();
        let sink = |bytes: &[u8]| text.extend_from_slice(bytes);
        let output = self.run_asking(name, arguments, OUTPUT_LIMIT, sink, asked).await?;
        Ok(ProgramOutput { text: String::from_utf8_lossy(&text).into_owned(), ..output })
    }

    /// Runs a program to its end, and hands on its output as it comes, `limit` bytes at most; the answer has none.
    pub async fn run_into(
        &self,
        name: &str,
        arguments: &[&str],
        limit: u64,
        sink: impl FnMut(&[u8]),
    ) -> Fact<ProgramOutput> {
        self.run_asking(name, arguments, limit, sink, None).await
    }

    async fn run_asking(
        &self,
        name: &str,
        arguments: &[&str],
        limit: u64,
        sink: impl FnMut(&[u8]),
        asked: Option<Arc<AskedThing>>,
    ) -> Fact<ProgramOutput> {
        let path = self.find(name)?;
        let child = spawn(&path, arguments).map_err(|error| MissingFact::from_io(name, &error))?;
        let mut running = ChildToReap { group: ProcessGroup::of(&child), child: Some(child), asked };
        let Some(child) = &mut running.child else { return Err(MissingFact::failed(name, "no output")) };
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(MissingFact::failed(name, "no output"));
        };
        let mut complaint = Vec::new();
        let told = bounded(stderr, 4096, |bytes| complaint.extend_from_slice(bytes));
        let (length, _) = tokio::join!(bounded(stdout, limit, sink), told);
        let cut = length.map_err(|error| MissingFact::from_io(name, &error))? >= limit;
        let code = if cut { None } else { child.wait().await.ok().and_then(|status| status.code()) };
        Ok(ProgramOutput {
            code,
            text: String::new(),
            complaint: String::from_utf8_lossy(&complaint).lines().next().unwrap_or_default().to_owned(),
            cut,
        })
    }
}

/// A child program that is ended when nobody waits for it any more.
struct ChildToReap {
    group: ProcessGroup,
    child: Option<Child>,
    /// What it asks.
    asked: Option<Arc<AskedThing>>,
}

impl Drop for ChildToReap {
    fn drop(&mut self) {
        self.group.end();
        let (Some(mut child), Some(asked)) = (self.child.take(), self.asked.take()) else { return };
        if matches!(child.try_wait(), Ok(Some(_))) {
            return;
        }
        // Without a runtime the program ends, and nobody asks again.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Only that it is gone matters.
                let _ = child.wait().await;
                drop(asked);
            });
        }
    }
}

/// A program that goes on until it is dropped, and its standard output.
pub struct RunningProgram {
    /// What it says.
    pub output: tokio::process::ChildStdout,
    _group: ProcessGroup,
    _child: Child,
}

impl SystemPrograms {
    /// Starts a program that tells something again and again.
    pub fn start(&self, name: &str, arguments: &[&str]) -> Fact<RunningProgram> {
        let path = self.find(name)?;
        let mut child = spawn(&path, arguments).map_err(|error| MissingFact::from_io(name, &error))?;
        // Nobody reads its complaints, and it must not wait for that.
        drop(child.stderr.take());
        let group = ProcessGroup::of(&child);
        let output = child.stdout.take().ok_or_else(|| MissingFact::failed(name, "no output"))?;
        Ok(RunningProgram { output, _group: group, _child: child })
    }
}

fn spawn(path: &Path, arguments: &[&str]) -> std::io::Result<Child> {
    let mut command = Command::new(path);
    command
        .args(arguments)
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", DIRECTORIES.join(":"))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    command.spawn()
}

/// Reads to the end, `limit` bytes at most, and returns how many there were.
async fn bounded(
    stream: impl AsyncRead + Unpin,
    limit: u64,
    mut sink: impl FnMut(&[u8]),
) -> std::io::Result<u64> {
    let mut stream = stream.take(limit);
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(limit - stream.limit()),
            read => sink(buffer.get(..read).unwrap_or_default()),
        }
    }
}

/// Ends what is left of a program's process group when it goes: helpers that the program had started.
struct ProcessGroup(#[cfg(unix)] Option<rustix::process::Pid>);

impl ProcessGroup {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(rustix::process::Pid::from_raw))
    }

    #[cfg(not(unix))]
    fn of(_: &Child) -> Self {
        Self()
    }
}

impl ProcessGroup {
    fn end(&mut self) {
        #[cfg(unix)]
        if let Some(group) = self.0.take() {
            // A group that has already gone answers with an error, and that is what was wanted.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, SystemPrograms) {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let programs = SystemPrograms::only_in(dir.path());
        (dir, programs)
    }

    #[tokio::test]
    async fn keeps_output_code_and_complaint_with_a_clean_environment() {
        let (_dir, programs) = script("echo \"$LC_ALL $HOME\"; echo oops >&2; exit 3");
        let output = programs.run("tool", &[]).await.unwrap();
        assert_eq!((output.code, output.text.as_str(), output.complaint.as_str()), (Some(3), "C \n", "oops"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_absent() {
        let (_dir, programs) = script("true");
        assert_eq!(programs.run("smartctl", &[]).await, Err(MissingFact::Absent("smartctl".into())));
    }

    #[tokio::test]
    async fn endless_output_is_cut_and_the_program_ended() {
        let (_dir, programs) = script("exec cat /dev/zero");
        let output = programs.run("tool", &[]).await.unwrap();
        assert!(output.cut);
        assert_eq!(output.text.len() as u64, OUTPUT_LIMIT);
    }

    #[tokio::test]
    async fn dropping_ends_the_program_and_its_own_children() {
        let (dir, programs) =
            script("cd $(dirname $0); sleep 1000 & echo $! > pid.new; mv pid.new pid; wait");
        let told = dir.path().join("pid");
        let started = async {
            while !told.exists() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            _ = programs.run("tool", &[]) => panic!("it ended by itself"),
            waited = tokio::time::timeout(Duration::from_secs(30), started) => waited.unwrap(),
        }
        let pid = std::fs::read_to_string(told).unwrap();
        let stat = format!("/proc/{}/stat", pid.trim());
        for _ in 0..500 {
            // Gone, or a zombie that its new parent has not collected yet.
            match std::fs::read_to_string(&stat) {
                Err(_) => return,
                Ok(text) if text.contains(") Z") => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        panic!("the grandchild still runs");
    }
}
