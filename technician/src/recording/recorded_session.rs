//! The session as the viewer sees it while it is recorded: the same, but what the screen's stream carries is kept.
//!
//! A driver. A task reads each of the screen's streams. It first tells the device that the stream is recorded, keeps
//! the messages from the device's first signature to its last, and hands on to the viewer what is meant for it. When
//! the viewer is done, or the session is to end, it tells the device that the recording is over, and waits for the
//! last signature.

use core::any::Any;
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use nearhand_proto::grant::Capabilities;
use nearhand_proto::message::local::ChatLine;
use nearhand_proto::message::screen::{FromScreen, FromViewer};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::StreamOpen;
use nearhand_proto::text;
use nearhand_report::model::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

use super::format::{MAX_REMARK, RecordingChunk};
use crate::session::{DiagnosticsError, DiagnosticsProgress, SessionDevice, StreamError};
use crate::viewer::session_link::{MessageReceiver, MessageSender, SessionLink};

/// Longest wait for the device's last signature once the recording is over.
const LAST_WORD: Duration = Duration::from_secs(2);
/// Messages that wait for the viewer.
const QUEUE: usize = 4;

/// A session that is recorded.
pub struct RecordedSession<L: SessionLink> {
    link: Arc<L>,
    shared: Arc<RecordedSessionState>,
}

struct RecordedSessionState {
    /// Chunks for the file; `None` once the file has ended.
    file: Mutex<Option<mpsc::Sender<RecordingChunk>>>,
    /// Sentences for the technician.
    remarks: mpsc::Sender<String>,
    /// The recording is to end now.
    ending: watch::Sender<bool>,
    /// Conversations that are being recorded.
    running: watch::Sender<usize>,
}

impl<L: SessionLink> RecordedSession<L> {
    /// Sends what is recorded to `file`, and to `remarks` what the technician must know.
    pub fn new(link: Arc<L>, file: mpsc::Sender<RecordingChunk>, remarks: mpsc::Sender<String>) -> Self {
        let shared = RecordedSessionState {
            file: Mutex::new(Some(file)),
            remarks,
            ending: watch::channel(false).0,
            running: watch::channel(0).0,
        };
        Self { link, shared: Arc::new(shared) }
    }
}

impl RecordedSessionState {
    async fn is_on(&self) -> bool {
        self.file.lock().await.is_some() && !*self.ending.borrow()
    }

    /// Keeps a chunk. `false`: the file has ended; the technician is told once.
    async fn keep(&self, chunk: RecordingChunk) -> bool {
        let mut file = self.file.lock().await;
        let Some(to) = file.as_ref() else { return false };
        if to.send(chunk).await.is_ok() {
            return true;
        }
        *file = None;
        self.tell_technician(
            "The recording has stopped: its file can't be written any further. The session goes on.",
        )
        .await;
        false
    }

    async fn tell_technician(&self, words: &str) {
        // The receiver ends with the session.
        let _ = self.remarks.send(words.to_owned()).await;
    }
}

/// One of the screen's streams while it is recorded.
struct RecordedStream<L: SessionLink> {
    sender: Arc<Mutex<L::Sender>>,
    shared: Arc<RecordedSessionState>,
    to: mpsc::Sender<Result<FromScreen, StreamError>>,
    /// Between the device's first head and its last.
    is_recorded: bool,
    /// Set when the device was told that the recording is over: the latest time to wait for its last signature.
    deadline: Option<Instant>,
    /// This stream is counted in `running`.
    counted: bool,
}

impl<L: SessionLink> RecordedStream<L> {
    async fn run(mut self, mut receiver: L::Receiver) {
        let mut ending = self.shared.ending.subscribe();
        loop {
            let next = receiver.next::<FromScreen>();
            tokio::pin!(next);
            let message = loop {
                let left_alone = self.deadline.filter(|_| self.to.is_closed());
                tokio::select! {
                    message = &mut next => break message,
                    () = self.to.closed(), if self.deadline.is_none() => self.stop(),
                    _ = ending.wait_for(|ending| *ending), if self.deadline.is_none() => self.stop(),
                    () = sleep_until(left_alone), if left_alone.is_some() => return,
                }
            };
            match message {
                Ok(message) => {
                    if !self.handle(message).await {
                        return;
                    }
                }
                Err(error) => {
                    if self.is_recorded {
                        let words = text::one_line(&error.to_string(), MAX_REMARK);
                        self.shared.keep(RecordingChunk::Remark(words)).await;
                    }
                    // A viewer that is gone wants no reason.
                    let _ = self.to.send(Err(error)).await;
                    return;
                }
            }
        }
    }

    /// Records and passes on a message. `false`: no more of the stream is wanted.
    async fn handle(&mut self, message: FromScreen) -> bool {
        let head = match &message {
            FromScreen::Head(head) => head.peek().ok(),
            _ => None,
        };
        if let Some(head) = head
            && head.messages == 0
            && self.deadline.is_none()
            && !self.is_recorded
        {
            self.is_recorded = true;
            if head.part == 1 {
                self.shared
                    .tell_technician("The screen is being recorded; the person at the device is told so.")
                    .await;
            }
        }
        if self.is_recorded && !self.shared.keep(RecordingChunk::Message(message.clone())).await {
            self.is_recorded = false;
            self.stop();
        }
        if head.is_some_and(|head| head.last) {
            self.is_recorded = false;
            self.uncount();
        }
        let own = matches!(message, FromScreen::Head(_) | FromScreen::Clock(_));
        if !own && !self.to.is_closed() {
            // A viewer that ends right now is noticed at the next message.
            let _ = self.to.send(Ok(message)).await;
        }
        self.is_recorded || !self.to.is_closed()
    }

