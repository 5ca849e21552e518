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

use super::super::connection::{XConnection, ended, unless_refused};
use super::messages::{ClipboardMessages, PATIENCE};
use super::targets::{atom_of, target_of};
use crate::clipboard_target::ContentTarget;
use crate::source::DisplayError;

/// Content above this goes to an application in pieces of this many bytes.
const PIECE: usize = 256 * 1024;
/// Most applications that may be waiting, or be served, at the same time.
const MOST_WAITING: usize = 32;
/// Most targets of one request.
const MOST_PAIRS: usize = 32;

/// One target that an application wants, in the property that it named for it.
#[derive(Clone, Copy)]
struct Conversion {
    request: SelectionRequestEvent,
    /// The request for several of which it is one.
    part_of: Option<MultipleRequestNumber>,
}

/// Counts requests for several targets.
type MultipleRequestNumber = u64;

/// A request for several targets at once (MULTIPLE), answered when all of them are.
struct MultipleRequest {
    number: MultipleRequestNumber,
    request: SelectionRequestEvent,
    /// Target and property of each; a property of none: refused.
    pairs: Vec<(Atom, Atom)>,
    /// How many are still to be answered.
    open: usize,
}

struct WaitingApplication {
    conversion: Conversion,
    target: ContentTarget,
}

struct ContentFetch {
    bytes: Vec<u8>,
    until: Instant,
}

