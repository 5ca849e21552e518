//! From an application's clipboard to the technician: what it has, and its content when that is fetched.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{ClipboardForm, ClipboardMessage, MAX_CLIPBOARD};
use x11rb::protocol::xproto::{
    Atom, ConnectionExt as _, GetPropertyReply, Property, PropertyNotifyEvent, SelectionNotifyEvent,
    Timestamp, Window,
};

use super::super::connection::{XConnection, ended, unless_refused};
use super::messages::{ClipboardMessages, PATIENCE};
use super::targets::{atom_of, target_of};
use crate::clipboard_target::{ContentTarget, OwnerOffer, SECRECY_HINT, target};
use crate::source::DisplayError;

const CHANGED: &str = "the device's clipboard has changed meanwhile";
const TOO_LARGE: &str = "it is larger than 16 MiB";
const SILENT: &str = "the program that has it does not answer";
const REFUSED: &str = "the program that has it refused";
const SECRET: &str = "the device's clipboard holds a password, as its password manager says: it is not read";
/// How long an owner may take to list its targets before it counts as one that never does.
const PATIENCE_FOR_TARGETS: Duration = Duration::from_secs(2);
/// Most targets that are looked at.
const MOST_TARGETS: usize = 200;

/// What an application is being asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum SelectionQuestion {
    /// Which targets there are.
    Targets,
    /// Whether what it offers is a password; the offer.
    Secrecy(OwnerOffer),
    /// The content as this target; what to ask for next if that is refused.
    Content(ContentTarget, VecDeque<ContentTarget>),
}

struct SelectionRequest {
    question: SelectionQuestion,
    /// By which it is asked.
    target: Atom,
    /// It comes in pieces, of which these are here, of this type.
    pieces: Option<(Option<Atom>, Vec<u8>)>,
    until: Instant,
}

/// Fetches from the application that owns the selection.
pub(super) struct SelectionReader {
    link: XConnection,
    window: Window,
    /// Of the last owner.
    serial: u32,
    since: Timestamp,
    /// What the last owner has.
    offer: OwnerOffer,
    /// The atoms by which it listed that: some are written in several ways.
    listed: BTreeMap<ContentTarget, Atom>,
    asking: Option<SelectionRequest>,
    /// A fetch that came during another.
    next: Option<ClipboardForm>,
}

/// An answer of an application.
struct SelectionAnswer {
    kind: Atom,
    bytes: Vec<u8>,
}

impl SelectionReader {
    pub(super) fn new(link: XConnection, window: Window) -> Self {
        Self {
            link,
            window,
            serial: 0,
            since: x11rb::CURRENT_TIME,
            offer: OwnerOffer::Nothing(None),
            listed: BTreeMap::new(),
            asking: None,
            next: None,
        }
    }

    pub(super) fn stop(&mut self) {
        self.asking = None;
        self.next = None;
    }

    /// Another application owns it, or none.
    pub(super) fn changed(
        &mut self,
        any: bool,
        since: Timestamp,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        self.lost(out);
        self.serial = self.serial.wrapping_add(1);
        self.since = since;
        self.offer = OwnerOffer::Nothing(None);
        if !any {
            out.say(ClipboardMessage::Has { serial: self.serial, forms: Vec::new() });
            return Ok(());
        }
        self.ask(SelectionQuestion::Targets, self.link.atoms.TARGETS, now)
    }

    /// What was to be fetched can no longer be.
    pub(super) fn lost(&mut self, out: &mut ClipboardMessages) {
        let asked = self.asking.take();
        let asked = asked.is_some_and(|asking| matches!(asking.question, SelectionQuestion::Content(..)));
        if asked || self.next.take().is_some() {
            out.refuse(self.serial, CHANGED);
        }
    }

    /// The technician wants the content.
    pub(super) fn fetch(
        &mut self,
        serial: u32,
        form: ClipboardForm,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        if serial != self.serial {
            out.refuse(serial, CHANGED);
        } else if self.next.is_some() || out.is_sending() {
            out.refuse(serial, "another fetch is under way");
        } else if self.asking.is_some() {
            self.next = Some(form);
        } else {
            self.ask_content(form, now, out)?;
        }
        Ok(())
    }

