//! Another user of the same machine, at the agent's local socket.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use nearhand_proto::message::local::{LocalRequest, LocalVerb};
use nearhand_proto::wire;

use super::fixtures::can_be_nobody;
use super::{AttackTrial, number};
use crate::deployment::{LIMIT, TestDeployment};
use nearhand_machines::golden;

/// Why a case isn't tried.
const NEEDS_ROOT: &str = "can't act as another user here (needs root)";
/// Sends a frame in hexadecimal to a socket, and says how many bytes came back.
const CALL: &str = "$SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die \"no way in: $!\"; \
                    syswrite($s, pack('H*', $ARGV[1])); $s->shutdown(1); my $n = sysread($s, my $b, 100); \
                    print 'bytes: ', $n // 0;";

fn call_as(user: &str, socket: &Path, frame: &str) -> Result<String> {
    let (reuid, regid) = (format!("--reuid={user}"), format!("--regid={user}"));
    let words = [&reuid, &regid, "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", CALL];
    let output = Command::new("setpriv").args(words).arg(socket).arg(frame).output()?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// Each verb that was ever released, as it goes over the socket: its name and the frame in hexadecimal.
fn requests() -> Result<Vec<(String, String)>> {
    let mut frames = Vec::new();
    for vector in golden::read("local-verb")? {
        let request =
            wire::encode(&LocalRequest { number: 1, verb: wire::decode::<LocalVerb>(&vector.bytes)? })?;
        let length = u32::try_from(request.len())?.to_le_bytes();
        let mut frame = String::new();
        for byte in length.iter().chain(&request) {
            write!(frame, "{byte:02x}")?;
        }
        frames.push((vector.name, frame));
    }
    Ok(frames)
}

pub(super) fn every_verb_as_another_user(trial: &AttackTrial) -> Result<()> {
    if !can_be_nobody() {
        trial.leave_out(NEEDS_ROOT);
        return Ok(());
    }
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    let socket = agent.data().join("run/agent.sock");
    let requests = requests()?;
    ensure!(requests.len() > 10, "{requests:?}");
    // The directory keeps everybody else out.
    let (_, first) = requests.first().cloned().unwrap_or_default();
    let answer = call_as("65534", &socket, &first)?;
    ensure!(answer.contains("Permission denied"), "{answer}");
    // And if somebody opened it, the kernel's word about the caller does.
    // The agent uses no directory that others can write to, so they may only pass through.
    for directory in agent.data().ancestors().take(3) {
        open_to(directory, 0o755)?;
    }
    open_to(&agent.data().join("run"), 0o777)?;
    open_to(&socket, 0o777)?;
    let mut answered = Vec::new();
    for (name, frame) in &requests {
        let answer = call_as("65534", &socket, frame)?;
        if !answer.contains("bytes: 0") {
            answered.push(format!("{name}: {answer}"));
        }
    }
    trial.tried("requests made as another user", number(requests.len()));
    trial.at_most("of them answered", number(answered.len()), "", 0.0)?;
    // The same call by the agent's own user is answered, so it is the user that counts.
    let mut by_owner = 0;
    for (name, frame) in &requests {
        let answer = call_as("0", &socket, frame)?;
        by_owner += usize::from(answer.contains("bytes: ") && !answer.contains("bytes: 0"));
        // One of them stops what is going on, none stops the agent.
        let status = agent.run(&["status"])?;
        ensure!(status.code == 0, "the agent is gone after {name} of its own user: {}", status.text);
    }
    ensure!(by_owner * 2 > requests.len(), "only {by_owner} of {} are answered to anybody", requests.len());
    ensure!(agent.program.said("turned away from the local socket"));
    Ok(())
}

fn open_to(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}

pub(super) fn a_directory_made_before(_trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let mut agent = site.device("pc-1")?;
    agent.program.kill()?;
    let run = agent.data().join("run");
    open_to(&run, 0o777)?;
    agent.restart()?;
    ensure!(agent.program.exit(LIMIT)? == 1);
    ensure!(agent.program.said("belongs to somebody else or is open to others"));
    if can_be_nobody() {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700))?;
        std::os::unix::fs::chown(&run, Some(65534), Some(65534))?;
        agent.restart()?;
        ensure!(agent.program.exit(LIMIT)? == 1);
    }
    std::fs::remove_dir_all(&run)?;
    std::os::unix::fs::symlink("/tmp", &run)?;
    agent.restart()?;
    ensure!(agent.program.exit(LIMIT)? == 1);
    std::fs::remove_file(&run)?;
    agent.restart()?;
    agent.wait_connected()
}
