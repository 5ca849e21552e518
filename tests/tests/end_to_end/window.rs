//! One window, end to end on the real programs: the person chooses it, the technician sees it and nothing else of the
//! screen, and it ends with the window.

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::grant::Capability;
use nearhand_proto::message::control::SessionTarget;
use nearhand_proto::message::screen::{FromScreen, FromViewer, ScreenQuality};
use nearhand_proto::message::session::{
    AgentHello, ConsentDecision, FromAgent, SessionRefusal, StreamAnswer, StreamOpen, TechnicianProof,
};
use nearhand_screen::{Picture, ScreenDecoder, Size};
use nearhand_tests::deployment::{LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::parties::{TestAgent, TestConsole};
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::wire_client::{SessionWire, TalkWire, WireEndpoint};
use nearhand_tests::x_display::{XDisplay, window};

/// The ground of the window that is shown.
const LEDGER: u32 = 0x0020_4080;
/// And of the one that is not.
const SECRET: u32 = 0x00ff_00ff;

/// A device at which somebody sits with two windows, one over the other.
struct WindowDevice {
    site: TestDeployment,
    agent: TestAgent,
    display: XDisplay,
    ledger: TestProgram,
    _secret: TestProgram,
    _manager: TestProgram,
}

impl WindowDevice {
    fn new() -> Result<Self> {
        let logs = ProgramLogs::default();
        let display = XDisplay::virtual_frame_buffer(800, 600, &logs)?;
        let manager = display.window_manager()?;
        let site = TestDeployment::new()?;
        let agent =
            site.device_at("desk", ProgramPlace::behind(&["env", &format!("DISPLAY={}", display.name)]))?;
        let terminal = |title: &str, ground: &str, place: &str| {
            let shown = "exec sleep 600";
            let words = ["xterm", "-T", title, "-bg", ground, "-geometry", place, "-e", "sh", "-c", shown];
            let terminal = display.start(&words)?;
            window(&display, title)?;
            anyhow::Ok(terminal)
        };
        let ledger = terminal("ledger 2026", "#204080", "60x20+40+40")?;
        let secret = terminal("very private", "#ff00ff", "80x24+60+60")?;
        Ok(Self { site, agent, display, ledger, _secret: secret, _manager: manager })
    }

    fn session(&self, wire: &WireEndpoint) -> Result<SessionWire> {
        let eve = wire.join(&self.site.invite("Eve")?)?;
        let devices = self.site.admin().run(&["devices"])?.ok()?.json()?;
        let id = devices.pointer("/devices/0/id").and_then(|id| id.as_str()).context("no device")?;
        let id = id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))?;
        let mut session = eve.connect(wire)?.open(&eve, SessionTarget::Device(id))?;
        let AgentHello::Ready(ready) = session.hello(TechnicianProof::Managed)? else { bail!("no session") };
        ensure!(ready.offers.contains(Capability::Window), "{:?}", ready.offers);
        Ok(session)
    }
}

/// The person allows it, with the window of that title.
fn choose(console: &mut TestConsole, title: &str) -> Result<()> {
    let line = console.sees(&format!("\"{title}\""))?;
    let number = line.split_whitespace().next().context("no number")?.to_owned();
    console.tries(&format!("allow {number}"))
}

fn decision(session: &mut SessionWire) -> Result<ConsentDecision> {
    loop {
        if let FromAgent::Decision { decision, .. } = session.hears()? {
            return Ok(decision);
        }
    }
}

/// What a technician's program makes of the window's stream.
struct StreamPicture {
    stream: TalkWire,
    decoder: ScreenDecoder,
    picture: Picture,
    coded: Vec<u8>,
    titles: Vec<String>,
}

impl StreamPicture {
    fn open(session: &SessionWire) -> Result<Self> {
        let mut stream = session.talk(&StreamOpen::Window)?;
        stream.say(&FromViewer::Start { monitor: Some(3), quality: ScreenQuality::Auto })?;
        let picture = Picture::black(Size { width: 1, height: 1 });
        Ok(Self { stream, decoder: ScreenDecoder::new(), picture, coded: Vec::new(), titles: Vec::new() })
    }

    /// The next picture; nothing of another window is in it. An error says why there is none.
    fn looks(&mut self) -> Result<()> {
        loop {
            match self.stream.hears::<FromScreen>()? {
                FromScreen::Frame { part, last, frame } => {
                    self.coded.extend(part);
                    if last.is_some() {
                        self.decoder.decode(&self.coded, &mut self.picture)?;
                        self.coded.clear();
                        ensure!(self.count(SECRET) == 0, "another window is seen");
                        self.stream.say(&FromViewer::Painted { frame, decode: 1, paint: 1 })?;
                        return Ok(());
                    }
                }
                FromScreen::Monitors(monitors) => {
                    self.titles = monitors.into_iter().map(|m| m.name).collect();
                }
                FromScreen::Gone(why) => bail!("{why}"),
                _ => {}
            }
        }
    }

