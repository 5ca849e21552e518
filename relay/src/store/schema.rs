//! Names that rows hold for roles and outcomes. Released names never change.

use nearhand_proto::credential::Role;
use nearhand_proto::message::control::CloseOutcome;

pub(super) const fn role_name(role: Role) -> &'static str {
    match role {
        Role::Device => "device",
        Role::Technician => "technician",
        Role::Admin => "admin",
    }
}

pub(super) fn role(name: &str) -> Option<Role> {
    [Role::Device, Role::Technician, Role::Admin].into_iter().find(|r| role_name(*r) == name)
}

/// The name of an outcome in the database and in metrics.
pub const fn outcome_name(outcome: CloseOutcome) -> &'static str {
    match outcome {
        CloseOutcome::Technician => "technician",
        CloseOutcome::Stopped => "stopped",
        CloseOutcome::NotGranted => "not_granted",
        CloseOutcome::Lost => "lost",
        CloseOutcome::Revoked => "revoked",
        CloseOutcome::Expired => "expired",
        CloseOutcome::Failed => "failed",
    }
}

pub(super) fn outcome(name: &str) -> Option<CloseOutcome> {
    [
        CloseOutcome::Technician,
        CloseOutcome::Stopped,
        CloseOutcome::NotGranted,
        CloseOutcome::Lost,
        CloseOutcome::Revoked,
        CloseOutcome::Expired,
        CloseOutcome::Failed,
    ]
    .into_iter()
    .find(|o| outcome_name(*o) == name)
}
