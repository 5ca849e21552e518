//! Runbooks: what is signed, and the conversation about a run.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::id::RunId;
use nearhand_proto::message::runbook::{RunbookEntry, RunbookMessage, RunbookRequest};
use nearhand_proto::runbook::{
    ArgumentSource, Manifest, ParameterKind, ParameterUnit, ParameterValue, RiskClass, RunEnding, RunMode,
    RunOrder, RunOutcome, RunRefusal, RunbookAction, RunbookParameter, RunbookStep, StepNote, StepPhase,
};

use super::fixed::device_id;
use super::{Table, signed, variants};

const RUN: RunId = RunId::from_bytes(*b"run id 16 bytes.");

pub(crate) fn fill(table: &mut Table) {
    signed::statement(table, "signed-runbook", "full", KeyOwner::Organisation, &manifest());
    signed::statement(table, "signed-order", "full", KeyOwner::Technician, &order());
    parts(table);
    kinds(table);
    refusals(table);
    conversation(table);
}

fn manifest() -> Manifest {
    let parameter = RunbookParameter {
        name: "days".into(),
        about: "how old".into(),
        kind: ParameterKind::Integer { min: 24, max: 240, unit: ParameterUnit::Hours },
        default: Some(ParameterValue::Integer(48)),
        optional: false,
        from_alarm: false,
    };
    let set = vec![
        ("older-than".into(), ArgumentSource::Parameter("days".into())),
        ("at-most".into(), ArgumentSource::Fixed(ParameterValue::Integer(500))),
    ];
    Manifest {
        name: "tidy".into(),
        version: 300,
        title: "Tidy up".into(),
        about: "Makes room.".into(),
        class: RiskClass::Reversible,
        timeout: 300,
        parameters: vec![parameter],
        steps: vec![RunbookStep { act: RunbookAction::ClearCaches, set }],
    }
}

fn order() -> RunOrder {
    RunOrder {
        run: RUN,
        runbook: "tidy".into(),
        version: 300,
        hash: [0xab; 32],
        device: device_id(),
        parameters: vec![
            ("days".into(), ParameterValue::Integer(24)),
            ("on".into(), ParameterValue::Text("/var".into())),
        ],
        mode: RunMode::Apply,
        issued: AT,
        deadline: AT.after(core::time::Duration::from_secs(300)),
    }
}

fn note() -> StepNote {
    StepNote {
        step: 1,
        act: RunbookAction::ClearCaches,
        phase: StepPhase::Apply,
        well: true,
        saw: "removed 10 old files".into(),
    }
}

fn outcome(ending: RunEnding) -> RunOutcome {
    RunOutcome {
        run: RUN,
        runbook: "tidy".into(),
        version: 300,
        mode: RunMode::DryRun,
        ending,
        why: "it is done".into(),
        notes: vec![note()],
        began: AT,
        ended: AT.after(core::time::Duration::from_secs(3)),
    }
}

fn parts(table: &mut Table) {
    variants!(
        table,
        "runbook-act",
        RunbookAction {
            RestartService: [RunbookAction::RestartService],
            ClearCaches: [RunbookAction::ClearCaches],
            RotateLogs: [RunbookAction::RotateLogs],
            MendNetwork: [RunbookAction::MendNetwork],
            SyncTime: [RunbookAction::SyncTime],
            ClearPrintQueue: [RunbookAction::ClearPrintQueue],
            TameProcess: [RunbookAction::TameProcess],
            CollectDiagnostics: [RunbookAction::CollectDiagnostics],
        }
    );
    variants!(
        table,
        "runbook-class",
        RiskClass {
            Reads: [RiskClass::Reads],
            Reversible: [RiskClass::Reversible],
            Disruptive: [RiskClass::Disruptive],
            Destructive: [RiskClass::Destructive],
        }
    );
    variants!(table, "runbook-mode", RunMode { DryRun: [RunMode::DryRun], Apply: [RunMode::Apply] });
    variants!(
        table,
        "runbook-phase",
        StepPhase {
            Precheck: [StepPhase::Precheck],
            DryRun: [StepPhase::DryRun],
            Apply: [StepPhase::Apply],
            Verify: [StepPhase::Verify],
            Rollback: [StepPhase::Rollback],
        }
    );
    variants!(
        table,
        "runbook-ending",
        RunEnding {
            Done: [RunEnding::Done],
            NotDone: [RunEnding::NotDone],
            Failed: [RunEnding::Failed],
            Cancelled: [RunEnding::Cancelled],
            TimedOut: [RunEnding::TimedOut],
            Interrupted: [RunEnding::Interrupted],
        }
    );
}

