//! Runbooks on this device: which there are, whether one may run, running it, and the record of it.
//!
//! Lives here: the way from an order, or from an alarm, to an outcome. The [`gate`] decides (pure), the [`ledger`]
//! remembers, [`exec`] carries out, [`acts`] do. Must not live here: streams and how anything is shown.
//!
//! The order that a run happens once by: judged → written to the record and the ledger, synced → begun → its outcome
//! written to both.

mod acts;
mod exec;
pub(crate) mod gate;
pub(crate) mod ledger;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nearhand_shared::id::{RunId, SessionId};
use nearhand_shared::identity::{PublicKey, Signed};
use nearhand_shared::message::control::Request;
use nearhand_shared::message::runbook::{FromDevice, Listed, MAX_LISTED};
use nearhand_shared::runbook::{
    Act, Ending, MAX_FILE, Manifest, Mode, Order, Outcome, Refused, Value, built_in,
};
use nearhand_shared::wire;
use rand_core::OsRng;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::diagnostics::programs::Programs;
use crate::home::Home;
use crate::hub::{Hub, Technician};
use acts::{Ground, Stop};
use exec::{Keeps, Notes, Run};
use gate::{Ask, By, Now, Rules};
use ledger::{Begun, Ledger, LedgerError, Undo};

/// How long the relay may take to answer that it is there.
const RELAY_ANSWERS: Duration = Duration::from_secs(5);
/// How long logind may take to say whether somebody is there.
const IDLE_ANSWERS: Duration = Duration::from_secs(2);
/// Messages to whoever follows a run that may wait.
const TOLD: usize = 256;
/// Most files of the organisation's that are read.
const MAX_FILES: usize = 64;
/// The ending of files that hold a signed manifest.
pub(crate) const EXTENSION: &str = "nrhb";

/// The device's runbooks.
pub(crate) struct Runbooks {
    home: Home,
    /// `None` if it can't be used; then nothing runs.
    ledger: Mutex<Option<Ledger>>,
    /// One runs at a time.
    busy: Arc<tokio::sync::Mutex<()>>,
    /// Stops the one that was begun last.
    last: Mutex<Option<Cancel>>,
}

/// Turns into the reason to stop a run.
type Cancel = watch::Sender<Option<String>>;

/// A runbook that is here.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) manifest: Manifest,
    /// It came with the program.
    pub(crate) built_in: bool,
}

/// A run that goes on. Dropping it stops it; what can be undone is undone.
pub(crate) struct Running {
    /// What happens; the last is the outcome.
    pub(crate) told: mpsc::Receiver<FromDevice>,
    cancel: Cancel,
}

impl Running {
    /// Stops it.
    pub(crate) fn cancel(&self, why: &str) {
        cancel(&self.cancel, why);
    }
}

/// The first reason counts.
fn cancel(run: &Cancel, why: &str) {
    run.send_if_modified(|now| {
        let news = now.is_none();
        now.get_or_insert_with(|| why.to_owned());
        news
    });
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancel("the session, its connection or what it was granted ended");
    }
}

/// Who wants a run.
#[derive(Clone, Debug)]
struct Origin {
    actor: String,
    session: Option<SessionId>,
    by: By,
}

/// What a rule has raised.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Raised {
    /// The rule.
    pub(crate) rule: String,
    /// What it is about: a mount point, a unit; empty where there is only one.
    pub(crate) instance: String,
    /// The runbook that the rule names.
    pub(crate) runbook: String,
}

impl Runbooks {
    /// Opens the ledger.
    pub(crate) fn open(home: &Home) -> Self {
        let ledger = Ledger::open(home.dir())
            .inspect_err(|error| tracing::error!(%error, "no runbook runs until this is mended"));
        Self {
            home: home.clone(),
            ledger: Mutex::new(ledger.ok()),
            busy: Arc::default(),
            last: Mutex::default(),
        }
    }

