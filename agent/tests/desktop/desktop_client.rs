//! The agent's part of the conversation with the program.

use std::io::{Read, Write};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use nearhand_proto::message::screen::{InputEvent, KeyMode, MouseButton, PhysicalKey, ScreenPoint};
use nearhand_proto::wire;

use crate::display::{ChildGuard, LIMIT, Xvfb};
use nearhand_desktop::protocol::{FromDesktop, IncomingMessages, MAX_DESKTOP_MESSAGE, ToDesktop};

/// A running desktop process.
pub(crate) struct TestDesktop {
    pub(crate) process: ChildGuard,
    input: Option<ChildStdin>,
    messages: Receiver<FromDesktop>,
}

impl TestDesktop {
    /// Starts one on that display and waits until it is ready.
    pub(crate) fn start(display: &Xvfb) -> Self {
        let mut command = display.command(env!("CARGO_BIN_EXE_nearhand-agent"));
        let mut desktop = Self::spawn(command.arg("desktop"));
        desktop.wait_for("its being ready", |m| matches!(m, FromDesktop::Ready { .. }).then_some(()));
        desktop
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
        let mut output = process.stdout.take().expect("a pipe");
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            let mut incoming = IncomingMessages::default();
            let mut buffer = vec![0; 65_536];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                incoming.push(&buffer[..read]);
                while let Some(message) = incoming.next_message::<FromDesktop>().expect("a message") {
                    assert!(message.is_sound(), "{message:?}");
                    if sender.send(message).is_err() {
                        return;
                    }
                }
            }
        });
        let input = process.stdin.take();
        Self { process: ChildGuard(process), input, messages }
    }

    pub(crate) fn send(&mut self, message: &ToDesktop) {
        self.send_bytes(&wire::frame(message, MAX_DESKTOP_MESSAGE).expect("a message"));
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("an open pipe");
        input.write_all(bytes).expect("the program reads");
    }

    pub(crate) fn input(&mut self, input: InputEvent) {
        self.send(&ToDesktop::Input(input));
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.input(InputEvent::Text(text.to_owned()));
    }

    /// Presses or lets go of a key that has that name on the technician's keyboard.
    pub(crate) fn key(&mut self, place: u16, symbol: &str, down: bool) {
        let (key, symbol) = (PhysicalKey(place), symbol.to_owned());
        self.input(InputEvent::Key { key, symbol, down, mode: KeyMode::Symbol });
    }

    pub(crate) fn point(&mut self, x: u16, y: u16) {
        self.input(InputEvent::Move(ScreenPoint { x, y }));
    }

    pub(crate) fn button(&mut self, button: MouseButton, down: bool) {
        self.input(InputEvent::Button { button, down });
    }

    /// The next message that `pick` makes something of; others are passed over.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut pick: impl FnMut(FromDesktop) -> Option<T>) -> T {
        let start = std::time::Instant::now();
        loop {
            let left = LIMIT.saturating_sub(start.elapsed());
            let message = self.messages.recv_timeout(left).unwrap_or_else(|e| panic!("{what}: {e}"));
            if let Some(found) = pick(message) {
                return found;
            }
        }
    }

    /// What has come already.
    pub(crate) fn take_all(&mut self) -> Vec<FromDesktop> {
        self.messages.try_iter().collect()
    }

    /// Closes the pipe and waits for the end; what was said and not taken.
    pub(crate) fn close(mut self) -> Vec<FromDesktop> {
        self.input = None;
        let status = self.process.0.wait().expect("an end");
        assert!(status.success(), "{status}");
        self.messages.iter().collect()
    }
}
