//! File systems that are small enough to fill, and slow ones. Lives here: making and filling them. Must not live here:
//! what a program is to do then.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::deployment::ProgramPlace;

/// Programs behind this run with their own small file system at `at`; `None` where that isn't permitted.
#[allow(clippy::print_stdout, reason = "a skipped test says why")]
pub fn small_disk(at: &Path, size: &str) -> Option<ProgramPlace> {
    let mount = format!("mount -t tmpfs -o size={size},mode=700 none '{}'", at.display());
    let tried = Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
    if !tried.is_ok_and(|output| output.status.success()) {
        println!("skipped: a mount namespace can't be made here (needs root)");
        return None;
    }
    Some(ProgramPlace::behind(&["unshare", "-m", "sh", "-c", &format!("{mount} && exec \"$@\""), "sh"]))
}

/// Programs behind this wait so long each time that they have something written to the disk for good, as behind a worn
/// SD card or a busy array: `strace` holds up `fsync` and `fdatasync`. Asynchronous, so that the process that is started
/// is the program itself.
pub fn slow_disk(each: Duration) -> ProgramPlace {
    let delayed = format!("inject=fsync,fdatasync:delay_enter={}", each.as_micros());
    ProgramPlace::behind(&[
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fsync,fdatasync",
        "-e",
        &delayed,
        "--",
    ])
}

/// Fills the file system that a program sees at `at`; removing the returned file empties it.
///
/// # Errors
/// It can't be written to at all.
pub fn fill(pid: i32, at: &Path) -> Result<PathBuf> {
    let inside = format!("/proc/{pid}/root{}", at.display());
    let path = Path::new(&inside).join("ballast");
    let mut file = fs::File::create(&path).with_context(|| inside.clone())?;
    let block = [0_u8; 4096];
    while file.write_all(&block).is_ok() {}
    // The last page in bytes: the next write of any length fails.
    while file.write_all(&[0]).is_ok() {}
    Ok(path)
}

/// A file system of 20 MB in memory that everybody sees, mounted there and unmounted at the end.
pub struct MountedDisk(pub PathBuf);

impl MountedDisk {
    /// Mounts it.
    ///
    /// # Errors
    /// The test may not mount.
    pub fn new(at: PathBuf) -> Result<Self> {
        fs::create_dir_all(&at)?;
        let done =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=20m", "tmpfs"]).arg(&at).status()?;
        ensure!(done.success(), "a file system can't be mounted: run the tests as root");
        Ok(Self(at))
    }
}

impl Drop for MountedDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}
