//! From an application's clipboard to the technician: what it has, and its content when that is fetched.

use std::time::Instant;

use nearhand_proto::message::screen::{ClipboardForm, ClipboardMessage, MAX_CLIPBOARD};
use x11rb::protocol::xproto::{
    Atom, ConnectionExt as _, GetPropertyReply, Property, PropertyNotifyEvent, SelectionNotifyEvent,
    Timestamp, Window,
};

use super::super::{XConnection, ended, unless_refused};
use super::{ClipboardMessages, PATIENCE, target};
use crate::source::DisplayError;

const CHANGED: &str = "the device's clipboard has changed meanwhile";
const TOO_LARGE: &str = "it is larger than 16 MiB";
const SILENT: &str = "the program that has it does not answer";

/// What an application is being asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum SelectionQuestion {
    /// Which forms there are.
    Forms,
    /// The content in this form.
    Content(ClipboardForm),
}

struct SelectionRequest {
    question: SelectionQuestion,
    target: Atom,
    /// It comes in pieces, of which these are here.
    pieces: Option<Vec<u8>>,
    until: Instant,
}

/// Fetches from the application that owns the selection.
pub(super) struct SelectionReader {
    link: XConnection,
    window: Window,
    /// Of the last owner.
    serial: u32,
    since: Timestamp,
    asking: Option<SelectionRequest>,
    /// A fetch that came during another.
    next: Option<ClipboardForm>,
}

impl SelectionReader {
    pub(super) fn new(link: XConnection, window: Window) -> Self {
        Self { link, window, serial: 0, since: x11rb::CURRENT_TIME, asking: None, next: None }
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
        if !any {
            out.say(ClipboardMessage::Has { serial: self.serial, forms: Vec::new() });
            return Ok(());
        }
        self.ask(SelectionQuestion::Forms, now)
    }

    /// What was to be fetched can no longer be.
    pub(super) fn lost(&mut self, out: &mut ClipboardMessages) {
        let asked = self.asking.take().is_some_and(|asking| asking.question != SelectionQuestion::Forms);
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
        } else if self.next.is_some() || out.content.is_some() {
            out.refuse(serial, "another fetch is under way");
        } else if self.asking.is_some() {
            self.next = Some(form);
        } else {
            self.ask(SelectionQuestion::Content(form), now)?;
        }
        Ok(())
    }

    fn ask(&mut self, question: SelectionQuestion, now: Instant) -> Result<(), DisplayError> {
        let atoms = self.link.atoms;
        let target = match question {
            SelectionQuestion::Forms => atoms.TARGETS,
            SelectionQuestion::Content(form) => target(&self.link, form),
        };
        let conn = &self.link.conn;
        conn.delete_property(self.window, atoms.NEARHAND_CLIPBOARD).map_err(ended)?;
        conn.convert_selection(self.window, atoms.CLIPBOARD, target, atoms.NEARHAND_CLIPBOARD, self.since)
            .map_err(ended)?;
        self.asking = Some(SelectionRequest { question, target, pieces: None, until: now + PATIENCE });
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
            return self.done(None, "the program that has it refused", now, out);
        }
        let incr = self.link.atoms.INCR;
        match read(&self.link, self.window)? {
            Some(reply) if reply.type_ == incr => {
                asking.pieces = Some(Vec::new());
                asking.until = now + PATIENCE;
                Ok(())
            }
            Some(reply) if fits(reply.value.len(), &reply) => self.done(Some(reply.value), "", now, out),
            Some(_) => self.done(None, TOO_LARGE, now, out),
            None => self.done(None, SILENT, now, out),
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
        let Some(pieces) = asking.pieces.as_mut() else { return Ok(()) };
        let Some(reply) = read(&self.link, self.window)? else { return Ok(()) };
        // The notice of the first answer, which has been read.
        if reply.type_ == x11rb::NONE {
            return Ok(());
        }
        if !fits(pieces.len() + reply.value.len(), &reply) {
            return self.done(None, TOO_LARGE, now, out);
        }
        asking.until = now + PATIENCE;
        if reply.value.is_empty() {
            let content = std::mem::take(pieces);
            return self.done(Some(content), "", now, out);
        }
        pieces.extend(reply.value);
        Ok(())
    }

    fn done(
        &mut self,
        content: Option<Vec<u8>>,
        why: &str,
        now: Instant,
        out: &mut ClipboardMessages,
    ) -> Result<(), DisplayError> {
        let question = self.asking.take().map(|asking| asking.question);
        match (question, content) {
            (Some(SelectionQuestion::Forms), content) => {
                let forms = forms(&self.link, content.as_deref().unwrap_or_default());
                out.say(ClipboardMessage::Has { serial: self.serial, forms });
            }
            (Some(SelectionQuestion::Content(form)), Some(content)) => {
                let content = match form {
                    ClipboardForm::Text => text(content),
                    ClipboardForm::Png => content,
                };
                out.content = Some((self.serial, form, content, 0));
            }
            (Some(SelectionQuestion::Content(_)), None) => out.refuse(self.serial, why),
            (None, _) => {}
        }
        match self.next.take() {
            Some(_) if out.content.is_some() => out.refuse(self.serial, "another fetch is under way"),
            Some(form) => self.ask(SelectionQuestion::Content(form), now)?,
            None => {}
        }
        Ok(())
    }

    pub(super) fn wake(&self) -> Option<Instant> {
        self.asking.as_ref().map(|asking| asking.until)
    }

    pub(super) fn overdue(&mut self, now: Instant, out: &mut ClipboardMessages) {
        let Some(asking) = self.asking.take_if(|asking| asking.until <= now) else { return };
        self.next = None;
        match asking.question {
            SelectionQuestion::Forms => {
                out.say(ClipboardMessage::Has { serial: self.serial, forms: Vec::new() });
            }
            SelectionQuestion::Content(_) => out.refuse(self.serial, SILENT),
        }
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

/// Which of our forms are among an application's targets.
fn forms(link: &XConnection, targets: &[u8]) -> Vec<(ClipboardForm, Option<u64>)> {
    let (targets, _) = targets.as_chunks::<4>();
    let has = |atom: Atom| targets.iter().any(|target| Atom::from_ne_bytes(*target) == atom);
    let forms = [ClipboardForm::Text, ClipboardForm::Png];
    forms.into_iter().filter(|form| has(target(link, *form))).map(|form| (form, None)).collect()
}

/// What claims to be UTF-8, made so.
fn text(content: Vec<u8>) -> Vec<u8> {
    match String::from_utf8(content) {
        Ok(text) => text.into_bytes(),
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned().into_bytes(),
    }
}
