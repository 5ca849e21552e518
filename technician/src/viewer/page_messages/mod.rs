//! What the page and the program say to each other: closed lists in JSON, each with its limits. Pure.
//!
//! The page runs in the technician's browser and is ours, but what it says is checked as a stranger's: a browser
//! extension, or a flaw in the page, gets no further than these verbs. [`from_page`] is what it says, [`to_page`]
//! what it is told.

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
