//! Runbooks on this device: which there are, whether one may run, running it, and the record of it.
//!
//! Lives here: the way from an order, or from an alarm, to a run. What there is says [`known`], `nearhand_agent_core::gate` decides, the [`ledger`] remembers, [`exec`] carries out, [`acts`] do, and [`carry`] writes down how it ends. Must not
//! live here: streams and how anything is shown.
//!
//! The order that a run happens once by: judged → written to the record and the ledger, synced → begun → its outcome
//! written to both.

mod acts;
mod carry;
mod exec;
pub(crate) mod known;
pub(crate) mod ledger;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nearhand_proto::id::{RunId, SessionId};
use nearhand_proto::identity::Signed;
use nearhand_proto::message::control::RelayRequest;
use nearhand_proto::message::local::AgentNotice;
use nearhand_proto::message::runbook::{MAX_LISTED, RunbookEntry, RunbookMessage};
use nearhand_proto::runbook::{
    Manifest, ParameterValue, RunEnding, RunMode, RunOrder, RunOutcome, RunRefusal, RunbookAction,
};
use nearhand_proto::time::UnixMillis;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::home::AgentHome;
use crate::hub::Hub;
use acts::{ActContext, StopFlag};
use carry::{RunOrigin, RunTask, tell_person};
use exec::{RunNotes, RunPlan};
use known::{KnownRunbook, known_runbooks, ordered_runbook, shown};
use ledger::{BegunRun, SharedLedger};
use nearhand_agent_core::gate::{self, GateConditions, GateRequest, RunStarter, RunbookRules};
use nearhand_agent_core::sessions::SessionTechnician;
use nearhand_diagnostics::programs::SystemPrograms;

/// How long the relay may take to answer that it is there.
const RELAY_ANSWERS: Duration = Duration::from_secs(5);
/// How long logind may take to say whether somebody is there.
const IDLE_ANSWERS: Duration = Duration::from_secs(2);
/// How long a rule's run waits for the one before it: as long as one may take.
const PATIENCE: Duration = Duration::from_secs(900);
/// Messages about a run that may wait for a slow follower.
const TOLD: usize = 256;

/// The device's runbooks.
pub(crate) struct Runbooks {
    home: AgentHome,
    ledger: SharedLedger,
    /// One runs at a time.
    busy: Arc<tokio::sync::Mutex<()>>,
    /// Stops the one that was begun last.
    last: Mutex<Option<RunCancel>>,
}

/// Turns into the reason to stop a run.
type RunCancel = watch::Sender<Option<String>>;

/// A run that goes on. Dropping it stops it; what can be undone is undone.
pub(crate) struct ActiveRun {
    /// What happens; the last is the outcome.
    pub(crate) told: mpsc::Receiver<RunbookMessage>,
    cancel: RunCancel,
}

impl ActiveRun {
    /// Stops the run; its steps are undone.
    pub(crate) fn cancel(&self, why: &str) {
        cancel(&self.cancel, why);
    }
}

/// The first reason counts.
fn cancel(run: &RunCancel, why: &str) {
    run.send_if_modified(|now| {
        let news = now.is_none();
        now.get_or_insert_with(|| why.to_owned());
        news
    });
}

impl Drop for ActiveRun {
    fn drop(&mut self) {
        self.cancel("the session, its connection or what it was granted ended");
    }
}

/// What a rule has raised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct RunbookTrigger {
    /// The rule that raised the alarm.
    pub(crate) rule: String,
    /// What it is about: a mount point, a unit; empty where there is only one.
    pub(crate) instance: String,
    /// The runbook that the rule names.
    pub(crate) runbook: String,
}

impl Runbooks {
    /// Opens the ledger.
    pub(crate) fn open(home: &AgentHome) -> Self {
        Self {
            home: home.clone(),
            ledger: SharedLedger::open(home.dir()),
            busy: Arc::default(),
            last: Mutex::default(),
        }
    }

