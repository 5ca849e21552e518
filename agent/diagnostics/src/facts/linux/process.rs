//! Processes as `/proc` shows them: whether it shows all, their open files, their names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::facts::process::DescriptorUse;
use crate::facts::root::SystemRoot;
use crate::facts::{Fact, MissingFact};

/// A process that has this share of its limit open, in percent, is named.
const NEAR_PERCENT: u64 = 80;

/// Most open files of one process that are looked at for sockets.
const FILE_LIMIT: usize = 4096;

/// `CAP_SYS_PTRACE`, <linux/capability.h>: who has it sees all processes.
const CAP_SYS_PTRACE: u32 = 19;

/// Why not all programs can be seen, where `/proc` hides those of others (`hidepid`, proc(5)): what isn't found there may
/// run all the same.
pub(in crate::facts) fn hidden_programs(root: &SystemRoot) -> Option<MissingFact> {
    let mounts = root.text("/proc/self/mountinfo").ok()?;
    let status = root.text("/proc/self/status").unwrap_or_default();
    hides_others(&mounts, &status)
        .then(|| MissingFact::Denied("other users' programs, which /proc hides (hidepid)".to_owned()))
}

fn hides_others(mounts: &str, status: &str) -> bool {
    // The last mount at a place is the one that is seen.
    let mount = mounts.lines().rev().find_map(|line| {
        let (place, source) = line.split_once(" - ")?;
        let words: Vec<&str> = place.split(' ').collect();
        let mut source = source.split(' ');
        let is_proc = words.get(4) == Some(&"/proc") && source.next() == Some("proc");
        is_proc.then(|| format!("{},{}", words.get(5).unwrap_or(&""), source.nth(1).unwrap_or_default()))
    });
    let mount = mount.unwrap_or_default();
    let option = |key: &str| mount.split(',').find_map(|option| option.strip_prefix(key)?.strip_prefix('='));
    if matches!(option("hidepid"), None | Some("0" | "off")) {
        return false;
    }
    let line =
        |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).map(str::trim);
    let capabilities = line("CapEff").and_then(|text| u64::from_str_radix(text, 16).ok()).unwrap_or(0);
    // `gid=` names a group whose members see all.
    let groups = || ["Gid", "Groups"].into_iter().filter_map(line).flat_map(str::split_whitespace);
    let is_member =
        option("gid").is_some_and(|allowed| allowed != "0" && groups().any(|group| group == allowed));
    capabilities & (1 << CAP_SYS_PTRACE) == 0 && !is_member
}

/// Reads how many files are open, and who is near the limit.
pub(super) fn descriptors(root: &SystemRoot) -> Fact<DescriptorUse> {
    if let Some(hidden) = hidden_programs(root) {
        return Err(hidden);
    }
    let line = root.text("/proc/sys/fs/file-nr")?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (Some(open), Some(limit)) = (numbers.first(), numbers.get(2)) else {
        return Err(MissingFact::failed("/proc/sys/fs/file-nr", "not three numbers"));
    };
    let mut found = DescriptorUse { open: *open, limit: *limit, ..DescriptorUse::default() };
    for pid in pids(root) {
        let Ok(files) = fs::read_dir(root.place(&format!("/proc/{pid}/fd"))) else {
            found.unseen += 1;
            continue;
        };
        found.counted += 1;
        let open = u64::try_from(files.count()).unwrap_or(u64::MAX);
        // Most processes have few; reading limits of those would cost for nothing.
        if open < 400 {
            continue;
        }
        let limits = root.text(&format!("/proc/{pid}/limits")).unwrap_or_default();
        if let Some(limit) = open_files_limit(&limits).filter(|limit| open >= limit / 100 * NEAR_PERCENT) {
            found.near.push((name(root, &pid), open, limit));
        }
    }
    Ok(found)
}

