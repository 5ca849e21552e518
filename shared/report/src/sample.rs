//! A realistic report, an older one of the same device, and a hostile one, for the tests of this directory.

use nearhand_proto::message::session::CheckSet;
use std::collections::BTreeMap;

use super::model::{
    Area, Chart, ChartKind, ChartPoint, Evidence, Finding, FindingStatus, Report, ReportSubject,
};
use super::visit::{TextRole, texts};

/// Text that means something to a browser, a Markdown reader or a terminal.
pub(super) const HOSTILE: &str = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload='x' \
    [click](javascript:alert(1)) ![i](http://evil.example/p.png) `c` **b** | ~~~ \u{1b}[2J\u{1b}]8;;http://evil\u{7} \
    \u{202e}gpj.exe & &lt; <!-- --> ${x} {{7*7}}\n# heading\n- item\n1. one\n\t<b>tab</b>\n> quote\n---";

fn finding(area: Area, id: &str, instance: &str, status: FindingStatus, title: &str) -> Finding {
    Finding {
        id: id.into(),
        instance: instance.into(),
        area,
        status,
        title: title.into(),
        evidence: Vec::new(),
        explanation: String::new(),
        fix: String::new(),
        reason: None,
        runbook: None,
        article: None,
        ms: 12,
    }
}

impl Finding {
    fn seen(mut self, label: &str, value: &str) -> Self {
        self.evidence.push(Evidence { label: label.into(), value: value.into() });
        self
    }

    fn means(mut self, explanation: &str) -> Self {
        self.explanation = explanation.into();
        self
    }

    fn fix(mut self, fix: &str) -> Self {
        self.fix = fix.into();
        self
    }

    fn runbook(mut self, name: &str) -> Self {
        self.runbook = Some(name.into());
        self
    }

    fn skipped(mut self, reason: &str) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

fn problems() -> Vec<Finding> {
    vec![
        finding(Area::Disks, "disks.smart", "/dev/sda", FindingStatus::Fail, "The disk /dev/sda is failing")
            .seen("Model", "WDC WD10EZEX-08WN4A0")
            .seen("Serial number", "WD-WCC6Y3RT5XYZ")
            .seen("Reallocated sectors", "184")
            .seen("Pending sectors", "23")
            .seen("Powered on", "41,208 h")
            .means("The disk keeps finding sectors it can no longer read. Disks in this state often fail within weeks, and then everything on them is gone.")
            .fix("Back up `/home` and `/var` today. Then replace the disk; do not run a long repair on it first.\nOrder a disk of at least 1 TB.")
            .runbook("collect-diagnostics"),
        finding(Area::Services, "services.failed", "cups.service", FindingStatus::Fail, "The service cups.service does not stay up")
            .seen("State", "failed (Result: exit-code)")
            .seen("Restarts in 10 min", "5")
            .seen("Last line", "cupsd[2211]: Unable to open listen socket for address 192.168.178.31:631 - Address already in use.")
            .means("The print service starts, ends at once and is started again. Nobody can print until it stays up.")
            .fix("Find what holds port 631 with `ss -ltnp 'sport = :631'`, stop it, then run `systemctl restart cups.service`.")
            .runbook("restart-service"),
        finding(Area::Disks, "disks.space", "/home", FindingStatus::Warn, "/home is 93 % full")
            .seen("Used", "437 GB of 470 GB (93 %)")
            .seen("Largest directory", "/home/anna/Videos, 211 GB")
            .means("Programs fail in odd ways once a disk is full, and Linux keeps 5 % for itself.")
            .fix("Move `/home/anna/Videos` to another disk, or clear the package cache.")
            .runbook("clear-caches"),
        finding(Area::Updates, "updates.pending", "", FindingStatus::Warn, "27 updates wait, 9 of them for security")
            .seen("Security", "openssl 3.0.15-1~deb12u1, linux-image-amd64 6.1.128-1, firefox-esr 128.7.0esr-1~deb12u1 and 6 more")
            .seen("Last update", "41 days ago")
            .means("Known holes in the browser and the kernel are open.")
            .fix("Run `apt upgrade` and restart the machine afterwards."),
        finding(Area::Network, "network.dns", "10.20.0.53", FindingStatus::Warn, "The name server 10.20.0.53 answers slowly")
            .seen("Answer time", "812 ms (others: 14 ms)")
            .seen("Lost", "3 of 20")
            .means("Each new page waits for the slow name server first, so the network feels slow although the line is fine.")
            .fix("Remove 10.20.0.53 from the network settings or put it last."),
    ]
}

fn quiet() -> Vec<Finding> {
    vec![
        finding(
            Area::System,
            "system.reboot",
            "",
            FindingStatus::Info,
            "Running for 63 days without a restart",
        )
        .seen("Booted", "2025-01-10 07:58 UTC")
        .means("Not a fault. Updates of the kernel take effect only after a restart."),
        finding(Area::Processes, "processes.top", "", FindingStatus::Info, "firefox-esr uses most memory")
            .seen("firefox-esr", "3.1 GB in 14 processes")
            .seen("gnome-shell", "412 MB"),
        finding(Area::Cpu, "cpu.load", "", FindingStatus::Ok, "The processor has room")
            .seen("Load of 15 min", "0.7 on 8 cores"),
        finding(Area::Memory, "memory.available", "", FindingStatus::Ok, "Enough memory")
            .seen("Available", "9.2 GB of 15.5 GB"),
        finding(Area::Disks, "disks.space", "/", FindingStatus::Ok, "Enough space on /")
            .seen("Used", "31 GB of 94 GB (33 %)"),
        finding(Area::Network, "network.gateway", "eth0", FindingStatus::Ok, "The gateway answers")
            .seen("Answer time", "0.6 ms"),
        finding(
            Area::Network,
            "network.tls",
            "",
            FindingStatus::Ok,
            "Nobody reads along on encrypted connections",
        )
        .seen("Issuer", "Let's Encrypt R11"),
        finding(Area::Time, "time.offset", "", FindingStatus::Ok, "The clock is right")
            .seen("Offset", "4 ms"),
        finding(Area::Security, "security.firewall", "", FindingStatus::Ok, "A firewall is active")
            .seen("Tables", "nftables, 3 chains"),
        finding(Area::Logs, "logs.oom", "", FindingStatus::Ok, "No program was ended for lack of memory"),
        finding(Area::Printers, "printers.queues", "Office", FindingStatus::Ok, "Office prints"),
        finding(Area::Disks, "disks.raid", "", FindingStatus::Skipped, "RAID")
            .skipped("This machine has no RAID."),
        finding(Area::Hardware, "hardware.battery", "", FindingStatus::Skipped, "Battery")
            .skipped("This machine has no battery."),
        finding(Area::Security, "security.secureboot", "", FindingStatus::Skipped, "Secure Boot")
            .skipped("Needs root: run the agent as a service or call `sudo nearhand-agent doctor`."),
    ]
}

fn charts() -> Vec<Chart> {
    let bar = |label: &str, value, limit| ChartPoint { label: label.into(), value, limit: Some(limit) };
    let latencies =
        [14.0, 15.5, 13.2, 16.1, 48.0, 15.0, 14.4, 212.0, 90.5, 16.0, 14.9, 15.2, 13.8, 61.0, 15.1, 14.7];
    let line = latencies.iter().enumerate().map(|(n, value)| ChartPoint {
        label: format!("{:02}:{:02}", 9 + n / 4, n % 4 * 15),
        value: *value,
        limit: Some(150.0),
    });
    vec![
        Chart {
            id: "disks.usage".into(),
            title: "Disk space".into(),
            unit: "GB".into(),
            kind: ChartKind::Bars,
            points: vec![
                bar("/", 31.0, 94.0),
                bar("/home", 437.0, 470.0),
                bar("/srv/backup", 1210.5, 1832.0),
            ],
        },
        Chart {
            id: "network.latency".into(),
            title: "Answer time of the gateway".into(),
            unit: "ms".into(),
            kind: ChartKind::Line,
            points: line.collect(),
        },
        Chart {
            id: "memory.processes".into(),
            title: "Memory by program".into(),
            unit: "MB".into(),
            kind: ChartKind::Bars,
            points: [
                ("firefox-esr", 3174.0),
                ("gnome-shell", 412.0),
                ("thunderbird", 388.0),
                ("nautilus", 96.0),
            ]
            .map(|(label, value)| ChartPoint { label: label.into(), value, limit: None })
            .into(),
        },
    ]
}

fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A report with every field filled at least once.
pub(super) fn full() -> Report {
    let subject = ReportSubject {
        device: "9f2c4be1a07d5536c8e1f0aa41b2d97e".into(),
        hostname: "anna-desktop".into(),
        os: "Debian GNU/Linux 12 (bookworm)".into(),
        kernel: "6.1.0-28-amd64".into(),
        model: "Dell OptiPlex 7050".into(),
    };
    let mut report =
        Report::new("nearhand-agent 0.1.0".into(), subject, "2025-03-14T09:12:33Z".into(), CheckSet::Full);
    report.duration_ms = 8_437;
    report.findings = problems().into_iter().chain(quiet()).collect();
    report.findings[0].article = Some("disk-is-failing".into());
    report.charts = charts();
    report.software = map(&[
        ("bash", "5.2.15-2+b7"),
        ("firefox-esr", "128.6.0esr-1~deb12u1"),
        ("libsecret-1-0", "0.20.5-3"),
        ("linux-image-6.1.0-28-amd64", "6.1.119-1"),
        ("openssl", "3.0.14-1~deb12u2"),
        ("passwd", "1:4.13+dfsg1-1+b1"),
        ("thunderbird", "1:128.6.0esr-1~deb12u1"),
        ("zlib1g", "1:1.2.13.dfsg-1"),
    ]);
    report.hardware = map(&[
        ("BIOS", "Dell Inc. 1.27.0, 2023-09-13"),
        ("Disk sda", "WDC WD10EZEX-08WN4A0, 1.0 TB"),
        ("Graphics", "Intel HD Graphics 630"),
        ("Memory", "16 GB DDR4-2400 (2 of 4 slots)"),
        ("Network eth0", "Intel I219-LM, 54:bf:64:0a:11:c7"),
        ("Processor", "Intel Core i7-7700, 4 cores, 8 threads"),
        ("Serial number", "4XK2YZ1"),
    ]);
    report.sort_and_count();
    report
}

/// The same device some weeks earlier: other problems, other software, a component less.
pub(super) fn older() -> Report {
    let mut report = full();
    report.started_at = "2025-02-20T08:01:07Z".into();
    report.findings.retain(|f| f.id != "services.failed");
    for finding in &mut report.findings {
        match (finding.id.as_str(), finding.instance.as_str()) {
            ("disks.smart", _) => finding.status = FindingStatus::Warn,
            ("disks.space", "/home") => {
                finding.status = FindingStatus::Fail;
                finding.evidence[0].value = "463 GB of 470 GB (99 %)".into();
            }
            ("memory.available", _) => {
                finding.status = FindingStatus::Warn;
                finding.title = "Memory runs short".into();
            }
            ("updates.pending", _) => finding.evidence[1].value = "18 days ago".into(),
            ("network.gateway", _) => finding.evidence[0].value = "0.9 ms".into(),
            _ => {}
        }
    }
    let mut gone =
        finding(Area::Printers, "printers.jobs", "Office", FindingStatus::Warn, "4 print jobs are stuck");
    gone.fix = "Clear the queue.".into();
    report.findings.push(gone);
    report.software.insert("openssl".into(), "3.0.13-1~deb12u1".into());
    report.software.insert("vlc".into(), "3.0.21-0+deb12u1".into());
    report.software.remove("thunderbird");
    report.hardware.insert("Memory".into(), "8 GB DDR4-2400 (1 of 4 slots)".into());
    report.sort_and_count();
    report
}

/// [`full`] with [`HOSTILE`] in every text.
pub(super) fn hostile() -> Report {
    let mut report = full();
    let mut number = 0;
    texts(&mut report, &mut |role, text| {
        number += 1;
        *text = match role {
            TextRole::SoftwareName | TextRole::Label => format!("{HOSTILE} {number}"),
            _ => HOSTILE.to_owned(),
        };
    });
    report
}
