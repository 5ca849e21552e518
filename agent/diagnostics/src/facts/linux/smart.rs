//! The disks' reports about themselves, by `smartctl -j` (smartmontools): ATA, SCSI and NVMe.
//!
//! Attributes of ATA disks have a number and a name; makers use one number for different things (231 is the life left of
//! many SSDs and the temperature of many hard disks). So the name decides, which smartmontools' database gives.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::Value;
use tokio::task::JoinSet;

use crate::facts::hang::Unanswered;
use crate::facts::root::SystemRoot;
use crate::facts::storage::{SmartDisk, SmartProblem, SmartReports};
use crate::facts::{CollectContext, Fact, MissingFact};

/// Most disks that are asked.
const DISK_LIMIT: usize = 128;

/// Disks that are asked at the same time.
const AT_ONCE: usize = 16;

/// Time for one disk's report: a disk that spins up takes about 8 s, and one that sleeps isn't woken.
const PATIENCE: Duration = Duration::from_secs(8);

/// What each disk said last, for when it sleeps.
static LAST: LazyLock<Mutex<BTreeMap<String, SmartDisk>>> = LazyLock::new(Mutex::default);

/// Asks each disk for its report. One that hangs is named, and the others are read.
pub(super) async fn smart(context: &Arc<CollectContext>) -> Fact<SmartReports> {
    smart_within(context, PATIENCE).await
}

async fn smart_within(context: &Arc<CollectContext>, patience: Duration) -> Fact<SmartReports> {
    context
        .programs
        .find("smartctl")
        .map_err(|_| MissingFact::Absent("smartctl (package smartmontools)".into()))?;
    let mut disks = disks(&context.root)?;
    if disks.is_empty() {
        return Err(MissingFact::NotApplicable("there is no disk with a health report".to_owned()));
    }
    let left_out = disks.len().saturating_sub(DISK_LIMIT);
    disks.truncate(DISK_LIMIT);
    context.hangs.forget(|thing| thing.starts_with("/dev/"), &disks);
    let mut waiting = disks.into_iter();
    let mut asking: JoinSet<SmartDisk> = JoinSet::new();
    let mut reports = Vec::new();
    for device in waiting.by_ref().take(AT_ONCE) {
        asking.spawn(ask(Arc::clone(context), device, patience));
    }
    while let Some(done) = asking.join_next().await {
        reports.extend(done);
        if let Some(device) = waiting.next() {
            asking.spawn(ask(Arc::clone(context), device, patience));
        }
    }
    reports.sort_by(|a, b| a.device.cmp(&b.device));
    let denied = |report: &SmartDisk| matches!(&report.problem, Some(SmartProblem::NoReport(why)) if why.contains("Permission denied"));
    match reports.iter().all(denied) {
        true => Err(MissingFact::Denied("smartctl".to_owned())),
        false => Ok(SmartReports { disks: reports, left_out }),
    }
}

async fn ask(context: Arc<CollectContext>, device: String, patience: Duration) -> SmartDisk {
    // Bits of the exit code tell about the disk; only the JSON says what.
    let arguments = ["-j", "-a", "-n", "standby", &device];
    let programs = &context.programs;
    let answer = context
        .hangs
        .within(&device, patience, |asked| programs.run_about("smartctl", &arguments, Some(asked)));
    let problem = match answer.await {
        Ok(Ok(output)) => return with_last(parse_smart(&device, &output.text)),
        Ok(Err(why)) => SmartProblem::NoReport(why.to_string()),
        Err(why @ Unanswered::Silent(_)) => SmartProblem::Hangs(why.to_string()),
        Err(why) => SmartProblem::NotAsked(why.to_string()),
    };
    SmartDisk { device, problem: Some(problem), ..SmartDisk::default() }
}

/// A disk that sleeps says what it said last; another is remembered for that.
fn with_last(disk: SmartDisk) -> SmartDisk {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if disk.sleeps {
        let before = last.get(&disk.device).cloned().unwrap_or_default();
        return SmartDisk { device: disk.device, sleeps: true, ..before };
    }
    if disk.problem.is_none() && (last.len() < DISK_LIMIT || last.contains_key(&disk.device)) {
        last.insert(disk.device.clone(), disk.clone());
    }
    disk
}

