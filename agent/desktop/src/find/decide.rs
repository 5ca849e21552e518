//! Which of the displays that were seen is the one on the machine's screen. Pure.
//!
//! With logind, it is the active session of a seat; `seat0` first. A desktop that was begun with `startx` or by a kiosk's own
//! service is a text session there, or none: then the programs that use a display say which one it is. Without logind
//! the programs alone say it, and the X server on the virtual terminal in front decides between several.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;

use super::access::{DisplayAccess, NoDisplay, local_display};
use super::seen::{DisplayProgram, LogindSession, MachineDisplays, XServerProcess};

/// Users below this number, but root, are services: a greeter runs as one of them (`SYS_UID_MAX` of login.defs).
const FIRST_PERSON: u32 = 1000;
/// Most displays that an error lists.
const MOST_LISTED: usize = 8;

/// The display on the machine's screen.
pub(super) fn decide(seen: &MachineDisplays) -> Result<DisplayAccess, NoDisplay> {
    let why = match &seen.sessions {
        Ok(sessions) => match at_seats(seen, sessions) {
            Some(found) => return found,
            None => NoDisplay::Nobody,
        },
        Err(why) => NoDisplay::NoLogind(why.clone()),
    };
    by_programs(seen, why)
}

/// A session that is in front at a seat.
fn at_seats(seen: &MachineDisplays, sessions: &[LogindSession]) -> Option<Result<DisplayAccess, NoDisplay>> {
    let mut here: Vec<&LogindSession> =
        sessions.iter().filter(|s| s.active && !s.remote && !s.seat.is_empty() && is_in_front(s)).collect();
    // Stable: what logind names first stays first.
    here.sort_by_key(|session| session.seat != "seat0");
    let mut outcomes: Vec<_> = here.into_iter().map(|session| of_session(seen, sessions, session)).collect();
    let best = outcomes.iter().position(Result::is_ok).unwrap_or(0);
    (best < outcomes.len()).then(|| outcomes.swap_remove(best))
}

/// Background jobs and users' managers are never what a screen shows.
fn is_in_front(session: &LogindSession) -> bool {
    session.class.starts_with("user") || matches!(session.class.as_str(), "greeter" | "lock-screen")
}

fn of_session(
    seen: &MachineDisplays,
    sessions: &[LogindSession],
    session: &LogindSession,
) -> Result<DisplayAccess, NoDisplay> {
    match (session.class.as_str(), session.kind.as_str()) {
        ("greeter", _) => return Err(NoDisplay::LoginScreen),
        ("lock-screen", _) => return Err(NoDisplay::LockScreen),
        (_, "wayland") => return Err(NoDisplay::Wayland),
        (_, "mir") => return Err(NoDisplay::Mir),
        _ => {}
    }
    if !seen.is_root && session.user != seen.own_user {
        return Err(NoDisplay::SomebodyElses(session.user));
    }
    let of_user: Vec<&DisplayProgram> = seen.programs.iter().filter(|p| p.user == session.user).collect();
    if session.kind == "x11" && local_display(&session.display).is_some() {
        return Ok(access(&of_user, OsString::from(&session.display), session.user, Some(session)));
    }
    let others = displays_of(seen, sessions, |other| other.id != session.id);
    let may_be = |program: &&DisplayProgram| match &program.session {
        Some(id) if *id == session.id => true,
        Some(id) if sessions.iter().any(|other| other.id == *id) => false,
        // Of a session that is over, or of the user's own services, which serve all sessions of the user.
        _ => true,
    };
    let of_session: Vec<&DisplayProgram> = of_user.iter().copied().filter(may_be).collect();
    let vt = Some(session.vt).filter(|vt| *vt != 0);
    let is_here = |number: u32| {
        let elsewhere =
            server(seen, number).and_then(|server| server.vt).zip(vt).is_some_and(|(a, b)| a != b);
        !others.contains(&number) && !elsewhere
    };
    match the_one(seen, &of_session, is_here, vt) {
        Ok(Some(display)) => Ok(access(&of_user, name(display.number), session.user, Some(session))),
        Ok(None) if of_session.iter().any(|program| program.wayland) => Err(NoDisplay::Wayland),
        Ok(None) if session.kind == "x11" => Err(NoDisplay::Unnamed),
        Ok(None) => Err(NoDisplay::Console(session.kind.clone())),
        Err(why) => Err(why),
    }
}

/// Displays that belong to such sessions: as logind names them, or as those sessions' programs use them.
fn displays_of(
    seen: &MachineDisplays,
    sessions: &[LogindSession],
    such: impl Fn(&LogindSession) -> bool,
) -> BTreeSet<u32> {
    let of: Vec<&LogindSession> = sessions.iter().filter(|session| such(session)).collect();
    let named = of.iter().filter_map(|session| local_display(&session.display));
    let used = seen.programs.iter().filter_map(|program| {
        let id = program.session.as_ref()?;
        of.iter().find(|session| session.id == *id)?;
        local_display(&program.display.as_ref()?.to_string_lossy())
    });
    named.chain(used).collect()
}