    fn ask_content(
        &mut self,
        form: ClipboardForm,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let mut tries: VecDeque<ContentTarget> = self.offer.tries(form).into();
        match tries.pop_front() {
            Some(first) => self.try_content(first, tries, now),
            None => {
                out.refuse(self.serial, "the device's clipboard has nothing of that kind");
                Ok(())
            }
        }
    }

    fn try_content(
        &mut self,
        target: ContentTarget,
        then: VecDeque<ContentTarget>,
        now: Instant,
    ) -> Result<(), DisplayError> {
        let atom = self.listed.get(&target).copied().unwrap_or_else(|| atom_of(&self.link.atoms, target));
        self.ask(SelectionQuestion::Content(target, then), atom, now)
    }

    fn ask(&mut self, question: SelectionQuestion, target: Atom, now: Instant) -> Result<(), DisplayError> {
        let atoms = self.link.atoms;
        let conn = &self.link.conn;
        conn.delete_property(self.window, atoms.NEARHAND_CLIPBOARD).map_err(ended)?;
        conn.convert_selection(self.window, atoms.CLIPBOARD, target, atoms.NEARHAND_CLIPBOARD, self.since)
            .map_err(ended)?;
        let patience = if question == SelectionQuestion::Targets { PATIENCE_FOR_TARGETS } else { PATIENCE };
        self.asking = Some(SelectionRequest { question, target, pieces: None, until: now + patience });
        Ok(())
    }

    /// The application has answered.
    pub(super) fn answered(
        &mut self,
        event: &SelectionNotifyEvent,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let expected = event.requestor == self.window && event.selection == self.link.atoms.CLIPBOARD;
        let Some(asking) = self.asking.as_mut().filter(|a| expected && a.target == event.target) else {
            return Ok(());
        };
        if event.property == x11rb::NONE {
            return self.done(Err(REFUSED), now, out);
        }
        let incr = self.link.atoms.INCR;
        match read(&self.link, self.window)? {
            Some(reply) if reply.type_ == incr => {
                asking.pieces = Some((None, Vec::new()));
                asking.until = now + PATIENCE;
                Ok(())
            }
            Some(reply) if fits(reply.value.len(), &reply) => {
                self.done(Ok(SelectionAnswer { kind: reply.type_, bytes: reply.value }), now, out)
            }
            Some(_) => self.done(Err(TOO_LARGE), now, out),
            None => self.done(Err(SILENT), now, out),
        }
    }

    /// Another piece has come, if we wait for one.
    pub(super) fn more(
        &mut self,
        event: &PropertyNotifyEvent,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let ours = event.atom == self.link.atoms.NEARHAND_CLIPBOARD && event.state == Property::NEW_VALUE;
        let Some(asking) = self.asking.as_mut().filter(|_| ours) else { return Ok(()) };
        let Some((kind, pieces)) = asking.pieces.as_mut() else { return Ok(()) };
        let Some(reply) = read(&self.link, self.window)? else { return Ok(()) };
        // The notice of the first answer, which has been read.
        if reply.type_ == x11rb::NONE {
            return Ok(());
        }
        if !fits(pieces.len() + reply.value.len(), &reply) {
            return self.done(Err(TOO_LARGE), now, out);
        }
        asking.until = now + PATIENCE;
        if reply.value.is_empty() {
            let (kind, bytes) = (kind.unwrap_or(reply.type_), std::mem::take(pieces));
            return self.done(Ok(SelectionAnswer { kind, bytes }), now, out);
        }
        *kind = Some(reply.type_);
        pieces.extend(reply.value);
        Ok(())
    }

