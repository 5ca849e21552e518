//! Carries a run out: its steps in order, each looked at before and after, and undone from the last to the first when
//! it doesn't go well, takes too long or is stopped.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nearhand_proto::id::RunId;
use nearhand_proto::message::runbook::RunbookMessage;
use nearhand_proto::runbook::{
    MAX_NOTES, MAX_SAW, ParameterValues, RunEnding, RunMode, RunOutcome, RunbookAction, StepNote, StepPhase,
};
use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::acts::{self, ActContext, ActError, ActResult};
use super::ledger::UndoStep;

/// How long undoing one thing may take.
const UNDO_WITHIN: Duration = Duration::from_secs(90);

/// A run that may begin.
#[derive(Clone, Debug)]
pub(super) struct RunPlan {
    pub(super) id: RunId,
    pub(super) runbook: String,
    pub(super) version: u32,
    pub(super) mode: RunMode,
    pub(super) steps: Vec<(RunbookAction, ParameterValues)>,
    pub(super) timeout: Duration,
    pub(super) began: UnixMillis,
}

/// What has to be written down before a step is applied; `Err` and it isn't.
pub(super) trait RunJournal: Sync {
    /// A step is about to be applied: what was seen before, what undoing it needs.
    fn applying(
        &self,
        run: &RunPlan,
        step: u32,
        act: RunbookAction,
        before: &str,
        undo: &[UndoStep],
    ) -> impl Future<Output = Result<(), String>> + Send;
}

/// Takes note of what happens.
pub(super) struct RunNotes {
    kept: Mutex<Vec<StepNote>>,
    /// To the session that follows the run. A slow one misses some notes; the outcome has them all.
    to: mpsc::Sender<RunbookMessage>,
}

impl RunNotes {
    pub(super) fn new(to: mpsc::Sender<RunbookMessage>) -> Self {
        Self { kept: Mutex::default(), to }
    }

    fn begins(&self, step: u32, of: u32, phase: StepPhase) {
        let _ = self.to.try_send(RunbookMessage::Begun { step, of, phase });
    }

    fn saw(&self, step: u32, act: RunbookAction, phase: StepPhase, well: bool, saw: &str) {
        let note = StepNote { step, act, phase, well, saw: text::one_line(saw, MAX_SAW) };
        let _ = self.to.try_send(RunbookMessage::Saw(note.clone()));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MAX_NOTES {
            kept.push(note);
        }
    }

