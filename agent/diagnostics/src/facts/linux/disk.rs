//! Disk health: `smartctl -j`, `/proc/mdstat`, error counters in `/sys`.

use std::sync::Arc;

use serde::Deserialize;

use crate::facts::root::SystemRoot;
use crate::facts::storage::{ErrorCount, RaidArray, SmartDisk};
use crate::facts::{CollectContext, Fact, MissingFact};

/// Most disks that are asked.
const DISK_LIMIT: usize = 24;

/// Asks each disk for its report.
pub(super) async fn smart(context: &Arc<CollectContext>) -> Fact<Vec<SmartDisk>> {
    context
        .programs
        .find("smartctl")
        .map_err(|_| MissingFact::Absent("smartctl (package smartmontools)".into()))?;
    let disks = disks(&context.root)?;
    if disks.is_empty() {
        return Err(MissingFact::NotApplicable("there is no disk with a health report".to_owned()));
    }
    let mut reports = Vec::new();
    for disk in disks {
        let device = format!("/dev/{disk}");
        // Bits of the exit code tell about the disk; only the JSON says what.
        let output = context.programs.run("smartctl", &["-j", "-a", "-n", "standby", &device]).await?;
        reports.push(parse_smart(&device, &output.text));
    }
    match reports
        .iter()
        .all(|report| report.problem.as_deref().is_some_and(|why| why.contains("Permission denied")))
    {
        true => Err(MissingFact::Denied("smartctl".to_owned())),
        false => Ok(reports),
    }
}

/// Whole disks that may have a report.
fn disks(root: &SystemRoot) -> Fact<Vec<String>> {
    let mut names = root.names("/sys/block")?;
    names.retain(|name| name.starts_with("sd") || name.starts_with("hd") || name.starts_with("nvme"));
    names.truncate(DISK_LIMIT);
    Ok(names)
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SmartJson {
    smartctl: SmartctlJson,
    model_name: String,
    smart_status: Option<StatusJson>,
    ata_smart_attributes: AttributesJson,
    nvme_smart_health_information_log: Option<NvmeJson>,
    power_on_time: Option<HoursJson>,
    temperature: Option<TemperatureJson>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SmartctlJson {
    messages: Vec<MessageJson>,
}

#[derive(Deserialize)]
struct MessageJson {
    string: String,
}

#[derive(Deserialize)]
struct StatusJson {
    passed: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct AttributesJson {
    table: Vec<AttributeJson>,
}

#[derive(Deserialize)]
struct AttributeJson {
    id: u32,
    value: u64,
    raw: RawJson,
}

#[derive(Deserialize)]
struct RawJson {
    value: u64,
}

#[derive(Deserialize)]
struct NvmeJson {
    percentage_used: Option<u64>,
    media_errors: Option<u64>,
}

#[derive(Deserialize)]
struct HoursJson {
    hours: u64,
}

#[derive(Deserialize)]
struct TemperatureJson {
    current: Option<i64>,
}

/// A report as `smartctl -j -a` writes it.
fn parse_smart(device: &str, text: &str) -> SmartDisk {
    let json: SmartJson = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => {
            let problem = Some(format!("unreadable report: {error}"));
            return SmartDisk { device: device.to_owned(), problem, ..SmartDisk::default() };
        }
    };
    let attribute = |id: u32| json.ata_smart_attributes.table.iter().find(|a| a.id == id);
    let raw = |id: u32| attribute(id).map(|a| a.raw.value);
    let nvme = json.nvme_smart_health_information_log.as_ref();
    // 231, 202, 177, 233: percent of life left, as different makers number it.
    let ssd_wear =
        [231, 202, 177, 233].iter().find_map(|id| attribute(*id)).map(|a| 100_u64.saturating_sub(a.value));
    let known = json.smart_status.is_some() || nvme.is_some() || !json.ata_smart_attributes.table.is_empty();
    SmartDisk {
        device: device.to_owned(),
        model: json.model_name.clone(),
        passed: json.smart_status.as_ref().map(|status| status.passed),
        reallocated: raw(5),
        pending: raw(197),
        uncorrectable: nvme.and_then(|n| n.media_errors).or_else(|| raw(198)),
        wear_percent: nvme.and_then(|n| n.percentage_used).or(ssd_wear),
        hours: json.power_on_time.as_ref().map(|time| time.hours),
        celsius: json.temperature.as_ref().and_then(|t| t.current),
        problem: (!known).then(|| {
            let said = json.smartctl.messages.first().map(|message| message.string.clone());
            said.unwrap_or_else(|| "the disk gives no report".to_owned())
        }),
    }
}

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
    fn reads_an_ata_report() {
        let disk = parse_smart("/dev/sda", include_str!("fixtures/smart_ata.json"));
        assert_eq!(disk.model, "Samsung SSD 860 EVO 500GB");
        assert_eq!((disk.passed, disk.reallocated, disk.pending), (Some(true), Some(3), Some(0)));
        assert_eq!((disk.wear_percent, disk.hours, disk.celsius), (Some(7), Some(14_201), Some(31)));
        assert_eq!(disk.problem, None);
    }

    #[test]
    fn reads_an_nvme_report() {
        let disk = parse_smart("/dev/nvme0", include_str!("fixtures/smart_nvme.json"));
        assert_eq!((disk.passed, disk.wear_percent, disk.uncorrectable), (Some(false), Some(94), Some(12)));
    }

    #[test]
    fn a_report_that_is_none_says_why() {
        let refused = r#"{"smartctl":{"exit_status":2,"messages":[
            {"string":"Smartctl open device: /dev/sda failed: Permission denied","severity":"error"}]}}"#;
        assert!(parse_smart("/dev/sda", refused).problem.unwrap().contains("Permission denied"));
        assert!(parse_smart("/dev/sda", "\u{1b}[2J").problem.unwrap().starts_with("unreadable report"));
    }

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