    fn done(
        &mut self,
        answer: Result<SelectionAnswer, &str>,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let Some(SelectionRequest { question, .. }) = self.asking.take() else { return Ok(()) };
        match (question, answer) {
            (SelectionQuestion::Targets, answer) => {
                // Neither a refusal nor silence says that there is no text.
                let listed = match answer {
                    Ok(answer) => names(&self.link, &answer.bytes)?,
                    Err(_) => Vec::new(),
                };
                let known = listed.iter().rev().filter_map(|(atom, name)| Some((target(name)?, *atom)));
                self.listed = known.collect();
                let names: Vec<String> = listed.into_iter().map(|(_, name)| name).collect();
                let offer = OwnerOffer::of(&names);
                if names.iter().any(|name| name == SECRECY_HINT) {
                    return self.ask(SelectionQuestion::Secrecy(offer), self.link.atoms.SECRECY_HINT, now);
                }
                self.offer(offer, out);
            }
            (SelectionQuestion::Secrecy(offer), answer) => {
                // Only what is said to be public is.
                let is_public = answer.is_ok_and(|answer| {
                    let hint = answer.bytes.trim_ascii().to_ascii_lowercase();
                    !hint.is_empty() && hint != b"secret"
                });
                let secret = OwnerOffer::Nothing(Some(SECRET.to_owned()));
                self.offer(if is_public { offer } else { secret }, out);
            }
            (SelectionQuestion::Content(asked, _), Ok(answer)) => {
                // The type says what came: TEXT is answered in whichever encoding the owner chose.
                let of_type = target_of(&self.link.atoms, answer.kind);
                let came = of_type.filter(|kind| kind.form() == asked.form()).unwrap_or(asked);
                out.send(self.serial, asked.form(), came.decode(answer.bytes));
            }
            (SelectionQuestion::Content(_, mut tries), Err(REFUSED)) if !tries.is_empty() => {
                if let Some(next) = tries.pop_front() {
                    return self.try_content(next, tries, now);
                }
            }
            (SelectionQuestion::Content(..), Err(why)) => out.refuse(self.serial, why),
        }
        match self.next.take() {
            Some(_) if out.is_sending() => out.refuse(self.serial, "another fetch is under way"),
            Some(form) => self.ask_content(form, now, out)?,
            None => {}
        }
        Ok(())
    }

    /// Tells the technician what there is, and where it is nothing, why.
    fn offer(&mut self, offer: OwnerOffer, out: &mut ClipboardMessages) {
        let forms = offer.forms().into_iter().map(|form| (form, None)).collect();
        out.say(ClipboardMessage::Has { serial: self.serial, forms });
        if let OwnerOffer::Nothing(Some(why)) = &offer {
            out.refuse(self.serial, why);
        }
        self.offer = offer;
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.asking.as_ref().map(|asking| asking.until)
    }

    pub(super) fn overdue(&mut self, now: Instant, out: &mut ClipboardMessages) -> Result<(), DisplayError> {
        if self.asking.as_ref().is_some_and(|asking| asking.until <= now) {
            self.done(Err(SILENT), now, out)?;
        }
        Ok(())
    }
}

/// Reads and deletes the property that applications answer in.
fn read(link: &XConnection, window: Window) -> Result<Option<GetPropertyReply>, DisplayError> {
    let units = u32::try_from(MAX_CLIPBOARD / 4).unwrap_or(u32::MAX);
    let property = link.atoms.NEARHAND_CLIPBOARD;
    let asked = link.conn.get_property(true, window, property, x11rb::NONE, 0, units);
    unless_refused(asked.map_err(ended)?.reply())
}

/// Whether this many bytes may be taken, and the property held no more than was read.
fn fits(len: usize, reply: &GetPropertyReply) -> bool {
    reply.bytes_after == 0 && u64::try_from(len).is_ok_and(|len| len <= MAX_CLIPBOARD)
}

/// An application's targets and their names.
fn names(link: &XConnection, targets: &[u8]) -> Result<Vec<(Atom, String)>, DisplayError> {
    let (targets, _) = targets.as_chunks::<4>();
    let mut asked = Vec::new();
    for target in targets.iter().take(MOST_TARGETS) {
        let atom = Atom::from_ne_bytes(*target);
        asked.push((atom, link.conn.get_atom_name(atom).map_err(ended)?));
    }
    let mut names = Vec::new();
    for (atom, cookie) in asked {
        let reply = unless_refused(cookie.reply())?;
        names.extend(reply.map(|reply| (atom, String::from_utf8_lossy(&reply.name).into_owned())));
    }
    Ok(names)
}
