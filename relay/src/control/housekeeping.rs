//! What happens by the clock: lost sessions end, what was seen is stored, old records go; and the shutdown.

use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nearhand_proto::id::SessionId;
use nearhand_proto::message::control::{CloseCode, CloseOutcome, RelayPush};
use nearhand_proto::time::UnixMillis;
use quinn::{Endpoint, VarInt};

use super::plane::{ControlPlane, now_unix};
use crate::store::{AlarmWrite, HelpWrite, StoreWrite};

/// Between two rounds.
const ROUND: Duration = Duration::from_secs(5);
/// Rounds between two records of running sessions' bytes: a crash forgets a minute of counting.
const COUNT_EVERY: u64 = 12;
/// Rounds between two removals of old sessions: an hour.
const PRUNE_EVERY: u64 = 720;
/// Ends of sessions kept while they can't be stored; those beyond are found lost after a restart.
const MAX_UNSAVED: usize = 10_000;
/// Shutdown: how long goodbyes may take.
const GOODBYE: Duration = Duration::from_secs(2);
/// Shutdown: milliseconds over which each connection spreads the return of all: 300 handshakes a second.
const RETURN_MS_EACH: u32 = 3;
/// Shutdown: everybody is asked back within these, in milliseconds.
const RETURN_WITHIN_MS: (u32, u32) = (1_000, 30_000);

impl ControlPlane {
    /// Runs until the program ends.
    pub async fn keep_house(self: Arc<Self>) {
        let mut rounds = tokio::time::interval(ROUND);
        rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut counted: Vec<(SessionId, u64)> = Vec::new();
        for round in 0_u64.. {
            rounds.tick().await;
            self.round().await;
            if round % COUNT_EVERY == 0 {
                self.count_running(&mut counted).await;
            }
            if round % PRUNE_EVERY == 0 {
                self.prune().await;
            }
        }
    }

    async fn round(&self) {
        self.state().registry.sweep(Instant::now());
        self.end_lost().await;
        self.end_expired().await;
        self.store_tally(false).await;
        self.store_seen().await;
        self.store_unsaved().await;
        self.watch_silence().await;
        if self.store.trouble().is_some() {
            // Finds out whether writing works again, with nobody having to fail for it.
            let _ = self.store.write(StoreWrite::Meta("probe", now_unix().to_string())).await;
        }
    }

    async fn end_lost(&self) {
        let lives = |id: &SessionId| self.path.usage(*id).is_some_and(|usage| usage.bound);
        let lost = self.state().registry.sessions.sweep(Instant::now(), lives);
        for id in lost {
            self.end_session(&id, CloseOutcome::Lost, "relay", None).await;
        }
    }

    /// Stores who was seen since the last time.
    pub(super) async fn store_seen(&self) {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        if !seen.is_empty() {
            // A failure is known to the store's health; this much may be lost.
            let _ = self.store.write(StoreWrite::Seen(seen)).await;
        }
    }

    pub(super) fn keep_unsaved(&self, write: StoreWrite) {
        let mut unsaved = self.unsaved.lock().unwrap_or_else(PoisonError::into_inner);
        if unsaved.len() < MAX_UNSAVED {
            unsaved.push(write);
        }
    }

    async fn store_unsaved(&self) {
        if self.store.trouble().is_some() {
            return;
        }
        let unsaved = std::mem::take(&mut *self.unsaved.lock().unwrap_or_else(PoisonError::into_inner));
        for write in unsaved {
            if let StoreWrite::Close(id, at, outcome, bytes) = write
                && self.store.write(StoreWrite::Close(id, at, outcome, bytes)).await.is_err()
            {
                self.keep_unsaved(StoreWrite::Close(id, at, outcome, bytes));
            }
        }
    }

    async fn count_running(&self, counted: &mut Vec<(SessionId, u64)>) {
        let ids: Vec<SessionId> = self.state().registry.sessions.iter().map(|s| s.id).collect();
        let counts: Vec<_> = ids.iter().filter_map(|id| Some((*id, self.bytes_of(id)?))).collect();
        let news: Vec<_> = counts.iter().filter(|count| !counted.contains(count)).copied().collect();
        *counted = counts;
        if !news.is_empty() {
            let _ = self.store.write(StoreWrite::Count(news)).await;
        }
    }

    async fn prune(&self) {
        let expire = HelpWrite::Expire(now_unix());
        let _ = self.store.write(StoreWrite::Help(Box::new(expire))).await;
        let keep = Duration::from_secs(u64::from(self.limits.session_days) * 86_400);
        let keep = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        let before = UnixMillis(now_unix().0.saturating_sub(keep));
        let _ = self.store.write(StoreWrite::Prune(before)).await;
        let keep = u64::from(self.limits.alarm_days).saturating_mul(86_400_000);
        let before = UnixMillis(now_unix().0.saturating_sub(keep));
        let _ = self.store.write_alarm(AlarmWrite::Prune(before)).await;
    }

    /// Says goodbye to everybody and closes the endpoint. Sessions are forwarded until the program ends.
    pub async fn stop(&self, endpoint: &Endpoint) {
        self.stopping.store(true, Ordering::Relaxed);
        let online: usize = self.census().online.iter().map(|(_, n)| n).sum();
        let spread = u32::try_from(online).unwrap_or(u32::MAX).saturating_mul(RETURN_MS_EACH);
        let within_ms = spread.clamp(RETURN_WITHIN_MS.0, RETURN_WITHIN_MS.1);
        let goodbye = self.tell_all_and_wait(RelayPush::Goodbye { within_ms });
        let _ = tokio::time::timeout(GOODBYE, goodbye).await;
        endpoint.close(VarInt::from_u32(CloseCode::ShuttingDown.number()), b"");
        let _ = tokio::time::timeout(GOODBYE, endpoint.wait_idle()).await;
        self.store_tally(true).await;
        self.store_seen().await;
        self.store_unsaved().await;
    }
}
