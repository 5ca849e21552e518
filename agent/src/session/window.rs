//! One window that the person chose: the screen's conversation, aimed at it.
//!
//! A driver. The grant and the choice are looked at at every `Start`; the stream ends when another window is chosen,
//! and the grant ends when the window is closed.

use std::sync::Arc;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::message::session::FRAME_LIMIT;
use nearhand_proto::text;
use nearhand_transport::framed;
use quinn::{RecvStream, SendStream};
use tokio::sync::oneshot;

use super::screen::{self, ViewTarget};
use super::stream::ServedSession;
use crate::hub::Hub;
use nearhand_agent_core::window_target::in_words;

/// Shows the window until the technician has seen enough, it is closed, or another one is chosen.
pub(super) async fn window(serving: &ServedSession, send: &mut SendStream, recv: &mut RecvStream) {
    let (hub, session) = (&serving.hub, serving.session);
    let Some(handle) = hub.session(session) else { return };
    let mut chosen = handle.watch_target();
    let Some(aim) = chosen.borrow_and_update().clone() else { return };
    let what = in_words(&aim);
    let showing = WindowView::begin(serving, what.clone());
    let (tell, closed) = oneshot::channel();
    let target = ViewTarget::Window { what, closed: tell };
    let over = tokio::select! {
        () = screen::see(serving, target, send, recv) => None,
        why = closed => why.ok(),
        // Another window was chosen, or the session is gone.
        _ = chosen.changed() => None,
    };
    drop(showing);
    if let Some(why) = over {
        let _ = framed::write(send, &FromScreen::Gone(text::one_line(&why, 300)), FRAME_LIMIT).await;
        hub.update(|sessions, now| sessions.window_gone(now, session, &why));
    }
}

/// A window is being seen; written down when that ends, however it does.
struct WindowView {
    hub: Arc<Hub>,
    session: SessionId,
    actor: String,
}

impl WindowView {
    fn begin(serving: &ServedSession, what: String) -> Self {
        serving.hub.update(|sessions, _| sessions.shows_window(serving.session, Some(what)));
        Self { hub: serving.hub.clone(), session: serving.session, actor: serving.actor.clone() }
    }
}

impl Drop for WindowView {
    fn drop(&mut self) {
        self.hub.update(|sessions, _| sessions.shows_window(self.session, None));
        self.hub.note(&self.actor, "window.end", Some(self.session), String::new());
    }
}
