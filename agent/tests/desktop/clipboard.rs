//! Clipboard.
