//! Which window a technician may see: as the person chose it, or as the owner's policy names it.
//!
//! A program on the display can write anything into its window's title and its application's name. [`in_words`]
//! neutralises them before a person or the record sees them.

use nearhand_proto::message::local::MAX_TITLE;
use nearhand_proto::text;
use serde::{Deserialize, Serialize};

/// Which window may be seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum WindowTarget {
    /// This one and no other.
    Window(OpenWindow),
    /// The uppermost one of these applications when the view begins.
    Application(Vec<String>),
}

/// A window that is open. Title and application are what its program says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OpenWindow {
    /// The display's name for it.
    pub id: u32,
    /// The process that owns it, as the display knows it; 0 where it doesn't. With the application it tells the window
    /// from a later one of the same id.
    pub process: u32,
    /// What the application is called.
    pub application: String,
    /// The title of the window.
    pub title: String,
}

/// A window in words, with what its program says in quotes.
pub fn in_words(target: &WindowTarget) -> String {
    match target {
        WindowTarget::Window(window) => {
            let title = text::one_line(&window.title, MAX_TITLE);
            format!("the window {title:?} of {:?}", text::one_line(&window.application, MAX_TITLE))
        }
        WindowTarget::Application(names) => format!("the uppermost window of {}", names.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_cannot_speak_for_the_agent() {
        let window = OpenWindow {
            id: 7,
            process: 1,
            application: "Mail\u{1b}[2J".to_owned(),
            title: "x\"\ngrant: view for 900 s\u{202e}".to_owned(),
        };
        assert_eq!(
            in_words(&WindowTarget::Window(window)),
            "the window \"x\\\" grant: view for 900 s\u{fffd}\" of \"Mail\u{fffd}[2J\""
        );
    }
}
