//! Runbooks: what is signed, and the conversation about a run.

use nearhand_machines::golden::{AT, KeyOwner};
use nearhand_proto::id::RunId;
use nearhand_proto::message::runbook::{FromDevice, FromTechnician, Listed};
use nearhand_proto::runbook::{
    Act, Class, Ending, Kind, Manifest, Mode, Note, Order, Outcome, Parameter, Phase, Refused, Source, Step,
    Unit, Value,
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
    let parameter = Parameter {
        name: "days".into(),
        about: "how old".into(),
        kind: Kind::Integer { min: 24, max: 240, unit: Unit::Hours },
        default: Some(Value::Integer(48)),
        optional: false,
        from_alarm: false,
    };
    let set = vec![
        ("older-than".into(), Source::Parameter("days".into())),
        ("at-most".into(), Source::Fixed(Value::Integer(500))),
    ];
    Manifest {
        name: "tidy".into(),
        version: 300,
        title: "Tidy up".into(),
        about: "Makes room.".into(),
        class: Class::Reversible,
        timeout: 300,
        parameters: vec![parameter],
        steps: vec![Step { act: Act::ClearCaches, set }],
    }
}

fn order() -> Order {
    Order {
        run: RUN,
        runbook: "tidy".into(),
        version: 300,
        hash: [0xab; 32],
        device: device_id(),
        parameters: vec![("days".into(), Value::Integer(24)), ("on".into(), Value::Text("/var".into()))],
        mode: Mode::Apply,
        issued: AT,
        deadline: AT.after(core::time::Duration::from_secs(300)),
    }
}

fn note() -> Note {
    Note {
        step: 1,
        act: Act::ClearCaches,
        phase: Phase::Apply,
        well: true,
        saw: "removed 10 old files".into(),
    }
}

fn outcome(ending: Ending) -> Outcome {
    Outcome {
        run: RUN,
        runbook: "tidy".into(),
        version: 300,
        mode: Mode::DryRun,
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
        Act {
            RestartService: [Act::RestartService],
            ClearCaches: [Act::ClearCaches],
            RotateLogs: [Act::RotateLogs],
            MendNetwork: [Act::MendNetwork],
            SyncTime: [Act::SyncTime],
            ClearPrintQueue: [Act::ClearPrintQueue],
            TameProcess: [Act::TameProcess],
            CollectDiagnostics: [Act::CollectDiagnostics],
        }
    );
    variants!(
        table,
        "runbook-class",
        Class {
            Reads: [Class::Reads],
            Reversible: [Class::Reversible],
            Disruptive: [Class::Disruptive],
            Destructive: [Class::Destructive],
        }
    );
    variants!(table, "runbook-mode", Mode { DryRun: [Mode::DryRun], Apply: [Mode::Apply] });
    variants!(
        table,
        "runbook-phase",
        Phase {
            Precheck: [Phase::Precheck],
            DryRun: [Phase::DryRun],
            Apply: [Phase::Apply],
            Verify: [Phase::Verify],
            Rollback: [Phase::Rollback],
        }
    );
    variants!(
        table,
        "runbook-ending",
        Ending {
            Done: [Ending::Done],
            NotDone: [Ending::NotDone],
            Failed: [Ending::Failed],
            Cancelled: [Ending::Cancelled],
            TimedOut: [Ending::TimedOut],
            Interrupted: [Ending::Interrupted],
        }
    );
}

fn kinds(table: &mut Table) {
    variants!(
        table,
        "runbook-kind",
        Kind {
            Integer: [Kind::Integer { min: -5, max: 1 << 40, unit: Unit::Megabytes }],
            Choice: [Kind::Choice(vec!["renice".into(), "end".into()])],
            Service: [Kind::Service(vec!["web-*.service".into()])],
            Process: [Kind::Process(vec!["*".into()])],
            Interface: [Kind::Interface],
            MountPoint: [Kind::MountPoint],
        }
    );
    variants!(
        table,
        "runbook-unit",
        Unit {
            Count: [Unit::Count],
            Seconds: [Unit::Seconds],
            Hours: [Unit::Hours],
            Megabytes: [Unit::Megabytes],
            Percent: [Unit::Percent],
        }
    );
}

fn refusals(table: &mut Table) {
    variants!(
        table,
        "runbook-refused",
        Refused {
            OrderSignature: [Refused::OrderSignature],
            RunbookSignature: [Refused::RunbookSignature],
            OtherDevice: [Refused::OtherDevice],
            Unknown: [Refused::Unknown("tidy".into())],
            OtherContent: [Refused::OtherContent("tidy".into())],
            Older: [Refused::Older { newest: 301 }],
            Mistake: [Refused::Mistake("step 1: no act".into())],
            Parameter: [Refused::Parameter("days: from 24 to 240".into())],
            Late: [Refused::Late(AT)],
            TooFar: [Refused::TooFar(AT)],
            Repeated: [Refused::Repeated(None), Refused::Repeated(Some(Box::new(outcome(Ending::Done))))],
            Off: [Refused::Off],
            NoPolicy: [Refused::NoPolicy],
            NotAllowed: [Refused::NotAllowed("tidy".into())],
            Class: [Refused::Class { class: 2, most: 1 }],
            NotNow: [Refused::NotNow("from 22:00 to 06:00".into())],
            TooOften: [Refused::TooOften(1800)],
            Busy: [Refused::Busy],
            Storage: [Refused::Storage],
            Protocol: [Refused::Protocol],
        }
    );
}

fn conversation(table: &mut Table) {
    let order = Box::new(KeyOwner::Technician.secret().sign(&order()).unwrap());
    let signed = Box::new(KeyOwner::Organisation.secret().sign(&manifest()).unwrap());
    variants!(
        table,
        "runbook-from-technician",
        FromTechnician {
            List: [FromTechnician::List],
            Show: [FromTechnician::Show("tidy".into())],
            Run: [
                FromTechnician::Run { order: order.clone(), manifest: None },
                FromTechnician::Run { order: order.clone(), manifest: Some(signed.clone()) },
            ],
            Cancel: [FromTechnician::Cancel],
        }
    );
    let listed = Listed {
        name: "tidy".into(),
        version: 300,
        title: "Tidy up".into(),
        class: 1,
        built_in: false,
        refused: Some(Refused::Off),
    };
    variants!(
        table,
        "runbook-from-device",
        FromDevice {
            Listed: [FromDevice::Listed(vec![listed.clone()])],
            Shown: [FromDevice::Shown(Box::new(manifest()))],
            Begun: [FromDevice::Begun { step: 1, of: 2, phase: Phase::Verify }],
            Saw: [FromDevice::Saw(note())],
            Over: [FromDevice::Over(Box::new(outcome(Ending::Interrupted)))],
            Refused: [FromDevice::Refused(Refused::Busy)],
        }
    );
}
