//! A file system that hangs when a test wants it to. Lives here: the few answers of a FUSE program (fuse(4), protocol 7.19)
//! that a directory with one file needs. Must not live here: what a program is to do while it hangs.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use anyhow::{Context, Result};
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

/// Numbers of requests (`enum fuse_opcode`).
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const GETATTR: u32 = 3;
const STATFS: u32 = 17;
const INIT: u32 = 26;
const BATCH_FORGET: u32 = 42;
/// Length of `struct fuse_in_header`, in bytes.
const HEADER: usize = 40;
/// The root's number; the file has the next one.
const ROOT: u64 = 1;
const FILE: u64 = 2;

#[derive(Default)]
struct HangSwitch {
    hangs: Mutex<bool>,
    changed: Condvar,
    over: AtomicBool,
}

/// Mounted until it is dropped; its directory has one file, `file`, last changed in 1970.
pub struct HangingFileSystem {
    at: PathBuf,
    switch: Arc<HangSwitch>,
}

impl HangingFileSystem {
    /// Mounts it. `None` where that isn't possible: no root, no FUSE.
    ///
    /// # Errors
    /// The directory can't be made.
    #[allow(clippy::print_stdout, reason = "a skipped test says why")]
    pub fn new(at: PathBuf) -> Result<Option<Self>> {
        fs::create_dir_all(&at).with_context(|| at.display().to_string())?;
        let opened = File::options().read(true).write(true).open("/dev/fuse");
        let device = match opened {
            Ok(device) => device,
            Err(error) => {
                println!("skipped: there is no FUSE here: {error}");
                return Ok(None);
            }
        };
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other\0", device.as_raw_fd());
        let options = std::ffi::CStr::from_bytes_with_nul(options.as_bytes())?;
        if let Err(error) = mount("hanging", &at, "fuse.hanging", MountFlags::empty(), options) {
            println!("skipped: a file system can't be mounted here (needs root): {error}");
            return Ok(None);
        }
        let switch = Arc::new(HangSwitch::default());
        let of_thread = switch.clone();
        std::thread::spawn(move || serve(device, &of_thread));
        Ok(Some(Self { at, switch }))
    }

    /// The file in it.
    pub fn file(&self) -> PathBuf {
        self.at.join("file")
    }

    /// Where it is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Answers nothing from now on, or everything again.
    pub fn hang(&self, hangs: bool) {
        *self.switch.hangs.lock().unwrap_or_else(PoisonError::into_inner) = hangs;
        self.switch.changed.notify_all();
    }
}

impl Drop for HangingFileSystem {
    fn drop(&mut self) {
        self.switch.over.store(true, Ordering::Release);
        self.hang(false);
        // The one who still waits for an answer gets an error, when the thread closes the device.
        let _ = unmount(&self.at, UnmountFlags::DETACH);
    }
}

/// Answers until the file system is unmounted.
fn serve(mut device: File, switch: &HangSwitch) {
    let mut request = vec![0; 256 * 1024];
    loop {
        // The kernel hands out whole requests.
        let Ok(length) = device.read(&mut request) else { return };
        let mut hangs = switch.hangs.lock().unwrap_or_else(PoisonError::into_inner);
        while *hangs {
            hangs = switch.changed.wait(hangs).unwrap_or_else(PoisonError::into_inner);
        }
        drop(hangs);
        if switch.over.load(Ordering::Acquire) {
            return;
        }
        let Some(answer) = request.get(..length).and_then(answer) else { continue };
        if device.write_all(&answer).is_err() {
            return;
        }
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// The answer to a request; `None` for those that want none.
fn answer(request: &[u8]) -> Option<Vec<u8>> {
    let opcode = u32::from_ne_bytes(request.get(4..8)?.try_into().ok()?);
    let (unique, node) = (number(request, 8)?, number(request, 16)?);
    let body = match opcode {
        FORGET | BATCH_FORGET => return None,
        INIT => Ok([7_u32, 19, 4096, 0, 0, 4096].iter().flat_map(|n| n.to_ne_bytes()).collect()),
        LOOKUP if request.get(HEADER..)?.starts_with(b"file\0") => {
            // Valid for no time: each path asks again.
            let head = [FILE, 0, 0, 0, 0].iter().flat_map(|n| n.to_ne_bytes());
            Ok(head.chain(attributes(FILE)).collect())
        }
        LOOKUP => Err(rustix::io::Errno::NOENT),
        GETATTR => Ok([0_u64, 0].iter().flat_map(|n| n.to_ne_bytes()).chain(attributes(node)).collect()),
        STATFS => {
            let counts = [1000_u64, 900, 900, 100, 90].iter().flat_map(|n| n.to_ne_bytes());
            let sizes = [4096_u32, 255, 4096, 0, 0, 0, 0, 0, 0, 0].iter().flat_map(|n| n.to_ne_bytes());
            Ok(counts.chain(sizes).collect::<Vec<u8>>())
        }
        _ => Err(rustix::io::Errno::NOSYS),
    };
    let (error, body): (i32, Vec<u8>) = match body {
        Ok(body) => (0, body),
        Err(error) => (-error.raw_os_error(), Vec::new()),
    };
    let length = u32::try_from(16 + body.len()).ok()?;
    let head = length.to_ne_bytes().into_iter().chain(error.to_ne_bytes()).chain(unique.to_ne_bytes());
    Some(head.chain(body).collect())
}

/// `struct fuse_attr` of a node: a directory or an empty file, all times 0.
fn attributes(node: u64) -> Vec<u8> {
    let mode: u32 = if node == ROOT { 0o040_755 } else { 0o100_644 };
    let long = [node, 0, 0, 0, 0, 0].into_iter().flat_map(u64::to_ne_bytes);
    let short = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].into_iter().flat_map(u32::to_ne_bytes);
    long.chain(short).collect()
}