    /// Says that the recording is over. What comes until the device's last head still belongs to it.
    fn stop(&mut self) {
        if self.deadline.is_some() {
            return;
        }
        self.deadline = Some(Instant::now() + LAST_WORD);
        let sender = self.sender.clone();
        // In a task, because the device may be waiting for us to read.
        tokio::spawn(async move { sender.lock().await.send(&FromViewer::Recording(false)).await });
    }

    fn uncount(&mut self) {
        if core::mem::take(&mut self.counted) {
            self.shared.running.send_modify(|running| *running = running.saturating_sub(1));
        }
    }
}

impl<L: SessionLink> Drop for RecordedStream<L> {
    fn drop(&mut self) {
        self.uncount();
    }
}

async fn sleep_until(when: Option<Instant>) {
    if let Some(when) = when {
        tokio::time::sleep_until(when.into()).await;
    }
}

impl<L: SessionLink> SessionLink for RecordedSession<L> {
    type Sender = RecordedSender<L::Sender>;
    type Receiver = RecordedReceiver<L::Receiver>;

    fn id(&self) -> String {
        self.link.id()
    }

    fn device(&self) -> SessionDevice {
        self.link.device()
    }

    async fn ask(&self, capabilities: Capabilities, duration: Duration) {
        self.link.ask(capabilities, duration).await;
    }

    async fn give_up(&self, capabilities: Capabilities) {
        self.link.give_up(capabilities).await;
    }

    async fn end(&self) {
        self.shared.ending.send_replace(true);
        let mut running = self.shared.running.subscribe();
        // A device that doesn't answer any more can't sign either.
        let _ = timeout(LAST_WORD, running.wait_for(|running| *running == 0)).await;
        self.link.end().await;
    }

    fn send_chat(&self, text: &str) -> Option<ChatLine> {
        self.link.send_chat(text)
    }

    fn mark_chat_seen(&self, number: u64) {
        self.link.mark_chat_seen(number);
    }

    fn chat_lines(&self) -> Vec<ChatLine> {
        self.link.chat_lines()
    }

    fn round_trip(&self) -> Option<Duration> {
        self.link.round_trip()
    }

    async fn open_stream(
        &self,
        open: &StreamOpen,
        priority: i32,
    ) -> Result<(Self::Sender, Self::Receiver), StreamError> {
        let (mut sender, receiver) = self.link.open_stream(open, priority).await?;
        if !matches!(open, StreamOpen::Screen | StreamOpen::Window) || !self.shared.is_on().await {
            return Ok((RecordedSender::Alone(sender), RecordedReceiver::Alone(receiver)));
        }
        sender.send(&FromViewer::Recording(true)).await?;
        let sender = Arc::new(Mutex::new(sender));
        let (to, messages) = mpsc::channel(QUEUE);
        let shared = self.shared.clone();
        shared.running.send_modify(|running| *running += 1);
        let stream = RecordedStream::<L> {
            sender: sender.clone(),
            shared,
            to,
            is_recorded: false,
            deadline: None,
            counted: true,
        };
        tokio::spawn(stream.run(receiver));
        Ok((RecordedSender::Shared(sender), RecordedReceiver::Taken(messages)))
    }

    async fn diagnose(
        &self,
        set: CheckSet,
        progress: impl FnMut(DiagnosticsProgress) + Send,
    ) -> Result<Report, DiagnosticsError> {
        self.link.diagnose(set, progress).await
    }
}

/// The sending half of a conversation.
pub enum RecordedSender<S> {
    /// Of a stream that is not recorded.
    Alone(S),
    /// Of a stream that is recorded; the recording uses it too, to say that it is over.
    Shared(Arc<Mutex<S>>),
}

impl<S: MessageSender> MessageSender for RecordedSender<S> {
    async fn send<T: Serialize + Sync>(&mut self, message: &T) -> Result<(), StreamError> {
        match self {
            Self::Alone(sender) => sender.send(message).await,
            Self::Shared(sender) => sender.lock().await.send(message).await,
        }
    }
}

/// The receiving half of a conversation.
pub enum RecordedReceiver<H> {
    /// Of a stream that is not recorded.
    Alone(H),
    /// Of a stream that is recorded: what the recording hands on.
    Taken(mpsc::Receiver<Result<FromScreen, StreamError>>),
}

impl<H: MessageReceiver> MessageReceiver for RecordedReceiver<H> {
    async fn next<T: DeserializeOwned + Send + 'static>(&mut self) -> Result<T, StreamError> {
        match self {
            Self::Alone(receiver) => receiver.next().await,
            Self::Taken(messages) => {
                let message: Box<dyn Any + Send> = Box::new(messages.recv().await.ok_or(StreamError::Lost)??);
                // The screen's conversation has these messages and no others.
                message.downcast::<T>().map(|message| *message).map_err(|_| StreamError::Over)
            }
        }
    }
}
