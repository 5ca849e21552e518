//! What differs between operating systems in the client: access to a directory, locks on files, the limits of the
//! decode process, the browser.
//!
//! The only place of this crate with `cfg` on the target.

mod confine;
mod loopback;

pub(crate) use confine::confine;
pub(crate) use loopback::user_of;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// `true` if anybody but the owner may enter, list or change the directory.
///
/// # Errors
/// The directory can't be looked at: it is missing, or its parents are closed.
#[cfg(unix)]
pub(crate) fn is_open_to_others(dir: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::metadata(dir)?.permissions().mode() & 0o077 != 0)
}

/// `true` if anybody but the owner may enter: not asked on this system, where a profile directory is private.
#[cfg(not(unix))]
pub(crate) fn is_open_to_others(_dir: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Waits until no other program holds the lock on the file; it is held until the file is closed.
///
/// # Errors
/// The file system has no locks.
#[cfg(unix)]
pub(crate) fn lock(file: &File) -> io::Result<()> {
    rustix::io::retry_on_intr(|| rustix::fs::flock(file, rustix::fs::FlockOperation::LockExclusive))
        .map_err(io::Error::from)
}

/// No locks on this system yet: writes are whole or not at all, the last one wins.
#[cfg(not(unix))]
pub(crate) fn lock(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Where programs keep a person's data.
#[cfg(not(windows))]
pub(crate) fn data_dir() -> Option<PathBuf> {
    let absolute = |p: &PathBuf| p.is_absolute();
    std::env::var_os("XDG_DATA_HOME")
        .map(PathBuf::from)
        .filter(absolute)
        .or_else(|| std::env::home_dir().filter(absolute).map(|home| home.join(".local/share")))
}

/// Where programs keep a person's data.
#[cfg(windows)]
pub(crate) fn data_dir() -> Option<PathBuf> {
    std::env::var_os("LOCALAPPDATA").map(PathBuf::from)
}

/// Where the file that leads a browser to a page is put: a directory of this user's that their browser can read.
/// Browsers from snap see only what isn't hidden in the home directory; for others the user's runtime directory is better:
/// it is in memory.
#[cfg(not(windows))]
pub(crate) fn hand_over_dir() -> Option<PathBuf> {
    let runtime = || {
        std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|dir| dir.is_absolute() && dir.is_dir())
    };
    let home = || std::env::home_dir().filter(|dir| dir.is_absolute() && dir.is_dir());
    if is_browser_from_snap() { home() } else { runtime().or_else(home) }
}

/// Where the file that leads a browser to a page is put.
#[cfg(windows)]
pub(crate) fn hand_over_dir() -> Option<PathBuf> {
    data_dir()
}

/// `true` if the browser that opens pages of this user was installed by snap, as far as its settings say.
#[cfg(not(windows))]
fn is_browser_from_snap() -> bool {
    let config = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".config")));
    let lists = config.iter().map(|dir| dir.join("mimeapps.list")).chain(
        ["/etc/xdg/mimeapps.list", "/usr/share/applications/mimeapps.list"].into_iter().map(PathBuf::from),
    );
    let chosen = lists.filter_map(|list| std::fs::read_to_string(list).ok()).find_map(|list| {
        let of_pages = |line: &str| {
            line.strip_prefix("text/html=")
                .map(|names| names.split(';').next().unwrap_or_default().to_owned())
        };
        list.lines().find_map(of_pages)
    });
    let snaps = Path::new("/var/lib/snapd/desktop/applications");
    match chosen {
        Some(name) => snaps.join(name.trim()).is_file(),
        // Nothing is chosen: the distribution's browser is taken, which on Ubuntu is this one.
        None => snaps.join("firefox_firefox.desktop").is_file(),
    }
}

/// The file's address for a browser (RFC 8089).
pub(crate) fn file_address(path: &Path) -> String {
    let mut address = "file://".to_owned();
    let text = path.to_string_lossy().replace('\\', "/");
    if !text.starts_with('/') {
        address.push('/');
    }
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~:".contains(&byte) {
            address.push(char::from(byte));
        } else {
            address.push_str(&format!("%{byte:02X}"));
        }
    }
    address
}

/// The command that opens an address in the person's browser; `None` where there is no screen for one.
#[cfg(all(unix, not(target_os = "macos")))]
pub(crate) fn browser() -> Option<(&'static str, &'static [&'static str])> {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    // Without a screen, xdg-open would start a browser of text in this terminal.
    (is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")).then_some(("xdg-open", &[]))
}

/// The command that opens an address in the person's browser.
#[cfg(target_os = "macos")]
pub(crate) fn browser() -> Option<(&'static str, &'static [&'static str])> {
    Some(("open", &[]))
}

/// The command that opens an address in the person's browser.
#[cfg(windows)]
pub(crate) fn browser() -> Option<(&'static str, &'static [&'static str])> {
    Some(("rundll32", &["url.dll,FileProtocolHandler"]))
}
