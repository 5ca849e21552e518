//! The report's JSON form: small, with every status, part of the machine and kind of chart.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::model::{
    Area, Chart, ChartKind, ChartPoint, Evidence, Finding, FindingStatus, Report, ReportSubject,
};
use nearhand_report::parse;

use super::{Table, variants};

pub(crate) fn fill(table: &mut Table) {
    variants!(table, json "report-status", FindingStatus {
        Fail: [FindingStatus::Fail],
        Warn: [FindingStatus::Warn],
        Info: [FindingStatus::Info],
        Ok: [FindingStatus::Ok],
        Skipped: [FindingStatus::Skipped],
    });
    variants!(table, json "report-area", Area {
        Hardware: [Area::Hardware],
        System: [Area::System],
        Disks: [Area::Disks],
        Cpu: [Area::Cpu],
        Memory: [Area::Memory],
        Network: [Area::Network],
        Services: [Area::Services],
        Logs: [Area::Logs],
        Updates: [Area::Updates],
        Time: [Area::Time],
        Security: [Area::Security],
        Printers: [Area::Printers],
        Processes: [Area::Processes],
    });
    variants!(table, json "report-chart-kind", ChartKind { Bars: [ChartKind::Bars], Line: [ChartKind::Line] });
    variants!(table, json "report-set", CheckSet { Quick: [CheckSet::Quick], Full: [CheckSet::Full] });
    for finding in findings() {
        table.json("finding", finding.id.clone(), &finding);
    }
    table.json("report", "full", &full());
    let json = serde_json::to_vec(&full()).unwrap();
    assert_eq!(parse::parse(&json), Ok(full()), "the whole report is one that is admitted");
}

fn findings() -> Vec<Finding> {
    let full = Finding {
        id: "disks.space".into(),
        instance: "/home".into(),
        area: Area::Disks,
        status: FindingStatus::Fail,
        title: "/home is full".into(),
        evidence: vec![Evidence { label: "free".into(), value: "0.1 GB of 64 GB".into() }],
        explanation: "Programs can't save.\nMail stops.".into(),
        fix: "Delete or move files.".into(),
        reason: None,
        runbook: Some("clean-caches".into()),
        article: Some("disk-full".into()),
        ms: 12,
    };
    let skipped = Finding {
        id: "printers.queues".into(),
        instance: String::new(),
        area: Area::Printers,
        status: FindingStatus::Skipped,
        evidence: vec![],
        reason: Some("CUPS is not installed".into()),
        runbook: None,
        article: None,
        ..full.clone()
    };
    vec![full, skipped]
}

fn full() -> Report {
    let subject = ReportSubject {
        device: "00112233445566778899aabbccddeeff".into(),
        hostname: "kasse-3".into(),
        os: "Debian 13 (trixie)".into(),
        kernel: "6.12.48".into(),
        model: "Acme Till 3".into(),
    };
    let mut report =
        Report::new("nearhand-agent 0.1.0".into(), subject, "2023-11-14T22:13:20Z".into(), CheckSet::Full);
    let point = |label: &str, value, limit| ChartPoint { label: label.into(), value, limit };
    let chart = |id: &str, kind, points| Chart {
        id: id.into(),
        title: "Disk usage".into(),
        unit: "GB".into(),
        kind,
        points,
    };
    report.duration_ms = 2_345;
    report.findings = findings();
    report.charts = vec![
        chart("disks.usage", ChartKind::Bars, vec![point("/home", 63.9, Some(64.0))]),
        chart("cpu.load", ChartKind::Line, vec![point("10:00", 0.5, None), point("10:01", -1e-9, None)]),
    ];
    report.software.insert("bash".into(), "5.2.37".into());
    report.hardware.insert("memory".into(), "16 GB".into());
    report.sort_and_count();
    report
}
