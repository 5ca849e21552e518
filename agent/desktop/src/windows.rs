//! Asks a separate desktop process for the open windows, so that the person can choose one.
//!
//! A driver. The list is for the person at the device alone.

use std::time::Duration;

use nearhand_proto::text;
use tokio::time::timeout;

use super::find;
use super::process::DesktopProcess;
use super::protocol::{FromDesktop, OpenWindow, ToDesktop};

/// How long the list may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The windows there are now, the uppermost first. An error is in words for the person.
pub async fn open() -> Result<Vec<OpenWindow>, String> {
    let reach = find::display().await.map_err(|error| error.to_string())?;
    let (desktop, mut from) = DesktopProcess::start(&reach).await.map_err(|error| error.to_string())?;
    let asked = async {
        if desktop.to.send(ToDesktop::Windows).await.is_err() {
            return Err("the desktop process has ended".to_owned());
        }
        while let Some(message) = from.recv().await {
            match message {
                FromDesktop::Windows(windows) => return Ok(windows),
                FromDesktop::Failed(why) => return Err(text::one_line(&why, 300)),
                _ => {}
            }
        }
        Err("the desktop process ended without a word".to_owned())
    };
    let outcome = timeout(LIMIT, asked).await;
    // It has nothing to let go of: nobody waits for its end.
    drop(desktop);
    outcome.unwrap_or_else(|_| Err("the display did not answer in time".to_owned()))
}
