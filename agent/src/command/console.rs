//! What the terminal prompt shows and understands. Lines in, verbs out; no sockets.
//!
//! Everything that came from the other end stands behind a mark (`│`) or in quotes, so that it can't pass for
//! our own words.

use std::collections::BTreeMap;

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::id::SessionId;
use nearhand_proto::message::local::{
    AgentStatus, ConsentChoice, ConsentRequest, DeliveryMark, HelpStatus, ListedWindow, LocalEvent,
    LocalReply, LocalSession, LocalVerb, SpokenCode,
};

use nearhand_agent_core::policy::parse_duration;
use nearhand_transport::local::CallError;

/// The prompt's state.
#[derive(Debug, Default)]
pub(crate) struct AttendConsole {
    requests: BTreeMap<u64, ConsentRequest>,
    sessions: BTreeMap<SessionId, LocalSession>,
    /// The session that was spoken to last.
    current: Option<SessionId>,
    /// The session that ended last.
    ended: Option<SessionId>,
    /// The windows as they were listed last: the person's numbers for them count from 1.
    windows: Vec<ListedWindow>,
}

/// What to do after a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ConsoleStep {
    /// Ask the agent.
    Ask(LocalVerb),
    /// Wait for the next line.
    Wait,
    /// The person leaves.
    Leave,
}

const HELP: &str = "\
  allow [CAPABILITY,…] [15m]   allow what is asked for (or only some of it), for a time
  allow 2                      allow what is asked for, with window 2 of the list as the one that is seen
  deny                         deny it
  /windows                     the list of windows again
  /more 15m                    give more time for what is granted
  /take CAPABILITY[,…]         take back something that is granted
  /pause, /resume              nothing is seen or done for a while; it goes on
  stop, /stop                  end the session at once
  /rate 5 [WORDS]              after a session: how good it was, from 1 to 5
  /report WORDS                after a session: tell the administrators what was wrong
  /code                        a new support code
  /quit                        end everything and leave
  anything else                is said to the technician";

impl AttendConsole {
    /// Says where we are; what to ask the agent next.
    pub(crate) fn greet(&mut self, status: &AgentStatus) -> Option<LocalVerb> {
        println!("This is {} of {}.", status.device, status.organisation);
        if let Some(problem) = &status.problem {
            println!("! Not connected to the relay {}: {problem}", status.relay);
        }
        let mut next = None;
        for request in &status.requests {
            next = self.asked(request.clone()).or(next);
        }
        for session in &status.sessions {
            self.session(session);
        }
        println!("Type ? for help.");
        next
    }

    /// The agent was started again: how things stand now; what to ask it next.
    pub(crate) fn back(&mut self, status: &AgentStatus) -> Option<LocalVerb> {
        println!("The agent is back.");
        self.requests.clear();
        let is_gone = |id: &SessionId| !status.sessions.iter().any(|session| session.session == *id);
        for session in self.sessions.keys().copied().filter(is_gone).collect::<Vec<_>>() {
            self.over(session, &"it ended while the agent was away");
        }
        for session in &status.sessions {
            self.session(session);
        }
        status.requests.iter().fold(None, |next, request| self.asked(request.clone()).or(next))
    }

    /// Shows the requests that wait once more.
    pub(crate) fn show_requests(&mut self) {
        for request in core::mem::take(&mut self.requests).into_values() {
            self.asked(request);
        }
    }

    /// Shows the windows to choose from, or why there are none.
    pub(crate) fn windows(&mut self, reply: Result<LocalReply, CallError>) {
        self.windows.clear();
        match reply {
            Ok(LocalReply::Windows(windows)) if windows.is_empty() => println!("! No window is open."),
            Ok(LocalReply::Windows(windows)) => self.windows = windows,
            Ok(_) => {}
            Err(error) => println!("! The windows can't be listed: {error}"),
        }
        if self.windows.is_empty() {
            return;
        }
        println!(
            "  Which window may they see? Only that one is shown, whatever lies over it. They don't see this list."
        );
        for (number, window) in (1_usize..).zip(&self.windows) {
            println!("    {number}  {:?} ({:?})", window.title, window.application);
        }
        println!("  Type allow and its number, such as: allow 1\n");
    }

    /// Shows a new code, or why there is none.
    pub(crate) fn code(&mut self, reply: Result<LocalReply, CallError>) {
        match reply {
            Ok(LocalReply::Code(SpokenCode { spoken, seconds_left })) => {
                println!(
                    "\n  Your support code:  {spoken}   (good for {} minutes)",
                    seconds_left.div_ceil(60)
                );
                println!("  Read it only to somebody you called yourself. Nobody honest asks for money");
                println!("  or for your bank while they help you.\n");
            }
            Ok(_) => {}
            Err(error) => println!("! No support code: {error}"),
        }
    }

