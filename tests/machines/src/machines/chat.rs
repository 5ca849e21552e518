//! Both ends of a chat over streams that break: nothing is lost, doubled or out of order, even if the other end lies.

use std::collections::VecDeque;

use nearhand_proto::chat::{ChatLog, ChatStream, SessionSide};
use nearhand_proto::message::local::DeliveryMark;
use nearhand_proto::message::session::ChatFrame;
use nearhand_proto::time::UnixMillis;

use super::InputDraw;

struct ChatModel {
    log: ChatLog,
    link: ChatStream,
    /// What it has sent and the other end has not got yet.
    under_way: VecDeque<ChatFrame>,
    said: Vec<String>,
}

impl ChatModel {
    fn new(side: SessionSide) -> Self {
        Self {
            log: ChatLog::new(side),
            link: ChatStream::default(),
            under_way: VecDeque::new(),
            said: Vec::new(),
        }
    }

    fn send(&mut self) {
        while let Some(frame) = self.link.next_frame(&self.log) {
            self.under_way.push_back(frame);
        }
    }
}

pub(super) fn run(input: &[u8]) {
    let mut ends = [ChatModel::new(SessionSide::Technician), ChatModel::new(SessionSide::Device)];
    let mut draw = InputDraw::new(input);
    let mut hostile = false;
    while let Some(operation) = draw.operation(7) {
        let which = draw.below(2);
        match operation {
            0 | 1 => {
                let text = format!("{} {}", ends[which].said.len(), draw.byte());
                if let Some(line) = ends[which].log.say(&text, UnixMillis(1)) {
                    ends[which].said.push(line.text);
                }
            }
            2 | 3 => {
                ends[which].send();
                deliver(&mut ends, which, hostile);
            }
            4 => {
                let up_to = ends[which].log.got();
                ends[which].log.saw(u64::from(draw.byte()).min(up_to + 3));
            }
            5 => {
                // The connection is gone with all that was on it; a new one begins.
                for end in &mut ends {
                    end.link = ChatStream::default();
                    end.under_way.clear();
                }
            }
            _ => {
                // Frames that no honest end sends: marks of the future, gaps, doubles.
                let number = u64::from(draw.number());
                let frame = match draw.byte() % 3 {
                    0 => ChatFrame::Received(number),
                    1 => ChatFrame::Shown(number),
                    _ => ChatFrame::Message { number, at: UnixMillis(0), text: "\u{202e}forged".to_owned() },
                };
                let got = ends[which].log.got();
                hostile = true;
                if ends[which].log.take(frame).is_ok() {
                    assert!(ends[which].log.got() <= got + 1, "messages were skipped");
                }
            }
        }
    }
    // Who lies about marks may have lost their own messages' resending, nothing else is promised to them.
    if hostile {
        return;
    }
    for end in &mut ends {
        end.link = ChatStream::default();
        end.under_way.clear();
    }
    for _ in 0..3 {
        for which in [0, 1] {
            ends[which].send();
            while deliver(&mut ends, which, hostile) {}
        }
    }
    for (which, from_technician) in [(0, true), (1, false)] {
        let (own, other) = (&ends[which], &ends[1 - which]);
        let heard = other.log.lines().iter().filter(|line| line.from_technician == from_technician);
        let heard: Vec<&String> = heard.map(|line| &line.text).collect();
        assert_eq!(heard, own.said.iter().collect::<Vec<_>>(), "what was said is not what was heard");
        let marks = own.log.lines().iter().filter(|line| line.from_technician == from_technician);
        assert!(marks.into_iter().all(|line| line.mark >= DeliveryMark::Received), "not known to be there");
    }
}

/// Gives the other end the next frame. `false`: there is none.
fn deliver(ends: &mut [ChatModel; 2], from: usize, hostile: bool) -> bool {
    let Some(frame) = ends[from].under_way.pop_front() else { return false };
    let taken = ends[1 - from].log.take(frame);
    assert!(taken.is_ok() || hostile, "an honest end was taken for a liar: {taken:?}");
    true
}
