//! Asking what may never answer: a file system whose server is gone, a device that hangs, a daemon that is stopped.
//!
//! The kernel gives no way to take such a question back: the thread that asked it stands until the answer comes. So each
//! question is asked by a worker thread, and the one who waits for it may stop waiting. A worker that was given up stays with
//! its question: the same thing isn't asked again before that worker is back, so each thing costs one thread at most, and
//! all together at most [`MAX_GIVEN_UP`]. The first answer makes the thing known again.
//!
//! Lives here: who is asked, since when, and the workers. Must not live here: what is asked and what silence means.

use core::future::Future;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::MissingFact;

/// Most things that may hang at the same time and still keep a thread each.
pub const MAX_GIVEN_UP: usize = 32;

/// Most workers at the same time, with those that are waited for: every source of a few diagnoses.
const MAX_WORKERS: usize = 160;

/// Workers that stay for the next question. The others end: an idle agent keeps one thread.
const IDLE_WORKERS: usize = 1;

/// Stack of a worker, in bytes: collectors parse JSON of a few levels.
const STACK: usize = 512 * 1024;

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswered {
    /// It was asked that long ago and hasn't answered.
    #[error("does not answer for {}", seconds(*.0))]
    Silent(Duration),
    /// That many other things hang, and no more threads are spent on it.
    #[error("was not asked: {0} other things do not answer")]
    TooMany(usize),
    /// The worker ended without an answer, or none could be started.
    #[error("could not be asked: {0}")]
    NoWorker(String),
}

impl Unanswered {
    /// As the reason why a fact about `thing` is missing.
    pub fn about(self, thing: &str) -> MissingFact {
        MissingFact::failed(thing, self)
    }
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..120 => format!("{} s", time.as_secs()),
        more => format!("{} min", more / 60),
    }
}

/// Something that doesn't answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SilentThing {
    /// What was asked: a mount point, a device, a file, a daemon.
    pub thing: String,
    /// For how long it is known not to answer.
    pub silent_for: Duration,
}

type WorkerJob = Box<dyn FnOnce() + Send>;

/// One thing that was asked.
struct Question {
    /// When the first question was put that has had no answer.
    since: Instant,
    /// When it was last known that there is no answer; nobody knows later what isn't asked any more.
    known_at: Instant,
    /// Somebody stopped waiting, and no answer has come since.
    given_up: bool,
    /// The one who waited has left before its patience was over: that alone says nothing about the thing.
    left: bool,
    /// A worker or a child program stands with the question.
    busy: bool,
}

#[derive(Default)]
struct OpenQuestions {
    by_thing: BTreeMap<String, Question>,
    idle: Vec<SyncSender<WorkerJob>>,
    workers: usize,
}

#[derive(Default)]
struct SharedQuestions {
    open: Mutex<OpenQuestions>,
    answered: Condvar,
    answered_async: Notify,
}

/// Asks what may hang. Clones share what is known.
#[derive(Clone, Default)]
pub struct HangGuard(Arc<SharedQuestions>);

impl core::fmt::Debug for HangGuard {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("HangGuard").field(&self.silent()).finish()
    }
}

/// Stands for a question until it is dropped. Held by all that would stand with it: the worker, a child program.
pub struct AskedThing {
    shared: Arc<SharedQuestions>,
    thing: String,
}

impl AskedThing {
    /// The thing has answered.
    fn answered(&self) {
        lock(&self.shared).by_thing.remove(&self.thing);
    }
}

impl Drop for AskedThing {
    fn drop(&mut self) {
        let mut open = lock(&self.shared);
        if let Some(question) = open.by_thing.get_mut(&self.thing) {
            question.busy = false;
            if !question.given_up || question.left {
                open.by_thing.remove(&self.thing);
            }
        }
        drop(open);
        self.shared.answered.notify_all();
        self.shared.answered_async.notify_waiters();
    }
}

fn lock(shared: &SharedQuestions) -> MutexGuard<'_, OpenQuestions> {
    shared.open.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops waiting when dropped before the answer.
struct WaitingForAnswer<'a>(Option<(&'a SharedQuestions, &'a str)>);

