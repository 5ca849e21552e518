//! Takes one picture of the screen with a separate desktop process, so that a running view is not disturbed.
//!
//! A driver. The process is asked for one frame and ended after it; what it says is bounded here, since it runs with a
//! user's rights.

use std::time::Duration;

use nearhand_proto::message::screen::{FromScreen, MAX_FRAME};
use tokio::time::timeout;

use super::error::DesktopQuestionError;
use super::find::DisplayAccess;
use super::process::DesktopProcess;
use super::protocol::{FromDesktop, ToDesktop};
use tokio::sync::mpsc;

/// How long the process may be silent: a large screen is captured and coded in a fraction of it.
const SILENCE: Duration = Duration::from_secs(20);

/// A picture that is on its way. Dropping it ends the process.
pub struct OnePicture {
    _desktop: DesktopProcess,
    from: mpsc::Receiver<FromDesktop>,
    bytes: usize,
}

impl OnePicture {
    /// Asks for one of that display.
    ///
    /// # Errors
    /// [`DesktopQuestionError`]: the process can't be started, or has ended already.
    pub async fn ask(display: &DisplayAccess) -> Result<Self, DesktopQuestionError> {
        let (desktop, from) = DesktopProcess::start(display).await?;
        if desktop.to.send(ToDesktop::Picture).await.is_err() {
            return Err(DesktopQuestionError::Ended);
        }
        Ok(Self { _desktop: desktop, from, bytes: 0 })
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next part of the frame, and whether it is the last one.
    ///
    /// # Errors
    /// [`DesktopQuestionError`]: the process refuses, ends or is silent, or the picture is too large.
    pub async fn part(&mut self) -> Result<(FromScreen, bool), DesktopQuestionError> {
        loop {
            let message = timeout(SILENCE, self.from.recv()).await;
            match message.map_err(|_| DesktopQuestionError::Silent)? {
                Some(FromDesktop::Screen(FromScreen::Frame { frame: 1, part, last })) => {
                    self.bytes += part.len();
                    if self.bytes > MAX_FRAME {
                        return Err(DesktopQuestionError::TooLarge);
                    }
                    let over = last.is_some();
                    return Ok((FromScreen::Frame { frame: 1, part, last }, over));
                }
                Some(FromDesktop::Screen(FromScreen::Gone(why)) | FromDesktop::Failed(why)) => {
                    return Err(DesktopQuestionError::refused(&why));
                }
                Some(_) => {}
                None => return Err(DesktopQuestionError::Ended),
            }
        }
    }
}
