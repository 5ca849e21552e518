//! The streams for pointer and keyboard, and for the clipboard.

use std::sync::{Arc, Mutex, PoisonError};

use nearhand_proto::message::screen::{
    CLIPBOARD_PART, ClipboardForm, ClipboardMessage, InputEvent, InputNotice, MAX_CLIPBOARD,
};
use nearhand_proto::message::session::StreamOpen;
use nearhand_proto::text;
use tokio::sync::{Notify, mpsc};

use super::device_stream::{DeviceStreamEnd, end_of, read, tell};
use super::outbox::InputOutbox;
use super::page_messages::{PageClipboardForm, StreamState, ToPage};
use super::server::PageOutput;
use super::session_link::{MessageSender, SessionLink};

/// Sent before everything else: a key must not wait.
const INPUT_PRIORITY: i32 = 2;
/// Sent after everything else: contents can be large.
const CLIPBOARD_PRIORITY: i32 = -1;

/// Input that waits to be sent, and the signal that wakes the stream.
#[derive(Debug, Default)]
pub struct InputQueue {
    outbox: Mutex<InputOutbox>,
    put: Notify,
}

impl InputQueue {
    /// Adds an input to those that wait.
    pub fn put(&self, input: InputEvent) {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner).put(input);
        self.put.notify_one();
    }

    async fn next(&self) -> InputEvent {
        loop {
            let next = self.outbox.lock().unwrap_or_else(PoisonError::into_inner).take();
            match next {
                Some(input) => return input,
                None => self.put.notified().await,
            }
        }
    }
}

/// Sends pointer and keyboard input until the stream is over.
pub async fn carry_input<L: SessionLink>(
    link: Arc<L>,
    page: mpsc::Sender<PageOutput>,
    keyboard: Arc<InputQueue>,
) -> DeviceStreamEnd {
    let carry = async {
        let (mut sender, receiver) = link.open_stream(&StreamOpen::Input, INPUT_PRIORITY).await?;
        tell(&page, ToPage::Control { state: StreamState::On, why: String::new() }).await?;
        let (mut notices, _reader) = read::<L, InputNotice>(receiver);
        loop {
            tokio::select! {
                notice = notices.recv() => match notice.ok_or(DeviceStreamEnd::Nonsense)?? {
                    InputNotice::HeldBack(held) => tell(&page, ToPage::HeldBack { held }).await?,
                    InputNotice::Untypable(what) => {
                        let what = text::one_line(&what, 100);
                        let words = format!("The device has no way to type: {what}");
                        tell(&page, ToPage::Notice { text: words }).await?;
                    }
                    InputNotice::Unclickable(what) => {
                        let what = text::one_line(&what, 100);
                        let words = format!("The device's pointer settings switch this off: {what}");
                        tell(&page, ToPage::Notice { text: words }).await?;
                    }
                },
                input = keyboard.next() => sender.send(&input).await?,
            }
        }
    };
    end_of(carry.await)
}

/// What the technician offers the device.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClipboardContent {
    /// Forms and their bytes.
    pub forms: Vec<(ClipboardForm, Vec<u8>)>,
}

impl ClipboardContent {
    /// Adds a part. `false`: the content is larger than a clipboard may be.
    pub fn add(&mut self, form: PageClipboardForm, bytes: &[u8]) -> bool {
        let form = ClipboardForm::from(form);
        let held: usize = self.forms.iter().map(|(_, bytes)| bytes.len()).sum();
        if held + bytes.len() > usize::try_from(MAX_CLIPBOARD).unwrap_or(usize::MAX) {
            return false;
        }
        match self.forms.iter_mut().find(|(held, _)| *held == form) {
            Some((_, held)) => held.extend_from_slice(bytes),
            None => self.forms.push((form, bytes.to_vec())),
        }
        true
    }
}

/// What the page wants done with the clipboard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ClipboardOrder {
    /// Offer this to the device.
    Offer(ClipboardContent),
    /// Fetch what the device has.
    Copy {
        /// The number of the content that the device has announced.
        serial: u32,
        /// The form in which it is wanted.
        form: ClipboardForm,
    },
}

/// Exchanges clipboard contents until the stream is over.
pub async fn exchange_clipboard<L: SessionLink>(
    link: Arc<L>,
    page: mpsc::Sender<PageOutput>,
    orders: &mut mpsc::Receiver<ClipboardOrder>,
) -> DeviceStreamEnd {
    let carry = async {
        let (sender, receiver) = link.open_stream(&StreamOpen::Clipboard, CLIPBOARD_PRIORITY).await?;
        tell(&page, ToPage::Clipboard { state: StreamState::On, why: String::new() }).await?;
        let (mut messages, _reader) = read::<L, ClipboardMessage>(receiver);
        let mut exchange = ClipboardExchange::<L> {
            sender,
            page,
            serial: 0,
            offered: ClipboardContent::default(),
            giving: None,
            fetching: None,
        };
        loop {
            tokio::select! {
                // The device's messages first: what it fetches must not wait until all that we send is through.
                biased;
                message = messages.recv() => exchange.handle_device(message.ok_or(DeviceStreamEnd::Nonsense)??).await?,
                order = orders.recv() => exchange.handle_order(order.ok_or(DeviceStreamEnd::NoPage)?).await?,
                () = core::future::ready(()), if exchange.giving.is_some() => exchange.give().await?,
            }
        }
    };
    end_of(carry.await)
}