    /// Shows an event; what to tell the agent in turn.
    pub(crate) fn event(&mut self, event: LocalEvent) -> Option<LocalVerb> {
        match event {
            LocalEvent::Relay { connected: true, .. } => println!("Connected to the relay."),
            LocalEvent::Relay { problem, .. } => {
                println!("! The relay is lost: {}", problem.unwrap_or_default());
            }
            LocalEvent::CodeGone(why) => println!("The support code no longer counts: {why}."),
            LocalEvent::Asked(request) => return self.asked(request),
            LocalEvent::Settled { request, how } => {
                self.requests.remove(&request);
                println!("Request {request}: {how}.");
            }
            LocalEvent::Session(session) => self.session(&session),
            LocalEvent::Activity { entry, .. } => println!("· {}", entry.activity),
            LocalEvent::Chat { session, line } if line.from_technician => {
                self.current = Some(session);
                let name = self.sessions.get(&session).map_or("technician", |s| s.technician.as_str());
                for text in line.text.lines() {
                    println!("│ {name}: {text}");
                }
                return Some(LocalVerb::Seen { session, number: line.number });
            }
            LocalEvent::Chat { line, .. } if line.mark == DeliveryMark::Shown => {
                println!("  (read) {}", line.text);
            }
            LocalEvent::Chat { .. } => {}
            LocalEvent::Ended { session, why } => self.over(session, &why),
            LocalEvent::Notice(said) => println!("! {said}"),
            // Said by what was done.
            LocalEvent::Paused { .. } | LocalEvent::Resumed { .. } => {}
            // Answered by the loop that calls this.
            LocalEvent::Heartbeat { .. } => {}
            LocalEvent::Help(help) => help_in_words(&help),
        }
        None
    }

    fn over(&mut self, session: SessionId, why: &dyn core::fmt::Display) {
        self.sessions.remove(&session);
        self.requests.retain(|_, r| r.session != session);
        println!("The session is over: {why}.");
        println!("How was it? /rate 1 to /rate 5; /report WORDS if something was wrong.");
        self.ended = Some(session);
    }

    fn asked(&mut self, request: ConsentRequest) -> Option<LocalVerb> {
        println!("\n  {:?} of {:?} asks to:", request.technician, request.organisation);
        for capability in request.capabilities.iter() {
            println!("    - {} ({capability})", capability.in_plain_words());
        }
        let reason = match request.reason.as_str() {
            "" => "They gave no reason.".to_owned(),
            reason => format!("Reason: {reason:?}"),
        };
        println!("  for {} minutes. {reason}", request.seconds.div_ceil(60));
        if request.first_contact {
            println!(
                "  You have not been helped by this person before. If you did not call them, type deny."
            );
        }
        println!("  Type allow or deny (no answer within {} s counts as deny).\n", request.seconds_left);
        let window = request.capabilities.contains(Capability::Window);
        self.current = Some(request.session);
        self.requests.insert(request.request, request);
        window.then_some(LocalVerb::Windows)
    }

    fn session(&mut self, session: &LocalSession) {
        let known = self.sessions.insert(session.session, session.clone());
        self.current.get_or_insert(session.session);
        if known.is_none() {
            println!("{:?} of {:?} is connected.", session.technician, session.organisation);
            println!("They can do nothing until you allow it.");
        } else if known.as_ref().is_some_and(|k| k.reason != session.reason) {
            println!("│ Their reason: {}", session.reason);
        } else if known.is_some_and(|k| k.granted != session.granted) {
            let granted: Vec<_> = session
                .granted
                .iter()
                .map(|g| format!("{} ({} min)", g.capability, g.seconds_left.div_ceil(60)))
                .collect();
            let list = if granted.is_empty() { "nothing".to_owned() } else { granted.join(", ") };
            println!("Granted now: {list}");
        }
    }

