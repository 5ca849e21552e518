//! Accounts, autostart, modes of important files.

use std::collections::BTreeSet;

use crate::facts::root::SystemRoot;
use crate::facts::security::{FileModes, PasswordState, PrivilegedAccounts};
use crate::facts::service::AutostartPrograms;
use crate::facts::{Fact, MissingFact};

/// Groups whose members may become root on common distributions.
const ADMIN_GROUPS: [&str; 3] = ["sudo", "wheel", "admin"];

/// Files that decide who may do what: nobody but root writes them.
const GUARDED: [&str; 14] = [
    "/etc/passwd",
    "/etc/shadow",
    "/etc/group",
    "/etc/sudoers",
    "/etc/fstab",
    "/etc/hosts",
    "/etc/crontab",
    "/etc/profile",
    "/etc/environment",
    "/etc/ld.so.preload",
    "/etc/ld.so.conf",
    "/etc/nsswitch.conf",
    "/etc/ssh/sshd_config",
    "/etc/apt/sources.list",
];

/// Most names of programs that are kept.
const NAME_LIMIT: usize = 200;

/// Most accounts whose names are taken out of a report.
const PEOPLE_LIMIT: usize = 2_000;

/// Reads who may become root.
pub(super) fn accounts(root: &SystemRoot) -> Fact<PrivilegedAccounts> {
    let passwd = root.text("/etc/passwd")?;
    let group = root.text("/etc/group")?;
    let mut admins = BTreeSet::new();
    let mut admin_groups = BTreeSet::new();
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, _, number, members] = fields.as_slice()
            && ADMIN_GROUPS.contains(name)
        {
            admin_groups.insert((*number).to_owned());
            admins.extend(members.split(',').filter(|member| !member.is_empty()).map(str::to_owned));
        }
    }
    let mut accounts = PrivilegedAccounts::default();
    for entry in passwd.lines().filter_map(PasswdEntry::parse) {
        accounts.people += usize::from(entry.is_person());
        if admin_groups.contains(entry.group) {
            admins.insert(entry.name.to_owned());
        }
        if entry.number == 0 && entry.name != "root" {
            accounts.extra_root.push(entry.name.to_owned());
        }
    }
    accounts.admins = admins.into_iter().collect();
    Ok(accounts)
}

/// Names of everybody who can log in, and what they are called in full; only to take them out of a report.
pub(super) fn people(root: &SystemRoot) -> Vec<String> {
    let passwd = root.text("/etc/passwd").unwrap_or_default();
    let people = passwd.lines().filter_map(PasswdEntry::parse).filter(PasswdEntry::has_login);
    people
        .flat_map(|entry| {
            // `Anna Berg,room,telephone,…`; system accounts have their own name or purpose there.
            let full = entry.note.split(',').next().unwrap_or_default().trim();
            let full = Some(full).filter(|full| entry.is_person() && !full.is_empty());
            [Some(entry.name), full]
        })
        .flatten()
        .take(PEOPLE_LIMIT)
        .map(str::to_owned)
        .collect()
}

struct PasswdEntry<'a> {
    name: &'a str,
    number: u32,
    group: &'a str,
    note: &'a str,
    home: &'a str,
    shell: &'a str,
}

impl<'a> PasswdEntry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.split(':');
        let (name, _, number, group) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        let (note, home, shell) = (fields.next()?, fields.next()?, fields.next().unwrap_or(""));
        Some(Self { name, number: number.parse().ok()?, group, note, home, shell })
    }

    /// Numbers of people by the convention of login.defs; 65534 is nobody.
    fn is_person(&self) -> bool {
        (1000..65_534).contains(&self.number) && self.has_login()
    }

    fn has_login(&self) -> bool {
        // `sync`, `halt` and `shutdown` run one program and end.
        let ends = ["nologin", "/false", "/sync", "/halt", "/shutdown"];
        !ends.iter().any(|end| self.shell.ends_with(end))
    }
}

/// Reads who has no password at all.
pub(super) fn passwords(root: &SystemRoot) -> Fact<PasswordState> {
    let shadow = root.text("/etc/shadow")?;
    let empty = shadow.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let (name, password) = (fields.next()?, fields.next()?);
        (password.is_empty() && !name.is_empty()).then(|| name.to_owned())
    });
    Ok(PasswordState { empty: empty.collect() })
}

