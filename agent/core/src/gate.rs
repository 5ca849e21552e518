//! The gate: whether a runbook may run on this device now. Pure; time and history come in as arguments.
//!
//! The owner's rules stand in `policy.toml`, and neither relay, organisation nor technician can widen them:
//!
//! ```toml
//! [runbooks]
//! off = false                         # true: none at all
//! allow = ["clear-caches"]            # only these; without it those that come with the program
//! max_class = 1                       # 0 to 3
//! automatic = ["clear-caches"]        # may be started by a rule of rules.toml
//! quiet = "22:00-06:00"               # when class 2 may run with nobody asked (local time)
//! services = ["app-*.service"]        # which restart-service may start again; without it all but the protected
//! processes = ["chrome"]              # which tame-process may touch; without it none
//! clear = ["/srv/cache"]              # what clear-caches clears, instead of the system's directories
//! clear_age = "content"               # a copied file is as old as its content; without it, as old as the copy
//! ```

use std::path::{Component, Path};
use std::time::Duration;

use nearhand_proto::runbook::{MAX_AHEAD, ParameterKind, RiskClass, RunMode, RunRefusal, is_name};
use nearhand_proto::time::UnixMillis;
use serde::Deserialize;

/// By a rule, the same runbook runs again after this long at the soonest.
const RULE_PAUSE: Duration = Duration::from_secs(30 * 60);
/// By rules, this often within a day, each.
const RULE_DAILY: usize = 3;
/// By technicians, this often within an hour, each: somebody is there and looks.
const SESSION_HOURLY: usize = 6;
/// How far back `judge` has to be told what ran.
pub const LOOKS_BACK: Duration = Duration::from_secs(24 * 3600);
/// Nobody has touched the machine for so long: class 2 may run.
const IDLE_FOR: Duration = Duration::from_secs(600);
/// Clocks of two machines that are kept right may differ by this much.
const CLOCK_SLACK: Duration = Duration::from_secs(120);
/// Most entries of a list.
const MAX_LIST: usize = 64;

/// The owner's rules.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, try_from = "RunbookSection")]
pub struct RunbookRules {
    /// Runbooks are switched off: none runs.
    pub off: bool,
    /// The runbooks that may run; `None`: those that come with the program.
    allow: Option<Vec<String>>,
    /// The highest class that may run.
    max_class: RiskClass,
    /// Those that a rule may start.
    automatic: Vec<String>,
    /// From and until when it is quiet, in minutes of the local day.
    quiet: Option<(u16, u16)>,
    /// Which services may be started again.
    pub services: Vec<String>,
    /// Which processes may be tamed.
    pub processes: Vec<String>,
    /// What is cleared instead of the system's directories.
    pub clear: Option<Vec<String>>,
    /// What the age of a file that may be cleared is counted from.
    pub clear_age: ClearAge,
}

/// What the age of a file that may be cleared is counted from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClearAge {
    /// When it was last changed, used, or put there: a copy may keep the times of the original.
    #[default]
    File,
    /// When its content was last changed or used.
    Content,
}

impl Default for RunbookRules {
    fn default() -> Self {
        Self {
            off: false,
            allow: None,
            max_class: RiskClass::Reversible,
            automatic: Vec::new(),
            quiet: None,
            services: vec!["*".to_owned()],
            processes: Vec::new(),
            clear: None,
            clear_age: ClearAge::File,
        }
    }
}

/// The rules as they stand in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RunbookSection {
    #[serde(default)]
    off: bool,
    allow: Option<Vec<String>>,
    max_class: Option<u8>,
    #[serde(default)]
    automatic: Vec<String>,
    quiet: Option<String>,
    services: Option<Vec<String>>,
    processes: Option<Vec<String>>,
    clear: Option<Vec<String>>,
    #[serde(default)]
    clear_age: ClearAge,
}

impl TryFrom<RunbookSection> for RunbookRules {
    type Error = String;