    /// Understands a line.
    pub(crate) fn line(&mut self, line: &str) -> ConsoleStep {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word {
            "" => ConsoleStep::Wait,
            "?" | "/help" => {
                println!("{HELP}");
                ConsoleStep::Wait
            }
            "allow" | "deny" => self.decide(word, rest),
            "/code" => ConsoleStep::Ask(LocalVerb::NewCode),
            "/windows" => ConsoleStep::Ask(LocalVerb::Windows),
            "/quit" => ConsoleStep::Leave,
            "/stop" => ConsoleStep::Ask(LocalVerb::StopAll),
            // A frightened person doesn't think of the slash; as a word of the chat, "stop" alone is hardly missed.
            _ if line.eq_ignore_ascii_case("stop") => ConsoleStep::Ask(LocalVerb::StopAll),
            "/more" => self.in_session(|session, granted| {
                let more = parse_duration(rest.trim())?;
                let seconds = u32::try_from(more.as_secs()).unwrap_or(u32::MAX);
                Ok(LocalVerb::Extend { session, capabilities: granted, seconds })
            }),
            "/take" => self.in_session(|session, _| {
                Ok(LocalVerb::Revoke { session, capabilities: capabilities(rest.trim())? })
            }),
            "/pause" => self.in_session(|session, _| Ok(LocalVerb::Pause { session })),
            "/resume" => self.in_session(|session, _| Ok(LocalVerb::Resume { session })),
            "/rate" | "/report" => self.opine(word, rest.trim()),
            _ if word.starts_with('/') => {
                println!("There is no command {word}. Type ? for help.");
                ConsoleStep::Wait
            }
            _ => self.in_session(|session, _| Ok(LocalVerb::Say { session, text: line.to_owned() })),
        }
    }

    /// What they think of the session that ended last.
    fn opine(&self, word: &str, rest: &str) -> ConsoleStep {
        let Some(session) = self.ended else {
            println!("No session has ended yet.");
            return ConsoleStep::Wait;
        };
        if word == "/report" {
            return ConsoleStep::Ask(LocalVerb::ReportSession { session, text: rest.to_owned() });
        }
        let (stars, comment) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        match stars.parse() {
            Ok(stars) if (1..=5).contains(&stars) => {
                ConsoleStep::Ask(LocalVerb::Rate { session, stars, comment: comment.trim().to_owned() })
            }
            _ => {
                println!("Say how good it was from 1 to 5, such as: /rate 4 quick and friendly");
                ConsoleStep::Wait
            }
        }
    }

    fn decide(&mut self, word: &str, rest: &str) -> ConsoleStep {
        // The oldest request first: it is the one that was shown first.
        let Some((id, request)) = self.requests.iter().next() else {
            println!("Nobody asks for anything right now.");
            return ConsoleStep::Wait;
        };
        if word == "deny" {
            return ConsoleStep::Ask(LocalVerb::Decide { request: *id, choice: ConsentChoice::Deny });
        }
        let (mut what, mut seconds, mut window) = (request.capabilities, request.seconds, None);
        for part in rest.split_whitespace().filter(|part| *part != "for") {
            if let Ok(number) = part.parse::<usize>() {
                let listed = number.checked_sub(1).and_then(|index| self.windows.get(index));
                let Some(listed) = listed else {
                    println!("! There is no window {number} in the list; /windows shows it again.");
                    return ConsoleStep::Wait;
                };
                window = Some(listed.id);
                continue;
            }
            let read = match parse_duration(part) {
                Ok(duration) => {
                    seconds = u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
                    Ok(())
                }
                Err(_) => capabilities(part).map(|some| what = some),
            };
            if let Err(why) = read {
                println!("! {why}");
                return ConsoleStep::Wait;
            }
        }
        let choice = match window {
            Some(window) => ConsentChoice::Allow { capabilities: what, seconds, window: Some(window) },
            None if what.contains(Capability::Window) => {
                println!(
                    "! Say which window they may see, such as: allow 1. Without one: deny, or allow the rest by name."
                );
                return ConsoleStep::Ask(LocalVerb::Windows);
            }
            None => ConsentChoice::Allow { capabilities: what, seconds, window: None },
        };
        ConsoleStep::Ask(LocalVerb::Decide { request: *id, choice })
    }

    fn in_session(
        &self,
        verb: impl FnOnce(SessionId, Capabilities) -> Result<LocalVerb, String>,
    ) -> ConsoleStep {
        let session =
            self.current.and_then(|id| self.sessions.get(&id)).or_else(|| self.sessions.values().next());
        let Some(session) = session else {
            println!("Nobody is connected right now.");
            return ConsoleStep::Wait;
        };
        match verb(session.session, session.granted.iter().map(|g| g.capability).collect()) {
            Ok(verb) => ConsoleStep::Ask(verb),
            Err(why) => {
                println!("! {why}");
                ConsoleStep::Wait
            }
        }
    }
}

fn capabilities(list: &str) -> Result<Capabilities, String> {
    list.split(',').map(str::parse::<Capability>).collect::<Result<_, _>>().map_err(|e| e.to_string())
}