/// Whole disks that may have a report.
fn disks(root: &SystemRoot) -> Fact<Vec<String>> {
    let names = root.names("/sys/block")?;
    let may = |name: &String| name.starts_with("sd") || name.starts_with("hd") || name.starts_with("nvme");
    Ok(names.into_iter().filter(may).map(|name| format!("/dev/{name}")).collect())
}

/// One attribute of an ATA disk.
struct AtaAttribute<'a> {
    id: u64,
    name: &'a str,
    /// From 1 to 253, and for most attributes the less the worse.
    value: u64,
    raw: u64,
    failed_now: bool,
}

fn attributes(json: &Value) -> Vec<AtaAttribute<'_>> {
    let table = json.pointer("/ata_smart_attributes/table").and_then(Value::as_array);
    let one = |row: &'_ Value| -> Option<(u64, u64)> {
        Some((row.get("id")?.as_u64()?, row.get("value")?.as_u64()?))
    };
    let read = |row| {
        let (id, value) = one(row)?;
        let raw = row.pointer("/raw/value").and_then(Value::as_u64);
        // Some numbers are packed with others; the text has the one that counts first: `3 (0 14)`.
        let text = row.pointer("/raw/string").and_then(Value::as_str).unwrap_or_default();
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        Some(AtaAttribute {
            id,
            name: row.get("name").and_then(Value::as_str).unwrap_or_default(),
            value,
            raw: digits.parse().ok().or(raw)?,
            failed_now: row.get("when_failed").and_then(Value::as_str) == Some("now"),
        })
    };
    table.into_iter().flatten().filter_map(read).collect()
}

/// A report as `smartctl -j -a` writes it.
fn parse_smart(device: &str, text: &str) -> SmartDisk {
    let empty = SmartDisk { device: device.to_owned(), ..SmartDisk::default() };
    let json: Value = match serde_json::from_str(text) {
        Ok(json) => json,
        Err(error) => {
            let problem = Some(SmartProblem::NoReport(format!("unreadable report: {error}")));
            return SmartDisk { problem, ..empty };
        }
    };
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64);
    let messages = json.pointer("/smartctl/messages").and_then(Value::as_array);
    let messages: Vec<&str> =
        messages.into_iter().flatten().filter_map(|m| m.get("string")?.as_str()).collect();
    let asleep = |said: &&str| said.contains("STANDBY") || said.contains("SLEEP mode");
    if messages.iter().any(asleep) {
        return SmartDisk { sleeps: true, ..empty };
    }
    let attributes = attributes(&json);
    let named =
        |id: u64, part: &str| attributes.iter().find(|a| a.id == id && a.name.contains(part)).map(|a| a.raw);
    let nvme = json.get("nvme_smart_health_information_log");
    let of_nvme = |name: &str| nvme.and_then(|log| log.get(name)).and_then(Value::as_u64);
    let passed = json.pointer("/smart_status/passed").and_then(Value::as_bool);
    let scsi = scsi_uncorrected(&json);
    let known = passed.is_some() || nvme.is_some() || scsi.is_some() || !attributes.is_empty();
    let bits = of_nvme("critical_warning").unwrap_or(0);
    let spare = of_nvme("available_spare").zip(of_nvme("available_spare_threshold"));
    let failing = attributes.iter().filter(|a| a.failed_now).map(|a| format!("{} below its limit", a.name));
    SmartDisk {
        model: ["/model_name", "/scsi_model_name", "/product"]
            .into_iter()
            .find_map(|path| json.pointer(path)?.as_str())
            .unwrap_or_default()
            .to_owned(),
        // Heat alone makes the verdict of NVMe bad as well, and goes by.
        passed: passed.map(|passed| passed || bits == HEAT_BIT),
        reallocated: named(5, "Realloc")
            .or_else(|| named(5, "Retired_Block"))
            .or_else(|| number("/scsi_grown_defect_list")),
        pending: named(197, "Pending_Sector").or_else(|| number("/scsi_pending_defects/count")),
        uncorrectable: of_nvme("media_errors").or_else(|| named(198, "Uncorrect")).or(scsi),
        wear_percent: of_nvme("percentage_used").or_else(|| wear(&json, &attributes)),
        spare_percent: spare.or_else(|| {
            number("/spare_available/current_percent").zip(number("/spare_available/threshold_percent"))
        }),
        warnings: nvme_warnings(bits).into_iter().map(str::to_owned).chain(failing).collect(),
        hours: number("/power_on_time/hours"),
        celsius: json.pointer("/temperature/current").and_then(Value::as_i64),
        problem: (!known).then(|| {
            SmartProblem::NoReport(messages.first().copied().unwrap_or("the disk gives no report").to_owned())
        }),
        ..empty
    }
}

