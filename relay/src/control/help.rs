//! People who ask for help, the technicians who take care of them, and what they thought of it.

use std::time::Instant;

use nearhand_proto::credential::{Role, VerifiedCredential};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{PAGE, RelayPush, RelayRefusal, RelayReply};
use nearhand_proto::message::help::{HelpEntry, HelpProgress, HelpRequest, SessionFeedback};
use nearhand_relay_core::caller::Caller;
use nearhand_relay_core::caller::PeerId;

use super::lists::page;
use super::plane::{ConnectedPeer, ControlPlane, now_unix, storage};
use super::refusals::event;
use crate::store::{HelpWrite, NewHelpRequest, StoreWrite, WriteOutcome};

/// How many of the people who come next learn at once that their place has changed; others learn it when they ask.
const FIRST: usize = 50;

fn invalid(what: &str) -> RelayRefusal {
    RelayRefusal::Invalid { what: what.into() }
}

impl ControlPlane {
    pub(super) async fn ask_for_help(
        &self,
        peer: &ConnectedPeer,
        wish: u64,
        wanted: HelpRequest,
    ) -> Result<RelayReply, RelayRefusal> {
        let id = peer.id().ok_or(RelayRefusal::NotAllowed)?;
        let wanted = wanted.safe().ok_or_else(|| invalid("it doesn't say what is the matter"))?;
        self.state().registry.count_wish(id, peer.network, Instant::now())?;
        let name = match &peer.caller {
            Caller::Guest(name) => name.to_string(),
            caller => caller.verified().map(|who| who.invite.name.clone()).unwrap_or_default(),
        };
        let events = self.event_of_stranger(peer, "help.asked", wanted.urgency.in_words());
        let guest_of = matches!(id, PeerId::Guest(_)).then_some(peer.network);
        let asking = NewHelpRequest { peer: id, guest_of, wish, name, wanted, at: now_unix() };
        let write = StoreWrite::Help(Box::new(HelpWrite::Ask(Box::new(asking))));
        match self.store.write_audited(write, events).await.map_err(storage)? {
            WriteOutcome::Number(number) => {
                // It may be more urgent than others, or have taken the place of one that was.
                self.moved().await;
                self.place(number).await.map(|(_, place)| RelayReply::Help(place))
            }
            WriteOutcome::Done | WriteOutcome::Conflict => {
                Err(RelayRefusal::Full { what: "requests for help".into() })
            }
        }
    }

    pub(super) async fn withdraw_help(&self, peer: &ConnectedPeer) -> Result<RelayReply, RelayRefusal> {
        let id = peer.id().ok_or(RelayRefusal::NotAllowed)?;
        let events = self.event_of_stranger(peer, "help.withdrawn", "");
        let write = StoreWrite::Help(Box::new(HelpWrite::Withdraw(id, now_unix())));
        self.store.write_audited(write, events).await.map_err(storage)?;
        self.moved().await;
        Ok(RelayReply::Done)
    }

    pub(super) async fn help_queue(&self, closed: bool, skip: u32) -> Result<RelayReply, RelayRefusal> {
        let stored = self.store.reader().help_queue(closed, skip, PAGE).await.map_err(storage)?;
        let mut entries = Vec::with_capacity(stored.rows.len());
        for (peer, entry) in stored.rows {
            let resembles = match entry.device {
                Some(_) => None,
                None => self.store.reader().device_named_like(&entry.name).await.map_err(storage)?,
            };
            let online = self.state().registry.is_online(&peer);
            entries.push(HelpEntry { online, resembles, ..entry });
        }
        Ok(RelayReply::HelpQueue(page(entries, stored.total)))
    }

    pub(super) async fn take_help(
        &self,
        peer: &ConnectedPeer,
        who: &VerifiedCredential,
        number: u64,
    ) -> Result<RelayReply, RelayRefusal> {
        let (id, name) = (who.first_key().technician_id(), who.invite.name.clone());
        let write = HelpWrite::Take(number, id, name, now_unix());
        self.change_help(peer, "help.taken", number, write).await
    }

    pub(super) async fn close_help(
        &self,
        peer: &ConnectedPeer,
        number: u64,
    ) -> Result<RelayReply, RelayRefusal> {
        self.change_help(peer, "help.closed", number, HelpWrite::Close(number, now_unix())).await
    }

    async fn change_help(
        &self,
        peer: &ConnectedPeer,
        action: &'static str,
        number: u64,
        write: HelpWrite,
    ) -> Result<RelayReply, RelayRefusal> {
        let event = event(&peer.actor(), action, None, format!("request {number}"));
        let write = StoreWrite::Help(Box::new(write));
        if self.store.write_audited(write, vec![event]).await.map_err(storage)? == WriteOutcome::Conflict {
            return Err(RelayRefusal::NoSuchHelp);
        }
        let (of, place) = self.place(number).await?;
        // Who asked reads it; an agent that was replaced by an older one passes it over.
        self.tell(&of, &RelayPush::Help(place));
        self.moved().await;
        Ok(RelayReply::Done)
    }

    async fn place(&self, number: u64) -> Result<(PeerId, HelpProgress), RelayRefusal> {
        self.store.reader().help_place(number).await.map_err(storage)?.ok_or(RelayRefusal::NoSuchHelp)
    }

    /// Tells those who wait where they stand now.
    async fn moved(&self) {
        // A reader that fails is known to the store's health; they learn it when they ask again.
        let Ok(waiting) = self.store.reader().help_queue(false, 0, FIRST).await else { return };
        for (peer, entry) in waiting.rows.into_iter().filter(|(_, entry)| entry.taken.is_none()) {
            if self.state().registry.is_online(&peer)
                && let Ok((_, place)) = self.place(entry.number).await
            {
                self.tell(&peer, &RelayPush::Help(place));
            }
        }
    }

    pub(super) async fn opine(
        &self,
        peer: &ConnectedPeer,
        session: SessionId,
        opinion: SessionFeedback,
    ) -> Result<RelayReply, RelayRefusal> {
        let id = peer.id().ok_or(RelayRefusal::NotAllowed)?;
        let opinion = opinion.safe().ok_or_else(|| invalid("it says nothing, or other than 1 to 5 stars"))?;
        self.state().registry.count_wish(id, peer.network, Instant::now())?;
        let (action, detail) = match &opinion {
            SessionFeedback::Rating { stars, .. } => ("session.rated", format!("{stars} of 5")),
            SessionFeedback::Report { .. } => ("session.reported", String::new()),
        };
        let event = event(&peer.actor(), action, Some(session), detail);
        let write = StoreWrite::Help(Box::new(HelpWrite::Opine(id, session, opinion, now_unix())));
        match self.store.write_audited(write, vec![event]).await.map_err(storage)? {
            WriteOutcome::Conflict => Err(RelayRefusal::NoSuchSession),
            WriteOutcome::Done | WriteOutcome::Number(_) => Ok(RelayReply::Done),
        }
    }

    pub(super) async fn opinions(
        &self,
        who: &VerifiedCredential,
        skip: u32,
    ) -> Result<RelayReply, RelayRefusal> {
        let is_admin = who.invite.role == Role::Admin;
        let of = (!is_admin).then(|| who.first_key().technician_id());
        let stored = self.store.reader().opinions(of, skip, PAGE).await.map_err(storage)?;
        let mut entries = stored.rows;
        if !is_admin {
            // What was reported of somebody is not for them.
            entries.iter_mut().for_each(|entry| entry.report.clear());
        }
        Ok(RelayReply::Feedback(page(entries, stored.total)))
    }
}
