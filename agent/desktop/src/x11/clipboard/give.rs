//! From the technician's clipboard to the applications that paste: we own the selection, and fetch what is pasted.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Instant;

use nearhand_proto::message::screen::{CLIPBOARD_PART, ClipboardForm, ClipboardMessage, MAX_CLIPBOARD};
use x11rb::connection::RequestConnection as _;
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ChangeWindowAttributesAux, ConnectionExt as _, EventMask, PropMode, Property,
    PropertyNotifyEvent, SELECTION_NOTIFY_EVENT, SelectionNotifyEvent, SelectionRequestEvent, Timestamp,
    Window,
};
use x11rb::wrapper::ConnectionExt as _;

use super::super::{XConnection, ended};
use super::{ClipboardMessages, PATIENCE, target};
use crate::source::DisplayError;

/// Content above this goes to an application in pieces of this many bytes.
const PIECE: usize = 256 * 1024;
/// Most applications that may be waiting, or be served, at the same time.
const MOST_WAITING: usize = 32;

struct WaitingApplication {
    request: SelectionRequestEvent,
    form: ClipboardForm,
}

struct ContentFetch {
    bytes: Vec<u8>,
    until: Instant,
}

/// Content on its way to an application, piece by piece.
struct IncrementalTransfer {
    requestor: Window,
    property: Atom,
    target: Atom,
    content: Rc<Vec<u8>>,
    sent: usize,
    until: Instant,
}

/// Owns the selection for the technician.
pub(super) struct SelectionOwner {
    link: XConnection,
    window: Window,
    /// What the technician has.
    offered: Option<(u32, Vec<ClipboardForm>)>,
    since: Timestamp,
    contents: BTreeMap<ClipboardForm, Rc<Vec<u8>>>,
    fetching: BTreeMap<ClipboardForm, ContentFetch>,
    waiting: Vec<WaitingApplication>,
    transfers: Vec<IncrementalTransfer>,
}

impl SelectionOwner {
    pub(super) fn new(link: XConnection, window: Window) -> Self {
        Self {
            link,
            window,
            offered: None,
            since: x11rb::CURRENT_TIME,
            contents: BTreeMap::new(),
            fetching: BTreeMap::new(),
            waiting: Vec::new(),
            transfers: Vec::new(),
        }
    }

    /// The technician's clipboard has these forms now.
    pub(super) fn offered(&mut self, serial: u32, mut forms: Vec<ClipboardForm>) -> Result<(), DisplayError> {
        forms.sort_unstable();
        forms.dedup();
        if forms.is_empty() {
            return self.stop();
        }
        self.forget()?;
        self.offered = Some((serial, forms));
        self.own(self.window)
    }

    fn own(&self, window: Window) -> Result<(), DisplayError> {
        let clipboard = self.link.atoms.CLIPBOARD;
        self.link.conn.set_selection_owner(window, clipboard, x11rb::CURRENT_TIME).map_err(ended)?;
        Ok(())
    }

    /// Gives the selection up, if it is ours.
    pub(super) fn stop(&mut self) -> Result<(), DisplayError> {
        self.forget()?;
        match self.offered.take() {
            Some(_) => self.own(x11rb::NONE),
            None => Ok(()),
        }
    }

    /// An application owns it now.
    pub(super) fn lost(&mut self) -> Result<(), DisplayError> {
        self.offered = None;
        self.forget()
    }

    /// Contents are forgotten, those who wait are refused; what is being given is given to the end.
    fn forget(&mut self) -> Result<(), DisplayError> {
        self.contents.clear();
        self.fetching.clear();
        for waiting in std::mem::take(&mut self.waiting) {
            self.answer(&waiting.request, x11rb::NONE)?;
        }
        Ok(())
    }

    /// The server's time of our becoming the owner.
    pub(super) fn owned_since(&mut self, since: Timestamp) {
        self.since = since;
    }

    /// An application pastes.
    pub(super) fn asked(
        &mut self,
        request: &SelectionRequestEvent,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let atoms = self.link.atoms;
        // Of clients older than ICCCM.
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let request = SelectionRequestEvent { property, ..*request };
        let Some((serial, forms)) = self.offered.clone().filter(|_| request.selection == atoms.CLIPBOARD)
        else {
            return self.answer(&request, x11rb::NONE);
        };
        if request.target == atoms.TARGETS {
            let mut targets = vec![atoms.TARGETS, atoms.TIMESTAMP];
            targets.extend(forms.iter().map(|form| target(&self.link, *form)));
            if forms.contains(&ClipboardForm::Text) {
                targets.push(atoms.TEXT_PLAIN);
            }
            self.put32(&request, AtomEnum::ATOM.into(), &targets)?;
            return self.answer(&request, property);
        }
        if request.target == atoms.TIMESTAMP {
            self.put32(&request, AtomEnum::INTEGER.into(), &[self.since])?;
            return self.answer(&request, property);
        }
        let plain = request.target == atoms.TEXT_PLAIN;
        let wanted = |form: &ClipboardForm| {
            request.target == target(&self.link, *form) || (plain && *form == ClipboardForm::Text)
        };
        let Some(form) = forms.into_iter().find(wanted) else { return self.answer(&request, x11rb::NONE) };
        if let Some(content) = self.contents.get(&form).cloned() {
            return self.give(&request, content, now);
        }
        if self.waiting.len() >= MOST_WAITING {
            return self.answer(&request, x11rb::NONE);
        }
        self.waiting.push(WaitingApplication { request, form });
        self.fetching.entry(form).or_insert_with(|| {
            out.say(ClipboardMessage::Fetch { serial, form });
            ContentFetch { bytes: Vec::new(), until: now + PATIENCE }
        });
        Ok(())
    }

