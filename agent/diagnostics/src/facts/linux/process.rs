//! Open files of processes, from `/proc`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::facts::process::DescriptorUse;
use crate::facts::root::SystemRoot;
use crate::facts::{Fact, MissingFact};

/// A process that has this share of its limit open, in percent, is named.
const NEAR_PERCENT: u64 = 80;

/// Most open files of one process that are looked at for sockets.
const FILE_LIMIT: usize = 4096;

/// Reads how many files are open, and who is near the limit.
pub(super) fn descriptors(root: &SystemRoot) -> Fact<DescriptorUse> {
    let line = root.text("/proc/sys/fs/file-nr")?;
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let (Some(open), Some(limit)) = (numbers.first(), numbers.get(2)) else {
        return Err(MissingFact::failed("/proc/sys/fs/file-nr", "not three numbers"));
    };
    let mut found = DescriptorUse { open: *open, limit: *limit, ..DescriptorUse::default() };
    for pid in pids(root) {
        let Ok(files) = fs::read_dir(root.place(&format!("/proc/{pid}/fd"))) else { continue };
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
    fn finds_owners_by_inode() {
        let (dir, root) = tree(&[("/proc/9/comm", "sshd\n")]);
        fs::create_dir_all(dir.path().join("proc/9/fd")).unwrap();
        std::os::unix::fs::symlink("socket:[1234]", dir.path().join("proc/9/fd/3")).unwrap();
        assert_eq!(socket_owners(&root, &BTreeSet::from([1234, 5]))[&1234], "sshd");
    }
}
