//! How many local programs of each user are served at once.
//!
//! Each user who is let in has a share, so that one user's programs never keep another's out. A program beyond its user's
//! share is heard for one request, of which only those that end or narrow something are carried out: Stop must never wait
//! for a program that does nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use nearhand_proto::message::local::{ConsentChoice, LocalVerb};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use nearhand_transport::lock::locked;

/// Programs of one user at the same time: a window, terminals, a second connection of each.
const PROGRAMS_OF_USER: usize = 16;
/// Programs of one user beyond them that are heard for one request.
const URGENT_OF_USER: usize = 16;

/// A program's place; held for as long as it is served.
#[derive(Debug)]
pub(super) struct CallerPlace {
    /// It is beyond its user's share: heard for one request, which is carried out if it ends or narrows something.
    pub(super) is_urgent: bool,
    _permit: OwnedSemaphorePermit,
}

/// The shares of all users. Only users who are let in are asked for, so there are few.
#[derive(Debug, Default)]
pub(super) struct CallerShares {
    users: Mutex<HashMap<u32, UserShare>>,
}

#[derive(Debug)]
struct UserShare {
    regular: Arc<Semaphore>,
    urgent: Arc<Semaphore>,
}

impl CallerShares {
    /// A place for a program of this user; `None`: even those that are heard for a moment are too many.
    pub(super) fn place(&self, user: u32) -> Option<CallerPlace> {
        let mut users = locked(&self.users);
        let share = users.entry(user).or_insert_with(|| UserShare {
            regular: Arc::new(Semaphore::new(PROGRAMS_OF_USER)),
            urgent: Arc::new(Semaphore::new(URGENT_OF_USER)),
        });
        if let Ok(permit) = share.regular.clone().try_acquire_owned() {
            return Some(CallerPlace { is_urgent: false, _permit: permit });
        }
        let permit = share.urgent.clone().try_acquire_owned().ok()?;
        Some(CallerPlace { is_urgent: true, _permit: permit })
    }
}

/// Whether a verb ends or narrows what may be done, and so is carried out for everybody who is let in.
pub(super) fn narrows(verb: &LocalVerb) -> bool {
    matches!(
        verb,
        LocalVerb::StopAll
            | LocalVerb::Stop { .. }
            | LocalVerb::Pause { .. }
            | LocalVerb::Revoke { .. }
            | LocalVerb::CancelCode
            | LocalVerb::Decide { choice: ConsentChoice::Deny, .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_users_programs_keep_neither_another_user_nor_stop_out() {
        let shares = CallerShares::default();
        let idle: Vec<_> = (0..PROGRAMS_OF_USER).map(|_| shares.place(1000).unwrap()).collect();
        assert!(idle.iter().all(|place| !place.is_urgent));
        let urgent: Vec<_> = (0..URGENT_OF_USER).map(|_| shares.place(1000).unwrap()).collect();
        assert!(urgent.iter().all(|place| place.is_urgent));
        assert!(shares.place(1000).is_none());
        assert!(
            shares.place(1001).is_some_and(|place| !place.is_urgent),
            "the other user's share is their own"
        );
        drop(idle);
        assert!(shares.place(1000).is_some_and(|place| !place.is_urgent));
    }

    #[test]
    fn only_what_ends_or_narrows_is_urgent() {
        assert!(narrows(&LocalVerb::StopAll));
        assert!(narrows(&LocalVerb::Decide { request: 1, choice: ConsentChoice::Deny }));
        for other in [LocalVerb::Status, LocalVerb::Watch, LocalVerb::NewCode, LocalVerb::RotateKey] {
            assert!(!narrows(&other), "{other:?}");
        }
    }
}