    fn count(&self, colour: u32) -> usize {
        self.picture.pixels().iter().filter(|pixel| **pixel == colour).count()
    }
}

#[test]
fn a_person_shows_one_window_and_nothing_else_of_the_screen() -> Result<()> {
    let mut desk = WindowDevice::new()?;
    let mut console = desk.agent.attend()?;
    let wire = WireEndpoint::new()?;
    let mut session = desk.session(&wire)?;
    let asked = session.ask(Capability::Window.into())?;
    assert!(matches!(asked, FromAgent::Asking { .. }), "{asked:?}");
    // Without a choice nothing is allowed.
    console.sees("Which window may they see?")?;
    console.types("allow")?;
    console.sees("Say which window they may see")?;
    choose(&mut console, "ledger 2026")?;
    let decided = decision(&mut session)?;
    assert!(matches!(decided, ConsentDecision::Granted { .. }), "{decided:?}");
    // A window is not the screen, and can't be used.
    for (open, missing) in [(StreamOpen::Screen, Capability::View), (StreamOpen::Input, Capability::Control)]
    {
        assert_eq!(session.stream(&open)?, StreamAnswer::Refused(SessionRefusal::NotGranted(missing)));
    }
    let mut eye = StreamPicture::open(&session)?;
    // Its terminal draws all of it, although the other one lies over most of it.
    let all = |eye: &StreamPicture| {
        eye.picture.pixels().len() > 50_000 && eye.count(LEDGER) * 10 > eye.picture.pixels().len() * 9
    };
    until(LIMIT, "the window", || eye.looks().map(|()| all(&eye)))?;
    assert_eq!(eye.titles, ["ledger 2026"]);
    // Over another part of it, and larger.
    let private = window(&desk.display, "very private")?;
    desk.display.run(&["xdotool", "windowmove", &private, "0", "0"])?;
    let ledger = window(&desk.display, "ledger 2026")?;
    let before = eye.picture.size();
    desk.display.run(&["xdotool", "windowsize", &ledger, "600", "400"])?;
    until(LIMIT, "its new size", || eye.looks().map(|()| eye.picture.size() != before && all(&eye)))?;
    let rows = desk.agent.audit()?;
    let detail = |action: &str| {
        rows.iter()
            .filter(|[_, of, _]| of == action)
            .map(|[_, _, detail]| detail.as_str())
            .collect::<Vec<_>>()
    };
    let named = "the window \"ledger 2026\" of \"XTerm\"";
    assert_eq!(detail("window.start"), [named]);
    assert_eq!(detail("grant"), [format!("window for 60 s; {named}")]);
    assert!(detail("view.start").is_empty());
    // The window's end is the end of it.
    desk.ledger.kill()?;
    let why = loop {
        match session.hears()? {
            FromAgent::Grants { granted, why } if granted.is_empty() => break why,
            _ => {}
        }
    };
    assert!(why.contains("the window was closed"), "{why}");
    let refused = StreamAnswer::Refused(SessionRefusal::NotGranted(Capability::Window));
    assert_eq!(session.stream(&StreamOpen::Window)?, refused);
    desk.agent.has_audited("window.end", 1)?;
    session.leave()
}

#[test]
fn a_policy_names_an_application_and_its_uppermost_window_is_seen() -> Result<()> {
    let desk = WindowDevice::new()?;
    let rule = "[[allow]]\ntechnicians = [\"*\"]\ncapabilities = [\"window\"]\nfor = \"1h\"\n";
    let policy =
        |windows: &str| std::fs::write(desk.agent.data().join("policy.toml"), [rule, windows].concat());
    let wire = WireEndpoint::new()?;
    let mut session = desk.session(&wire)?;
    // A rule that doesn't say which is none.
    policy("")?;
    session.ask(Capability::Window.into())?;
    assert!(matches!(
        session.ask(Capability::Window.into())?,
        FromAgent::Decision { decision: ConsentDecision::Refused(SessionRefusal::Unattended), .. }
    ));
    policy("windows = [\"Mail\", \"Ledger\"]\n")?;
    let granted = session.ask(Capability::Window.into())?;
    assert!(
        matches!(granted, FromAgent::Decision { decision: ConsentDecision::Granted { .. }, .. }),
        "{granted:?}"
    );
    let none = StreamPicture::open(&session)?.looks().unwrap_err().to_string();
    assert!(none.contains("no window of Mail or Ledger is open"), "{none}");
    session.leave()
}
