//! Programs and X servers, read from `/proc` and the directory of X's sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::seen::{DisplayProgram, XServerProcess};

/// Most processes looked at.
const MOST: usize = 20_000;
/// Most bytes of a process's environment.
const ENVIRONMENT: u64 = 256 * 1024;
/// Most bytes of other files.
const SMALL: u64 = 16 * 1024;
/// Where X servers listen: as the agent sees it, and as the machine does where the agent has a private `/tmp`.
const TMP: [&str; 2] = ["/tmp", "/proc/1/root/tmp"];
/// Device numbers of virtual terminals: major 4, minor 1 to 63.
const VT_MAJOR: u32 = 4;

/// What processes say of displays.
#[derive(Debug, Default)]
pub(super) struct SeenProcesses {
    pub programs: Vec<DisplayProgram>,
    pub servers: Vec<XServerProcess>,
}

/// Reads all processes; `user`: programs of that one only.
pub(super) fn processes(user: Option<u32>) -> SeenProcesses {
    let mut seen = SeenProcesses::default();
    let Ok(entries) = fs::read_dir("/proc") else { return seen };
    let locks = locks();
    let numbered = entries.flatten().filter_map(|entry| {
        let number: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((number, entry.path()))
    });
    for (number, path) in numbered.take(MOST) {
        let name = small(&path.join("comm")).unwrap_or_default();
        if name.first() == Some(&b'X') {
            seen.servers.extend(server(&path, &name, locks.get(&number).copied()));
        }
        seen.programs.extend(program(&path, user));
    }
    seen
}

fn program(path: &Path, user: Option<u32>) -> Option<DisplayProgram> {
    let file = fs::File::open(path.join("environ")).ok()?;
    let owner = file.metadata().ok()?.uid();
    if user.is_some_and(|user| user != owner) {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(ENVIRONMENT).read_to_end(&mut bytes).ok()?;
    let mut program = environment(&bytes);
    if program.display.is_none() && !program.wayland {
        return None;
    }
    program.user = owner;
    let group =
        small(&path.join("cgroup")).and_then(|bytes| session_of_group(&String::from_utf8_lossy(&bytes)));
    program.session = group.or(program.session);
    program.authority = program.authority.filter(|file| exists(path, file));
    Some(program)
}

/// Whether a file is there, for the process if not for us.
fn exists(process: &Path, file: &OsString) -> bool {
    let file = Path::new(file);
    let theirs = || process.join("root").join(file.strip_prefix("/").unwrap_or(file));
    file.is_absolute() && (file.exists() || theirs().exists())
}

/// What an environment says of a display.
fn environment(bytes: &[u8]) -> DisplayProgram {
    let mut program = DisplayProgram::default();
    for entry in bytes.split(|byte| *byte == 0) {
        let Some(at) = entry.iter().position(|byte| *byte == b'=') else { continue };
        let (Some(name), Some(value)) = (entry.get(..at), entry.get(at + 1..)) else { continue };
        if value.is_empty() {
            continue;
        }
        let value = || OsString::from_vec(value.to_vec());
        match name {
            b"DISPLAY" => program.display = Some(value()),
            b"XAUTHORITY" => program.authority = Some(value()),
            b"HOME" => program.home = Some(value()),
            b"WAYLAND_DISPLAY" => program.wayland = true,
            b"XDG_SESSION_ID" => program.session = value().into_string().ok(),
            _ => {}
        }
    }
    program
}

/// logind's session of a control group: `/user.slice/user-1000.slice/session-2.scope`.
fn session_of_group(groups: &str) -> Option<String> {
    groups.split(['/', '\n']).find_map(|part| {
        let id = part.strip_prefix("session-")?.strip_suffix(".scope")?;
        Some(id.to_owned())
    })
}

fn server(path: &Path, name: &[u8], locked: Option<u32>) -> Option<XServerProcess> {
    let arguments = small(&path.join("cmdline")).unwrap_or_default();
    let arguments = String::from_utf8_lossy(&arguments);
    let mut server = server_of(arguments.split('\0'), locked)?;
    server.is_xwayland = name.starts_with(b"Xwayland");
    // Without an argument for it, the one that it was started from.
    server.vt = server.vt.or_else(|| vt_of(&String::from_utf8_lossy(&small(&path.join("stat"))?)));
    Some(server)
}

/// Display and virtual terminal, from a server's arguments and the lock that it holds.
fn server_of<'a>(arguments: impl Iterator<Item = &'a str>, locked: Option<u32>) -> Option<XServerProcess> {
    let (mut display, mut vt) = (locked, None);
    for argument in arguments.skip(1) {
        let number = |prefix: &str| argument.strip_prefix(prefix).and_then(|rest| rest.parse().ok());
        display = display.or_else(|| number(":"));
        vt = vt.or_else(|| number("vt"));
    }
    Some(XServerProcess { display: display?, vt, is_xwayland: false })
}