impl Drop for WaitingForAnswer<'_> {
    fn drop(&mut self) {
        if let Some((shared, thing)) = self.0.take() {
            give_up(shared, thing);
            if let Some(question) = lock(shared).by_thing.get_mut(thing) {
                question.left = true;
            }
        }
    }
}

/// Notes that nobody waits any more. Since when it is silent.
fn give_up(shared: &SharedQuestions, thing: &str) -> Duration {
    let mut open = lock(shared);
    let Some(question) = open.by_thing.get_mut(thing) else { return Duration::ZERO };
    question.given_up = true;
    question.known_at = Instant::now();
    let silent = question.since.elapsed();
    drop(open);
    // Others who wait for the same thing needn't wait their time out, too.
    shared.answered.notify_all();
    shared.answered_async.notify_waiters();
    silent
}

/// A question whose answer hasn't come yet.
struct PendingAnswer<T> {
    shared: Arc<SharedQuestions>,
    thing: String,
    answer: Receiver<T>,
}

impl<T> PendingAnswer<T> {
    /// Waits for the answer; gives itself back where there is none yet.
    fn wait(self, until: Instant) -> Result<Result<T, Unanswered>, Self> {
        match self.answer.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(value) => Ok(Ok(value)),
            Err(RecvTimeoutError::Timeout) => Err(self),
            Err(RecvTimeoutError::Disconnected) => Ok(Err(Unanswered::NoWorker("it broke off".to_owned()))),
        }
    }

    fn give_up(self) -> Unanswered {
        Unanswered::Silent(give_up(&self.shared, &self.thing))
    }
}

/// Whether a thing may be asked now.
enum MayAsk {
    Yes(AskedThing),
    /// Somebody else asks it at this moment.
    After,
    No(Unanswered),
}

impl HangGuard {
    /// The one of this process, so that a thing that hangs costs one thread however many ask for it.
    pub fn of_process() -> Self {
        static PROCESS: LazyLock<HangGuard> = LazyLock::new(HangGuard::default);
        PROCESS.clone()
    }

