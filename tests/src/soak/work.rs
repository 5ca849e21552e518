//! What is done all the time. A step that fails is counted, and the next one tried.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_proto::grant::Capability;

use crate::crash_test::{AgentWorkload, ReceiverProcess, sleep_until};
use crate::deployment::TestDeployment;
use crate::parties::{TestAgent, TestClient};
use crate::program::until;
use crate::screen_device::{ScreenDevice, eve, first_frame, next_frame};
use crate::x_display::ColorMarker;

/// How long a session at the screen lasts: within its grant.
const LOOKS: Duration = Duration::from_secs(45);
/// Between two diagnoses: the relay lets a technician open a session every three seconds.
const BETWEEN: Duration = Duration::from_secs(3);
/// An alarm lasts so long. Its file isn't turned again for longer than alarms that come and go are counted over.
const ALARM: Duration = Duration::from_secs(20);
/// How long what is on its way may take to arrive at the end.
const SETTLES: Duration = Duration::from_secs(120);

/// How much was done.
#[derive(Default)]
pub(super) struct WorkDone {
    messages: AtomicU64,
    reports: AtomicU64,
    frames: AtomicU64,
    screens: AtomicU64,
    alarms: AtomicU64,
    failures: Mutex<Vec<String>>,
}

impl WorkDone {
    pub(super) fn alarms(&self) -> u64 {
        self.alarms.load(Ordering::Relaxed)
    }

    pub(super) fn failures(&self) -> usize {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        super::watch::say("failed", &failures);
        failures.len()
    }

    pub(super) fn counts(&self) -> [(&'static str, u64); 5] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        [
            ("chat messages said and received", of(&self.messages)),
            ("diagnoses", of(&self.reports)),
            ("sessions at the screen", of(&self.screens)),
            ("frames seen", of(&self.frames)),
            ("changes of alarms", of(&self.alarms)),
        ]
    }

    fn failed(&self, what: &str, error: &anyhow::Error) {
        // An error may show all that programs have said: its first line says what it is, its last one why.
        let text = format!("{error:#}");
        let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
        let last = rest.lines().rfind(|line| !line.is_empty()).unwrap_or_default();
        let line = format!("{first} {last}");
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{what}: {line}"));
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn ends(over: &AtomicBool) -> bool {
    over.load(Ordering::Relaxed)
}

/// Waits, but no longer than it all lasts.
fn pause(over: &AtomicBool, how_long: Duration) {
    let until = Instant::now() + how_long;
    while Instant::now() < until && !ends(over) {
        thread::park_timeout(Duration::from_millis(100));
    }
}

/// A conversation: a line every two seconds, each waited for.
pub(super) fn talk(client: &mut TestClient, over: &AtomicBool, done: &WorkDone) -> Result<()> {
    let mut number = 0_u64;
    while !ends(over) {
        number += 1;
        let line = format!("line {number}: is it better now?");
        match client.say(&line).and_then(|()| client.chat(&line, "received").map(|_| ())) {
            Ok(()) => add(&done.messages),
            Err(error) => done.failed("chat", &error),
        }
        pause(over, Duration::from_secs(2));
    }
    Ok(())
}

/// A session for a report after the other, on one device after the other.
pub(super) fn diagnose(site: &TestDeployment, agents: u64, over: &AtomicBool, done: &WorkDone) -> Result<()> {
    let out = site.directory("reports")?;
    for number in (3..agents).cycle() {
        if ends(over) {
            break;
        }
        let words = ["diagnose", &format!("till {number}"), "--quick", "--out", &out.to_string_lossy()];
        match site.admin().run(&words).and_then(crate::deployment::CommandResult::ok) {
            Ok(_) => add(&done.reports),
            Err(error) => done.failed("diagnose", &error),
        }
        pause(over, BETWEEN);
    }
    Ok(())
}

/// A technician at the screen, again and again.
pub(super) fn look(desk: &ScreenDevice, over: &AtomicBool, done: &WorkDone) -> Result<()> {
    let (wire, member) = eve(&desk.site)?;
    while !ends(over) {
        let looked = || -> Result<()> {
            let session = desk.session(&wire, &member, &[Capability::View])?;
            let (mut screen, _) = first_frame(&session)?;
            let until = Instant::now() + LOOKS;
            while Instant::now() < until && !ends(over) {
                next_frame(&mut screen)?;
                add(&done.frames);
            }
            session.leave()
        };
        match looked() {
            Ok(()) => add(&done.screens),
            Err(error) if ends(over) => drop(error),
            Err(error) => {
                done.failed("screen", &error);
                pause(over, Duration::from_secs(2));
            }
        }
    }
    Ok(())
}

/// Something on the display that changes.
pub(super) fn paint(desk: &ScreenDevice, over: &AtomicBool) -> Result<()> {
    let marker = ColorMarker::show(desk.display.eye()?, 100, 100, 0x00ff_0000)?;
    for color in [0x0000_ff00, 0x0000_00ff, 0x00ff_0000].into_iter().cycle() {
        // A little longer than it all lasts: who looks waits for a frame.
        if ends(over) {
            break;
        }
        marker.paint(color)?;
        pause(over, Duration::from_millis(200));
    }
    Ok(())
}

/// Alarms: on one device after the other one begins, and ends a while later.
pub(super) fn alarm(
    agents: &mut [(TestAgent, AgentWorkload)],
    over: &AtomicBool,
    done: &WorkDone,
) -> Result<()> {
    let mut file = 0;
    while !ends(over) {
        for (_, watched) in agents.iter_mut() {
            watched.turn(file)?;
            add(&done.alarms);
        }
        // Each is seen before it is over; the last ones are, even where the end comes first.
        sleep_until(Instant::now() + ALARM);
        for (_, watched) in agents.iter_mut() {
            watched.turn(file)?;
            add(&done.alarms);
        }
        sleep_until(Instant::now() + ALARM);
        file += 1;
    }
    Ok(())
}

/// Waits until the receiver has heard of all changes of alarms; how many it has heard of, each instance once in order.
pub(super) fn settle(agents: &[(TestAgent, AgentWorkload)], receiver: &ReceiverProcess) -> Result<u64> {
    let mut expected = std::collections::BTreeMap::new();
    for (_, watched) in agents {
        expected.extend(watched.turns());
    }
    let told = || -> Result<u64> {
        let heard = receiver.heard()?;
        let ours = heard.told.iter().filter(|(instance, _)| expected.contains_key(*instance));
        Ok(ours.map(|(_, kinds)| u64::try_from(kinds.len()).unwrap_or(u64::MAX)).sum())
    };
    let all: u64 = expected.values().sum();
    // What is missing then is lost, and what is too much came twice: the caller compares.
    let _ = until(SETTLES, "all alarms at the receiver", || Ok(told()? >= all));
    told().context("what the receiver has heard")
}
