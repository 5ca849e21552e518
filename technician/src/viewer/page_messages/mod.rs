//! What the page and the program say to each other: closed lists in JSON, each with its limits. Pure.
//!
//! The page is ours, but it runs in the technician's browser, so its messages are checked like a stranger's: a browser
//! extension, or a flaw in the page, can do no more than these messages allow. [`from_page`] has the page's messages,
//! [`to_page`] the program's.

mod from_page;
mod to_page;

use nearhand_proto::message::screen::ClipboardForm;
use serde::{Deserialize, Serialize};

pub use from_page::{
    FromPage, MAX_MESSAGE, PageCheckSet, PageError, PagePoint, PictureQuality, PlaybackRequest, PointerButton,
};
pub use to_page::{
    LinkState, PageCapability, PageFinding, PageGrant, PageMonitor, ScreenState, StreamState, ToPage,
};

/// A form of clipboard content.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum PageClipboardForm {
    Text,
    Png,
}

impl From<PageClipboardForm> for ClipboardForm {
    fn from(form: PageClipboardForm) -> Self {
        match form {
            PageClipboardForm::Text => Self::Text,
            PageClipboardForm::Png => Self::Png,
        }
    }
}

impl From<ClipboardForm> for PageClipboardForm {
    fn from(form: ClipboardForm) -> Self {
        match form {
            ClipboardForm::Text => Self::Text,
            ClipboardForm::Png => Self::Png,
        }
    }
}
