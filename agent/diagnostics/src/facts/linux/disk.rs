//! State of disks as the kernel tells it: `/proc/mdstat`, error counters in `/sys`.

use crate::facts::root::SystemRoot;
use crate::facts::storage::{ErrorCount, RaidArray};
use crate::facts::{Fact, MissingFact};

/// Reads software RAID arrays.
pub(super) fn raid(root: &SystemRoot) -> Fact<Vec<RaidArray>> {
    let text = root.text("/proc/mdstat").map_err(|why| match why {
        MissingFact::Absent(_) => MissingFact::NotApplicable("there is no software RAID".to_owned()),
        other => other,
    })?;
    let arrays = parse_mdstat(&text);
    if arrays.is_empty() {
        return Err(MissingFact::NotApplicable("there is no software RAID".to_owned()));
    }
    Ok(arrays)
}

fn parse_mdstat(text: &str) -> Vec<RaidArray> {
    let mut arrays: Vec<RaidArray> = Vec::new();
    for line in text.lines() {
        if let Some((name, rest)) = line.split_once(" : ").filter(|(name, _)| name.starts_with("md")) {
            let words: Vec<&str> = rest.split_whitespace().collect();
            arrays.push(RaidArray {
                name: name.trim().to_owned(),
                active: words.first() == Some(&"active"),
                level: words
                    .iter()
                    .find(|w| w.starts_with("raid") || **w == "linear")
                    .unwrap_or(&"")
                    .to_string(),
                faulty: words.iter().filter(|w| w.ends_with("(F)")).count().try_into().unwrap_or(u64::MAX),
                ..RaidArray::default()
            });
        } else if let Some(array) = arrays.last_mut() {
            if let Some((wanted, working)) = line.split_whitespace().find_map(members) {
                (array.wanted, array.working) = (wanted, working);
            }
            if let Some((what, rest)) = ["recovery", "resync", "reshape", "check"]
                .iter()
                .find_map(|what| line.split_once(&format!("{what} = ")).map(|(_, rest)| (what, rest)))
            {
                let done = rest.split_whitespace().next().unwrap_or("");
                array.activity = Some(format!("{what} {done}"));
            }
        }
    }
    arrays
}

/// `[2/1]`: members wanted and working.
fn members(word: &str) -> Option<(u64, u64)> {
    let (wanted, working) = word.strip_prefix('[')?.strip_suffix(']')?.split_once('/')?;
    Some((wanted.parse().ok()?, working.parse().ok()?))
}

/// Reads what file systems and disks have counted.
pub(super) fn errors(root: &SystemRoot) -> Fact<Vec<ErrorCount>> {
    let mut counts = Vec::new();
    let mut add = |device: String, counter: &str, errors: u64| {
        counts.push(ErrorCount { device, counter: counter.to_owned(), errors });
    };
    for device in root.names("/sys/fs/ext4").unwrap_or_default() {
        if let Some(errors) = root.number(&format!("/sys/fs/ext4/{device}/errors_count")) {
            add(device, "ext4", errors);
        }
    }
    for volume in root.names("/sys/fs/btrfs").unwrap_or_default() {
        for member in root.names(&format!("/sys/fs/btrfs/{volume}/devinfo")).unwrap_or_default() {
            let stats = root.text(&format!("/sys/fs/btrfs/{volume}/devinfo/{member}/error_stats"));
            if let Ok(stats) = stats {
                add(format!("{volume} device {member}"), "btrfs", sum_of_words(&stats));
            }
        }
    }
    for disk in root.names("/sys/block").unwrap_or_default() {
        let count = root.line(&format!("/sys/block/{disk}/device/ioerr_cnt"));
        if let Some(errors) =
            count.and_then(|text| u64::from_str_radix(text.trim_start_matches("0x"), 16).ok())
        {
            add(disk, "disk", errors);
        }
    }
    if counts.is_empty() {
        return Err(MissingFact::Absent("an error counter of a disk or file system".to_owned()));
    }
    Ok(counts)
}

/// `write_errs 0\nread_errs 2\n…`
fn sum_of_words(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn reads_a_degraded_array() {
        let text = "Personalities : [raid1]\n\
            md0 : active raid1 sdb1[1] sda1[0](F)\n      976630464 blocks super 1.2 [2/1] [_U]\n\
            \x20     [==>..................]  recovery = 12.6% (37043392/292945152) finish=127.5min\n\n\
            md1 : inactive sdc1[0](S)\n      1000 blocks\n\nunused devices: <none>\n";
        let arrays = parse_mdstat(text);
        assert_eq!(arrays.len(), 2);
        assert_eq!((arrays[0].wanted, arrays[0].working, arrays[0].faulty), (2, 1, 1));
        assert_eq!(arrays[0].activity.as_deref(), Some("recovery 12.6%"));
        assert!(!arrays[1].active);
    }

    #[test]
    fn no_arrays_is_not_applicable() {
        let (_dir, root) = tree(&[("/proc/mdstat", "Personalities : \nunused devices: <none>\n")]);
        assert!(matches!(raid(&root), Err(MissingFact::NotApplicable(_))));
    }

    #[test]
    fn sums_the_counters() {
        let (_dir, root) = tree(&[
            ("/sys/fs/ext4/sda1/errors_count", "4\n"),
            ("/sys/fs/btrfs/uuid/devinfo/1/error_stats", "write_errs 1\nread_errs 2\nflush_errs 0\n"),
            ("/sys/block/sda/device/ioerr_cnt", "0x1f\n"),
            ("/sys/block/vda/size", "1\n"),
        ]);
        let counts = errors(&root).unwrap();
        let seen: Vec<_> = counts.iter().map(|c| (c.counter.as_str(), c.errors)).collect();
        assert_eq!(seen, [("ext4", 4), ("btrfs", 3), ("disk", 31)]);
    }
}