/// Content on its way to an application, piece by piece.
struct IncrementalTransfer {
    requestor: Window,
    property: Atom,
    kind: Atom,
    content: Vec<u8>,
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
    multiples: Vec<MultipleRequest>,
    next_multiple: MultipleRequestNumber,
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
            multiples: Vec::new(),
            next_multiple: 0,
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
        self.refuse_waiting(|_| true)
    }

    /// Refuses those who wait for such a form.
    fn refuse_waiting(&mut self, such: impl Fn(ClipboardForm) -> bool) -> Result<(), DisplayError> {
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let (refused, waiting) = waiting.partition(|one| such(one.target.form()));
        self.waiting = waiting;
        let refused: Vec<WaitingApplication> = refused;
        for one in refused {
            self.answer(one.conversion, false)?;
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
        if request.target == atoms.MULTIPLE {
            return self.asked_for_several(request, now, out);
        }
        // Of clients older than ICCCM.
        let property = if request.property == x11rb::NONE { request.target } else { request.property };
        let request = SelectionRequestEvent { property, ..*request };
        self.convert(Conversion { request, part_of: None }, now, out)
    }

    /// MULTIPLE: the property that was named lists targets and the properties for them.
    fn asked_for_several(
        &mut self,
        request: &SelectionRequestEvent,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let whole = Conversion { request: *request, part_of: None };
        let Some(pairs) = self.pairs(request)? else { return self.answer(whole, false) };
        self.next_multiple += 1;
        let (number, open) = (self.next_multiple, pairs.len());
        self.multiples.push(MultipleRequest { number, request: *request, pairs: pairs.clone(), open });
        for (target, property) in pairs {
            let request = SelectionRequestEvent { target, property, ..*request };
            self.convert(Conversion { request, part_of: Some(number) }, now, out)?;
        }
        Ok(())
    }

    /// The list of a request for several targets; `None` if there is none that we could serve.
    fn pairs(&self, request: &SelectionRequestEvent) -> Result<Option<Vec<(Atom, Atom)>>, DisplayError> {
        if request.property == x11rb::NONE || self.multiples.len() >= MOST_WAITING {
            return Ok(None);
        }
        let most = u32::try_from(2 * MOST_PAIRS).unwrap_or(u32::MAX);
        let conn = &self.link.conn;
        let asked = conn.get_property(false, request.requestor, request.property, AtomEnum::ANY, 0, most);
        let reply = unless_refused(asked.map_err(ended)?.reply())?.filter(|reply| reply.bytes_after == 0);
        let atoms: Vec<Atom> = reply.and_then(|r| Some(r.value32()?.collect())).unwrap_or_default();
        let (pairs, rest) = atoms.as_chunks::<2>();
        Ok((!pairs.is_empty() && rest.is_empty()).then(|| pairs.iter().map(|[t, p]| (*t, *p)).collect()))
    }

    fn convert(
        &mut self,
        conversion: Conversion,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let (atoms, request) = (self.link.atoms, conversion.request);
        let ours = request.selection == atoms.CLIPBOARD && request.property != x11rb::NONE;
        let Some((serial, forms)) = self.offered.clone().filter(|_| ours) else {
            return self.answer(conversion, false);
        };
        if request.target == atoms.TARGETS {
            let mut targets = vec![atoms.TARGETS, atoms.TIMESTAMP, atoms.MULTIPLE];
            let content = ContentTarget::ALL.into_iter().filter(|target| forms.contains(&target.form()));
            targets.extend(content.map(|target| atom_of(&atoms, target)));
            self.put32(&request, AtomEnum::ATOM.into(), &targets)?;
            return self.answer(conversion, true);
        }
        if request.target == atoms.TIMESTAMP {
            self.put32(&request, AtomEnum::INTEGER.into(), &[self.since])?;
            return self.answer(conversion, true);
        }
        let target = target_of(&atoms, request.target).filter(|target| forms.contains(&target.form()));
        let Some(target) = target else { return self.answer(conversion, false) };
        let form = target.form();
        if let Some(content) = self.contents.get(&form).cloned() {
            return self.give(conversion, target, &content, now);
        }
        if self.waiting.len() >= MOST_WAITING {
            return self.answer(conversion, false);
        }
        self.waiting.push(WaitingApplication { conversion, target });
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

    /// Tells an application that its answer is in the property that it named, or that there is none; for one of several
    /// targets, once all of them are done.
    fn answer(&mut self, conversion: Conversion, is_there: bool) -> Result<(), DisplayError> {
        let request = conversion.request;
        let Some(number) = conversion.part_of else { return self.notify(&request, is_there) };
        let Some(at) = self.multiples.iter().position(|multiple| multiple.number == number) else {
            return Ok(());
        };
        let Some(multiple) = self.multiples.get_mut(at) else { return Ok(()) };
        multiple.open = multiple.open.saturating_sub(1);
        let this = (request.target, request.property);
        if let Some(pair) = multiple.pairs.iter_mut().find(|pair| **pair == this && !is_there) {
            pair.1 = x11rb::NONE;
        }
        if multiple.open > 0 {
            return Ok(());
        }
        let multiple = self.multiples.swap_remove(at);
        let list: Vec<u32> =
            multiple.pairs.iter().flat_map(|(target, property)| [*target, *property]).collect();
        self.put32(&multiple.request, self.link.atoms.ATOM_PAIR, &list)?;
        self.notify(&multiple.request, true)
    }

    fn notify(&self, request: &SelectionRequestEvent, is_there: bool) -> Result<(), DisplayError> {
        let event = SelectionNotifyEvent {
            response_type: SELECTION_NOTIFY_EVENT,
            sequence: 0,
            time: request.time,
            requestor: request.requestor,
            selection: request.selection,
            target: request.target,
            property: if is_there { request.property } else { x11rb::NONE },
        };
        self.link.conn.send_event(false, request.requestor, EventMask::NO_EVENT, event).map_err(ended)?;
        Ok(())
    }

    fn give(
        &mut self,
        conversion: Conversion,
        target: ContentTarget,
        content: &[u8],
        now: Instant,
    ) -> Result<(), DisplayError> {
        let Some((kind, content)) = target.encode(content) else { return self.answer(conversion, false) };
        let kind = atom_of(&self.link.atoms, kind);
        let (requestor, property) = (conversion.request.requestor, conversion.request.property);
        let conn = self.link.conn.clone();
        if content.len() <= PIECE.min(conn.maximum_request_bytes() / 2) {
            conn.change_property8(PropMode::REPLACE, requestor, property, kind, &content).map_err(ended)?;
            return self.answer(conversion, true);
        }
        if self.transfers.len() >= MOST_WAITING {
            return self.answer(conversion, false);
        }
        let notices = ChangeWindowAttributesAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        conn.change_window_attributes(requestor, &notices).map_err(ended)?;
        let len = u32::try_from(content.len()).unwrap_or(u32::MAX);
        self.put32(&conversion.request, self.link.atoms.INCR, &[len])?;
        let until = now + PATIENCE;
        self.transfers.push(IncrementalTransfer { requestor, property, kind, content, sent: 0, until });
        self.answer(conversion, true)
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
        conn.change_property8(PropMode::REPLACE, event.window, event.atom, transfer.kind, piece)
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
            self.contents.insert(form, Rc::clone(&content));
            out.say(ClipboardMessage::Taken { serial });
            let waiting = std::mem::take(&mut self.waiting).into_iter();
            let (ready, waiting) = waiting.partition(|one| one.target.form() == form);
            self.waiting = waiting;
            let ready: Vec<WaitingApplication> = ready;
            for one in ready {
                self.give(one.conversion, one.target, &content, now)?;
            }
        }
        Ok(())
    }

    /// The technician doesn't give it.
    pub(super) fn refused(&mut self, serial: u32) -> Result<(), DisplayError> {
        if self.offered.as_ref().is_some_and(|(offered, _)| *offered == serial) {
            self.fetching.clear();
            self.refuse_waiting(|_| true)?;
        }
        Ok(())
    }

    fn give_up(&mut self, form: ClipboardForm) -> Result<(), DisplayError> {
        self.fetching.remove(&form);
        self.refuse_waiting(|waiting| waiting == form)
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