/// Errors that reading, writing and verifying could not correct, over the disk's life.
fn scsi_uncorrected(json: &Value) -> Option<u64> {
    let log = json.get("scsi_error_counter_log")?;
    let of = |what| log.get(what).and_then(|one| one.get("total_uncorrected_errors")).and_then(Value::as_u64);
    ["read", "write", "verify"].into_iter().filter_map(of).reduce(u64::saturating_add)
}

/// The bit of NVMe's critical warning for a temperature outside of the limits.
const HEAT_BIT: u64 = 0b10;

/// NVM Express Base Specification, SMART / Health Information (log page 02h), byte 0.
fn nvme_warnings(bits: u64) -> Vec<&'static str> {
    const WARNINGS: [&str; 6] = [
        "too few spare blocks are left",
        "temperature outside of the limits",
        "unreliable because of many media errors",
        "read-only: it takes no more data",
        "the backup of its volatile memory failed",
        "its persistent memory is read-only",
    ];
    WARNINGS.into_iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, text)| text).collect()
}

/// Parts of attribute names whose value is the life that is left, in percent.
const LIFE_LEFT: [&str; 11] = [
    "wear_leveling_count",
    "ssd_life_left",
    "life_left",
    "lifetime_remain",
    "lifetime_left",
    "remaining_life",
    "life_remain",
    "life_curve_remain",
    "media_wearout_indicator",
    "percent_lifetime_used",
    "rated_life",
];

