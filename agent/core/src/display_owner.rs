//! Whose desktop a grant is about: the local user, the seat, and the display.
//!
//! Who may be seen is decided by the person who sits there. When another user's session becomes the active one, what the
//! first one allowed says nothing about it: [`DisplayOwner::is_same_desktop`] tells both apart. Must not live here: how
//! they are found (`nearhand_desktop::find`).

use std::fmt;

use serde::{Deserialize, Serialize};

/// The user at a display, and where that is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct DisplayOwner {
    /// The local user, by number.
    pub user: u32,
    /// The seat as logind names it; `None` where there is no logind, or the display belongs to no seat.
    pub seat: Option<String>,
    /// The session as logind names it; `None` where there is no logind or it doesn't know the session.
    pub session: Option<String>,
    /// As in `DISPLAY`, without the number of the screen.
    pub display: String,
}

impl DisplayOwner {
    /// Whether this is the same user at the same seat and display. A session's name doesn't count: it changes when the
    /// same user logs out and in again, and is unknown while logind restarts.
    pub fn is_same_desktop(&self, other: &Self) -> bool {
        let seats = self.seat.as_ref().zip(other.seat.as_ref());
        self.user == other.user && self.display == other.display && seats.is_none_or(|(a, b)| a == b)
    }
}

impl fmt::Display for DisplayOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the display {} of user {}", self.display, self.user)?;
        self.seat.iter().try_for_each(|seat| write!(f, " at {seat}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_seat_or_display_is_another_desktop() {
        let text = |text: &str| Some(text.to_owned());
        let first =
            DisplayOwner { user: 1000, seat: text("seat0"), session: text("2"), display: ":0".to_owned() };
        let again = DisplayOwner { session: text("7"), ..first.clone() };
        assert!(first.is_same_desktop(&again));
        assert!(first.is_same_desktop(&DisplayOwner { seat: None, session: None, ..first.clone() }));
        for other in [
            DisplayOwner { user: 1001, ..first.clone() },
            DisplayOwner { seat: text("seat1"), ..first.clone() },
            DisplayOwner { display: ":1".to_owned(), ..first.clone() },
        ] {
            assert!(!first.is_same_desktop(&other), "{other}");
        }
        assert_eq!(first.to_string(), "the display :0 of user 1000 at seat0");
    }
}