    /// Asks `thing` with `work` and waits at most `patience`, on the caller's own thread.
    ///
    /// # Errors
    /// There was no answer; `work` may still be running then.
    pub fn ask<T: Send + 'static>(
        &self,
        thing: &str,
        patience: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let until = Instant::now() + patience;
        let pending = self.put(thing, until, work)?;
        pending.wait(until).unwrap_or_else(|pending| Err(pending.give_up()))
    }

    /// Asks several things and waits at most `patience` for all of them together. Answers are in the questions' order.
    ///
    /// One worker asks one after the other. Where it stands for a while, another goes on with the rest, and the first
    /// has until the end to answer: a few that hang take no time from the others.
    pub fn ask_each<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        patience: Duration,
        questions: Vec<(String, W)>,
    ) -> Vec<Result<T, Unanswered>> {
        let until = Instant::now() + patience;
        let mut stand = patience / 8;
        let mut answers = Vec::new();
        let mut late = Vec::new();
        for (place, (thing, work)) in questions.into_iter().enumerate() {
            let first = Instant::now() + stand;
            let answer = self.put(&thing, first, work).map(|pending| pending.wait(first));
            answers.push(match answer {
                Ok(Ok(answer)) => Some(answer),
                Ok(Err(pending)) => {
                    stand = (stand / 2).max(patience / 64);
                    late.push((place, pending));
                    None
                }
                Err(why) => Some(Err(why)),
            });
        }
        for (place, pending) in late {
            let answer = pending.wait(until).unwrap_or_else(|pending| Err(pending.give_up()));
            if let Some(empty) = answers.get_mut(place) {
                *empty = Some(answer);
            }
        }
        let broke = || Err(Unanswered::NoWorker("it broke off".to_owned()));
        answers.into_iter().map(|answer| answer.unwrap_or_else(broke)).collect()
    }

    /// Hands a question to a worker. Waits until `until` where somebody else asks the same thing at this moment.
    fn put<T: Send + 'static>(
        &self,
        thing: &str,
        until: Instant,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<PendingAnswer<T>, Unanswered> {
        let asked = loop {
            match self.may_ask(thing) {
                MayAsk::Yes(asked) => break asked,
                MayAsk::No(why) => return Err(why),
                MayAsk::After => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(Unanswered::Silent(give_up(&self.0, thing)));
                    }
                    // It may have ended meanwhile: a short wait at a time, so that no waking is missed.
                    let open = lock(&self.0);
                    let _woken = self.0.answered.wait_timeout(open, left.min(Duration::from_millis(20)));
                }
            }
        };
        let (reply, answer) = sync_channel(1);
        self.give_to_worker(Box::new(move || {
            let value = work();
            asked.answered();
            drop(asked);
            // The one who asked may have stopped waiting.
            let _ = reply.send(value);
        }))?;
        Ok(PendingAnswer { shared: self.0.clone(), thing: thing.to_owned(), answer })
    }

    /// The same for a task. There is no limit here: drop the future, and the worker is given up.
    ///
    /// # Errors
    /// There is no answer.
    pub async fn ask_in_task<T: Send + 'static>(
        &self,
        thing: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unanswered> {
        let asked = self.wait_for_turn(thing).await?;
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.give_to_worker(Box::new(move || {
            let value = work();
            asked.answered();
            drop(asked);
            // The one who asked may have stopped waiting.
            let _ = reply.send(value);
        }))?;
        let mut waiting = WaitingForAnswer(Some((&self.0, thing)));
        let value = answer.await;
        waiting.0 = None;
        value.map_err(|_| Unanswered::NoWorker("it broke off".to_owned()))
    }

    /// Asks with a future, which is dropped after `patience`. What it leaves behind and can still hang (a child
    /// program) holds on to the [`AskedThing`].
    ///
    /// # Errors
    /// There was no answer in that time.
    pub async fn within<T, F: Future<Output = T>>(
        &self,
        thing: &str,
        patience: Duration,
        ask: impl FnOnce(Arc<AskedThing>) -> F,
    ) -> Result<T, Unanswered> {
        let until = tokio::time::Instant::now() + patience;
        let turn = tokio::time::timeout_at(until, self.wait_for_turn(thing)).await;
        let asked = Arc::new(turn.unwrap_or_else(|_| Err(Unanswered::Silent(give_up(&self.0, thing))))?);
        let mut waiting = WaitingForAnswer(Some((&self.0, thing)));
        match tokio::time::timeout_at(until, ask(asked.clone())).await {
            Ok(value) => {
                waiting.0 = None;
                asked.answered();
                Ok(value)
            }
            Err(_) => {
                waiting.0 = None;
                Err(Unanswered::Silent(give_up(&self.0, thing)))
            }
        }
    }

    async fn wait_for_turn(&self, thing: &str) -> Result<AskedThing, Unanswered> {
        loop {
            let woken = self.0.answered_async.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.may_ask(thing) {
                MayAsk::Yes(asked) => return Ok(asked),
                MayAsk::No(why) => return Err(why),
                MayAsk::After => woken.await,
            }
        }
    }

    fn may_ask(&self, thing: &str) -> MayAsk {
        let now = Instant::now();
        let mut open = lock(&self.0);
        let given_up = open.by_thing.values().filter(|question| question.given_up && question.busy).count();
        match open.by_thing.get_mut(thing) {
            Some(question) if question.busy && question.given_up => {
                return MayAsk::No(Unanswered::Silent(question.since.elapsed()));
            }
            Some(question) if question.busy => return MayAsk::After,
            Some(question) => question.busy = true,
            None if given_up >= MAX_GIVEN_UP => return MayAsk::No(Unanswered::TooMany(given_up)),
            None => {
                let question =
                    Question { since: now, known_at: now, given_up: false, left: false, busy: true };
                open.by_thing.insert(thing.to_owned(), question);
            }
        }
        MayAsk::Yes(AskedThing { shared: self.0.clone(), thing: thing.to_owned() })
    }

    /// Everything that doesn't answer now, longest first.
    pub fn silent(&self) -> Vec<SilentThing> {
        let open = lock(&self.0);
        let mut silent: Vec<SilentThing> = open
            .by_thing
            .iter()
            .filter(|(_, question)| question.given_up)
            .map(|(thing, question)| {
                let known_at = if question.busy { Instant::now() } else { question.known_at };
                let silent_for = known_at.saturating_duration_since(question.since);
                SilentThing { thing: thing.clone(), silent_for }
            })
            .collect();
        silent.sort_by(|a, b| b.silent_for.cmp(&a.silent_for).then_with(|| a.thing.cmp(&b.thing)));
        silent
    }

    /// Forgets what isn't there any more, among the things that `is_of` picks out; not what a worker still stands with.
    pub fn forget(&self, is_of: impl Fn(&str) -> bool, there: &[String]) {
        lock(&self.0).by_thing.retain(|thing, question| {
            question.busy || !is_of(thing) || there.iter().any(|known| known == thing)
        });
    }

    /// Hands a job to an idle worker or a new one. A job that can't be handed over is dropped, and its question with it.
    fn give_to_worker(&self, job: WorkerJob) -> Result<(), Unanswered> {
        let mut open = lock(&self.0);
        let mut job = job;
        while let Some(idle) = open.idle.pop() {
            match idle.send(job) {
                Ok(()) => return Ok(()),
                Err(back) => job = back.0,
            }
        }
        if open.workers >= MAX_WORKERS {
            drop(open);
            return Err(Unanswered::TooMany(MAX_WORKERS));
        }
        open.workers += 1;
        drop(open);
        let shared = self.0.clone();
        let thread = std::thread::Builder::new().name("ask".to_owned()).stack_size(STACK);
        let begun = thread.spawn(move || {
            let alive = LivingWorker(shared);
            let mut next = Some(job);
            while let Some(job) = next.take() {
                job();
                let (work, more) = sync_channel::<WorkerJob>(1);
                let mut open = lock(&alive.0);
                if open.idle.len() >= IDLE_WORKERS {
                    return;
                }
                open.idle.push(work);
                drop(open);
                next = more.recv().ok();
            }
        });
        begun.map(|_| ()).map_err(|error| {
            lock(&self.0).workers -= 1;
            Unanswered::NoWorker(error.to_string())
        })
    }
}

