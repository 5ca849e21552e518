//! What differs between operating systems in the shared crate: files only their owner can read, the news that the
//! machine's addresses have changed, and what the service manager is told.
//!
//! The only place of this crate with `cfg` on the target.

#[cfg(target_os = "linux")]
mod addresses;
#[cfg(target_os = "linux")]
pub use addresses::address_changes;
mod service_manager;
pub use service_manager::ReadinessNotifier;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

/// `true` if anybody but the owner has a right on the file.
#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Creates a directory (with its parents) that only its owner can enter. An existing one is left as it is.
///
/// # Errors
/// [`io::Error`] if a parent can't be written, or the path is no directory.
pub fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

/// Opens a file for appending, created with rights for its owner only.
///
/// # Errors
/// [`io::Error`] if the file can't be opened or made.
pub fn open_private_append(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().create(true).append(true).read(true)).open(path)
}

/// Makes a file with rights for its owner only; one that is there already is an error.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or another [`io::Error`] if the directory can't be written.
pub fn create_private(path: &Path) -> io::Result<File> {
    private(OpenOptions::new().create_new(true).write(true)).open(path)
}

/// Reads a file that must belong to its owner alone.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] if group or others have any right on it; otherwise the error of reading it.
pub fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    if is_exposed(&file)? {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others can read {}: run chmod 600 on it", path.display()),
        ));
    }
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut file, &mut bytes)?;
    Ok(bytes)
}

/// Writes a file with rights for its owner only, whole or not at all: written to a second file, synced, renamed. A symbolic
/// link stays, and what it leads to is replaced. What is no file (`/dev/null`, a pipe, a terminal) is written to: replaced
/// by a file, it would be lost to all other programs.
///
/// # Errors
/// [`io::Error`] if the directory can't be written or the disk is full; the old content is then unchanged.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Ok(there) = std::fs::metadata(path) else { return replace_private(path, bytes) };
    if !there.is_file() && !there.is_dir() {
        return OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    replace_private(&std::fs::canonicalize(path)?, bytes)
}

fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    let temporary = path.with_file_name(name);
    match std::fs::remove_file(&temporary) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    replace_with(&temporary, path, written)?;
    sync_dir(path)
}

/// Puts a new file in the place of `path`, or removes it where writing it had failed: what a full disk has no room for must
/// not take the rest of it.
fn replace_with(temporary: &Path, path: &Path, written: io::Result<()>) -> io::Result<()> {
    let done = written.and_then(|()| std::fs::rename(temporary, path));
    if done.is_err() {
        // The first error says more than one of removing.
        let _ = std::fs::remove_file(temporary);
    }
    done
}

/// Makes a rename or a new file in `path`'s directory durable.
#[cfg(unix)]
fn sync_dir(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nothing_is_left_of_a_file_that_could_not_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let (temporary, path) = (dir.path().join("report.new"), dir.path().join("report"));
        std::fs::write(&temporary, b"half").unwrap();
        std::fs::write(&path, b"old").unwrap();
        let full = replace_with(&temporary, &path, Err(io::ErrorKind::StorageFull.into()));
        assert_eq!(full.unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert!(!temporary.exists());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        // A place that can't be taken.
        std::fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write_private(&dir.path().join("taken"), b"x").is_err());
        assert!(!dir.path().join("taken.new").exists());
    }

    #[test]
    fn what_is_no_file_is_written_to_and_links_stay() {
        use std::os::unix::fs::FileTypeExt;
        let dir = tempfile::tempdir().unwrap();
        let null = dir.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        write_private(&null, b"gone").unwrap();
        assert!(std::fs::symlink_metadata(&null).unwrap().is_symlink());
        assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());

        let (link, target) = (dir.path().join("link"), dir.path().join("target"));
        std::fs::write(&target, b"old").unwrap();
        std::os::unix::fs::symlink("target", &link).unwrap();
        write_private(&link, b"new").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read_private(&target).unwrap(), b"new");
        // One that leads nowhere is replaced by the file.
        std::fs::remove_file(&target).unwrap();
        write_private(&link, b"own").unwrap();
        assert_eq!(read_private(&link).unwrap(), b"own");
    }

    #[test]
    fn private_files_are_0600_and_exposed_ones_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read_private(&path).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(read_private(&path).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    }
}
