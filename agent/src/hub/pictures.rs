//! The hub's part about a report's picture of the screen: written down before it is taken, and one for a grant.

use std::time::Instant;

use nearhand_proto::grant::Capability;
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{Act, Said};
use nearhand_proto::message::session::Refusal;

use super::Hub;

impl Hub {
    /// A picture of the screen is about to be taken, for which the grant is good once.
    ///
    /// # Errors
    /// A [`Refusal`], also when it can't be written down: then nothing is taken.
    pub(crate) fn takes_picture(&self, session: SessionId, actor: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        state.consent.take(Instant::now(), session, Capability::Screenshot)?;
        if let Err(error) = state.audit(actor, "screenshot.start", Some(session), String::new()) {
            // What couldn't be written down was not begun; the grant goes all the same.
            state.consent.used_up(Instant::now(), session, Capability::Screenshot);
            return Err(error.into());
        }
        drop(state);
        self.did(session, Act::TakesPicture);
        Ok(())
    }

    /// It was `sent`, or there will be none: `how`, in words. The grant is used up either way.
    pub(crate) fn picture_is_over(&self, session: SessionId, actor: &str, sent: bool, how: &str) {
        let mut state = self.state();
        // It is over either way; the log's own notice has told the person if this could not be written.
        let _ = state.audit(actor, "screenshot.end", Some(session), how.to_owned());
        let used_up = state.consent.used_up(Instant::now(), session, Capability::Screenshot);
        drop(state);
        if used_up {
            self.grants_changed(session, Act::told(Said::PictureOver { sent, how: how.to_owned() }));
        }
    }
}
