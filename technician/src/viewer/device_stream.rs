//! What the viewer's streams with the device have in common: how they are read, and why they end.

use core::convert::Infallible;

use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::decoder_process::{DecodedPieces, DecoderFailure};
use super::page_messages::ToPage;
use super::server::PageOutput;
use super::session_link::{MessageReceiver, SessionLink};
use crate::session::StreamError;

/// Messages of the device that may wait.
const QUEUE: usize = 4;

/// Why a stream with the device is over.
#[derive(Debug, thiserror::Error)]
pub enum DeviceStreamEnd {
    /// The stream itself has ended.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The device's frames can't be decoded, again and again.
    #[error("{0}, again and again")]
    Undecodable(DecoderFailure),
    /// The device's messages break the protocol.
    #[error("the device's screen messages make no sense")]
    Nonsense,
    /// The page has gone.
    #[error("the page was closed")]
    NoPage,
}

/// The end of a stream that goes on until it fails.
pub fn end_of(outcome: Result<Infallible, DeviceStreamEnd>) -> DeviceStreamEnd {
    match outcome {
        Ok(never) => match never {},
        Err(ended) => ended,
    }
}

/// Tells the page.
///
/// # Errors
/// [`DeviceStreamEnd::NoPage`]: the page was closed.
pub async fn tell(page: &mpsc::Sender<PageOutput>, what: ToPage) -> Result<(), DeviceStreamEnd> {
    page.send(PageOutput::Message(what)).await.map_err(|_| DeviceStreamEnd::NoPage)
}

/// Reads messages in a task that ends when the returned set is dropped. A task, because a read that is broken off
/// can't be taken up again.
pub fn read<L: SessionLink, T: DeserializeOwned + Send + 'static>(
    mut receiver: L::Receiver,
) -> (mpsc::Receiver<Result<T, StreamError>>, JoinSet<()>) {
    let (to, messages) = mpsc::channel(QUEUE);
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let next = receiver.next().await;
            let over = next.is_err();
            if to.send(next).await.is_err() || over {
                return;
            }
        }
    });
    (messages, task)
}

/// Hands on to the page what the decode process made of frames.
pub struct OperationsToPage(pub mpsc::Sender<PageOutput>);

impl DecodedPieces for OperationsToPage {
    async fn piece(&mut self, piece: Vec<u8>) -> bool {
        self.0.send(PageOutput::Operations(piece)).await.is_ok()
    }
}