    fn try_from(written: RunbookSection) -> Result<Self, String> {
        let usual = Self::default();
        for name in written.allow.iter().flatten().chain(&written.automatic) {
            if !is_name(name) {
                return Err(format!("{name:?} is no name of a runbook"));
            }
        }
        let lists = [&written.services, &written.processes, &written.clear, &written.allow];
        if lists.into_iter().flatten().any(|list| list.len() > MAX_LIST) || written.automatic.len() > MAX_LIST
        {
            return Err(format!("a list has more than {MAX_LIST} entries"));
        }
        let max_class = match written.max_class {
            None => usual.max_class,
            Some(number) => RiskClass::of_number(number).ok_or("max_class is 0, 1, 2 or 3")?,
        };
        let services = written.services.unwrap_or(usual.services);
        let processes = written.processes.unwrap_or_default();
        let sound = |list: &[String], kind: fn(Vec<String>) -> ParameterKind| match list {
            [] => Ok(()),
            list => list.chunks(16).try_for_each(|some| kind(some.to_vec()).is_sound()),
        };
        sound(&services, ParameterKind::Service).map_err(|error| error.to_string())?;
        sound(&processes, ParameterKind::Process).map_err(|error| error.to_string())?;
        written.clear.iter().flatten().try_for_each(|dir| may_be_cleared(dir))?;
        Ok(Self {
            off: written.off,
            allow: written.allow,
            max_class,
            automatic: written.automatic,
            quiet: written.quiet.as_deref().map(hours).transpose()?,
            services,
            processes,
            clear: written.clear,
            clear_age: written.clear_age,
        })
    }
}

/// A directory that an owner may have cleared: not the root, nothing directly below it but `/tmp`, no `..`.
fn may_be_cleared(dir: &str) -> Result<(), String> {
    let path = Path::new(dir);
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let depth = path.components().count();
    if path.is_absolute() && plain && (depth > 2 || dir == "/tmp") {
        Ok(())
    } else {
        Err(format!("{dir:?} can't be cleared: name a directory at least two levels down, without `..`"))
    }
}

/// `22:00-06:00` in minutes of the day.
fn hours(text: &str) -> Result<(u16, u16), String> {
    let bad = || format!("{text:?} is no time of day: write 22:00-06:00");
    let one = |part: &str| {
        let (hour, minute) = part.split_once(':')?;
        let (hour, minute): (u16, u16) = (hour.parse().ok()?, minute.parse().ok()?);
        (hour < 24 && minute < 60).then_some(hour * 60 + minute)
    };
    let (from, until) = text.split_once('-').ok_or_else(bad)?;
    Ok((one(from).ok_or_else(bad)?, one(until).ok_or_else(bad)?))
}

/// Who wants it to run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunStarter {
    /// A technician in a session in which it is granted; whether a person is at the device.
    Technician {
        /// A person is at the device.
        attended: bool,
    },
    /// A rule that has raised an alarm.
    Rule,
}

/// What is to run.
#[derive(Clone, Copy, Debug)]
pub struct GateRequest<'a> {
    /// The runbook's name.
    pub name: &'a str,
    /// It came with the program; otherwise the organisation signed it.
    pub built_in: bool,
    /// How much it can do with these parameters.
    pub class: RiskClass,
    /// Whether something is to be changed.
    pub mode: RunMode,
    /// Who or what starts it.
    pub by: RunStarter,
}

/// A run that was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PastRun {
    /// The runbook that ran.
    pub runbook: String,
    /// When it began.
    pub began: UnixMillis,
    /// It was started by a rule.
    pub by_rule: bool,
    /// It was to change something.
    pub applied: bool,
}

/// How things are.
#[derive(Clone, Copy, Debug)]
pub struct GateConditions {
    /// This device's wall clock.
    pub wall: UnixMillis,
    /// The local minute of the day; `None` where it isn't known.
    pub minute: Option<u16>,
    /// For how long nobody has touched the machine; `None` where that isn't known.
    pub idle: Option<Duration>,
    /// The switch of `nearhand-agent runbooks off`.
    pub switched_off: bool,
}

/// Whether an order's times are such that it may begin now.
pub fn in_time(issued: UnixMillis, deadline: UnixMillis, now: UnixMillis) -> Result<(), RunRefusal> {
    if deadline < now {
        return Err(RunRefusal::Late(deadline));
    }
    let ahead = now.after(MAX_AHEAD).after(CLOCK_SLACK);
    if deadline > ahead || issued > now.after(CLOCK_SLACK) || deadline > issued.after(MAX_AHEAD) {
        return Err(RunRefusal::TooFar(deadline));
    }
    Ok(())
}

