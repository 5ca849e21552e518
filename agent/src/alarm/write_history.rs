//! Which file systems could be written to earlier in this run of the machine. Pure.
//!
//! A file system that is read-only may be meant to be: a snapshot, the lower layer of a live system. One that was writable
//! before is not. What was seen is kept with the alarms, so that a restart of the agent changes nothing about it.

use nearhand_diagnostics::facts::storage::{MountedFileSystem, MountedFileSystems, WriteState};

use super::notes::AlarmNotes;

/// The notes' keys begin with it; the mount point follows.
const WRITABLE: &str = "writable.";
/// Most file systems that are remembered.
const MAX_REMEMBERED: usize = 256;

/// Remembers what is writable, and marks as stopped what isn't any more. `boot`: this run of the machine.
pub(super) fn mark_stopped(mounts: &mut MountedFileSystems, boot: [u8; 16], notes: &mut AlarmNotes) {
    // Another run of the machine may have mounted everything differently.
    notes.retain(|key, value| !key.starts_with(WRITABLE) || value.starts_with(&boot));
    for mount in mounts.local.iter_mut().filter(|mount| mount.kind != "tmpfs") {
        let key = format!("{WRITABLE}{}", mount.target);
        let now = seen(mount, boot);
        match mount.writing {
            WriteState::Writable if notes.get(&key) == Some(&now) => {}
            WriteState::Writable => {
                let kept = notes.keys().filter(|key| key.starts_with(WRITABLE)).count();
                if kept < MAX_REMEMBERED || notes.contains_key(&key) {
                    notes.insert(key, now);
                }
            }
            WriteState::ReadOnly if notes.get(&key) == Some(&now) => {
                mount.writing = WriteState::StoppedByErrors("it was writable before".to_owned());
            }
            _ => {}
        }
    }
}

/// This run of the machine, and the device: another one may be mounted in the same place.
fn seen(mount: &MountedFileSystem, boot: [u8; 16]) -> Vec<u8> {
    boot.into_iter().chain(mount.device.bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(writing: WriteState, device: &str, boot: u8, notes: &mut AlarmNotes) -> WriteState {
        let mount = MountedFileSystem {
            target: "/data".into(),
            device: device.into(),
            kind: "ext4".into(),
            writing,
            ..MountedFileSystem::default()
        };
        let mut mounts = MountedFileSystems { local: vec![mount], ..MountedFileSystems::default() };
        mark_stopped(&mut mounts, [boot; 16], notes);
        mounts.local.remove(0).writing
    }

    #[test]
    fn only_what_was_writable_before_has_stopped() {
        let mut notes = AlarmNotes::new();
        assert_eq!(state(WriteState::ReadOnly, "/dev/a", 1, &mut notes), WriteState::ReadOnly);
        assert_eq!(state(WriteState::Writable, "/dev/a", 1, &mut notes), WriteState::Writable);
        let stopped = |state| matches!(state, WriteState::StoppedByErrors(_));
        assert!(stopped(state(WriteState::ReadOnly, "/dev/a", 1, &mut notes)));
        assert!(stopped(state(WriteState::ReadOnly, "/dev/a", 1, &mut notes)), "and it stays so");
        assert_eq!(state(WriteState::ReadOnly, "/dev/b", 1, &mut notes), WriteState::ReadOnly);
        assert_eq!(state(WriteState::ReadOnlyMeant, "/dev/a", 1, &mut notes), WriteState::ReadOnlyMeant);
        assert_eq!(
            state(WriteState::ReadOnly, "/dev/a", 2, &mut notes),
            WriteState::ReadOnly,
            "after a restart"
        );
        assert!(notes.is_empty());
    }
}