    fn put32(&self, request: &SelectionRequestEvent, kind: Atom, values: &[u32]) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        conn.change_property32(PropMode::REPLACE, request.requestor, request.property, kind, values)
            .map_err(ended)?;
        Ok(())
    }

    /// Tells an application that its answer is in that property, or that there is none.
    fn answer(&self, request: &SelectionRequestEvent, property: Atom) -> Result<(), DisplayError> {
        let event = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property,
        };
        self.link.conn.send_event(false, request.requestor, EventMask::NO_EVENT, event).map_err(ended)?;
        Ok(())
    }

    fn give(
        &mut self,
        request: &SelectionRequestEvent,
        content: Rc<Vec<u8>>,
        now: Instant,
    ) -> Result<(), DisplayError> {
        let (requestor, property, target) = (request.requestor, request.property, request.target);
        let conn = &self.link.conn;
        if content.len() <= PIECE.min(conn.maximum_request_bytes() / 2) {
            conn.change_property8(PropMode::REPLACE, requestor, property, target, &content).map_err(ended)?;
            return self.answer(request, property);
        }
        if self.transfers.len() >= MOST_WAITING {
            return self.answer(request, x11rb::NONE);
        }
        let notices = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        conn.change_window_attributes(requestor, &notices).map_err(ended)?;
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
        self.put32(request, self.link.atoms.INCR, &[len])?;
        self.transfers.push(IncrementalTransfer {
            requestor,
            property,
            target,
            content,
            sent: 0,
            until: now + PATIENCE,
        });
        self.answer(request, property)
    }

    /// An application has taken a piece: it deletes the property.
    pub(super) fn taken(&mut self, event: &PropertyNotifyEvent, now: Instant) -> Result<(), DisplayError> {
        let meant = |t: &IncrementalTransfer| t.requestor == event.window && t.property == event.atom;
        let Some(at) = self.transfers.iter().position(meant).filter(|_| event.state == Property::DELETE)
        else {
            return Ok(());
        };
        let Some(transfer) = self.transfers.get_mut(at) else { return Ok(()) };
        let rest = transfer.content.get(transfer.sent..).unwrap_or_default();
        let largest = PIECE.min(self.link.conn.maximum_request_bytes() / 2);
        let piece = rest.get(..largest).unwrap_or(rest);
        // An empty piece ends it.
        let conn = &self.link.conn;
        conn.change_property8(PropMode::REPLACE, event.window, event.atom, transfer.target, piece)
            .map_err(ended)?;
        transfer.sent += piece.len();
        transfer.until = now + PATIENCE;
        if piece.is_empty() {
            self.end_transfer(at)?;
        }
        Ok(())
    }

    fn end_transfer(&mut self, at: usize) -> Result<(), DisplayError> {
        let ended_one = self.transfers.swap_remove(at);
        if !self.transfers.iter().any(|transfer| transfer.requestor == ended_one.requestor) {
            let none = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
            self.link.conn.change_window_attributes(ended_one.requestor, &none).map_err(ended)?;
        }
        Ok(())
    }

    /// A part of what was fetched from the technician.
    pub(super) fn part(
        &mut self,
        serial: u32,
        form: ClipboardForm,
        bytes: &[u8],
        last: bool,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let current = self.offered.as_ref().is_some_and(|(offered, _)| *offered == serial);
        let Some(fetching) = self.fetching.get_mut(&form).filter(|_| current) else { return Ok(()) };
        let len = fetching.bytes.len() + bytes.len();
        if bytes.len() > CLIPBOARD_PART || u64::try_from(len).is_ok_and(|len| len > MAX_CLIPBOARD) {
            return self.give_up(form);
        }
        fetching.bytes.extend_from_slice(bytes);
        fetching.until = now + PATIENCE;
        if last {
            let content = Rc::new(std::mem::take(&mut fetching.bytes));
            self.fetching.remove(&form);
            self.contents.insert(form, content.clone());
            out.say(ClipboardMessage::Taken { serial });
            let (ready, waiting) =
                std::mem::take(&mut self.waiting).into_iter().partition(|w| w.form == form);
            self.waiting = waiting;
            let ready: Vec<WaitingApplication> = ready;
            for one in ready {
                self.give(&one.request, content.clone(), now)?;
            }
        }
        Ok(())
    }

    /// The technician doesn't give it.
    pub(super) fn refused(&mut self, serial: u32) -> Result<(), DisplayError> {
        if self.offered.as_ref().is_some_and(|(offered, _)| *offered == serial) {
            self.fetching.clear();
            for waiting in std::mem::take(&mut self.waiting) {
                self.answer(&waiting.request, x11rb::NONE)?;
            }
        }
        Ok(())
    }

    fn give_up(&mut self, form: ClipboardForm) -> Result<(), DisplayError> {
        self.fetching.remove(&form);
        let (refused, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|w| w.form == form);
        self.waiting = waiting;
        let refused: Vec<WaitingApplication> = refused;
        for one in refused {
            self.answer(&one.request, x11rb::NONE)?;
        }
        Ok(())
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        let fetches = self.fetching.values().map(|fetching| fetching.until);
        fetches.chain(self.transfers.iter().map(|transfer| transfer.until)).min()
    }

    pub(super) fn overdue(&mut self, now: Instant) -> Result<(), DisplayError> {
        let late: Vec<ClipboardForm> =
            self.fetching.iter().filter(|(_, f)| f.until <= now).map(|(form, _)| *form).collect();
        for form in late {
            self.give_up(form)?;
        }
        while let Some(at) = self.transfers.iter().position(|transfer| transfer.until <= now) {
            self.end_transfer(at)?;
        }
        Ok(())
    }
}