impl RunbookRules {
    /// Whether it may run now.
    pub fn judge(
        &self,
        ask: &GateRequest<'_>,
        past: &[PastRun],
        now: &GateConditions,
    ) -> Result<(), RunRefusal> {
        self.lets(ask, now.switched_off)?;
        if ask.mode == RunMode::DryRun {
            return Ok(());
        }
        self.is_the_time(ask, now)?;
        not_too_often(ask, past, now.wall)
    }

    /// Whether a rule may start it.
    pub fn is_automatic(&self, name: &str) -> bool {
        self.automatic.iter().any(|listed| listed == name)
    }

    /// Whether it is on the owner's lists.
    pub fn lets(&self, ask: &GateRequest<'_>, switched_off: bool) -> Result<(), RunRefusal> {
        if self.off || switched_off {
            return Err(RunRefusal::Off);
        }
        let listed = |list: &[String]| list.iter().any(|name| name == ask.name);
        let allowed = match (&self.allow, ask.by) {
            (_, RunStarter::Rule) if !self.is_automatic(ask.name) => false,
            (Some(allow), _) => listed(allow),
            // What an organisation has made needs the owner's word.
            (None, _) => ask.built_in,
        };
        if !allowed {
            return Err(RunRefusal::NotAllowed(ask.name.to_owned()));
        }
        let most = match ask.by {
            RunStarter::Rule => self.max_class.min(RiskClass::Disruptive),
            RunStarter::Technician { .. } => self.max_class,
        };
        if ask.class > most {
            return Err(RunRefusal::Class { class: ask.class.number(), most: most.number() });
        }
        Ok(())
    }

    fn is_the_time(&self, ask: &GateRequest<'_>, now: &GateConditions) -> Result<(), RunRefusal> {
        if ask.class < RiskClass::Disruptive || ask.by == (RunStarter::Technician { attended: true }) {
            return Ok(());
        }
        let quiet = self.quiet.zip(now.minute).is_some_and(|((from, until), minute)| {
            if from <= until { (from..until).contains(&minute) } else { minute >= from || minute < until }
        });
        if quiet || now.idle.is_some_and(|idle| idle >= IDLE_FOR) {
            return Ok(());
        }
        let when = match self.quiet {
            Some((from, until)) => format!(
                "from {:02}:{:02} to {:02}:{:02}, when nobody has used the machine for {} minutes, or with a person there",
                from / 60,
                from % 60,
                until / 60,
                until % 60,
                IDLE_FOR.as_secs() / 60
            ),
            None => format!(
                "when nobody has used the machine for {} minutes, or with a person there",
                IDLE_FOR.as_secs() / 60
            ),
        };
        Err(RunRefusal::NotNow(when))
    }
}

fn not_too_often(ask: &GateRequest<'_>, past: &[PastRun], now: UnixMillis) -> Result<(), RunRefusal> {
    let within = |length: Duration| {
        let same = past.iter().filter(move |run| {
            let counts =
                run.applied && run.runbook == ask.name && run.by_rule == (ask.by == RunStarter::Rule);
            // A clock that was set back makes a run seem to come; it counts as just now.
            counts && run.began.after(length) > now
        });
        let mut began: Vec<UnixMillis> = same.map(|run| run.began).collect();
        began.sort_unstable();
        began
    };
    let wait = |began: UnixMillis, length: Duration| {
        Err(RunRefusal::TooOften(began.after(length).0.saturating_sub(now.0).div_ceil(1000)))
    };
    let (limits, lengths): ([usize; 2], [Duration; 2]) = match ask.by {
        RunStarter::Rule => ([1, RULE_DAILY], [RULE_PAUSE, LOOKS_BACK]),
        RunStarter::Technician { .. } => {
            ([SESSION_HOURLY, usize::MAX], [Duration::from_secs(3600), LOOKS_BACK])
        }
    };
    for (limit, length) in limits.into_iter().zip(lengths) {
        let began = within(length);
        // The one whose going out of the time makes room again.
        if began.len() >= limit
            && let Some(first) = began.get(began.len() - limit)
        {
            return wait(*first, length);
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
