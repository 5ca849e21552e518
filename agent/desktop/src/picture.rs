//! Takes one picture of the screen with a separate desktop process, so that a running view is not disturbed.
//!
//! A driver. The process is asked for one frame and ended after it; what it says is bounded here, since it runs with a
//! user's rights.

use std::time::Duration;

use nearhand_proto::message::screen::{FromScreen, MAX_FRAME};
use nearhand_proto::text;
use tokio::time::timeout;

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
    /// Asks for one of that display. An error is in words for both people.
    pub async fn ask(display: &DisplayAccess) -> Result<Self, String> {
        let (desktop, from) = DesktopProcess::start(display).await.map_err(|error| error.to_string())?;
        if desktop.to.send(ToDesktop::Picture).await.is_err() {
            return Err("the desktop process has ended".to_owned());
        }
        Ok(Self { _desktop: desktop, from, bytes: 0 })
    }

    /// Bytes so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next part of the frame, and whether it is the last one. An error is in words for both people.
    pub async fn part(&mut self) -> Result<(FromScreen, bool), String> {
        loop {
            let message = timeout(SILENCE, self.from.recv()).await;
            match message.map_err(|_| "the display did not answer in time".to_owned())? {
                Some(FromDesktop::Screen(FromScreen::Frame { frame: 1, part, last })) => {
                    self.bytes += part.len();
                    if self.bytes > MAX_FRAME {
                        return Err("the picture is larger than one may be".to_owned());
                    }
                    let over = last.is_some();
                    return Ok((FromScreen::Frame { frame: 1, part, last }, over));
                }
                Some(FromDesktop::Screen(FromScreen::Gone(why)) | FromDesktop::Failed(why)) => {
                    return Err(text::one_line(&why, 300));
                }
                Some(_) => {}
                None => return Err("the desktop process ended without a word".to_owned()),
            }
        }
    }
}
