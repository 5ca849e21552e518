//! How a report's text is laid out.

/// How the text is laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TextStyle {
    /// Whether ANSI colours are used; the text says the same without them.
    pub colour: bool,
    /// Width in columns; less than 40 is taken as 40.
    pub width: usize,
    /// Whether checks that are in order or were skipped get a line each instead of only a number.
    pub verbose: bool,
}

impl Default for TextStyle {
    /// Plain text of 100 columns with everything in it.
    fn default() -> Self {
        Self { colour: false, width: 100, verbose: true }
    }
}

/// Columns before the text of a finding: the badge and a space.
pub(super) const INDENT: usize = 6;
