//! Real Debian systems to test services on: a root made once from the machine's own package mirror, booted over an overlay by
//! systemd-nspawn in about a second, in network namespaces of its own.
//!
//! Everything that a test makes lives in processes and namespaces that end with it. Must not live here: what is tested (see
//! `tests/system`).

mod machine;
mod network;
mod root;

pub use machine::{Machine, MachineSetup};
pub use network::MachineNetwork;
pub use root::{DebianRoot, NoRoot};

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// How often a condition is looked at that can't be waited for.
const POLL: Duration = Duration::from_millis(20);

/// Waits until `condition` holds.
///
/// # Errors
/// It doesn't within `limit`, or fails.
pub fn until(limit: Duration, what: &str, mut condition: impl FnMut() -> Result<bool>) -> Result<Duration> {
    let started = Instant::now();
    while !condition()? {
        ensure!(started.elapsed() < limit, "{what}: not within {limit:?}");
        thread::park_timeout(POLL);
    }
    Ok(started.elapsed())
}

/// Runs a program of this machine; what it printed.
///
/// # Errors
/// It can't be run, or ended with another exit code than 0.
fn run(words: &[&str]) -> Result<String> {
    let (program, arguments) = words.split_first().context("no program")?;
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{words:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?}: {}\n{said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