/// Counts its thread for as long as it runs, also if a job panics.
struct LivingWorker(Arc<SharedQuestions>);

impl Drop for LivingWorker {
    fn drop(&mut self) {
        let mut open = lock(&self.0);
        open.workers = open.workers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(30);

    /// Waits for a condition with a limit.
    fn until(mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + LONG;
        while !holds() {
            assert!(Instant::now() < end, "it never came to that");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_thing_that_hangs_is_asked_once_and_known_again_when_it_answers() {
        let guard = HangGuard::default();
        let (release, hangs) = channel::<()>();
        let asked = guard.ask("/mnt/x", SHORT, move || hangs.recv().is_ok());
        assert!(matches!(asked, Err(Unanswered::Silent(for_how_long)) if for_how_long >= SHORT));
        // The worker stands with it: nobody else does, and nobody waits.
        let again = guard.ask("/mnt/x", LONG, || panic!("it was asked a second time"));
        assert!(matches!(again, Err(Unanswered::Silent(_))));
        assert_eq!(guard.silent().len(), 1);
        assert_eq!(guard.ask("/mnt/y", LONG, || 7), Ok(7), "others are asked as before");
        release.send(()).unwrap();
        until(|| guard.silent().is_empty());
        assert_eq!(guard.ask("/mnt/x", LONG, || 8), Ok(8));
    }

    #[test]
    fn several_that_hang_take_no_time_from_the_others() {
        let guard = HangGuard::default();
        let (release, hangs) = channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        let question = |n: usize| {
            let hangs = hangs.clone();
            let work = move || {
                if n % 3 == 1 {
                    let _ = hangs.lock().unwrap().recv();
                }
                n
            };
            (n.to_string(), work)
        };
        let answers = guard.ask_each(Duration::from_millis(200), (0..12).map(question).collect());
        for (n, answer) in answers.into_iter().enumerate() {
            match n % 3 {
                1 => assert!(matches!(answer, Err(Unanswered::Silent(_))), "{n}: {answer:?}"),
                _ => assert_eq!(answer, Ok(n)),
            }
        }
        assert_eq!(guard.silent().len(), 4);
        drop(release);
        until(|| guard.silent().is_empty());
    }

    #[test]
    fn threads_are_bounded_and_what_was_not_asked_is_said() {
        let guard = HangGuard::default();
        let (release, hangs) = channel::<()>();
        let hangs = Arc::new(Mutex::new(hangs));
        for n in 0..MAX_GIVEN_UP {
            let hangs = hangs.clone();
            let asked = guard.ask(&n.to_string(), Duration::from_millis(1), move || {
                let _ = hangs.lock().unwrap().recv();
            });
            assert!(matches!(asked, Err(Unanswered::Silent(_))));
        }
        assert_eq!(guard.ask("one more", LONG, || ()), Err(Unanswered::TooMany(MAX_GIVEN_UP)));
        drop(release);
        until(|| guard.silent().is_empty());
        assert_eq!(guard.ask("one more", LONG, || 1), Ok(1));
        until(|| lock(&guard.0).workers <= IDLE_WORKERS);
    }

    #[test]
    fn a_worker_that_breaks_leaves_nothing_behind() {
        let guard = HangGuard::default();
        let broken = guard.ask("x", LONG, || -> u32 { panic!("on purpose") });
        assert!(matches!(broken, Err(Unanswered::NoWorker(_))));
        until(|| lock(&guard.0).workers == 0);
        assert_eq!(guard.ask("x", LONG, || 1), Ok(1));
    }

    #[tokio::test]
    async fn a_task_that_stops_waiting_gives_the_worker_up() {
        let guard = HangGuard::default();
        let (release, hangs) = channel::<()>();
        let asking = guard.ask_in_task("x", move || hangs.recv().is_ok());
        assert!(tokio::time::timeout(SHORT, asking).await.is_err());
        assert_eq!(guard.silent().len(), 1);
        assert!(matches!(guard.ask_in_task("x", || true).await, Err(Unanswered::Silent(_))));
        release.send(()).unwrap();
        until(|| guard.silent().is_empty());
        assert_eq!(guard.ask_in_task("x", || 2).await, Ok(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_future_is_tried_again_and_silence_lasts_until_it_answers() {
        let guard = HangGuard::default();
        let hang = |_asked: Arc<AskedThing>| core::future::pending::<()>();
        assert!(matches!(guard.within("systemd", LONG, hang).await, Err(Unanswered::Silent(_))));
        assert!(matches!(guard.within("systemd", LONG, hang).await, Err(Unanswered::Silent(_))));
        assert_eq!(guard.silent().len(), 1);
        assert_eq!(guard.within("systemd", LONG, |_asked| async { 3 }).await, Ok(3));
        assert_eq!(guard.silent(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_future_leaves_behind_keeps_the_thing_from_being_asked() {
        let guard = HangGuard::default();
        let mut left_behind = None;
        let asked = guard
            .within("/dev/sda", LONG, |asked| {
                left_behind = Some(asked);
                core::future::pending::<()>()
            })
            .await;
        assert!(matches!(asked, Err(Unanswered::Silent(_))));
        let again = guard.within("/dev/sda", LONG, |_| async { panic!("asked twice") }).await;
        assert!(matches!(again, Err::<(), _>(Unanswered::Silent(_))));
        drop(left_behind);
        guard.forget(|thing| thing.starts_with("/dev/"), &["/dev/sda".to_owned()]);
        assert_eq!(guard.silent().len(), 1, "nobody knows that it answers");
        guard.forget(|thing| thing.starts_with("/dev/"), &[]);
        assert_eq!(guard.silent(), []);
    }

    #[test]
    fn times_are_written_as_people_say_them() {
        let said = [(1_500, "1.5 s"), (40_000, "40 s"), (450_000, "7 min")];
        for (ms, words) in said {
            let why = Unanswered::Silent(Duration::from_millis(ms)).to_string();
            assert_eq!(why, format!("does not answer for {words}"));
        }
    }
}
