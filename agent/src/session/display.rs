//! Whose display is at the machine's screen: looked at before something of it is asked for or used, and again and again
//! while something of it is granted.
//!
//! A driver. What follows from it is the hub's.

use std::sync::Arc;
use std::time::Duration;

use nearhand_agent_core::display_owner::DisplayOwner;
use nearhand_desktop::find::{self, DisplayAccess, NoDisplay};
use nearhand_proto::id::SessionId;

use crate::hub::Hub;

/// Between two looks at whose display is at the screen. A switch of users takes about as long to be seen.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks whose display is at the screen now, and tells the hub.
pub(super) async fn look_at_screen(hub: &Hub) -> Result<DisplayOwner, NoDisplay> {
    let found = find::owner().await;
    hub.update(|sessions, now| sessions.screen_is(now, found.as_ref().ok().cloned()));
    found
}

/// The display at the screen, if it is the one that was granted in this session. The technician is shown the error.
pub(super) async fn granted_display(hub: &Hub, session: SessionId) -> Result<DisplayAccess, String> {
    let found = find::display().await;
    let access = match found {
        Ok(access) => access,
        Err(error) => {
            hub.update(|sessions, now| sessions.screen_is(now, None));
            return Err(error.to_string());
        }
    };
    let owner = access.owner();
    hub.update(|sessions, now| sessions.may_use_screen(now, session, owner)).map_err(|_| {
        "another user is at this machine's screen now; they have to allow it first".to_owned()
    })?;
    Ok(access)
}

/// Notices when another user or display comes to the screen while something of it is granted. Ends with its session's
/// connection.
pub(super) async fn follow_screen(hub: Arc<Hub>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if hub.read(|sessions, now| sessions.follows_screen(now.instant)) {
            // What is wrong is said where the display is asked for.
            let _ = look_at_screen(&hub).await;
        }
    }
}
