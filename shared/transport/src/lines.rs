//! Lines of standard input, for the programs with a terminal prompt.
//!
//! Read on a separate thread, because a read of a terminal can't be cancelled: a program that ends must not
//! wait for one more line.

use std::io::BufRead;
use std::time::Instant;

use tokio::sync::mpsc;

/// Lines that may wait.
const WAITING: usize = 16;
/// Longest line taken, in bytes; the rest of a longer one counts as another line.
const MAX_LINE: u64 = 64 * 1024;

/// A line, without its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypedLine {
    /// What was typed.
    pub text: String,
    /// When it was read.
    pub read: Instant,
}

/// Starts reading; the channel closes at the end of the input. Bytes that are no UTF-8 are replaced.
pub fn standard_input() -> mpsc::Receiver<TypedLine> {
    let (to, lines) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut input = std::io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = std::io::Read::take(&mut input, MAX_LINE).read_until(b'\n', &mut line);
            match read {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end_matches(['\n', '\r']).to_owned();
                    if to.blocking_send(TypedLine { text, read: Instant::now() }).is_err() {
                        return;
                    }
                }
            }
        }
    });
    lines
}