/// How the help that was asked for stands.
pub(super) fn help_in_words(help: &HelpStatus) {
    match help {
        HelpStatus::None => println!("No help is asked for."),
        HelpStatus::Sending => println!("Your request for help is sent as soon as the relay is connected."),
        HelpStatus::Waiting { number, ahead: 0, .. } => {
            println!("Your request for help ({number}) is the next one.");
        }
        HelpStatus::Waiting { number, ahead, .. } => {
            println!("Your request for help ({number}) waits; {ahead} before it.");
        }
        HelpStatus::Taken { number, technician } => {
            println!("{technician:?} has your request for help ({number}).");
        }
        HelpStatus::Closed { number } => println!("Your request for help ({number}) is closed."),
        HelpStatus::Refused(why) => println!("! Your request for help was not taken: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: SessionId = SessionId::from_bytes([1; 16]);

    fn console() -> AttendConsole {
        let mut console = AttendConsole::default();
        console.event(LocalEvent::Asked(ConsentRequest {
            request: 3,
            session: S,
            organisation: "Acme".into(),
            technician: "Ada".into(),
            reason: "printer".into(),
            capabilities: [Capability::View, Capability::Diagnostics].into_iter().collect(),
            seconds: 900,
            first_contact: true,
            seconds_left: 60,
        }));
        console
    }

    fn allow(capabilities: &[Capability], seconds: u32) -> ConsoleStep {
        let capabilities = capabilities.iter().copied().collect();
        ConsoleStep::Ask(LocalVerb::Decide {
            request: 3,
            choice: ConsentChoice::Allow { capabilities, seconds, window: None },
        })
    }

    #[test]
    fn a_decision_is_what_was_typed_and_nothing_else_is_one() {
        let mut c = console();
        assert_eq!(c.line("allow"), allow(&[Capability::View, Capability::Diagnostics], 900));
        assert_eq!(c.line(" allow view for 5m "), allow(&[Capability::View], 300));
        assert_eq!(
            c.line("deny"),
            ConsoleStep::Ask(LocalVerb::Decide { request: 3, choice: ConsentChoice::Deny })
        );
        for nonsense in ["allow everything", "allow 99h", "", "yes", "allow,view", "/alow"] {
            assert_eq!(c.line(nonsense), ConsoleStep::Wait, "{nonsense:?}");
        }
        c.event(LocalEvent::Settled { request: 3, how: "denied".into() });
        assert_eq!(c.line("allow"), ConsoleStep::Wait);
    }

    #[test]
    fn a_window_is_chosen_by_its_number_and_never_by_none() {
        let mut c = AttendConsole::default();
        let wanted: Capabilities = [Capability::Window, Capability::Diagnostics].into_iter().collect();
        let asked = c.event(LocalEvent::Asked(ConsentRequest {
            request: 3,
            session: S,
            organisation: "Acme".into(),
            technician: "Ada".into(),
            reason: "ledger".into(),
            capabilities: wanted,
            seconds: 900,
            first_contact: false,
            seconds_left: 60,
        }));
        assert_eq!(asked, Some(LocalVerb::Windows));
        assert_eq!(c.line("allow 1"), ConsoleStep::Wait, "nothing is listed yet");
        let window = |id, title: &str| ListedWindow { id, application: "Ledger".into(), title: title.into() };
        c.windows(Ok(LocalReply::Windows(vec![window(70, "Accounts"), window(7, "2 allow 1")])));
        let chosen = |capabilities, seconds, window| {
            let choice = ConsentChoice::Allow { capabilities, seconds, window: Some(window) };
            ConsoleStep::Ask(LocalVerb::Decide { request: 3, choice })
        };
        assert_eq!(c.line("allow 2"), chosen(wanted, 900, 7));
        assert_eq!(c.line("allow window 1 for 5m"), chosen(Capability::Window.into(), 300, 70));
        assert_eq!(c.line("allow diagnostics"), allow(&[Capability::Diagnostics], 900));
        assert_eq!(c.line("allow"), ConsoleStep::Ask(LocalVerb::Windows));
        for nonsense in ["allow 0", "allow 3", "allow -1"] {
            assert_eq!(c.line(nonsense), ConsoleStep::Wait, "{nonsense:?}");
        }
        c.windows(Ok(LocalReply::Windows(Vec::new())));
        assert_eq!(c.line("allow 1"), ConsoleStep::Wait, "an old list is none");
    }

    #[test]
    fn without_a_session_nothing_is_said_to_anybody() {
        assert_eq!(AttendConsole::default().line("hello?"), ConsoleStep::Wait);
        assert_eq!(AttendConsole::default().line("/more 5m"), ConsoleStep::Wait);
        for stop in ["/stop", "stop", " STOP "] {
            assert_eq!(AttendConsole::default().line(stop), ConsoleStep::Ask(LocalVerb::StopAll));
        }
        assert_eq!(
            AttendConsole::default().line("stop it, please"),
            ConsoleStep::Wait,
            "words for a technician"
        );
    }
}