    fn take(&self) -> Vec<StepNote> {
        core::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What was applied and can be undone, the first first.
type AppliedSteps = Mutex<Vec<(u32, RunbookAction, UndoStep)>>;

/// Carries the run out to its end. `cancelled` turns into the reason to stop it.
pub(super) async fn carry_out(
    ground: &ActContext,
    run: &RunPlan,
    keeps: &impl RunJournal,
    notes: &RunNotes,
    cancelled: &mut watch::Receiver<Option<String>>,
) -> RunOutcome {
    let applied = AppliedSteps::default();
    let end = tokio::select! {
        done = timeout(run.timeout, steps(ground, run, keeps, notes, &applied)) => match done {
            Ok(Ok(end)) => end,
            Ok(Err(why)) => (RunEnding::Failed, why),
            Err(_) => (RunEnding::TimedOut, format!("it took longer than {} s", run.timeout.as_secs())),
        },
        why = stopped(cancelled) => (RunEnding::Cancelled, why),
    };
    ground.stop.now();
    let (ending, mut why) = end;
    let left = core::mem::take(&mut *applied.lock().unwrap_or_else(PoisonError::into_inner));
    if !matches!(ending, RunEnding::Done | RunEnding::NotDone) && !left.is_empty() {
        why.push_str("; ");
        why.push_str(&undo_all(ground, left, run.steps.len(), notes).await);
    }
    outcome(run, ending, &why, notes)
}

/// What came of it.
pub(super) fn outcome(run: &RunPlan, ending: RunEnding, why: &str, notes: &RunNotes) -> RunOutcome {
    RunOutcome {
        run: run.id,
        runbook: run.runbook.clone(),
        version: run.version,
        mode: run.mode,
        ending,
        why: text::one_line(why, MAX_SAW),
        notes: notes.take(),
        began: run.began,
        ended: crate::hub::Hub::now(),
    }
}

async fn stopped(cancelled: &mut watch::Receiver<Option<String>>) -> String {
    match cancelled.wait_for(Option::is_some).await {
        Ok(why) => why.clone().unwrap_or_default(),
        Err(_) => "nobody follows it any more".to_owned(),
    }
}

/// Undoes the last first; says in words how that went.
pub(super) async fn undo_all(
    ground: &ActContext,
    left: Vec<(u32, RunbookAction, UndoStep)>,
    of: usize,
    notes: &RunNotes,
) -> String {
    let of = u32::try_from(of).unwrap_or(u32::MAX);
    let (mut undone, mut failed) = (0, 0);
    for (step, act, what) in left.into_iter().rev() {
        notes.begins(step, of, StepPhase::Rollback);
        let result = timeout(UNDO_WITHIN, acts::undo(ground, &what)).await;
        match result.unwrap_or_else(|_| Err("it took too long".to_owned())) {
            Ok(saw) => {
                undone += 1;
                notes.saw(step, act, StepPhase::Rollback, true, &saw);
            }
            Err(why) => {
                failed += 1;
                notes.saw(step, act, StepPhase::Rollback, false, &why);
            }
        }
    }
    match failed {
        0 => format!("what was done is undone ({undone})"),
        _ => format!("{undone} undone, {failed} could not be undone"),
    }
}

async fn steps(
    ground: &ActContext,
    run: &RunPlan,
    keeps: &impl RunJournal,
    notes: &RunNotes,
    applied: &AppliedSteps,
) -> Result<(RunEnding, String), String> {
    let of = u32::try_from(run.steps.len()).unwrap_or(u32::MAX);
    let numbered = || (1_u32..).zip(&run.steps);
    let mut wanted = Vec::new();
    let mut last = String::new();
    // Whether all of it can be done is known before any of it is.
    for (step, (act, values)) in numbered() {
        notes.begins(step, of, StepPhase::Precheck);
        match noted(notes, (step, *act, StepPhase::Precheck), acts::precheck(ground, *act, values).await) {
            Ok(before) => wanted.push((step, *act, values, before)),
            Err(ActError::Nothing(why)) => last = why,
            Err(ActError::Cannot(why) | ActError::Failed(why)) => return Ok((RunEnding::NotDone, why)),
        }
    }
    if wanted.is_empty() {
        return Ok((RunEnding::NotDone, format!("there is nothing to do: {last}")));
    }
    for (step, act, values, before) in wanted {
        let seen = match run.mode {
            RunMode::DryRun => {
                notes.begins(step, of, StepPhase::DryRun);
                noted(notes, (step, act, StepPhase::DryRun), acts::dry_run(ground, act, values).await)
            }
            RunMode::Apply => {
                let of_step = StepRun { run, step, of, act, values, before: &before };
                of_step.apply(ground, keeps, notes, applied).await
            }
        };
        match seen {
            Ok(saw) | Err(ActError::Nothing(saw)) => last = saw,
            Err(ActError::Cannot(why) | ActError::Failed(why)) => return Err(why),
        }
    }
    Ok((RunEnding::Done, last))
}

struct StepRun<'a> {
    run: &'a RunPlan,
    step: u32,
    of: u32,
    act: RunbookAction,
    values: &'a ParameterValues,
    before: &'a str,
}

impl StepRun<'_> {
    async fn apply(
        &self,
        ground: &ActContext,
        keeps: &impl RunJournal,
        notes: &RunNotes,
        applied: &AppliedSteps,
    ) -> ActResult {
        let Self { run, step, of, act, values, before } = self;
        let undo = acts::prepare(ground, *act, values).await?;
        keeps.applying(run, *step, *act, before, &undo).await.map_err(ActError::Failed)?;
        // From here on it counts as done: it may be half done when it is stopped.
        let mine = undo.iter().cloned().map(|one| (*step, *act, one));
        applied.lock().unwrap_or_else(PoisonError::into_inner).extend(mine);
        notes.begins(*step, *of, StepPhase::Apply);
        let done = acts::apply(ground, *act, values, &undo).await;
        noted(notes, (*step, *act, StepPhase::Apply), done.clone())?;
        notes.begins(*step, *of, StepPhase::Verify);
        let after =
            noted(notes, (*step, *act, StepPhase::Verify), acts::verify(ground, *act, values, &undo).await)?;
        Ok(format!("{}; {after}", done?))
    }
}

fn noted(
    notes: &RunNotes,
    (step, act, phase): (u32, RunbookAction, StepPhase),
    seen: ActResult,
) -> ActResult {
    let (well, saw) = match &seen {
        Ok(saw) | Err(ActError::Nothing(saw)) => (true, saw),
        Err(ActError::Cannot(why) | ActError::Failed(why)) => (false, why),
    };
    notes.saw(step, act, phase, well, saw);
    seen
}
