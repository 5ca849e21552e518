//! An X server for a test, and the programs on it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A program that ends with the test.
pub(crate) struct ChildGuard(pub(crate) Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// An X server without a screen of glass.
pub(crate) struct Xvfb {
    _server: ChildGuard,
    /// Its name, as in `DISPLAY`.
    pub(crate) name: String,
    pub(crate) dir: tempfile::TempDir,
}

impl Xvfb {
    /// Starts one and waits until it serves.
    pub(crate) fn start(screen: &str) -> Self {
        Self::start_with(screen, |_| Vec::new())
    }

    /// With more arguments, which may name files in its directory.
    pub(crate) fn start_with(screen: &str, more: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut server = Command::new("Xvfb")
            .args(more(dir.path()))
            .args(["-displayfd", "1", "-screen", "0", screen, "-nolisten", "tcp", "-noreset"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts; scripts/setup installs it");
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("a pipe")).read_line(&mut number).expect("a number");
        let name = format!(":{}", number.trim());
        assert!(name.len() > 1, "Xvfb served no display");
        Self { _server: ChildGuard(server), name, dir }
    }

    /// A program on this display.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("DISPLAY", &self.name)
            .env("LC_ALL", "C.UTF-8")
            .env("XMODIFIERS", "@im=none")
            .env_remove("XAUTHORITY")
            .stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().expect(program);
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

/// Waits until it holds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "{what}: not within {LIMIT:?}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
