//! One picture of the screen for the report: used up with one, written down before it is taken.
//!
//! A driver. Whether it may be taken is asked of the hub here, beyond what every stream is asked: the grant is good for
//! one. The stream is dropped the moment the grant is taken back.

use std::sync::Arc;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::Activity;
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::message::session::FRAME_LIMIT;
use nearhand_transport::framed::{self, FrameError};
use quinn::SendStream;

use super::display::granted_display;
use super::stream::{SCREEN_PRIORITY, ServedSession, accept, refuse};
use crate::hub::Hub;
use nearhand_desktop::picture::OnePicture;

/// Takes it and sends it.
pub(super) async fn picture(serving: &ServedSession, send: &mut SendStream) {
    let _ = send.set_priority(SCREEN_PRIORITY);
    let (hub, session) = (&serving.hub, serving.session);
    let (taken, in_force) = hub.propose(|sessions, now| sessions.take_picture(now, session, &serving.actor));
    if let Err(refusal) = taken {
        return refuse(send, refusal).await;
    }
    let mut taking = ScreenshotAttempt {
        hub: serving.hub.clone(),
        session: serving.session,
        actor: serving.actor.clone(),
        sent: false,
        how: "broken off".to_owned(),
    };
    if let Err(refusal) = in_force.wait().await {
        taking.how = refusal.to_string();
        return refuse(send, refusal).await;
    }
    serving.did(Activity::TakesPicture);
    if !accept(send).await {
        return;
    }
    match carry(serving, send).await {
        Ok(Ok(bytes)) => {
            (taking.sent, taking.how) = (true, format!("one picture was sent, {bytes} bytes"));
        }
        Ok(Err(why)) => {
            let _ = framed::write(send, &FromScreen::Gone(why.clone()), FRAME_LIMIT).await;
            taking.how = format!("no picture: {why}");
        }
        Err(_) => {}
    }
}

/// The bytes that it had, or why there is none, in words. An error: the technician is gone.
async fn carry(serving: &ServedSession, send: &mut SendStream) -> Result<Result<usize, String>, FrameError> {
    let asked = async {
        let access = granted_display(&serving.hub, serving.session).await?;
        OnePicture::ask(&access).await.map_err(|error| error.to_string())
    };
    let mut picture = match asked.await {
        Ok(picture) => picture,
        Err(why) => return Ok(Err(why)),
    };
    loop {
        let (part, last) = match picture.part().await {
            Ok(part) => part,
            Err(why) => return Ok(Err(why.to_string())),
        };
        framed::write(send, &part, FRAME_LIMIT).await?;
        if last {
            return Ok(Ok(picture.bytes()));
        }
    }
}

/// A picture is being taken; written down when that ends, however it does.
struct ScreenshotAttempt {
    hub: Arc<Hub>,
    session: SessionId,
    actor: String,
    sent: bool,
    how: String,
}

impl Drop for ScreenshotAttempt {
    fn drop(&mut self) {
        let Self { hub, session, actor, sent, how } = self;
        hub.update(|sessions, now| sessions.picture_is_over(now, *session, actor, *sent, how));
    }
}