struct ClipboardExchange<L: SessionLink> {
    sender: L::Sender,
    page: mpsc::Sender<PageOutput>,
    serial: u32,
    offered: ClipboardContent,
    giving: Option<ClipboardSend>,
    fetching: Option<ClipboardFetch>,
}

struct ClipboardSend {
    form: ClipboardForm,
    at: usize,
}

struct ClipboardFetch {
    serial: u32,
    form: ClipboardForm,
    bytes: u64,
}

impl<L: SessionLink> ClipboardExchange<L> {
    async fn handle_order(&mut self, order: ClipboardOrder) -> Result<(), DeviceStreamEnd> {
        match order {
            ClipboardOrder::Offer(content) => {
                self.serial = self.serial.wrapping_add(1);
                (self.offered, self.giving) = (content, None);
                let size = |bytes: &Vec<u8>| u64::try_from(bytes.len()).ok();
                let forms = self.offered.forms.iter().map(|(form, bytes)| (*form, size(bytes))).collect();
                self.sender.send(&ClipboardMessage::Has { serial: self.serial, forms }).await?;
                tell(&self.page, ToPage::Offered).await
            }
            ClipboardOrder::Copy { serial, form } => {
                if self.fetching.is_some() {
                    return self
                        .refused(serial, "something else is being copied; try again in a moment")
                        .await;
                }
                self.fetching = Some(ClipboardFetch { serial, form, bytes: 0 });
                Ok(self.sender.send(&ClipboardMessage::Fetch { serial, form }).await?)
            }
        }
    }

    async fn handle_device(&mut self, message: ClipboardMessage) -> Result<(), DeviceStreamEnd> {
        match message {
            ClipboardMessage::Has { serial, forms } => {
                let forms = forms.into_iter().take(4).map(|(form, bytes)| (form.into(), bytes)).collect();
                tell(&self.page, ToPage::Copied { serial, forms }).await
            }
            ClipboardMessage::Fetch { serial, form } => {
                let has =
                    serial == self.serial && self.offered.forms.iter().any(|(offered, _)| *offered == form);
                if has && self.giving.is_none() {
                    self.giving = Some(ClipboardSend { form, at: 0 });
                    return Ok(());
                }
                let why = if has { "one thing at a time" } else { "that is no longer in the clipboard" };
                Ok(self.sender.send(&ClipboardMessage::Refused { serial, why: why.to_owned() }).await?)
            }
            ClipboardMessage::Part { serial, form, bytes, last } => {
                self.part(serial, form, bytes, last).await
            }
            ClipboardMessage::Taken { serial } if serial == self.serial => {
                tell(&self.page, ToPage::Taken).await
            }
            ClipboardMessage::Taken { .. } => Ok(()),
            ClipboardMessage::Refused { serial, why } => {
                self.fetching = None;
                self.refused(serial, &text::one_line(&why, 200)).await
            }
        }
    }

    async fn refused(&self, serial: u32, why: &str) -> Result<(), DeviceStreamEnd> {
        tell(&self.page, ToPage::NoCopy { serial, why: why.to_owned() }).await
    }

    async fn part(
        &mut self,
        serial: u32,
        form: ClipboardForm,
        bytes: Vec<u8>,
        last: bool,
    ) -> Result<(), DeviceStreamEnd> {
        // A part that was not asked for is left out.
        let Some(fetching) = self.fetching.as_mut().filter(|f| f.serial == serial && f.form == form) else {
            return Ok(());
        };
        fetching.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if bytes.len() > CLIPBOARD_PART || fetching.bytes > MAX_CLIPBOARD {
            return Err(DeviceStreamEnd::Nonsense);
        }
        let part = PageOutput::Copied { serial, form: form.into(), last, bytes };
        self.page.send(part).await.map_err(|_| DeviceStreamEnd::NoPage)?;
        if last {
            self.fetching = None;
            self.sender.send(&ClipboardMessage::Taken { serial }).await?;
        }
        Ok(())
    }

    /// Sends one part of what the device fetches.
    async fn give(&mut self) -> Result<(), DeviceStreamEnd> {
        let Some(ClipboardSend { form, at }) = self.giving.take() else { return Ok(()) };
        let Some((_, bytes)) = self.offered.forms.iter().find(|(offered, _)| *offered == form) else {
            return Ok(());
        };
        let rest = bytes.get(at..).unwrap_or_default();
        let part = rest.get(..CLIPBOARD_PART).unwrap_or(rest);
        let last = part.len() == rest.len();
        let next = at + part.len();
        let message = ClipboardMessage::Part { serial: self.serial, form, bytes: part.to_vec(), last };
        self.sender.send(&message).await?;
        self.giving = (!last).then_some(ClipboardSend { form, at: next });
        Ok(())
    }
}