/// The virtual terminal that a process belongs to, by `/proc/…/stat`.
fn vt_of(stat: &str) -> Option<u32> {
    // The name of the program may hold anything: what counts begins after its last bracket.
    let device: u32 = stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(4)?.parse().ok()?;
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff);
    (major == VT_MAJOR && (1..64).contains(&minor)).then_some(minor)
}

/// Which process serves which display, by `/tmp/.X0-lock`.
fn locks() -> BTreeMap<u32, u32> {
    let mut locks = BTreeMap::new();
    for (tmp, entry) in
        TMP.iter().flat_map(|tmp| fs::read_dir(tmp).into_iter().flatten().flatten().map(move |e| (tmp, e)))
    {
        let name = entry.file_name();
        let number =
            name.to_str().and_then(|name| name.strip_prefix(".X")?.strip_suffix("-lock")?.parse().ok());
        let Some(number) = number else { continue };
        let pid = small(&Path::new(tmp).join(&name))
            .and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        locks.extend(pid.map(|pid: u32| (pid, number)));
    }
    locks
}

/// The displays that are served, by their sockets.
pub(super) fn served() -> BTreeSet<u32> {
    let table = fs::read("/proc/net/unix").unwrap_or_default();
    let listening = sockets(&String::from_utf8_lossy(&table));
    let files =
        TMP.iter().flat_map(|tmp| fs::read_dir(Path::new(tmp).join(".X11-unix")).into_iter().flatten());
    let files =
        files.flatten().filter_map(|entry| entry.file_name().to_str()?.strip_prefix('X')?.parse().ok());
    // The kernel lists those of our own network namespace; a file alone may be what a killed server has left.
    files.chain(listening).collect()
}

fn sockets(table: &str) -> BTreeSet<u32> {
    let numbers = table.lines().filter_map(|line| {
        let path = line.split_ascii_whitespace().nth(7)?;
        path.trim_start_matches('@').strip_prefix("/tmp/.X11-unix/X")?.parse().ok()
    });
    numbers.collect()
}

/// The virtual terminal in front.
pub(super) fn active_vt() -> Option<u32> {
    let name = small(Path::new("/sys/class/tty/tty0/active"))?;
    String::from_utf8(name).ok()?.trim().strip_prefix("tty")?.parse().ok()
}

/// A small file.
fn small(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(SMALL).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_says_what_it_says() {
        let read =
            environment(b"A\0=\0DISPLAY=:0.0\0XAUTHORITY=/run/user/1000/x=auth\0HOME=\0XDG_SESSION_ID=c2\0");
        assert_eq!(read.display, Some(":0.0".into()));
        assert_eq!(read.authority, Some("/run/user/1000/x=auth".into()));
        assert_eq!((read.home, read.session, read.wayland), (None, Some("c2".to_owned()), false));
        assert!(
            environment(b"WAYLAND_DISPLAY=wayland-0").wayland && !environment(b"WAYLAND_DISPLAY=").wayland
        );
    }

    #[test]
    fn a_session_is_named_by_its_scope() {
        let of = |group: &str| session_of_group(group);
        assert_eq!(of("0::/user.slice/user-1000.slice/session-c12.scope\n"), Some("c12".to_owned()));
        assert_eq!(of("1:name=systemd:/user.slice/session-3.scope\n0::/x\n"), Some("3".to_owned()));
        assert_eq!(of("0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n"), None);
    }

    #[test]
    fn servers_say_their_display_and_terminal() {
        let of = |line: &str, locked| server_of(line.split(' '), locked).map(|s| (s.display, s.vt));
        assert_eq!(
            of("/usr/lib/xorg/Xorg :0 -seat seat0 -auth /run/x vt7 -novtswitch", None),
            Some((0, Some(7)))
        );
        assert_eq!(of("/usr/lib/xorg/Xorg vt2 -displayfd 3 -auth /run/gdm", Some(1)), Some((1, Some(2))));
        assert_eq!(of("Xvfb :81 -screen 0 1x1x24", None), Some((81, None)));
        assert_eq!(of("Xvfb -displayfd 1", None), None);
        let stat = "812 (X (org) 1) S 1 812 812 1025 812 4194560 1 0";
        assert_eq!(vt_of(stat), Some(1));
        assert_eq!(vt_of("9 (Xvfb) S 1 9 9 0 -1 4 1"), None);
        assert_eq!(vt_of("9 (X) S 1 9 9 34816 -1 4 1"), None, "a pseudo-terminal");
    }

    #[test]
    fn sockets_of_both_kinds_are_known() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                     0000: 00000002 00000000 00010000 0001 01 1 /tmp/.X11-unix/X0\n\
                     0000: 00000002 00000000 00010000 0001 01 2 @/tmp/.X11-unix/X81\n\
                     0000: 00000003 00000000 00000000 0001 03 3\n";
        assert_eq!(sockets(table), BTreeSet::from([0, 81]));
    }
}
