//! What is held is let go of, whatever the messages.
use super::*;