/// `Max open files            1024                 524288               files`
fn open_files_limit(limits: &str) -> Option<u64> {
    limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn pids(root: &SystemRoot) -> Vec<String> {
    let mut names = root.names("/proc").unwrap_or_default();
    names.retain(|name| name.bytes().all(|byte| byte.is_ascii_digit()));
    names
}

fn name(root: &SystemRoot, pid: &str) -> String {
    root.line(&format!("/proc/{pid}/comm")).unwrap_or_else(|| pid.to_owned())
}

/// Names of running programs, as the kernel keeps them (15 characters).
pub(super) fn running(root: &SystemRoot) -> BTreeSet<String> {
    pids(root).iter().filter_map(|pid| root.line(&format!("/proc/{pid}/comm"))).collect()
}

/// The programs that hold the sockets with these inodes, as far as this user may see.
pub(super) fn socket_owners(root: &SystemRoot, inodes: &BTreeSet<u64>) -> BTreeMap<u64, String> {
    let mut owners = BTreeMap::new();
    if inodes.is_empty() {
        return owners;
    }
    for pid in pids(root) {
        let Ok(files) = fs::read_dir(root.place(&format!("/proc/{pid}/fd"))) else { continue };
        let sockets = files.take(FILE_LIMIT).flatten().filter_map(|file| {
            let target = fs::read_link(file.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
        });
        for inode in sockets.filter(|inode| inodes.contains(inode)) {
            owners.entry(inode).or_insert_with(|| name(root, &pid));
        }
        if owners.len() == inodes.len() {
            break;
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn names_who_is_near_the_limit() {
        let (dir, root) = tree(&[
            ("/proc/sys/fs/file-nr", "1056\t0\t9223372036854775807\n"),
            ("/proc/7/comm", "leaky\n"),
            ("/proc/7/limits", "Limit   Soft Limit  Hard Limit  Units\nMax open files  500  1000  files\n"),
            ("/proc/8/comm", "calm\n"),
        ]);
        fs::create_dir_all(dir.path().join("proc/7/fd")).unwrap();
        fs::create_dir_all(dir.path().join("proc/8/fd")).unwrap();
        for file in 0..450 {
            fs::write(dir.path().join(format!("proc/7/fd/{file}")), "").unwrap();
        }
        let found = descriptors(&root).unwrap();
        assert_eq!((found.open, found.counted), (1056, 2));
        assert_eq!(found.near, [("leaky".to_owned(), 450, 500)]);
        assert!(running(&root).contains("calm"));
    }

    #[test]
    fn a_proc_that_hides_others_is_seen() {
        let mount = |options: &str| {
            format!(
                "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n22 21 0:5 / /proc rw,nosuid shared:5 - proc proc {options}\n"
            )
        };
        let user = "Name:\tdoctor\nGid:\t100\t100\t100\t100\nGroups:\t20 24 \nCapEff:\t0000000000000000\n";
        let root = "Gid:\t0\t0\t0\t0\nGroups:\t\nCapEff:\t000001ffffffffff\n";
        // Root in a service without CAP_SYS_PTRACE.
        let bounded = "Gid:\t0\t0\t0\t0\nGroups:\t0\nCapEff:\t0000000000000002\n";
        for option in [
            "rw,hidepid=1",
            "rw,hidepid=2",
            "rw,hidepid=invisible,gid=4",
            "rw,hidepid=ptraceable",
            "rw,gid=4,hidepid=4",
        ] {
            assert!(hides_others(&mount(option), user), "{option}");
            assert!(!hides_others(&mount(option), root), "{option}");
            assert!(hides_others(&mount(option), bounded), "{option}");
        }
        assert!(!hides_others(&mount("rw,hidepid=2,gid=24"), user), "a member of the group that sees all");
        for option in ["rw", "rw,hidepid=0", "rw,hidepid=off"] {
            assert!(!hides_others(&mount(option), user), "{option}");
        }
        let remounted = mount("rw,hidepid=2") + "90 21 0:5 / /proc rw - proc proc rw\n";
        assert!(!hides_others(&remounted, user));
        let (_dir, root) =
            tree(&[("/proc/self/mountinfo", &mount("rw,hidepid=2")), ("/proc/self/status", user)]);
        assert!(matches!(hidden_programs(&root), Some(MissingFact::Denied(_))));
        assert!(descriptors(&root).is_err());
    }

    #[test]
    fn finds_owners_by_inode() {
        let (dir, root) = tree(&[("/proc/9/comm", "sshd\n")]);
        fs::create_dir_all(dir.path().join("proc/9/fd")).unwrap();
        std::os::unix::fs::symlink("socket:[1234]", dir.path().join("proc/9/fd/3")).unwrap();
        assert_eq!(socket_owners(&root, &BTreeSet::from([1234, 5]))[&1234], "sshd");
    }
}