/// Reads what starts with the desktop: names of the entries only.
pub(super) fn autostart(root: &SystemRoot) -> Fact<AutostartPrograms> {
    let system = entries(root, "/etc/xdg/autostart");
    let passwd = root.text("/etc/passwd").unwrap_or_default();
    let mut users = BTreeSet::new();
    let homes =
        passwd.lines().filter_map(PasswdEntry::parse).filter(|entry| entry.is_person() || entry.number == 0);
    for entry in homes.take(50) {
        users.extend(entries(root, &format!("{}/.config/autostart", entry.home)));
    }
    if system.is_empty() && users.is_empty() && !root.has("/etc/xdg") {
        return Err(MissingFact::NotApplicable("there is no desktop".to_owned()));
    }
    Ok(AutostartPrograms { system, users: users.into_iter().take(NAME_LIMIT).collect() })
}

fn entries(root: &SystemRoot, directory: &str) -> Vec<String> {
    let hidden = |name: &str| {
        let text = root.text(&format!("{directory}/{name}")).unwrap_or_default();
        text.lines().any(|line| matches!(line.trim(), "Hidden=true" | "X-GNOME-Autostart-enabled=false"))
    };
    let names = root.names(directory).unwrap_or_default();
    names
        .iter()
        .filter(|name| name.ends_with(".desktop") && !hidden(name))
        .take(NAME_LIMIT)
        .map(|name| name.trim_end_matches(".desktop").to_owned())
        .collect()
}

/// Reads which guarded files everybody can write.
pub(super) fn file_modes(root: &SystemRoot) -> Fact<FileModes> {
    use std::os::unix::fs::PermissionsExt;
    let mut modes = FileModes::default();
    for path in GUARDED {
        let Ok(kind) = std::fs::metadata(root.place(path)) else { continue };
        modes.looked_at += 1;
        if kind.permissions().mode() & 0o002 != 0 {
            modes.world_writable.push(path.to_owned());
        }
    }
    match modes.looked_at {
        0 => Err(MissingFact::Absent("/etc/passwd".to_owned())),
        _ => Ok(modes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\ntoor:x:0:0::/root:/bin/sh\n\
        anna:x:1000:1000:Anna,,,:/home/anna:/bin/bash\nben:x:1001:27::/home/ben:/bin/bash\n\
        svc:x:1002:1002::/srv:/usr/sbin/nologin\nbroken line\n";

    #[test]
    fn admins_come_from_members_and_primary_groups() {
        let (_dir, root) =
            tree(&[("/etc/passwd", PASSWD), ("/etc/group", "root:x:0:\nsudo:x:27:anna\nusers:x:100:ben\n")]);
        let accounts = accounts(&root).unwrap();
        assert_eq!(accounts.admins, ["anna", "ben"]);
        assert_eq!(accounts.extra_root, ["toor"]);
        assert_eq!(accounts.people, 2);
    }

    #[test]
    fn empty_passwords_are_not_locked_ones() {
        let (_dir, root) =
            tree(&[("/etc/shadow", "root:*:19000::::::\nguest::19000::::::\nanna:$y$j9T$:19000::::::\n")]);
        assert_eq!(passwords(&root).unwrap().empty, ["guest"]);
    }

    #[test]
    fn hidden_entries_do_not_start() {
        let (_dir, root) = tree(&[
            ("/etc/passwd", PASSWD),
            ("/etc/xdg/autostart/blueman.desktop", "[Desktop Entry]\nName=Blueman\n"),
            ("/home/anna/.config/autostart/chat.desktop", "[Desktop Entry]\nExec=chat --token secret\n"),
            ("/home/anna/.config/autostart/old.desktop", "[Desktop Entry]\nHidden=true\n"),
        ]);
        let found = autostart(&root).unwrap();
        assert_eq!((found.system, found.users), (vec!["blueman".to_owned()], vec!["chat".to_owned()]));
    }

    #[test]
    fn world_writable_files_are_named() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, root) = tree(&[("/etc/passwd", ""), ("/etc/fstab", "")]);
        let place = dir.path().join("etc/fstab");
        std::fs::set_permissions(place, std::fs::Permissions::from_mode(0o666)).unwrap();
        let modes = file_modes(&root).unwrap();
        assert_eq!((modes.looked_at, modes.world_writable), (2, vec!["/etc/fstab".to_owned()]));
    }
}
