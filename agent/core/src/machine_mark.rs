//! Whether this is still the machine that the device's key was made for, or a copy of its disk.
//!
//! A pure comparison. Addresses of network cards are no part of it: docks and virtual machines change them all the time.

use serde::{Deserialize, Serialize};

/// Numbers that makers forgot to fill in: many machines have them.
const NOBODYS: [&str; 4] = [
    "03000200-0400-0500-0006-000700080009",
    "12345678-1234-5678-90ab-cddeefaabbcc",
    "00020003-0004-0005-0006-000700080009",
    "fefefefe-fefe-fefe-fefe-fefefefefefe",
];

/// What tells a machine from others, as hashes; `None`: not known here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct MachineMark {
    /// The system's own number, new with each installation.
    pub system: Option<[u8; 32]>,
    /// The mainboard's, or the virtual machine's.
    pub board: Option<[u8; 32]>,
}

/// What a mark kept next to the key says of the machine it is found on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineVerdict {
    /// The same machine, as far as can be known.
    Same,
    /// Something that was known then is another now.
    Another,
}

impl MachineMark {
    /// Whether `here` knows something that this doesn't.
    pub fn lacks_of(&self, here: &Self) -> bool {
        (self.system.is_none() && here.system.is_some()) || (self.board.is_none() && here.board.is_some())
    }

    /// With what only `here` knows.
    #[must_use]
    pub fn or(self, here: Self) -> Self {
        Self { system: self.system.or(here.system), board: self.board.or(here.board) }
    }

    /// Compares what is kept with what is here. What isn't known on both sides says nothing: an agent without root can't
    /// read the board's number, and a container has none.
    pub fn compare(&self, here: &Self) -> MachineVerdict {
        let differs = |kept: Option<[u8; 32]>, now: Option<[u8; 32]>| matches!((kept, now), (Some(kept), Some(now)) if kept != now);
        if differs(self.system, here.system) || differs(self.board, here.board) {
            MachineVerdict::Another
        } else {
            MachineVerdict::Same
        }
    }
}

/// A machine's number as it is compared; `None` for one that says nothing about which machine it is.
pub fn identifying(text: &str) -> Option<String> {
    let text = text.trim().to_ascii_lowercase();
    let mut digits = text.bytes().filter(u8::is_ascii_hexdigit);
    let first = digits.next()?;
    // All zeros, all ones, `uninitialized`.
    let says_something = digits.any(|digit| digit != first);
    let is_number = text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    (says_something && is_number && !NOBODYS.contains(&text.as_str())).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn mark(system: Option<u8>, board: Option<u8>) -> MachineMark {
        const fn hash(of: Option<u8>) -> Option<[u8; 32]> {
            match of {
                Some(byte) => Some([byte; 32]),
                None => None,
            }
        }
        MachineMark { system: hash(system), board: hash(board) }
    }

    #[test]
    fn anything_known_that_has_changed_is_another_machine() {
        let kept = mark(Some(1), Some(2));
        for (here, verdict) in [
            (mark(Some(1), Some(2)), MachineVerdict::Same),
            (mark(Some(9), Some(2)), MachineVerdict::Another),
            (mark(Some(1), Some(9)), MachineVerdict::Another),
            (mark(Some(9), Some(9)), MachineVerdict::Another),
            // Unknown now: an agent that no longer runs as root, a broken sysfs.
            (mark(Some(1), None), MachineVerdict::Same),
            (mark(None, None), MachineVerdict::Same),
            (mark(Some(9), None), MachineVerdict::Another),
        ] {
            assert_eq!(kept.compare(&here), verdict, "{here:?}");
        }
        // What was unknown at first is filled in.
        assert!(mark(Some(1), None).lacks_of(&kept) && !kept.lacks_of(&mark(Some(1), None)));
        assert_eq!(mark(Some(1), None).or(mark(Some(9), Some(2))), kept);
        // Containers without either.
        assert_eq!(mark(None, None).compare(&kept), MachineVerdict::Same);
    }

    #[test]
    fn numbers_that_many_machines_have_say_nothing() {
        for nothing in [
            "",
            "\n",
            "uninitialized",
            "Not Settable",
            "To be filled by O.E.M.",
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "03000200-0400-0500-0006-000700080009",
        ] {
            assert_eq!(identifying(nothing), None, "{nothing:?}");
        }
        let upper = "4C4C4544-0042-3510-8052-B4C04F4D4832\n";
        assert_eq!(identifying(upper).as_deref(), Some("4c4c4544-0042-3510-8052-b4c04f4d4832"));
        assert_eq!(
            identifying("5d05531977cd4ebfba62e2b97d650fb5\n").as_deref(),
            Some("5d05531977cd4ebfba62e2b97d650fb5")
        );
    }
}