    /// Stops whatever runs, for whomever it does.
    pub(crate) fn stop(&self, why: &str) {
        if let Some(run) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner) {
            cancel(run, why);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Option<Ledger>> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the ledger; what fails is told in the log.
    fn with<T>(&self, act: impl FnOnce(&mut Ledger) -> Result<T, LedgerError>) -> Result<T, Refused> {
        let mut ledger = self.ledger();
        let ledger = ledger.as_mut().ok_or(Refused::Storage)?;
        act(ledger).map_err(|error| {
            tracing::error!(%error, "a runbook could not be written down");
            Refused::Storage
        })
    }

    /// The owner's rules.
    fn rules(&self) -> Result<Rules, Refused> {
        match self.home.policy() {
            Ok(policy) => Ok(policy.runbooks),
            Err(error) => {
                tracing::error!(%error, "no runbook runs until the policy is mended");
                Err(Refused::NoPolicy)
            }
        }
    }

    /// All runbooks that are here: those of the program, and the organisation's in its directory.
    fn known(&self, organisation: &PublicKey) -> Vec<Known> {
        Self::known_in(&self.home, organisation)
    }

    /// As the agent that lives there sees them.
    pub(crate) fn known_in(home: &Home, organisation: &PublicKey) -> Vec<Known> {
        let built_in = built_in().into_iter().map(|manifest| Known { manifest, built_in: true });
        let mut all: Vec<Known> = built_in.collect();
        let entries = std::fs::read_dir(home.runbooks()).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
        paths.sort();
        for path in paths.into_iter().take(MAX_FILES) {
            match from_file(&path, organisation) {
                // A name that the program has is the program's.
                Ok(manifest)
                    if all.iter().any(|known| known.built_in && known.manifest.name == manifest.name) =>
                {
                    tracing::warn!(path = %path.display(), "this runbook has the name of a built-in one and is left out");
                }
                Ok(manifest) => {
                    all.retain(|known| {
                        known.manifest.name != manifest.name || known.manifest.version > manifest.version
                    });
                    if !all.iter().any(|known| known.manifest.name == manifest.name) {
                        all.push(Known { manifest, built_in: false });
                    }
                }
                Err(why) => tracing::warn!(path = %path.display(), why, "this runbook does not count"),
            }
        }
        all
    }

    /// The list for a technician, with what doesn't run here.
    pub(crate) fn list(&self, hub: &Hub, attended: bool) -> Vec<Listed> {
        let rules = self.rules();
        let off = self.home.runbooks_are_off();
        let by = By::Technician { attended };
        let listed = self.known(&hub.enrolment().organisation).into_iter().map(|known| {
            let Known { manifest, built_in } = known;
            // What it is with its defaults; parameters may make it more.
            let class = manifest.bind(&[]).map_or(manifest.class, |bound| manifest.class_of(&bound));
            let ask = Ask { name: &manifest.name, built_in, class, mode: Mode::Apply, by };
            let refused = match &rules {
                Ok(rules) => rules.lets(&ask, off).err(),
                Err(refused) => Some(refused.clone()),
            };
            Listed {
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
    pub(crate) fn show(&self, hub: &Hub, name: &str) -> Result<Manifest, Refused> {
        let known = self.known(&hub.enrolment().organisation);
        let found = known.into_iter().find(|known| known.manifest.name == name);
        found.map(|known| known.manifest).ok_or_else(|| Refused::Unknown(shown(name)))
    }

    /// A technician's order. Refusals are in the record.
    pub(crate) async fn order(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        session: SessionId,
        technician: &Technician,
        signed: &Signed<Order>,
        carried: Option<&Signed<Manifest>>,
    ) -> Result<Running, Refused> {
        let attended = hub.is_attended();
        let origin =
            Origin { actor: technician.actor(), session: Some(session), by: By::Technician { attended } };
        let begun = async {
            let order = signed.open(&technician.verified.key()).map_err(|_| Refused::OrderSignature)?;
            if order.device != hub.device() && order.device != hub.key().public().device_id() {
                return Err(Refused::OtherDevice);
            }
            if let Some(outcome) = self.with(|ledger| ledger.find(order.run))? {
                return Err(Refused::Repeated(outcome.map(Box::new)));
            }
            gate::in_time(order.issued, order.deadline, hub.judging_time())?;
            let known = self.meant(hub, &order, carried)?;
            let bound = known.manifest.bind(&order.parameters).map_err(Refused::Parameter)?;
            self.begin(hub, &origin, order.run, &known, bound, order.mode).await
        };
        let outcome = begun.await;
        if let Err(refused) = &outcome {
            let name = signed.peek().map(|order| shown(&order.runbook)).unwrap_or_default();
            let detail = format!("{name}: {refused}");
            hub.activity(session, format!("a runbook was refused: {detail}"));
            // It doesn't happen either way; the log's own notice has told the person if this could not be written.
            let _ = hub.audit(&origin.actor, "runbook.refused", Some(session), detail);
        }
        outcome
    }

    /// The runbook that an order means: exactly the one it was given for.
    fn meant(&self, hub: &Hub, order: &Order, carried: Option<&Signed<Manifest>>) -> Result<Known, Refused> {
        let organisation = hub.enrolment().organisation;
        let known = match carried {
            None => {
                let all = self.known(&organisation);
                let found = all.into_iter().find(|known| known.manifest.name == order.runbook);
                found.ok_or_else(|| Refused::Unknown(shown(&order.runbook)))?
            }
            Some(signed) => {
                let manifest = signed.open(&organisation).map_err(|_| Refused::RunbookSignature)?;
                if let Some(mistake) = manifest.check().first() {
                    return Err(Refused::Mistake(shown(&mistake.to_string())));
                }
                if built_in().iter().any(|ours| ours.name == manifest.name) {
                    return Err(Refused::Mistake("it has the name of a built-in one".to_owned()));
                }
                Known { manifest, built_in: false }
            }
        };
        let Known { manifest, .. } = &known;
        let same = manifest.name == order.runbook
            && manifest.version == order.version
            && manifest.hash() == order.hash;
        if !same {
            return Err(Refused::OtherContent(shown(&order.runbook)));
        }
        Ok(known)
    }

    /// Judges it, writes it down and begins it.
    async fn begin(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        origin: &Origin,
        run: RunId,
        known: &Known,
        bound: Vec<(Act, nearhand_shared::runbook::Values)>,
        mode: Mode,
    ) -> Result<Running, Refused> {
        let Known { manifest, built_in } = known;
        let rules = self.rules()?;
        let now = Now {
            wall: Hub::now(),
            minute: local_minute(),
            idle: timeout(IDLE_ANSWERS, crate::desktop::find::idle()).await.ok().flatten(),
            switched_off: self.home.runbooks_are_off(),
        };
        let class = manifest.class_of(&bound);
        let ask = Ask { name: &manifest.name, built_in: *built_in, class, mode, by: origin.by };
        let since = nearhand_shared::time::UnixMillis(
            now.wall.0.saturating_sub(u64::try_from(gate::LOOKS_BACK.as_millis()).unwrap_or(0)),
        );
        let past = self.with(|ledger| ledger.past(since))?;
        rules.judge(&ask, &past, &now)?;
        if !built_in {
            let newest = self.with(|ledger| ledger.newest(&manifest.name))?;
            if newest > manifest.version {
                return Err(Refused::Older { newest });
            }
        }
        let busy = self.busy.clone().try_lock_owned().map_err(|_| Refused::Busy)?;
        let begun = Begun {
            run,
            runbook: manifest.name.clone(),
            version: manifest.version,
            mode,
            by_rule: origin.by == By::Rule,
            actor: origin.actor.clone(),
            at: now.wall,
        };
        let detail =
            format!("{} {} ({}), run {run}: {}", manifest.name, manifest.version, mode.name(), said(&bound));
        hub.audit(&origin.actor, "runbook.begin", origin.session, detail).map_err(|_| Refused::Storage)?;
        self.with(|ledger| {
            if !built_in {
                ledger.seen(&manifest.name, manifest.version)?;
            }
            ledger.begin(&begun)
        })?;
        tell_person(hub, origin.session, &format!("runbook: {} ({})", manifest.title, mode.name()));
        let run = Run {
            id: run,
            runbook: manifest.name.clone(),
            version: manifest.version,
            mode,
            steps: bound,
            timeout: Duration::from_secs(manifest.timeout.into()),
            began: now.wall,
        };
        let (tell, told) = mpsc::channel(TOLD);
        let (cancel, cancelled) = watch::channel(None);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(cancel.clone());
        let carry = Carry { books: self.clone(), hub: hub.clone(), origin: origin.clone() };
        let ground = self.ground(hub, rules);
        tokio::spawn(async move {
            let _busy = busy;
            carry.out(ground, run, tell, cancelled).await;
        });
        Ok(Running { told, cancel })
    }

    fn ground(&self, hub: &Arc<Hub>, rules: Rules) -> Ground {
        let hub_of = hub.clone();
        let reachable = move || {
            let hub = hub_of.clone();
            let asks: std::pin::Pin<Box<dyn Future<Output = bool> + Send>> =
                Box::pin(async move { relay_answers(&hub).await });
            asks
        };
        Ground {
            programs: Programs::default(),
            rules,
            reports: self.home.reports(),
            device: hub.device().to_string(),
            reachable: Arc::new(reachable),
            stop: Stop::default(),
        }
    }

    /// An alarm was raised whose rule names a runbook: runs it if the owner lets rules do that. Returns what came of it.
    pub(crate) async fn raised(
        self: &Arc<Self>,
        hub: &Arc<Hub>,
        raised: &Raised,
    ) -> Result<Outcome, Refused> {
        let origin = Origin { actor: format!("rule {}", raised.rule), session: None, by: By::Rule };
        let rules = self.rules()?;
        if !rules.is_automatic(&raised.runbook) {
            return Err(Refused::NotAllowed(raised.runbook.clone()));
        }
        let begun = async {
            let all = self.known(&hub.enrolment().organisation);
            let known = all.into_iter().find(|known| known.manifest.name == raised.runbook);
            let known = known.ok_or_else(|| Refused::Unknown(shown(&raised.runbook)))?;
            let of_alarm = known.manifest.parameters.iter().filter(|parameter| parameter.from_alarm);
            let said: Vec<_> = of_alarm
                .filter(|_| !raised.instance.is_empty())
                .map(|parameter| (parameter.name.clone(), Value::Text(raised.instance.clone())))
                .collect();
            let bound = known.manifest.bind(&said).map_err(Refused::Parameter)?;
            self.begin(hub, &origin, RunId::random(&mut OsRng), &known, bound, Mode::Apply).await
        };
        let mut running = match begun.await {
            Ok(running) => running,
            Err(refused) => {
                let detail = format!("{}: {refused}", shown(&raised.runbook));
                // It doesn't happen either way; the log's own notice has told the person if this could not be written.
                let _ = hub.audit(&origin.actor, "runbook.refused", None, detail);
                return Err(refused);
            }
        };
        while let Some(told) = running.told.recv().await {
            if let FromDevice::Over(outcome) = told {
                return Ok(*outcome);
            }
        }
        Err(Refused::Storage)
    }

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

/// What a run needs to be written down.
struct Carry {
    books: Arc<Runbooks>,
    hub: Arc<Hub>,
    origin: Origin,
}

impl Carry {
    async fn out(
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
        tell_person(&self.hub, self.origin.session, &format!("runbook {}: {}", outcome.runbook, outcome.why));
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
        tell_person(
            &self.hub,
            self.origin.session,
            &format!("runbook {}: {} is done now ({before})", run.runbook, act.name()),
        );
        Ok(())
    }
}

/// Says it where the person at the device sees it: in the session, or to whoever watches.
fn tell_person(hub: &Hub, session: Option<SessionId>, text: &str) {
    match session {
        Some(session) => hub.activity(session, text),
        None => hub.notice(text),
    }
}

/// A signed manifest of the organisation's in a file.
fn from_file(path: &std::path::Path, organisation: &PublicKey) -> Result<Manifest, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > u64::try_from(MAX_FILE).unwrap_or(u64::MAX) {
        return Err("it is larger than 32 KiB".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let signed: Signed<Manifest> = wire::decode(&bytes).map_err(|error| error.to_string())?;
    let manifest = signed.open(organisation).map_err(|_| "the organisation has not signed it".to_owned())?;
    match manifest.check().first() {
        None => Ok(manifest),
        Some(mistake) => Err(mistake.to_string()),
    }
}

/// The values of a run, for the record.
fn said(bound: &[(Act, nearhand_shared::runbook::Values)]) -> String {
    let step = |(act, values): &(Act, nearhand_shared::runbook::Values)| {
        let values: Vec<String> = values.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("{}({})", act.name(), values.join(", "))
    };
    bound.iter().map(step).collect::<Vec<_>>().join("; ")
}

/// A stranger's name for something, for the record and for people.
fn shown(name: &str) -> String {
    nearhand_shared::text::one_line(name, 120)
}

fn local_minute() -> Option<u16> {
    let offset = i64::from(crate::platform::local_offset_seconds()?);
    let seconds = i64::try_from(Hub::now().0 / 1000).ok()?;
    u16::try_from((seconds + offset).rem_euclid(24 * 3600) / 60).ok()
}

/// Whether the relay answers now. A connection that seems to stand says nothing: it may be broken and nobody knows.
async fn relay_answers(hub: &Hub) -> bool {
    let Some(relay) = hub.relay() else { return false };
    let request = Request::AuditHead(hub.audit_head());
    // A refusal is an answer, too.
    matches!(
        timeout(RELAY_ANSWERS, relay.ask(&request)).await,
        Ok(Ok(_) | Err(nearhand_shared::transport::control::RelayError::Refused(_)))
    )
}
