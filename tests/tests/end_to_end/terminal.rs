//! The programs where a person sits: on a terminal, which decides about colours, progress and questions. Everything else
//! tries them behind pipes.

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use nearhand_tests::build::ProgramBinary;
use nearhand_tests::deployment::TestDeployment;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// What a terminal shows of a program, and the program's exit code.
fn on_a_terminal(program: ProgramBinary, words: &[&str]) -> Result<(String, Option<i32>)> {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&terminal)?;
    unlockpt(&terminal)?;
    let inner =
        File::from(open(ptsname(&terminal, Vec::new())?, OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?);
    let mut child = Command::new("timeout")
        .arg("60")
        .arg(program.path()?)
        .args(words)
        .env_remove("NEARHAND_LOG")
        .stdin(Stdio::from(inner.try_clone()?))
        .stdout(Stdio::from(inner.try_clone()?))
        .stderr(Stdio::from(inner))
        .spawn()?;
    let (mut screen, mut shown) = (File::from(terminal), Vec::new());
    // Once nobody has the inner end any more, reading fails.
    let _ = screen.read_to_end(&mut shown);
    Ok((String::from_utf8_lossy(&shown).into_owned(), child.wait()?.code()))
}

#[test]
fn each_program_speaks_there_as_it_does_behind_a_pipe() -> Result<()> {
    let site = TestDeployment::new()?;
    let nowhere = site.data().join("../nobody").display().to_string();
    let organisation = site.data().display().to_string();
    for (program, words, code, says) in [
        (ProgramBinary::Client, &["--home", &nowhere, "devices"][..], Some(3), "nearhand join"),
        (ProgramBinary::Client, &["--home", &nowhere, "-vv", "devices"], Some(3), "nearhand join"),
        (ProgramBinary::Agent, &["--data", &nowhere, "status"], Some(4), "nearhand-agent run"),
        // What it finds here is its own affair.
        (
            ProgramBinary::Agent,
            &["--data", &nowhere, "--log", "debug", "doctor", "--quick"],
            None,
            "disks.space",
        ),
        (ProgramBinary::Relay, &["status", "--data", &organisation], Some(0), "devices enrolled"),
    ] {
        let (text, ended) = on_a_terminal(program, words)?;
        ensure!(text.contains(says), "{program:?} {words:?}: {text}");
        ensure!(code.is_none() || ended == code, "{program:?} {words:?}: {ended:?}: {text}");
        ensure!(!text.contains("panicked") && !text.contains("tracing"), "{program:?} {words:?}: {text}");
    }
    Ok(())
}