/// No session is in front at a seat, or there is no logind.
fn by_programs(seen: &MachineDisplays, nothing: NoDisplay) -> Result<DisplayAccess, NoDisplay> {
    let sessions = seen.sessions.as_deref().unwrap_or_default();
    // Those came over the network, are behind at their seat, or sit at a serial console.
    let is_elsewhere = |s: &LogindSession| s.remote || !s.seat.is_empty() || s.kind == "tty";
    let others = displays_of(seen, sessions, is_elsewhere);
    let of_other = |program: &DisplayProgram| {
        program.session.as_ref().is_some_and(|id| sessions.iter().any(|s| s.id == *id && is_elsewhere(s)))
    };
    let ours = |program: &&DisplayProgram| seen.is_root || program.user == seen.own_user;
    let programs: Vec<&DisplayProgram> =
        seen.programs.iter().filter(ours).filter(|program| !of_other(program)).collect();
    let Some(display) = the_one(seen, &programs, |number| !others.contains(&number), seen.active_vt)? else {
        let wayland = programs.iter().any(|program| program.wayland);
        return Err(if wayland { NoDisplay::Wayland } else { nothing });
    };
    // A display manager's helpers run as root on the display of whom they serve.
    let users = &display.users;
    let people = || users.iter().filter(|user| **user >= FIRST_PERSON);
    let user = match (people().count(), users.iter().any(|user| (1..FIRST_PERSON).contains(user))) {
        (0, true) => return Err(NoDisplay::LoginScreen),
        (0, false) => users.first(),
        (1, _) => people().next(),
        _ => return Err(NoDisplay::Several(format!("{} by several users", name(display.number).display()))),
    };
    let user = *user.ok_or(nothing)?;
    let of_user: Vec<&DisplayProgram> = programs.into_iter().filter(|p| p.user == user).collect();
    Ok(access(&of_user, name(display.number), user, None))
}

/// A display that programs use.
struct UsedDisplay {
    number: u32,
    users: BTreeSet<u32>,
}

/// The one display of those programs that may be on the screen; `None`: none.
fn the_one(
    seen: &MachineDisplays,
    programs: &[&DisplayProgram],
    may_be: impl Fn(u32) -> bool,
    vt: Option<u32>,
) -> Result<Option<UsedDisplay>, NoDisplay> {
    let mut used: BTreeMap<u32, (BTreeSet<u32>, bool)> = BTreeMap::new();
    for program in programs {
        let number = program.display.as_ref().and_then(|display| local_display(&display.to_string_lossy()));
        let Some(number) = number.filter(|number| may_be(*number)) else { continue };
        let is_served = seen.served.is_empty() || seen.served.contains(&number);
        let is_xwayland = server(seen, number).is_some_and(|server| server.is_xwayland);
        if !is_served || is_xwayland {
            continue;
        }
        let (users, all_wayland) = used.entry(number).or_insert_with(|| (BTreeSet::new(), true));
        users.insert(program.user);
        // Programs of a Wayland desktop have both; one without it says that the display stands alone.
        *all_wayland &= program.wayland;
    }
    used.retain(|number, (_, all_wayland)| !*all_wayland || server(seen, *number).is_some());
    let mut numbers: Vec<u32> = used.keys().copied().collect();
    // A screen of glass comes before a display in a window or in memory, the one in front before others.
    for prefer in [
        (|server, vt| server_vt(server) == vt && vt.is_some())
            as fn(Option<&XServerProcess>, Option<u32>) -> bool,
        |server, _| server_vt(server).is_some(),
    ] {
        let preferred: Vec<u32> =
            numbers.iter().copied().filter(|number| prefer(server(seen, *number), vt)).collect();
        if numbers.len() > 1 && !preferred.is_empty() {
            numbers = preferred;
        }
    }
    // A person's comes before one that only services and root use.
    let has_person = |number: &u32| {
        used.get(number).is_some_and(|(users, _)| users.iter().any(|user| *user >= FIRST_PERSON))
    };
    if numbers.len() > 1 && numbers.iter().any(has_person) {
        numbers.retain(has_person);
    }
    match numbers.as_slice() {
        [] => Ok(None),
        [number] => {
            let users = used.remove(number).map(|(users, _)| users).unwrap_or_default();
            Ok(Some(UsedDisplay { number: *number, users }))
        }
        several => {
            let mut listed: Vec<String> =
                several.iter().take(MOST_LISTED).map(|number| format!(":{number}")).collect();
            if several.len() > MOST_LISTED {
                listed.push(format!("and {} more", several.len() - MOST_LISTED));
            }
            Err(NoDisplay::Several(listed.join(", ")))
        }
    }
}

fn server_vt(server: Option<&XServerProcess>) -> Option<u32> {
    server.and_then(|server| server.vt)
}

fn server(seen: &MachineDisplays, number: u32) -> Option<&XServerProcess> {
    seen.servers.iter().find(|server| server.display == number)
}

fn name(number: u32) -> OsString {
    OsString::from(format!(":{number}"))
}

/// How to reach that display, from what the user's own programs know.
fn access(
    programs: &[&DisplayProgram],
    display: OsString,
    user: u32,
    session: Option<&LogindSession>,
) -> DisplayAccess {
    let number = local_display(&display.to_string_lossy());
    // Programs may write the same display as `:0.0`.
    let on_it = || {
        programs.iter().filter(|program| {
            let other =
                program.display.as_ref().and_then(|display| local_display(&display.to_string_lossy()));
            other.is_some() && other == number
        })
    };
    DisplayAccess {
        authority: on_it().find_map(|program| program.authority.clone()),
        home: on_it().chain(programs).find_map(|program| program.home.clone()),
        display,
        user,
        seat: session.map(|session| session.seat.clone()),
        session: session.map(|session| session.id.clone()),
    }
}
