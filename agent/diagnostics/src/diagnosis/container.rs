//! What a container can't say about itself: its host's hardware, kernel and clock.
//!
//! A check of this list is skipped in a container, with the reason. Others hold there as well as anywhere.

use crate::facts::{MachineFacts, MissingFact};

/// Checks, and whose matter they are.
const HOST_DECIDES: [(&str, &str); 11] = [
    ("hardware.firmware_age", "its host has the firmware"),
    ("hardware.battery", "its host has the battery"),
    ("hardware.graphics", "its host has the drivers"),
    ("hardware.temperature", "its host has the sensors"),
    ("system.kernel", "its host runs the kernel"),
    ("memory.ecc", "its host has the memory controllers"),
    ("security.disk_encryption", "its host has the disks"),
    ("security.secure_boot", "its host starts the kernel"),
    ("security.access_control", "its host decides about AppArmor and SELinux"),
    ("time.sync", "its host keeps the clock right"),
    ("logs.kernel", "its host has the kernel log"),
];

/// `true` where the check `id` must know first whether this is a container.
pub(super) fn is_hosts(id: &str) -> bool {
    HOST_DECIDES.iter().any(|(check, _)| *check == id)
}

/// Why the check `id` has no meaning here, if it hasn't.
pub(super) fn not_here(id: &str, facts: &MachineFacts) -> Option<MissingFact> {
    let container = facts.machine.as_ref().ok()?.container.as_deref()?;
    let (_, why) = HOST_DECIDES.iter().find(|(check, _)| *check == id)?;
    let manager = if container == "container" { String::new() } else { format!(" ({container})") };
    Some(MissingFact::NotApplicable(format!("this is a container{manager}: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_of_the_list_exists() {
        for (id, _) in HOST_DECIDES {
            assert!(crate::diagnosis::checks().any(|check| check.id == id), "{id}");
        }
    }
}