/// How worn an SSD is, in percent. Hard disks don't wear: their attributes of the same numbers mean something else.
fn wear(json: &Value, attributes: &[AtaAttribute<'_>]) -> Option<u64> {
    let number = |path: &str| json.pointer(path).and_then(Value::as_u64);
    let told = ["/endurance_used/current_percent", "/scsi_percentage_used_endurance_indicator"];
    if let Some(used) = told.into_iter().find_map(number).or_else(|| device_statistic(json)) {
        return Some(used);
    }
    if number("/rotation_rate").is_some_and(|turns| turns > 0) {
        return None;
    }
    let of = |id: u64| {
        let attribute = attributes.iter().find(|attribute| attribute.id == id)?;
        let name = attribute.name.to_lowercase();
        if !LIFE_LEFT.iter().any(|part| name.contains(part)) || attribute.value > 100 {
            return None;
        }
        if id == 230 {
            // Western Digital and SanDisk count up: the value is what is used, and the raw number the same in hundredths.
            let hundredths = attribute.raw & 0xffff;
            return (hundredths / 100 == attribute.value || attribute.value == 1 && hundredths < 200)
                .then_some(attribute.value);
        }
        Some(100_u64.saturating_sub(attribute.value))
    };
    [231, 202, 169, 177, 233, 230, 173, 209].into_iter().find_map(of)
}

/// "Percentage Used Endurance Indicator" of the device statistics (ATA8-ACS), where `smartctl` has been asked for them.
fn device_statistic(json: &Value) -> Option<u64> {
    let pages = json.pointer("/ata_device_statistics/pages")?.as_array()?;
    let rows = pages.iter().filter_map(|page| page.get("table")?.as_array()).flatten();
    let wanted = |row: &&Value| {
        row.get("name").and_then(Value::as_str) == Some("Percentage Used Endurance Indicator")
            && row.pointer("/flags/valid").and_then(Value::as_bool) != Some(false)
    };
    rows.into_iter().find(wanted)?.get("value")?.as_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_bits_of_nvmes_warning_are_told_apart_and_heat_is_no_failure() {
        let of = |bits: u64| {
            let passed = bits == 0;
            let text = format!(
                r#"{{"smart_status":{{"passed":{passed}}},"nvme_smart_health_information_log":{{"critical_warning":{bits},
                "available_spare":9,"available_spare_threshold":10,"percentage_used":130,"media_errors":0}}}}"#
            );
            parse_smart("/dev/nvme0n1", &text)
        };
        assert_eq!((of(0).passed, of(0).warnings.len()), (Some(true), 0));
        assert_eq!(
            (of(2).passed, of(2).warnings[0].as_str()),
            (Some(true), "temperature outside of the limits")
        );
        assert_eq!((of(0b1101).passed, of(0b1101).warnings.len()), (Some(false), 3));
        assert_eq!((of(0).spare_percent, of(0).wear_percent), (Some((9, 10)), Some(130)));
    }

    #[test]
    fn reads_a_scsi_report() {
        let text = r#"{"device":{"protocol":"SCSI"},"scsi_model_name":"SEAGATE ST4000NM0023","smart_status":{"passed":true},
            "temperature":{"current":38,"drive_trip":60},"power_on_time":{"hours":41000},"scsi_grown_defect_list":9,
            "scsi_pending_defects":{"count":2},
            "scsi_error_counter_log":{"read":{"errors_corrected_by_eccfast":2,"total_uncorrected_errors":1},
            "write":{"total_uncorrected_errors":8},"verify":{"total_uncorrected_errors":0}}}"#;
        let disk = parse_smart("/dev/sda", text);
        assert_eq!(disk.model, "SEAGATE ST4000NM0023");
        assert_eq!((disk.reallocated, disk.uncorrectable, disk.pending), (Some(9), Some(9), Some(2)));
        assert_eq!((disk.passed, disk.celsius, disk.wear_percent), (Some(true), Some(38), None));
        let ssd = r#"{"smart_status":{"passed":true},"scsi_percentage_used_endurance_indicator":93}"#;
        assert_eq!(parse_smart("/dev/sdb", ssd).wear_percent, Some(93));
    }

    #[test]
    fn wear_is_read_by_name_and_only_of_ssds() {
        let of = |turns: &str, id: u64, name: &str, value: u64, raw: u64| {
            let text = format!(
                r#"{{{turns}"smart_status":{{"passed":true}},"ata_smart_attributes":{{"table":[
                {{"id":{id},"name":"{name}","value":{value},"raw":{{"value":{raw},"string":"{raw}"}}}}]}}}}"#
            );
            parse_smart("/dev/sda", &text).wear_percent
        };
        let (ssd, disk) = (r#""rotation_rate":0,"#, r#""rotation_rate":7200,"#);
        for (turns, id, name, value, raw, worn) in [
            (disk, 231, "Temperature", 6, 0, None),
            (disk, 202, "Data_Address_Mark_Errs", 1, 0, None),
            (disk, 230, "GMR_Head_Amplitude", 5, 0, None),
            ("", 231, "Temperature_Celsius", 6, 0, None),
            (ssd, 231, "Temperature_Celsius", 65, 35, None),
            (ssd, 231, "SSD_Life_Left", 6, 6, Some(94)),
            (ssd, 202, "Percent_Lifetime_Remain", 88, 12, Some(12)),
            (ssd, 169, "Remaining_Lifetime_Perc", 99, 99, Some(1)),
            (ssd, 169, "Total_Bad_Blocks", 100, 12, None),
            (ssd, 177, "Wear_Leveling_Count", 9, 1800, Some(91)),
            (ssd, 177, "Wear_Range_Delta", 0, 12, None),
            (ssd, 233, "Media_Wearout_Indicator", 97, 0, Some(3)),
            (ssd, 233, "NAND_GB_Written_TLC", 100, 8000, None),
            (ssd, 230, "Media_Wearout_Indicator", 1, 0x0026_0014_0026, Some(1)),
            (ssd, 230, "Media_Wearout_Indicator", 12, 1_268, Some(12)),
            (ssd, 230, "Life_Curve_Status", 100, 100, None),
            (ssd, 231, "Unknown_SSD_Attribute", 6, 6, None),
        ] {
            assert_eq!(of(turns, id, name, value, raw), worn, "{turns} {id} {name}");
        }
    }

    #[test]
    fn numbers_that_are_packed_with_others_are_unpacked() {
        let text = r#"{"smart_status":{"passed":true},"ata_smart_attributes":{"table":[
            {"id":5,"name":"Reallocated_Sector_Ct","value":100,"raw":{"value":60129542144,"string":"0 (0 14)"}},
            {"id":197,"name":"Current_Pending_ECC_Cnt","value":100,"raw":{"value":1,"string":"1"}},
            {"id":198,"name":"Offline_Uncorrectable","value":100,"when_failed":"now","raw":{"value":4,"string":"4"}}]}}"#;
        let disk = parse_smart("/dev/sda", text);
        assert_eq!((disk.reallocated, disk.pending, disk.uncorrectable), (Some(0), None, Some(4)));
        assert_eq!(disk.warnings, ["Offline_Uncorrectable below its limit"]);
    }

    #[test]
    fn a_disk_that_sleeps_keeps_what_it_said_last() {
        let asleep = r#"{"smartctl":{"exit_status":2,"messages":[
            {"string":"Device is in STANDBY mode, exit(2)","severity":"information"}]}}"#;
        let device = "/dev/of-this-test";
        assert_eq!(with_last(parse_smart(device, asleep)).passed, None, "nothing is known yet");
        with_last(parse_smart(device, r#"{"smart_status":{"passed":false},"scsi_grown_defect_list":3}"#));
        let disk = with_last(parse_smart(device, asleep));
        assert_eq!((disk.sleeps, disk.passed, disk.reallocated), (true, Some(false), Some(3)));
        assert_eq!(disk.problem, None);
    }

    #[tokio::test]
    async fn a_disk_whose_program_hangs_is_named_and_asked_again_once_the_program_is_gone() {
        use crate::facts::root::tree;
        use std::os::unix::fs::PermissionsExt;

        let (dir, root) = tree(&[("/sys/block/sdq/size", "1\n"), ("/sys/block/loop0/size", "1\n")]);
        let tool = dir.path().join("smartctl");
        let program = |text: &str| {
            std::fs::write(&tool, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("exec sleep 1000");
        let context = Arc::new(CollectContext::of_test(root, dir.path()));
        let reports = smart_within(&context, Duration::from_millis(50)).await.unwrap();
        assert_eq!(reports.disks.len(), 1);
        assert!(
            matches!(&reports.disks[0].problem, Some(SmartProblem::Hangs(why)) if why.contains("does not answer"))
        );
        assert_eq!(context.hangs.silent()[0].thing, "/dev/sdq");
        program("echo '{\"smart_status\":{\"passed\":true}}'");
        // The program that hung is being ended; until it is gone nobody starts another.
        let limit = std::time::Instant::now() + Duration::from_secs(30);
        loop {
            let disk = smart_within(&context, Duration::from_secs(30)).await.unwrap().disks.remove(0);
            if disk.passed == Some(true) {
                assert_eq!(context.hangs.silent(), []);
                return;
            }
            assert!(disk.problem.is_some() && std::time::Instant::now() < limit, "it was never asked again");
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn a_report_that_is_none_says_why() {
        let refused = r#"{"smartctl":{"exit_status":2,"messages":[
            {"string":"Smartctl open device: /dev/sda failed: Permission denied","severity":"error"}]}}"#;
        let why = |text| match parse_smart("/dev/sda", text).problem {
            Some(SmartProblem::NoReport(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why(refused).contains("Permission denied"));
        assert!(why("\u{1b}[2J").starts_with("unreadable report"));
    }
}
