//! Asks a separate desktop process for the open windows, so that the person can choose one.
//!
//! A driver. The list is for the person at the device alone.

use std::time::Duration;

use tokio::time::timeout;

use super::error::DesktopQuestionError;
use super::find;
use super::process::DesktopProcess;
use super::protocol::{FromDesktop, OpenWindow, ToDesktop};

/// How long the list may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The windows there are now, the uppermost first.
///
/// # Errors
/// [`DesktopQuestionError`]: there is no display, or its process gives no list.
pub async fn open() -> Result<Vec<OpenWindow>, DesktopQuestionError> {
    let reach = find::display().await?;
    let (desktop, mut from) = DesktopProcess::start(&reach).await?;
    let asked = async {
        if desktop.to.send(ToDesktop::Windows).await.is_err() {
            return Err(DesktopQuestionError::Ended);
        }
        while let Some(message) = from.recv().await {
            match message {
                FromDesktop::Windows(windows) => return Ok(windows),
                FromDesktop::Failed(why) => return Err(DesktopQuestionError::refused(&why)),
                _ => {}
            }
        }
        Err(DesktopQuestionError::Ended)
    };
    let outcome = timeout(LIMIT, asked).await;
    // It has nothing to let go of: nobody waits for its end.
    drop(desktop);
    outcome.unwrap_or(Err(DesktopQuestionError::Silent))
}
