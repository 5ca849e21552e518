//! Names that rows hold for roles and outcomes. Released names never change.

use nearhand_proto::credential::Role;
use nearhand_proto::message::control::Outcome;

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
pub const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Technician => "technician",
        Outcome::Stopped => "stopped",
        Outcome::NotGranted => "not_granted",
        Outcome::Lost => "lost",
        Outcome::Revoked => "revoked",
        Outcome::Failed => "failed",
    }
}

pub(super) fn outcome(name: &str) -> Option<Outcome> {
    [
        Outcome::Technician,
        Outcome::Stopped,
        Outcome::NotGranted,
        Outcome::Lost,
        Outcome::Revoked,
        Outcome::Failed,
    ]
    .into_iter()
    .find(|o| outcome_name(*o) == name)
}
