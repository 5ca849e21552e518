//! What every stream of a session's connection uses: the session it belongs to, its acceptance and refusal, the end of its
//! grant.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message;
use nearhand_proto::message::local::Activity;
use nearhand_proto::message::session::{HELLO_LIMIT, SessionRefusal, StreamAnswer};
use nearhand_transport::framed;
use quinn::{SendStream, VarInt};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use nearhand_desktop::protocol::ToDesktop;

use super::desktop::SessionDesktop;
use crate::hub::Hub;
use crate::runbook::Runbooks;
use nearhand_agent_core::sessions::SessionTechnician;

/// A technician who doesn't take a message for this long has lost the connection, or stalls us.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// Reset code of a stream whose grant is gone.
pub(super) const GRANT_GONE: VarInt = VarInt::from_u32(3);
/// Reset code of a stream whose display has ended: the grant stands.
pub(super) const DISPLAY_GONE: VarInt = VarInt::from_u32(message::session::DISPLAY_GONE);
/// A frame goes behind everything that is short: control, chat, findings. Lower is later.
pub(super) const SCREEN_PRIORITY: i32 = -10;
/// A recording's last word has so long to reach the technician once the grant is gone. Nothing else is sent then, and
/// a technician who doesn't take it has a recording that is cut off.
pub(super) const LAST_WORD: Duration = Duration::from_millis(400);

/// What all streams of one connection share.
pub(super) struct ServedSession {
    pub(super) hub: Arc<Hub>,
    pub(super) runbooks: Arc<Runbooks>,
    pub(super) session: SessionId,
    pub(super) actor: String,
    pub(super) technician: SessionTechnician,
    pub(super) desktop: SessionDesktop,
}

impl ServedSession {
    /// Whether an act may be done now.
    pub(super) fn allows(&self, what: Capability) -> Result<(), SessionRefusal> {
        self.hub.update(|sessions, now| sessions.allows(now.instant, self.session, what))
    }

    /// Connects to the desktop process of the display that was granted.
    pub(super) async fn desktop(&self) -> Result<mpsc::Sender<ToDesktop>, String> {
        self.desktop.connect(&self.hub, self.session).await
    }

    /// A stream is refused. Returns whether it is one of too many.
    pub(super) fn refused(&self, refusal: SessionRefusal) -> bool {
        self.hub.update(|sessions, now| sessions.stream_refused(now, self.session, refusal))
    }

    /// Something is done: told to the person and kept.
    pub(super) fn did(&self, act: Activity) {
        self.hub.update(|sessions, now| sessions.did(now, self.session, act));
    }
}

/// Accepts a stream; `false`: the technician is gone.
pub(super) async fn accept(send: &mut SendStream) -> bool {
    framed::write(send, &StreamAnswer::Accepted, HELLO_LIMIT).await.is_ok()
}

/// Refuses a stream with the reason.
pub(super) async fn refuse(send: &mut SendStream, refusal: SessionRefusal) {
    if framed::write(send, &StreamAnswer::Refused(refusal), HELLO_LIMIT).await.is_ok() {
        let _ = send.finish();
        // Until the answer has arrived; a reset would overtake it.
        let _ = timeout(WRITE_TIMEOUT, send.stopped()).await;
    }
}

/// Ends when `capability` is no longer granted.
pub(super) async fn revoked(granted: &mut watch::Receiver<Capabilities>, capability: Capability) {
    // An error means that the session itself is gone.
    let _ = granted.wait_for(|granted| !granted.contains(capability)).await;
}

/// The beginning of a session's id, for log lines.
pub(super) fn short_id(session: SessionId) -> String {
    session.to_string().chars().take(8).collect()
}
