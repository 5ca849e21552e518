//! The streams with the device that can be open for the page, what each needs, and what the page is told of it. Pure.

use nearhand_proto::grant::Capability;

use super::super::page_messages::{ScreenState, StreamState, ToPage};

/// A kind of conversation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum ViewerStreamKind {
    Screen,
    Control,
    Clipboard,
}

impl ViewerStreamKind {
    pub(super) const ALL: [Self; 3] = [Self::Screen, Self::Control, Self::Clipboard];

    pub(super) fn needs(self) -> Capability {
        match self {
            // Or one window; see [`ViewerLoop::screen_capability`].
            Self::Screen => Capability::View,
            Self::Control => Capability::Control,
            Self::Clipboard => Capability::Clipboard,
        }
    }

    pub(super) fn state_message(self, state: StreamState, why: String) -> ToPage {
        match (self, state) {
            (Self::Screen, StreamState::On) => ToPage::Screen { state: ScreenState::Opening, why, epoch: 0 },
            (Self::Screen, StreamState::Off) => ToPage::Screen { state: ScreenState::Off, why, epoch: 0 },
            (Self::Screen, StreamState::Failed) => {
                ToPage::Screen { state: ScreenState::Failed, why, epoch: 0 }
            }
            (Self::Control, state) => ToPage::Control { state, why },
            (Self::Clipboard, state) => ToPage::Clipboard { state, why },
        }
    }
}
