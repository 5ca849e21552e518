//! The chat of two peers over links that lose, break and resume, in virtual time.
//!
//! A link keeps order (a QUIC stream does) and delivers a part of what was sent before it breaks; then both
//! ends begin a new one. Every message still arrives exactly once and in order, marks never go back, and once a
//! link holds long enough both ends know all.

use std::collections::VecDeque;

use proptest::prelude::*;

use super::{ChatChange, ChatLog, ChatStream, SessionSide};
use crate::message::local::DeliveryMark;
use crate::message::session::ChatFrame;
use crate::time::UnixMillis;

/// How long a frame is under way, in ticks.
const LATENCY: u64 = 3;

/// Something that happens at a tick.
#[derive(Clone, Copy, Debug)]
enum ChatStep {
    /// An end's person writes.
    Say(usize),
    /// An end's person reads what has come.
    Read(usize),
    /// An end sends some frames.
    Send(usize, usize),
    /// Time passes, and frames arrive.
    Pass(u64),
    /// The connection is lost with all that is under way, and resumed.
    Break,
}

fn steps() -> impl Strategy<Value = ChatStep> {
    let end = || 0_usize..2;
    prop_oneof![
        4 => end().prop_map(ChatStep::Say),
        2 => end().prop_map(ChatStep::Read),
        5 => (end(), 1_usize..4).prop_map(|(end, frames)| ChatStep::Send(end, frames)),
        5 => (1_u64..6).prop_map(ChatStep::Pass),
        2 => Just(ChatStep::Break),
    ]
}

struct End {
    log: ChatLog,
    link: ChatStream,
    /// Frames on their way to this end, with the tick at which they arrive.
    coming: VecDeque<(u64, ChatFrame)>,
    /// The texts written here, and those that came from the other end.
    written: Vec<String>,
    arrived: Vec<String>,
}

impl End {
    fn new(side: SessionSide) -> Self {
        let (log, link) = (ChatLog::new(side), ChatStream::default());
        Self { log, link, coming: VecDeque::new(), written: Vec::new(), arrived: Vec::new() }
    }

    /// The marks of the lines written here, in order.
    fn marks(&self) -> Vec<DeliveryMark> {
        let own = self.log.side == SessionSide::Technician;
        self.log.lines().iter().filter(|line| line.from_technician == own).map(|line| line.mark).collect()
    }
}

struct Pair {
    ends: [End; 2],
    tick: u64,
}

impl Pair {
    fn new() -> Self {
        Self { ends: [End::new(SessionSide::Technician), End::new(SessionSide::Device)], tick: 0 }
    }

    fn take(&mut self, step: ChatStep) -> Result<(), TestCaseError> {
        match step {
            ChatStep::Say(at) => {
                let end = &mut self.ends[at];
                let text = format!("{at}: {}", end.written.len());
                prop_assert!(end.log.say(&text, UnixMillis(self.tick)).is_some());
                end.written.push(text);
            }
            ChatStep::Read(at) => {
                let end = &mut self.ends[at];
                end.log.saw(end.log.got());
            }
            ChatStep::Send(at, frames) => {
                self.send(at, frames);
            }
            ChatStep::Pass(ticks) => {
                self.tick += ticks;
                self.arrive(0)?;
                self.arrive(1)?;
            }
            ChatStep::Break => {
                for end in &mut self.ends {
                    end.link = ChatStream::default();
                    end.coming.clear();
                }
            }
        }
        Ok(())
    }

    /// Sends the frames that are ready, at most `most`. Returns how many it sent.
    fn send(&mut self, from: usize, most: usize) -> usize {
        for sent in 0..most {
            let end = &mut self.ends[from];
            let Some(frame) = end.link.next_frame(&end.log) else { return sent };
            self.ends[1 - from].coming.push_back((self.tick + LATENCY, frame));
        }
        most
    }

    fn arrive(&mut self, at: usize) -> Result<(), TestCaseError> {
        let end = &mut self.ends[at];
        while end.coming.front().is_some_and(|(when, _)| *when <= self.tick) {
            let Some((_, frame)) = end.coming.pop_front() else { break };
            match end.log.take(frame) {
                Ok(ChatChange::New(line)) => end.arrived.push(line.text),
                Ok(ChatChange::Marked(_) | ChatChange::Nothing) => {}
                Err(error) => {
                    return Err(TestCaseError::fail(format!("an honest peer was cut off: {error}")));
                }
            }
        }
        Ok(())
    }

    /// What holds at every moment.
    fn hold(&self, before: &[Vec<DeliveryMark>; 2]) -> Result<(), TestCaseError> {
        for (at, end) in self.ends.iter().enumerate() {
            let other = &self.ends[1 - at];
            prop_assert!(other.written.starts_with(&end.arrived), "lost, doubled or out of order");
            let marks = end.marks();
            let went_back = before[at].iter().zip(&marks).any(|(before, now)| now < before);
            prop_assert!(!went_back, "a mark went back: {:?} to {:?}", before[at], marks);
            let known = marks.iter().filter(|mark| **mark >= DeliveryMark::Received).count();
            prop_assert!(known <= other.arrived.len(), "marked received what has not arrived");
            prop_assert!(marks.is_sorted_by(|a, b| a >= b), "a later message is further than an earlier one");
        }
        Ok(())
    }

    fn marks(&self) -> [Vec<DeliveryMark>; 2] {
        [self.ends[0].marks(), self.ends[1].marks()]
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_message_arrives_once_and_in_order(steps in prop::collection::vec(steps(), 0..120)) {
        let mut pair = Pair::new();
        for step in steps {
            let before = pair.marks();
            pair.take(step)?;
            pair.hold(&before)?;
        }
        // A link that holds: both read all, until nobody has anything to say.
        pair.take(ChatStep::Break)?;
        loop {
            let sent = pair.send(0, usize::MAX) + pair.send(1, usize::MAX);
            pair.take(ChatStep::Pass(LATENCY))?;
            pair.take(ChatStep::Read(0))?;
            pair.take(ChatStep::Read(1))?;
            if sent == 0 {
                break;
            }
        }
        for at in 0..2 {
            prop_assert_eq!(&pair.ends[at].arrived, &pair.ends[1 - at].written);
            prop_assert!(pair.ends[at].marks().iter().all(|mark| *mark == DeliveryMark::Shown));
        }
    }
}
