//! Lists that people ask for, and routing digits.

use nearhand_proto::audit::AuditRow;
use nearhand_proto::credential::{Role, VerifiedCredential};
use nearhand_proto::id::{DeviceId, SessionId, TechnicianId};
use nearhand_proto::message::control::{
    DeviceEntry, FRAME_LIMIT, ListPage, PAGE, PersonEntry, RelayRefusal, RelayReply,
};
use nearhand_proto::support_code::RoutingDigits;
use nearhand_proto::wire;
use nearhand_relay_core::caller::PeerId;
use nearhand_relay_core::registry::routing::NoDigits;
use rand_core::OsRng;
use serde::Serialize;
use std::time::Instant;

use super::plane::{ConnectedPeer, ControlPlane, storage};
use crate::store::StoreError;

/// Bytes of a list in one reply: what a frame takes, without its own few.
const LIST_BYTES: usize = FRAME_LIMIT - 1024;

/// As many of the first entries as one frame takes.
pub(super) fn that_fit<T: Serialize>(mut entries: Vec<T>) -> Vec<T> {
    let mut room = LIST_BYTES;
    let fitting = entries.iter().take_while(|entry| {
        let len = wire::encode(entry).map_or(usize::MAX, |bytes| bytes.len());
        room.checked_sub(len).map(|left| room = left).is_some()
    });
    let count = fitting.count();
    entries.truncate(count);
    entries
}

/// The first entries as a page; `total` is how many the list has from the first of them on.
pub(super) fn page<T: Serialize>(entries: Vec<T>, total: u64) -> ListPage<T> {
    let mut entries = that_fit(entries);
    entries.truncate(PAGE);
    let shown = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    ListPage { left: u32::try_from(total.saturating_sub(shown)).unwrap_or(u32::MAX), entries }
}

impl ControlPlane {
    pub(super) fn allot_routing(
        &self,
        peer: &ConnectedPeer,
        wanted: Option<RoutingDigits>,
    ) -> Result<RelayReply, RelayRefusal> {
        let id = peer.id().ok_or(RelayRefusal::NotAllowed)?;
        let allotted =
            self.state().registry.routing.allot(id, peer.network, wanted, Instant::now(), &mut OsRng);
        allotted.map(RelayReply::Digits).map_err(|none| {
            let what = match none {
                NoDigits::All => "support codes",
                NoDigits::Network => "support codes of machines that aren't enrolled, from one network",
            };
            RelayRefusal::Full { what: what.into() }
        })
    }

    pub(crate) async fn devices(&self, after: Option<DeviceId>) -> Result<RelayReply, RelayRefusal> {
        let total = self.store.reader().devices_after(after).await.map_err(storage)?;
        let rows = self.store.reader().devices(after, PAGE).await.map_err(storage)?;
        let state = self.state();
        let entries = rows
            .into_iter()
            .map(|row| DeviceEntry {
                online: state.registry.is_online(&PeerId::Device(row.id)),
                id: row.id,
                credential: row.credential,
                facts: row.facts,
                version: row.version.into(),
                last_seen: row.last_seen,
            })
            .collect();
        Ok(RelayReply::Devices(page(entries, total)))
    }

    pub(super) async fn people(&self, after: Option<TechnicianId>) -> Result<RelayReply, RelayRefusal> {
        let stored = self.store.reader().people(after, PAGE).await.map_err(storage)?;
        let state = self.state();
        let entries = stored
            .rows
            .into_iter()
            .map(|row| PersonEntry {
                online: state.registry.is_online(&PeerId::Person(row.id)),
                id: row.id,
                credential: row.credential,
                last_seen: row.last_seen,
            })
            .collect();
        Ok(RelayReply::People(page(entries, stored.total)))
    }

    pub(super) async fn sessions(
        &self,
        who: &VerifiedCredential,
        before: Option<SessionId>,
    ) -> Result<RelayReply, RelayRefusal> {
        let of = (who.invite.role != Role::Admin).then(|| who.first_key().technician_id());
        let stored = self.store.reader().sessions(of, before, PAGE).await.map_err(storage)?;
        let mut entries = stored.rows;
        for entry in entries.iter_mut().filter(|e| e.ended.is_none()) {
            entry.bytes = self.bytes_of(&entry.id).unwrap_or(entry.bytes);
        }
        Ok(RelayReply::Sessions(page(entries, stored.total)))
    }

    pub(super) async fn audit(
        &self,
        who: &VerifiedCredential,
        after: u64,
    ) -> Result<RelayReply, RelayRefusal> {
        if who.invite.role != Role::Admin {
            return Err(RelayRefusal::NotAllowed);
        }
        let rows = self.store.reader().audit(after, PAGE).await.map_err(storage)?;
        let rows: Vec<AuditRow> = rows
            .iter()
            .map(|json| serde_json::from_str(json))
            .collect::<Result<_, _>>()
            .map_err(|_| storage(StoreError::Unreadable("audit")))?;
        Ok(RelayReply::Audit { keys: vec![self.key], rows: that_fit(rows) })
    }
}
