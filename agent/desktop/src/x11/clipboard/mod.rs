//! The CLIPBOARD selection: told to the technician by what forms it has, its content only when somebody pastes.
//!
//! [`take`] fetches from the application that owns it, [`give`] answers the applications that paste while we own it
//! for the technician. Both speak ICCCM with INCR for what is large, and wait for no one: each step is an event, and
//! what takes too long is given up. Text in every encoding of ICCCM, and PNG pictures.

mod give;
mod messages;
mod take;
mod targets;

use std::time::Instant;

use nearhand_proto::message::screen::ClipboardMessage;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xfixes::{ConnectionExt as _, SelectionEventMask};
use x11rb::protocol::xproto::{ConnectionExt as _, CreateWindowAux, EventMask, Window, WindowClass};

use self::messages::ClipboardMessages;
use super::connection::{XConnection, ended, unless_refused};
use crate::source::DisplayError;

/// Both directions, and what is still to be said to the technician.
pub(super) struct ClipboardSelection {
    link: XConnection,
    window: Window,
    shared: bool,
    taker: take::SelectionReader,
    giver: give::SelectionOwner,
    out: ClipboardMessages,
}

impl ClipboardSelection {
    pub(super) fn new(link: XConnection) -> Result<Self, DisplayError> {
        let window = link.conn.generate_id().map_err(|error| DisplayError::Ended(error.to_string()))?;
        let aux = CreateWindowAux::new().override_redirect(1).event_mask(EventMask::PROPERTY_CHANGE);
        let made =
            link.conn.create_window(0, window, link.root, -1, -1, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &aux);
        made.map_err(ended)?;
        Ok(Self {
            taker: take::SelectionReader::new(link.clone(), window),
            giver: give::SelectionOwner::new(link.clone(), window),
            link,
            window,
            shared: false,
            out: ClipboardMessages::default(),
        })
    }

    /// Begins or ends taking part.
    pub(super) fn share(&mut self, on: bool, now: Instant) -> Result<(), DisplayError> {
        let changes = SelectionEventMask::SET_SELECTION_OWNER
            | SelectionEventMask::SELECTION_WINDOW_DESTROY
            | SelectionEventMask::SELECTION_CLIENT_CLOSE;
        let mask = if on { changes } else { SelectionEventMask::default() };
        let clipboard = self.link.atoms.CLIPBOARD;
        self.link.conn.xfixes_select_selection_input(self.window, clipboard, mask).map_err(ended)?;
        if on && !self.shared {
            let owner = self.link.conn.get_selection_owner(clipboard).map_err(ended)?.reply();
            if let Some(reply) = unless_refused(owner)?
                && reply.owner != x11rb::NONE
            {
                self.taker.changed(true, x11rb::CURRENT_TIME, now, &mut self.out)?;
            }
        }
        if !on {
            self.taker.stop();
            self.giver.stop()?;
            self.out = ClipboardMessages::default();
        }
        self.shared = on;
        Ok(())
    }

    /// A message of the technician's.
    pub(super) fn told(&mut self, message: ClipboardMessage, now: Instant) -> Result<(), DisplayError> {
        if !self.shared {
            return Ok(());
        }
        match message {
            ClipboardMessage::Has { serial, forms } => {
                let forms = forms.into_iter().map(|(form, _)| form).collect();
                self.giver.offered(serial, forms)
            }
            ClipboardMessage::Fetch { serial, form } => self.taker.fetch(serial, form, now, &mut self.out),
            ClipboardMessage::Part { serial, form, bytes, last } => {
                self.giver.part(serial, form, &bytes, last, now, &mut self.out)
            }
            ClipboardMessage::Refused { serial, .. } => self.giver.refused(serial),
            ClipboardMessage::Taken { .. } => Ok(()),
        }
    }

    /// The next message to the technician.
    pub(super) fn tell(&mut self) -> Option<ClipboardMessage> {
        self.out.next()
    }

    /// An event that may concern the clipboard.
    pub(super) fn take(&mut self, event: &Event, now: Instant) -> Result<(), DisplayError> {
        if !self.shared {
            return Ok(());
        }
        match event {
            Event::XfixesSelectionNotify(event) if event.owner == self.window => {
                self.giver.owned_since(event.selection_timestamp);
                self.taker.lost(&mut self.out);
                Ok(())
            }
            Event::XfixesSelectionNotify(event) => {
                let any = event.owner != x11rb::NONE;
                self.taker.changed(any, event.selection_timestamp, now, &mut self.out)
            }
            Event::SelectionNotify(event) => self.taker.answered(event, now, &mut self.out),
            Event::PropertyNotify(event) if event.window == self.window => {
                self.taker.more(event, now, &mut self.out)
            }
            Event::PropertyNotify(event) => self.giver.taken(event, now),
            Event::SelectionRequest(event) => self.giver.asked(event, now, &mut self.out),
            Event::SelectionClear(_) => self.giver.lost(),
            _ => Ok(()),
        }
    }

    /// When to call [`ClipboardSelection::overdue`].
    pub(super) fn wake(&self) -> Option<Instant> {
        [self.taker.wake(), self.giver.wake()].into_iter().flatten().min()
    }

    /// Gives up what has taken too long.
    pub(super) fn overdue(&mut self, now: Instant) -> Result<(), DisplayError> {
        self.taker.overdue(now, &mut self.out)?;
        self.giver.overdue(now)
    }
}
