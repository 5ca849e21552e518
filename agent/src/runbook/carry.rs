//! A run and its end, as they are written down and told; and the end of those that a killed agent has left.

use std::sync::Arc;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{self, AgentNotice};
use nearhand_proto::message::runbook::RunbookMessage;
use nearhand_proto::runbook::{RunOutcome, RunbookAction};
use tokio::sync::{mpsc, watch};

use super::acts::ActContext;
use super::exec::{self, RunJournal, RunNotes, RunPlan};
use super::ledger::{SharedLedger, UndoStep};
use crate::hub::Hub;
use nearhand_agent_core::gate::RunStarter;

/// Who or what started a run.
#[derive(Clone, Debug)]
pub(super) struct RunOrigin {
    pub(super) actor: String,
    pub(super) session: Option<SessionId>,
    pub(super) by: RunStarter,
}

/// A run on its way: where its steps and its end are written down and told.
pub(super) struct RunTask {
    pub(super) ledger: SharedLedger,
    pub(super) hub: Arc<Hub>,
    pub(super) origin: RunOrigin,
}

impl RunTask {
    /// Carries the run out and tells its outcome.
    pub(super) async fn carry_out(
        &self,
        ground: ActContext,
        run: RunPlan,
        tell: mpsc::Sender<RunbookMessage>,
        mut cancelled: watch::Receiver<Option<String>>,
    ) {
        let notes = RunNotes::new(tell.clone());
        let outcome = exec::carry_out(&ground, &run, self, &notes, &mut cancelled).await;
        self.ended(&outcome).await;
        // A caller that has gone finds the outcome in the ledger, and gets it by ordering the run again.
        let _ = tell.send(RunbookMessage::Over(Box::new(outcome))).await;
    }

    /// Writes down and tells how the run ended.
    pub(super) async fn ended(&self, outcome: &RunOutcome) {
        let detail = format!(
            "{} {}, run {}: {}: {}",
            outcome.runbook,
            outcome.version,
            outcome.run,
            outcome.ending.name(),
            outcome.why
        );
        let (runbook, why) = (outcome.runbook.clone(), outcome.why.clone());
        let said = AgentNotice::RunbookOver { runbook, ending: outcome.ending, why };
        tell_person(&self.hub, self.origin.session, said);
        self.hub.note(&self.origin.actor, "runbook.end", self.origin.session, detail);
        let outcome = outcome.clone();
        let _ = self.ledger.with(move |ledger| ledger.end(&outcome)).await;
    }
}

impl RunJournal for RunTask {
    async fn applying(
        &self,
        run: &RunPlan,
        step: u32,
        act: RunbookAction,
        before: &str,
        undo: &[UndoStep],
    ) -> Result<(), String> {
        let detail =
            format!("{}, run {}, step {step}: {}; before: {before}", run.runbook, run.id, act.name());
        self.hub
            .record(&self.origin.actor, "runbook.apply", self.origin.session, detail)
            .await
            .map_err(|refusal| refusal.to_string())?;
        let (id, undo) = (run.id, undo.to_vec());
        self.ledger
            .with(move |ledger| ledger.applying(id, step, act, &undo))
            .await
            .map_err(|refused| refused.to_string())?;
        let said = AgentNotice::RunbookStep { runbook: run.runbook.clone(), act, before: before.to_owned() };
        tell_person(&self.hub, self.origin.session, said);
        Ok(())
    }
}

/// Tells the person at the device: in the session, or in every local program that is connected.
pub(super) fn tell_person(hub: &Hub, session: Option<SessionId>, said: AgentNotice) {
    match session {
        Some(session) => hub.update(|sessions, now| sessions.did(now, session, local::Activity::Told(said))),
        None => hub.notice(said),
    }
}
