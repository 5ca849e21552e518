//! What the page asks for, done: chat, capabilities, input, the screen, the clipboard, diagnostics.

use std::time::Duration;

use nearhand_proto::grant::{Capabilities, Capability};

use super::super::input_streams::{ClipboardContent, ClipboardOrder};
use super::super::page_messages::{FromPage, PageClipboardForm, ToPage};
use super::super::session_link::SessionLink;
use super::state::{KEPT_FREE, MOST_MINUTES, ViewerLoop};
use super::stream_kind::ViewerStreamKind;

impl<L: SessionLink> ViewerLoop<L> {
    pub(super) async fn handle_page(&mut self, said: FromPage) {
        if let Some(input) = said.input() {
            if self.running.contains_key(&ViewerStreamKind::Control) {
                self.keyboard.put(input);
            }
            return;
        }
        match said {
            FromPage::Say(words) => {
                if let Some(line) = self.link.send_chat(&words) {
                    self.tell(ToPage::from(&line)).await;
                } else {
                    let text = "That was not sent: it is empty, or the chat is full.".to_owned();
                    self.tell(ToPage::Notice { text }).await;
                }
            }
            FromPage::Saw(number) => self.link.mark_chat_seen(number),
            FromPage::Ask { capabilities, minutes } => {
                let minutes = minutes.clamp(1, MOST_MINUTES);
                if let Some(what) = capabilities_of(&capabilities) {
                    self.link.ask(what, Duration::from_secs(u64::from(minutes) * 60)).await;
                }
            }
            FromPage::Drop(capabilities) => {
                if let Some(what) = capabilities_of(&capabilities) {
                    self.link.give_up(what).await;
                }
            }
            FromPage::End => self.link.end().await,
            FromPage::Diagnose(set) => self.diagnose(set.into()).await,
            FromPage::Offer => {
                let content = core::mem::take(&mut self.pasted);
                self.order_clipboard(ClipboardOrder::Offer(content)).await;
            }
            FromPage::Copy { serial, form } => {
                self.order_clipboard(ClipboardOrder::Copy { serial, form: form.into() }).await;
            }
            FromPage::Again => self.refused.clear(),
            FromPage::Play(_) => {}
            about_the_screen => self.order_screen(about_the_screen),
        }
    }

    /// Passes a message on to the screen's stream, and keeps the page's choices for the next stream.
    pub(super) fn order_screen(&mut self, order: FromPage) {
        match &order {
            FromPage::Monitor(monitor) => self.choice.monitor = *monitor,
            FromPage::Quality(quality) => self.choice.quality = (*quality).into(),
            FromPage::Hidden(hidden) => self.choice.hidden = *hidden,
            FromPage::Laser(_) | FromPage::Stroke { .. } if self.orders.capacity() < KEPT_FREE => return,
            _ => {}
        }
        // Dropped when no stream is open, or when the page sends faster than the stream takes.
        let _ = self.orders.try_send(order);
    }

    pub(super) async fn collect_paste(&mut self, form: PageClipboardForm, bytes: &[u8]) {
        if !self.pasted.add(form, bytes) {
            self.pasted = ClipboardContent::default();
            let text = "That is too large for the clipboard (16 MiB at most).".to_owned();
            self.tell(ToPage::Notice { text }).await;
        }
    }

    pub(super) async fn order_clipboard(&mut self, order: ClipboardOrder) {
        if self.clips.try_send(order).is_err() {
            let text = "The clipboard is not connected: ask for it first.".to_owned();
            self.tell(ToPage::Notice { text }).await;
        }
    }
}

fn capabilities_of(names: &[String]) -> Option<Capabilities> {
    let all: Capabilities =
        names.iter().map(|name| name.parse::<Capability>()).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}
