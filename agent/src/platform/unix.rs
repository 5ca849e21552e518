//! Unix: users by name, who can change a file, the terminal.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::{fs, io};

pub(crate) use nearhand_desktop::platform::{is_root, own_user};

/// Why somebody else than root and the agent's own user can change what is at `path`, or put something else there: by its
/// own rights, or by those of the directory that holds it. Links are followed, as reading it would.
pub(crate) fn changeable_by_others(path: &Path) -> io::Result<Option<String>> {
    let real = fs::canonicalize(path)?;
    let trusted = |uid: u32| uid == 0 || uid == own_user();
    // A user's private group, which has the user's number, holds nobody else (Fedora makes directories writable to it).
    let writable = |meta: &fs::Metadata| {
        let group = if meta.uid() != 0 && meta.gid() == meta.uid() { 0 } else { 0o020 };
        meta.mode() & (0o002 | group) != 0
    };
    let meta = fs::metadata(&real)?;
    if !trusted(meta.uid()) {
        return Ok(Some(format!("{} belongs to the user with the number {}", real.display(), meta.uid())));
    }
    if writable(&meta) {
        return Ok(Some(format!("others can write to {} (run: chmod go-w on it)", real.display())));
    }
    for above in real.ancestors().skip(1) {
        let meta = fs::metadata(above)?;
        if !trusted(meta.uid()) {
            return Ok(Some(format!(
                "{} belongs to the user with the number {}",
                above.display(),
                meta.uid()
            )));
        }
        // In a sticky directory (/tmp) nobody can move or remove what belongs to others.
        let sticky = meta.mode() & 0o1000 != 0;
        if writable(&meta) && !sticky {
            return Ok(Some(format!("others can write to {} (run: chmod go-w on it)", above.display())));
        }
    }
    Ok(None)
}

/// The number of a user of this machine.
pub(crate) fn user_number(name: &str) -> Option<u32> {
    let users = sysinfo::Users::new_with_refreshed_list().ok()?;
    users.iter().find(|user| user.name() == name).map(|user| **user.id())
}

/// Columns of the terminal that the standard output is, if it is one.
pub(crate) fn terminal_width() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(std::io::stdout()).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn whoever_can_write_to_a_directory_above_can_change_what_is_below() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a/b/policy.toml");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&dir.path().join("a"), 0o755);
        mode(&dir.path().join("a/b"), 0o755);
        mode(&file, 0o644);
        assert_eq!(changeable_by_others(&file).unwrap(), None);
        mode(&file, 0o646);
        assert!(changeable_by_others(&file).unwrap().unwrap().contains("policy.toml"));
        mode(&file, 0o644);
        mode(&dir.path().join("a"), 0o777);
        assert!(changeable_by_others(&file).unwrap().unwrap().contains("others can write"));
        mode(&dir.path().join("a"), 0o1777);
        assert_eq!(changeable_by_others(&file).unwrap(), None, "as in /tmp");
        std::os::unix::fs::symlink(&file, dir.path().join("link")).unwrap();
        mode(&dir.path().join("a/b"), 0o757);
        assert!(changeable_by_others(&dir.path().join("link")).unwrap().is_some(), "through a link too");
    }
}