fn kinds(table: &mut Table) {
    variants!(
        table,
        "runbook-kind",
        ParameterKind {
            Integer: [ParameterKind::Integer { min: -5, max: 1 << 40, unit: ParameterUnit::Megabytes }],
            Choice: [ParameterKind::Choice(vec!["renice".into(), "end".into()])],
            Service: [ParameterKind::Service(vec!["web-*.service".into()])],
            Process: [ParameterKind::Process(vec!["*".into()])],
            Interface: [ParameterKind::Interface],
            MountPoint: [ParameterKind::MountPoint],
        }
    );
    variants!(
        table,
        "runbook-unit",
        ParameterUnit {
            Count: [ParameterUnit::Count],
            Seconds: [ParameterUnit::Seconds],
            Hours: [ParameterUnit::Hours],
            Megabytes: [ParameterUnit::Megabytes],
            Percent: [ParameterUnit::Percent],
        }
    );
}

fn refusals(table: &mut Table) {
    variants!(
        table,
        "runbook-refused",
        RunRefusal {
            OrderSignature: [RunRefusal::OrderSignature],
            RunbookSignature: [RunRefusal::RunbookSignature],
            OtherDevice: [RunRefusal::OtherDevice],
            Unknown: [RunRefusal::Unknown("tidy".into())],
            OtherContent: [RunRefusal::OtherContent("tidy".into())],
            Older: [RunRefusal::Older { newest: 301 }],
            Mistake: [RunRefusal::Mistake("step 1: no act".into())],
            Parameter: [RunRefusal::Parameter("days: from 24 to 240".into())],
            Late: [RunRefusal::Late(AT)],
            TooFar: [RunRefusal::TooFar(AT)],
            Repeated: [
                RunRefusal::Repeated(None),
                RunRefusal::Repeated(Some(Box::new(outcome(RunEnding::Done))))
            ],
            Off: [RunRefusal::Off],
            NoPolicy: [RunRefusal::NoPolicy],
            NotAllowed: [RunRefusal::NotAllowed("tidy".into())],
            Class: [RunRefusal::Class { class: 2, most: 1 }],
            NotNow: [RunRefusal::NotNow("from 22:00 to 06:00".into())],
            TooOften: [RunRefusal::TooOften(1800)],
            Busy: [RunRefusal::Busy],
            Storage: [RunRefusal::Storage],
            Protocol: [RunRefusal::Protocol],
        }
    );
}

fn conversation(table: &mut Table) {
    let order = Box::new(KeyOwner::Technician.secret().sign(&order()).unwrap());
    let signed = Box::new(KeyOwner::Organisation.secret().sign(&manifest()).unwrap());
    variants!(
        table,
        "runbook-from-technician",
        RunbookRequest {
            List: [RunbookRequest::List],
            Show: [RunbookRequest::Show("tidy".into())],
            Run: [
                RunbookRequest::Run { order: order.clone(), manifest: None },
                RunbookRequest::Run { order: order.clone(), manifest: Some(signed.clone()) },
            ],
            Cancel: [RunbookRequest::Cancel],
        }
    );
    let listed = RunbookEntry {
        name: "tidy".into(),
        version: 300,
        title: "Tidy up".into(),
        class: 1,
        built_in: false,
        refused: Some(RunRefusal::Off),
    };
    variants!(
        table,
        "runbook-from-device",
        RunbookMessage {
            Listed: [RunbookMessage::Listed(vec![listed.clone()])],
            Shown: [RunbookMessage::Shown(Box::new(manifest()))],
            Begun: [RunbookMessage::Begun { step: 1, of: 2, phase: StepPhase::Verify }],
            Saw: [RunbookMessage::Saw(note())],
            Over: [RunbookMessage::Over(Box::new(outcome(RunEnding::Interrupted)))],
            Refused: [RunbookMessage::Refused(RunRefusal::Busy)],
        }
    );
}