    /// Stops the run that is under way, if there is one.
    pub(crate) fn stop(&self, why: &str) {
        if let Some(run) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            cancel(run, why);
        }
    }

    /// The owner's rules.
    fn rules(&self) -> Result<RunbookRules, RunRefusal> {
        match self.home.policy() {
            Ok(policy) => Ok(policy.runbooks),
            Err(error) => {
                tracing::error!(%error, "no runbook runs until the policy is mended");
                Err(RunRefusal::NoPolicy)
            }
        }
    }

    /// The list for a technician, with what doesn't run here.
    pub(crate) fn list(&self, hub: &Hub, attended: bool) -> Vec<RunbookEntry> {
        let rules = self.rules();
        let off = self.home.runbooks_are_off();
        let by = RunStarter::Technician { attended };
        let listed =
            known_runbooks(&self.home, &hub.identity.enrolment().organisation).into_iter().map(|known| {
                let KnownRunbook { manifest, built_in } = known;
                // What it is with its defaults; parameters may make it more.
                let class = manifest.bind(&[]).map_or(manifest.class, |bound| manifest.class_of(&bound));
                let ask = GateRequest { name: &manifest.name, built_in, class, mode: RunMode::Apply, by };
                let refused = match &rules {
                    Ok(rules) => rules.lets(&ask, off).err(),
                    Err(refused) => Some(refused.clone()),
                };
                RunbookEntry {
                    class: class.number(),
                    name: manifest.name,
                    version: manifest.version,
                    title: manifest.title,
                    built_in,
                    refused,
                }
            });
        listed.take(MAX_LISTED).collect()
    }

    /// The runbook of that name.
    pub(crate) fn show(&self, hub: &Hub, name: &str) -> Result<Manifest, RunRefusal> {
        let known = known_runbooks(&self.home, &hub.identity.enrolment().organisation);
        let found = known.into_iter().find(|known| known.manifest.name == name);
        found.map(|known| known.manifest).ok_or_else(|| RunRefusal::Unknown(shown(name)))
    }

    /// Ends what an agent that was killed has left: undone where that is possible, and told.
    pub(crate) async fn mend(self: Arc<Self>, hub: Arc<Hub>) {
        let Ok(unfinished) = self.ledger.with(|ledger| ledger.unfinished()).await else { return };
        for left in unfinished {
            let _busy = self.busy.lock().await;
            let (tell, _told) = mpsc::channel(1);
            let notes = RunNotes::new(tell);
            let ground = self.ground(&hub, RunbookRules::default());
            let run = RunPlan {
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
            let outcome = exec::outcome(&run, RunEnding::Interrupted, &why, &notes);
            let task = RunTask {
                ledger: self.ledger.clone(),
                hub: hub.clone(),
                origin: RunOrigin { actor: left.begun.actor, session: None, by: RunStarter::Rule },
            };
            task.ended(&outcome).await;
        }
    }

    /// A technician's order. Refusals are in the record.
    pub(crate) async fn order(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        session: SessionId,
        technician: &SessionTechnician,
        signed: &Signed<RunOrder>,
        carried: Option<&Signed<Manifest>>,
    ) -> Result<ActiveRun, RunRefusal> {
        let attended = hub.read(|sessions, _| sessions.is_attended());
        let origin = RunOrigin {
            actor: technician.actor(),
            session: Some(session),
            by: RunStarter::Technician { attended },
        };
        let begun = async {
            let order = signed.open(&technician.verified.key()).map_err(|_| RunRefusal::OrderSignature)?;
            if order.device != hub.identity.device()
                && order.device != hub.identity.key().public().device_id()
            {
                return Err(RunRefusal::OtherDevice);
            }
            if let Some(outcome) = self.ledger.with(move |ledger| ledger.find(order.run)).await? {
                return Err(RunRefusal::Repeated(outcome.map(Box::new)));
            }
            gate::in_time(order.issued, order.deadline, hub.identity.judging_time())?;
            let known = ordered_runbook(&self.home, &hub.identity.enrolment().organisation, &order, carried)?;
            let bound = known
                .manifest
                .bind(&order.parameters)
                .map_err(|error| RunRefusal::Parameter(error.to_string()))?;
            self.begin(hub, &origin, order.run, &known, bound, order.mode).await
        };
        let outcome = begun.await;
        if let Err(refused) = &outcome {
            let name = signed.peek().map(|order| shown(&order.runbook)).unwrap_or_default();
            let detail = format!("{name}: {refused}");
            tell_person(hub, Some(session), AgentNotice::RunbookRefused { why: detail.clone() });
            hub.note(&origin.actor, "runbook.refused", Some(session), detail);
        }
        outcome
    }

    /// Judges it, writes it down and begins it. A rule's waits for its turn.
    async fn begin(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        origin: &RunOrigin,
        run: RunId,
        known: &KnownRunbook,
        bound: Vec<(RunbookAction, nearhand_proto::runbook::ParameterValues)>,
        mode: RunMode,
    ) -> Result<ActiveRun, RunRefusal> {
        let KnownRunbook { manifest, built_in } = known;
        let mut judged = self.judge(origin, known, &bound, mode).await?;
        let busy = match (self.busy.clone().try_lock_owned(), origin.by) {
            (Ok(busy), _) => busy,
            (Err(_), RunStarter::Rule) => {
                tracing::info!(runbook = manifest.name, "it waits until the runbook before it is over");
                let turn = timeout(PATIENCE, self.busy.clone().lock_owned()).await;
                let busy = turn.map_err(|_| RunRefusal::Busy)?;
                // What was allowed before the wait may not be any more.
                judged = self.judge(origin, known, &bound, mode).await?;
                busy
            }
            (Err(_), _) => return Err(RunRefusal::Busy),
        };
        let (rules, now) = judged;
        let begun = BegunRun {
            run,
            runbook: manifest.name.clone(),
            version: manifest.version,
            mode,
            by_rule: origin.by == RunStarter::Rule,
            actor: origin.actor.clone(),
            at: now,
        };
        let detail =
            format!("{} {} ({}), run {run}: {}", manifest.name, manifest.version, mode.name(), said(&bound));
        hub.record(&origin.actor, "runbook.begin", origin.session, detail)
            .await
            .map_err(|_| RunRefusal::Storage)?;
        let seen = (!built_in).then(|| (manifest.name.clone(), manifest.version));
        let begins = self.ledger.with(move |ledger| {
            if let Some((name, version)) = &seen {
                ledger.seen(name, *version)?;
            }
            ledger.begin(&begun)
        });
        begins.await?;
        tell_person(hub, origin.session, AgentNotice::RunbookBegins { title: manifest.title.clone(), mode });
        let run = RunPlan {
            id: run,
            runbook: manifest.name.clone(),
            version: manifest.version,
            mode,
            steps: bound,
            timeout: Duration::from_secs(manifest.timeout.into()),
            began: now,
        };
        let (tell, told) = mpsc::channel(TOLD);
        let (cancel, cancelled) = watch::channel(None);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(cancel.clone());
        let task = RunTask { ledger: self.ledger.clone(), hub: hub.clone(), origin: origin.clone() };
        let ground = self.ground(hub, rules);
        tokio::spawn(async move {
            let _busy = busy;
            task.carry_out(ground, run, tell, cancelled).await;
        });
        Ok(ActiveRun { told, cancel })
    }

    /// Whether it may run now: the owner's rules, and when that is.
    async fn judge(
        &self,
        origin: &RunOrigin,
        known: &KnownRunbook,
        bound: &[(RunbookAction, nearhand_proto::runbook::ParameterValues)],
        mode: RunMode,
    ) -> Result<(RunbookRules, UnixMillis), RunRefusal> {
        let KnownRunbook { manifest, built_in } = known;
        let rules = self.rules()?;
        let now = GateConditions {
            wall: Hub::now(),
            minute: local_minute(),
            idle: timeout(IDLE_ANSWERS, nearhand_desktop::find::idle()).await.ok().flatten(),
            switched_off: self.home.runbooks_are_off(),
        };
        let class = manifest.class_of(bound);
        let ask = GateRequest { name: &manifest.name, built_in: *built_in, class, mode, by: origin.by };
        let looks_back = u64::try_from(gate::LOOKS_BACK.as_millis()).unwrap_or(0);
        let since = UnixMillis(now.wall.0.saturating_sub(looks_back));
        let past = self.ledger.with(move |ledger| ledger.past(since)).await?;
        rules.judge(&ask, &past, &now)?;
        if !built_in {
            let name = manifest.name.clone();
            let newest = self.ledger.with(move |ledger| ledger.newest(&name)).await?;
            if newest > manifest.version {
                return Err(RunRefusal::Older { newest });
            }
        }
        Ok((rules, now.wall))
    }

    fn ground(&self, hub: &Arc<Hub>, rules: RunbookRules) -> ActContext {
        let hub_of = hub.clone();
        let reachable = move || {
            let hub = hub_of.clone();
            let asks: std::pin::Pin<Box<dyn Future<Output = bool> + Send>> =
                Box::pin(async move { relay_answers(&hub).await });
            asks
        };
        ActContext {
            programs: SystemPrograms::default(),
            rules,
            reports: self.home.reports(),
            device: hub.identity.device().to_string(),
            reachable: Arc::new(reachable),
            stop: StopFlag::default(),
        }
    }

    /// An alarm was raised whose rule names a runbook: runs it if the owner lets rules do that. Returns what came of it.
    pub(crate) async fn raised(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        raised: &RunbookTrigger,
    ) -> Result<RunOutcome, RunRefusal> {
        let origin =
            RunOrigin { actor: format!("rule {}", raised.rule), session: None, by: RunStarter::Rule };
        let rules = self.rules()?;
        if !rules.is_automatic(&raised.runbook) {
            return Err(RunRefusal::NotAllowed(raised.runbook.clone()));
        }
        let begun = async {
            let all = known_runbooks(&self.home, &hub.identity.enrolment().organisation);
            let known = all.into_iter().find(|known| known.manifest.name == raised.runbook);
            let known = known.ok_or_else(|| RunRefusal::Unknown(shown(&raised.runbook)))?;
            let of_alarm = known.manifest.parameters.iter().filter(|parameter| parameter.from_alarm);
            let said: Vec<_> = of_alarm
                .filter(|_| !raised.instance.is_empty())
                .map(|parameter| (parameter.name.clone(), ParameterValue::Text(raised.instance.clone())))
                .collect();
            let bound =
                known.manifest.bind(&said).map_err(|error| RunRefusal::Parameter(error.to_string()))?;
            self.begin(hub, &origin, RunId::random(&mut OsRng), &known, bound, RunMode::Apply).await
        };
        let mut running = match begun.await {
            Ok(running) => running,
            Err(refused) => {
                let detail = format!("{}: {refused}", shown(&raised.runbook));
                hub.note(&origin.actor, "runbook.refused", None, detail);
                return Err(refused);
            }
        };
        while let Some(told) = running.told.recv().await {
            if let RunbookMessage::Over(outcome) = told {
                return Ok(*outcome);
            }
        }
        Err(RunRefusal::Storage)
    }
}

/// The values of a run, for the record.
fn said(bound: &[(RunbookAction, nearhand_proto::runbook::ParameterValues)]) -> String {
    let step = |(act, values): &(RunbookAction, nearhand_proto::runbook::ParameterValues)| {
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}({})", act.name(), values.join(", "))
    };
    bound.iter().map(step).collect::<Vec<_>>().join("; ")
}

fn local_minute() -> Option<u16> {
    let offset = i64::from(crate::platform::local_offset_seconds()?);
    let seconds = i64::try_from(Hub::now().0 / 1000).ok()?;
    u16::try_from((seconds + offset).rem_euclid(24 * 3600) / 60).ok()
}

/// Whether the relay answers now. A connection that seems to stand says nothing: it may be broken and nobody knows.
async fn relay_answers(hub: &Hub) -> bool {
    let Some(relay) = hub.relay.connection() else { return false };
    let request = RelayRequest::AuditHead(hub.audit_head());
    // A refusal is an answer, too.
    matches!(
        timeout(RELAY_ANSWERS, relay.ask(&request)).await,
        Ok(Ok(_) | Err(nearhand_transport::control::RelayError::Refused(_)))
    )
}
