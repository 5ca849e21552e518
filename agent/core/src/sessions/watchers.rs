//! Who is at the device: who watches, and whose a session is.
//!
//! Several people can be logged in at one machine, and each sees only what is theirs: a session that came by their
//! support code or to the screen that they have in front of them. Root and the agent's own user see everything.

use std::collections::BTreeMap;

/// A person at the device, as the kernel knows the program that speaks for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LocalUser {
    /// Their user, as the kernel says.
    pub user: u32,
    /// Root, or the user that the agent runs as.
    pub owner: bool,
}

impl LocalUser {
    /// Whether something is for their eyes; what has no person is for everybody's.
    pub fn sees(self, person: Option<u32>) -> bool {
        self.owner || person.is_none_or(|person| person == self.user)
    }
}

/// The local programs that watch now.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    pub(super) last: u64,
    pub(super) present: BTreeMap<u64, LocalUser>,
}

impl Watchers {
    /// Whether somebody sees what is that person's.
    pub(super) fn sees(&self, person: Option<u32>) -> bool {
        self.present.values().any(|user| user.sees(person))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sees_what_is_theirs_and_what_is_nobodys() {
        let ann = LocalUser { user: 1000, owner: false };
        assert!(ann.sees(Some(1000)) && ann.sees(None) && !ann.sees(Some(1001)));
        let root = LocalUser { user: 0, owner: true };
        assert!(root.sees(Some(1000)));
        let mut watchers = Watchers::default();
        assert!(!watchers.sees(None), "nobody is there");
        watchers.present.insert(1, ann);
        assert!(watchers.sees(Some(1000)) && !watchers.sees(Some(1001)));
    }
}
