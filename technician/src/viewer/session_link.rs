//! What the viewer needs of a session: [`TechnicianSession`] is the one link there is in the program, tests have
//! another whose device follows a script.

use core::future::Future;
use core::time::Duration;

use nearhand_proto::grant::Capabilities;
use nearhand_proto::message::local::ChatLine;
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::StreamOpen;
use nearhand_report::model::Report;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::session::{
    DiagnosticsError, DiagnosticsProgress, SessionDevice, StreamError, StreamReceiver, StreamSender,
    TechnicianSession,
};

/// A session under way.
pub trait SessionLink: Send + Sync + 'static {
    /// The sending half of a conversation.
    type Sender: MessageSender;
    /// The receiving half.
    type Receiver: MessageReceiver;

    /// The session's id, in words.
    fn id(&self) -> String;
    /// The device at the other end.
    fn device(&self) -> SessionDevice;
    /// Asks for capabilities.
    fn ask(&self, capabilities: Capabilities, duration: Duration) -> impl Future<Output = ()> + Send;
    /// Gives them back.
    fn give_up(&self, capabilities: Capabilities) -> impl Future<Output = ()> + Send;
    /// Ends the session.
    fn end(&self) -> impl Future<Output = ()> + Send;
    /// Says something to the person. `None`: it is empty or the chat is full.
    fn send_chat(&self, text: &str) -> Option<ChatLine>;
    /// Messages up to this number were seen.
    fn mark_chat_seen(&self, number: u64);
    /// The whole chat.
    fn chat_lines(&self) -> Vec<ChatLine>;
    /// Time to the device and back.
    fn round_trip(&self) -> Option<Duration>;
    /// Opens a conversation; see [`TechnicianSession::open_stream`].
    fn open_stream(
        &self,
        open: &StreamOpen,
        priority: i32,
    ) -> impl Future<Output = Result<(Self::Sender, Self::Receiver), StreamError>> + Send;
    /// Runs diagnostics; see [`TechnicianSession::diagnose`].
    fn diagnose(
        &self,
        set: CheckSet,
        progress: impl FnMut(DiagnosticsProgress) + Send,
    ) -> impl Future<Output = Result<Report, DiagnosticsError>> + Send;
}

/// Sends the messages of a conversation. Dropping it ends the conversation.
pub trait MessageSender: Send + Sync + 'static {
    /// Sends a message to the device.
    fn send<T: Serialize + Sync>(
        &mut self,
        message: &T,
    ) -> impl Future<Output = Result<(), StreamError>> + Send;
}

/// Receives the messages of a conversation.
pub trait MessageReceiver: Send + Sync + 'static {
    /// The next message. Not cancel-safe.
    fn next<T: DeserializeOwned + Send + 'static>(
        &mut self,
    ) -> impl Future<Output = Result<T, StreamError>> + Send;
}

impl MessageSender for StreamSender {
    async fn send<T: Serialize + Sync>(&mut self, message: &T) -> Result<(), StreamError> {
        Self::send(self, message).await
    }
}

impl MessageReceiver for StreamReceiver {
    async fn next<T: DeserializeOwned + Send + 'static>(&mut self) -> Result<T, StreamError> {
        Self::next(self).await
    }
}

impl SessionLink for TechnicianSession {
    type Sender = StreamSender;
    type Receiver = StreamReceiver;

    fn id(&self) -> String {
        Self::id(self).to_string()
    }

    fn device(&self) -> SessionDevice {
        Self::device(self).clone()
    }

    async fn ask(&self, capabilities: Capabilities, duration: Duration) {
        Self::ask(self, capabilities, duration).await;
    }

    async fn give_up(&self, capabilities: Capabilities) {
        Self::give_up(self, capabilities).await;
    }

    async fn end(&self) {
        Self::end(self).await;
    }

    fn send_chat(&self, text: &str) -> Option<ChatLine> {
        Self::send_chat(self, text)
    }

    fn mark_chat_seen(&self, number: u64) {
        Self::mark_chat_seen(self, number);
    }

    fn chat_lines(&self) -> Vec<ChatLine> {
        Self::chat_lines(self)
    }

    fn round_trip(&self) -> Option<Duration> {
        Self::round_trip(self)
    }

    async fn open_stream(
        &self,
        open: &StreamOpen,
        priority: i32,
    ) -> Result<(StreamSender, StreamReceiver), StreamError> {
        Self::open_stream(self, open, priority).await
    }

    async fn diagnose(
        &self,
        set: CheckSet,
        progress: impl FnMut(DiagnosticsProgress) + Send,
    ) -> Result<Report, DiagnosticsError> {
        Self::diagnose(self, set, progress).await
    }
}
