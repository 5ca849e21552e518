//! A run and its end, as they are written down and told; and the end of those that a killed agent has left.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::Said;
use nearhand_proto::message::runbook::FromDevice;
use nearhand_proto::runbook::{Act, Ending, Outcome};
use tokio::sync::{mpsc, watch};

use super::acts::Ground;
use super::exec::{self, Keeps, Notes, Run};
use super::ledger::Undo;
use super::{Origin, Runbooks};
use crate::hub::Hub;
use nearhand_agent_core::gate::{By, Rules};

/// What a run needs to be written down.
pub(super) struct Carry {
    pub(super) books: Arc<Runbooks>,
    pub(super) hub: Arc<Hub>,
    pub(super) origin: Origin,
}

impl Carry {
    pub(super) async fn out(
        &self,
        ground: Ground,
        run: Run,
        tell: mpsc::Sender<FromDevice>,
        mut cancelled: watch::Receiver<Option<String>>,
    ) {
        let notes = Notes::new(tell.clone());
        let outcome = exec::carry_out(&ground, &run, self, &notes, &mut cancelled).await;
        self.ended(&outcome);
        // Whoever has gone finds it in the ledger, and gets it by ordering the run again.
        let _ = tell.send(FromDevice::Over(Box::new(outcome))).await;
    }

    fn ended(&self, outcome: &Outcome) {
        let detail = format!(
            "{} {}, run {}: {}: {}",
            outcome.runbook,
            outcome.version,
            outcome.run,
            outcome.ending.name(),
            outcome.why
        );
        let (runbook, why) = (outcome.runbook.clone(), outcome.why.clone());
        let said = Said::RunbookOver { runbook, ending: outcome.ending, why };
        tell_person(&self.hub, self.origin.session, said);
        // It is over either way; the log's own notice has told the person if this could not be written.
        let _ = self.hub.audit(&self.origin.actor, "runbook.end", self.origin.session, detail);
        let _ = self.books.with(|ledger| ledger.end(outcome));
    }
}

impl Keeps for Carry {
    fn applying(&self, run: &Run, step: u32, act: Act, before: &str, undo: &[Undo]) -> Result<(), String> {
        let detail =
            format!("{}, run {}, step {step}: {}; before: {before}", run.runbook, run.id, act.name());
        self.hub
            .audit(&self.origin.actor, "runbook.apply", self.origin.session, detail)
            .map_err(|error| error.to_string())?;
        self.books
            .with(|ledger| ledger.applying(run.id, step, act, undo))
            .map_err(|refused| refused.to_string())?;
        let said = Said::RunbookStep { runbook: run.runbook.clone(), act, before: before.to_owned() };
        tell_person(&self.hub, self.origin.session, said);
        Ok(())
    }
}

/// Says it where the person at the device sees it: in the session, or to whoever watches.
pub(super) fn tell_person(hub: &Hub, session: Option<SessionId>, said: Said) {
    match session {
        Some(session) => hub.says(session, said),
        None => hub.notice(said),
    }
}

impl Runbooks {
    /// Ends what an agent that was killed has left: undone where that is possible, and told.
    pub(crate) async fn mend(self: Arc<Self>, hub: Arc<Hub>) {
        let Ok(unfinished) = self.with(|ledger| ledger.unfinished()) else { return };
        for left in unfinished {
            let _busy = self.busy.lock().await;
            let (tell, _told) = mpsc::channel(1);
            let notes = Notes::new(tell);
            let ground = self.ground(&hub, Rules::default());
            let run = Run {
                id: left.begun.run,
                runbook: left.begun.runbook.clone(),
                version: left.begun.version,
                mode: left.begun.mode,
                steps: Vec::new(),
                timeout: Duration::ZERO,
                began: left.begun.at,
            };
            let mut why = "the agent ended in the middle".to_owned();
            if !left.applied {
                why.push_str("; nothing was changed yet");
            } else if left.undo.is_empty() {
                why.push_str("; what was changed until then stays");
            } else {
                let steps = left.undo.len();
                why.push_str("; ");
                why.push_str(&exec::undo_all(&ground, left.undo, steps, &notes).await);
            }
            let outcome = exec::outcome(&run, Ending::Interrupted, &why, &notes);
            let carry = Carry {
                books: self.clone(),
                hub: hub.clone(),
                origin: Origin { actor: left.begun.actor, session: None, by: By::Rule },
            };
            carry.ended(&outcome);
        }
    }
}
