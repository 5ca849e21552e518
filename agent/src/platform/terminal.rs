//! The terminal that a command of the person runs in.

use std::io;

use rustix::process::{Signal as SignalNumber, getpgrp};
use rustix::termios::{QueueSelector, isatty, tcflush, tcgetpgrp};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears that this program was stopped and goes on.
pub(crate) fn continued() -> io::Result<Signal> {
    signal(SignalKind::from_raw(SignalNumber::CONT.as_raw()))
}

/// What became of what was typed and not read yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TypedInput {
    /// It is gone.
    Emptied,
    /// This program is not in the terminal's foreground, and so can't empty it.
    InBackground,
    /// Standard input is no terminal: nobody types ahead there.
    NoTerminal,
}

/// Forgets what was typed in this terminal and not read yet.
pub(crate) fn empty_typed_input() -> TypedInput {
    let input = io::stdin();
    if !isatty(&input) {
        return TypedInput::NoTerminal;
    }
    // In the background the system would stop us.
    if tcgetpgrp(&input).ok() == Some(getpgrp()) && tcflush(&input, QueueSelector::IFlush).is_ok() {
        TypedInput::Emptied
    } else {
        TypedInput::InBackground
    }
}
