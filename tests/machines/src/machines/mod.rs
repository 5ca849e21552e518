//! State machines under any order of events that an input spells: the grants of a session, the support code, the chat, the
//! path that datagrams take, alarm rules, alarms at the relay, its books, the spool.
//!
//! Like [`crate::decoders`], one table for the fuzz targets (`fuzz/`, one for each machine) and for the bounded test on stable
//! Rust (`tests/decoders.rs`). A machine reads operations from its input, carries them out in virtual time, and checks after
//! each what must hold, mostly against a model of a few lines. It must not panic otherwise.
#![allow(
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a model that is wrong ends the run, as a machine that is wrong does"
)]

mod alarms;
mod books;
mod chat;
mod code;
mod consent;
mod path;
mod rules;
mod spool;

use std::time::Duration;

/// Something with a state.
#[derive(Clone, Copy, Debug)]
pub struct StateMachine {
    /// Its name, also that of its fuzz target.
    pub name: &'static str,
    /// Runs the input's operations.
    pub run: fn(&[u8]),
    /// How many times slower than the others it is: it writes to a disk.
    pub slow: u32,
}

/// All of them.
pub const MACHINES: &[StateMachine] = &[
    StateMachine { name: "consent", run: consent::run, slow: 1 },
    StateMachine { name: "code", run: code::run, slow: 1 },
    StateMachine { name: "chat", run: chat::run, slow: 1 },
    StateMachine { name: "path", run: path::run, slow: 1 },
    StateMachine { name: "rules", run: rules::run, slow: 4 },
    StateMachine { name: "alarms", run: alarms::run, slow: 1 },
    StateMachine { name: "books", run: books::run, slow: 1 },
    StateMachine { name: "spool", run: spool::run, slow: 50 },
];

/// Runs the state machine of that name on a fuzzer's input.
pub fn run(name: &str, input: &[u8]) {
    if let Some(machine) = MACHINES.iter().find(|machine| machine.name == name) {
        (machine.run)(input);
    }
}

/// Longest run of one input, in operations: a longer one finds nothing else, only later.
const MOST: usize = 600;

/// Reads an input as decisions.
struct InputDraw<'a> {
    rest: &'a [u8],
    taken: usize,
}

impl<'a> InputDraw<'a> {
    fn new(rest: &'a [u8]) -> Self {
        Self { rest, taken: 0 }
    }

    /// The next operation's number, below `kinds`. `None`: the input is at its end.
    fn operation(&mut self, kinds: u8) -> Option<u8> {
        self.taken += 1;
        let (first, rest) = self.rest.split_first().filter(|_| self.taken <= MOST)?;
        self.rest = rest;
        Some(first % kinds.max(1))
    }

    /// A byte; 0 behind the end.
    fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    /// The next number of the input, below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.byte(), self.byte()])
    }

    fn coin(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// From a millisecond to half a day, so that limits of seconds, minutes and hours are met.
    fn while_passes(&mut self) -> Duration {
        let unit = match self.byte() % 5 {
            0 => 1,
            1 => 100,
            2 => 1_000,
            3 => 30_000,
            _ => 600_000,
        };
        Duration::from_millis(unit * (1 + u64::from(self.byte() % 72)))
    }

    /// The next `count` bytes of the input; fewer at its end.
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let (some, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        some.to_vec()
    }
}

/// Randomness for cores that want some: a counter, scrambled (xorshift, Marsaglia 2003). No secret.
struct ScrambledRng(u64);

impl rand_core::RngCore for ScrambledRng {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() >> 32).unwrap_or_default()
    }

    fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next_u64().to_le_bytes()[3];
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl rand_core::CryptoRng for ScrambledRng {}

/// Where every run begins: one moment for all, since only differences count.
fn beginning() -> std::time::Instant {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    *BEGAN.get_or_init(std::time::Instant::now)
}
