//! This boot of the machine: its id, its clock, and a private directory that is gone with it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearhand_transport::platform::create_private_dir;
use rustix::time::{ClockId, clock_gettime};

use super::{is_root, own_user};

/// The kernel's id of this boot; `None` where there is none.
pub(crate) fn boot_id() -> Option<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

/// On the clock that grants run on, which nobody can set.
pub(crate) fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
    Duration::new(seconds.unwrap_or(0), nanos.unwrap_or(0))
}

/// This user's private directory in memory, made now if it isn't there; `None` where nothing is in memory, or somebody else
/// made it.
pub(crate) fn memory_directory() -> Option<PathBuf> {
    let own =
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute() && !is_root());
    let parents = own.into_iter().chain([PathBuf::from("/dev/shm")]);
    let directories = parents.filter(|parent| is_in_memory(parent));
    directories
        .map(|parent| parent.join(format!("nearhand-agent-{}", own_user())))
        .find(|dir| is_private(dir))
}

fn is_private(dir: &Path) -> bool {
    if create_private_dir(dir).is_err() {
        return false;
    }
    let meta = std::fs::symlink_metadata(dir);
    meta.is_ok_and(|meta| meta.is_dir() && meta.uid() == own_user() && meta.mode() & 0o077 == 0)
}

#[cfg(target_os = "linux")]
fn is_in_memory(dir: &Path) -> bool {
    const TMPFS: u32 = 0x0102_1994;
    const RAMFS: u32 = 0x8584_58f6;
    let kind = rustix::fs::statfs(dir).ok().and_then(|found| u32::try_from(found.f_type).ok());
    matches!(kind, Some(TMPFS | RAMFS))
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_dir: &Path) -> bool {
    false
}
