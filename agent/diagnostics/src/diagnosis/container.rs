//! What a container can't say about itself: its host's firmware, disks, kernel log and clock.
//!
//! A check of this list is skipped in a container, with the reason, where its result would be the host's matter. Others
//! hold there as well as anywhere: what sensors and batteries say is true wherever it is read.

use nearhand_report::model::FindingStatus;

use crate::facts::{MachineFacts, MissingFact};

/// Which results of a check say nothing in a container.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UntoldResults {
    /// All: the container sees nothing of it.
    All,
    /// That nothing was found: it is not seen from inside.
    Good,
    /// That something is missing: the host has it.
    Bad,
}

/// Checks, which of their results say nothing, and whose matter they are.
const HOST_DECIDES: [(&str, UntoldResults, &str); 6] = [
    ("hardware.firmware_age", UntoldResults::All, "its host has the firmware"),
    ("security.disk_encryption", UntoldResults::All, "its host has the disks"),
    ("security.secure_boot", UntoldResults::All, "its host starts the kernel"),
    ("security.access_control", UntoldResults::All, "its host decides about AppArmor and SELinux"),
    ("logs.kernel", UntoldResults::Good, "its host has the kernel log"),
    ("time.sync", UntoldResults::Bad, "its host keeps the clock right"),
];

/// `true` where the check `id` must know first whether this is a container.
pub(super) fn is_hosts(id: &str) -> bool {
    HOST_DECIDES.iter().any(|(check, _, _)| *check == id)
}

/// Why the check `id` has no meaning here, if it hasn't. `worst` is its worst result, `None` where it has none.
pub(super) fn not_here(id: &str, facts: &MachineFacts, worst: Option<FindingStatus>) -> Option<MissingFact> {
    let container = facts.machine.as_ref().ok()?.container.as_deref()?;
    let (_, untold, why) = HOST_DECIDES.iter().find(|(check, _, _)| *check == id)?;
    let is_untold = match untold {
        UntoldResults::All => true,
        UntoldResults::Good => worst.is_none_or(|worst| worst == FindingStatus::Ok),
        UntoldResults::Bad => worst.is_none_or(|worst| worst != FindingStatus::Ok),
    };
    let manager = if container == "container" { String::new() } else { format!(" ({container})") };
    is_untold.then(|| MissingFact::NotApplicable(format!("this is a container{manager}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_of_the_list_exists() {
        for (id, _, _) in HOST_DECIDES {
            assert!(crate::diagnosis::checks().any(|check| check.id == id), "{id}");
        }
    }
}
