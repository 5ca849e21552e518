//! One picture of the screen for a report, end to end on the real programs: its own line in the person's consent, exact,
//! used up with one, and a report without it wherever it isn't to be had.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use data_encoding::BASE64;
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::control::SessionTarget;
use nearhand_proto::message::screen::FromScreen;
use nearhand_proto::message::session::{
    AgentHello, ConsentDecision, FromAgent, SessionRefusal, StreamAnswer, StreamOpen, TechnicianProof,
};
use nearhand_screen::{Picture, ScreenDecoder, Size};
use nearhand_tests::deployment::{LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::parties::TestAgent;
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::wire_client::{SessionWire, WireEndpoint};
use nearhand_tests::x_display::{XDisplay, window};
use serde_json::Value;

const WIDTH: u16 = 900;
const HEIGHT: u16 = 500;

/// A device with a display on which something stands still.
struct ScreenshotDevice {
    site: TestDeployment,
    agent: TestAgent,
    display: XDisplay,
    _terminal: TestProgram,
}

impl ScreenshotDevice {
    fn new() -> Result<Self> {
        let logs = ProgramLogs::default();
        let display = XDisplay::virtual_frame_buffer(WIDTH, HEIGHT, &logs)?;
        let site = TestDeployment::new()?;
        let agent =
            site.device_at("desk", ProgramPlace::behind(&["env", &format!("DISPLAY={}", display.name)]))?;
        let shown = "seq 1 200; printf '\\033[31mdone\\033[0m'; exec sleep 600";
        let terminal = display.start(&["xterm", "-T", "terminal", "-e", "sh", "-c", shown])?;
        window(&display, "terminal")?;
        let eye = display.eye()?;
        let mut before = Vec::new();
        until(LIMIT, "a display at rest", || {
            let now = eye.whole()?;
            let rests = now.contains(&0xcd_0000) && now == before;
            before = now;
            Ok(rests)
        })?;
        Ok(Self { site, agent, display, _terminal: terminal })
    }

    fn session(&self, wire: &WireEndpoint) -> Result<SessionWire> {
        let eve = wire.join(&self.site.invite("Eve")?)?;
        let devices = self.site.admin().run(&["devices"])?.ok()?.json()?;
        let id = devices.pointer("/devices/0/id").and_then(|id| id.as_str()).context("no device")?;
        let id = id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))?;
        let mut session = eve.connect(wire)?.open(&eve, SessionTarget::Device(id))?;
        let AgentHello::Ready(ready) = session.hello(TechnicianProof::Managed)? else { bail!("no session") };
        ensure!(ready.offers.contains(Capability::Screenshot), "{:?}", ready.offers);
        Ok(session)
    }

    fn actions(&self) -> Result<Vec<String>> {
        Ok(self.agent.audit()?.into_iter().map(|[_, action, _]| action).collect())
    }
}

/// What a report in a directory says.
struct SavedReport {
    directory: PathBuf,
    json: Value,
}

impl SavedReport {
    fn of(directory: &Path) -> Result<Self> {
        let json = serde_json::from_slice(&fs::read(directory.join("report.json"))?)?;
        Ok(Self { directory: directory.to_owned(), json })
    }

    fn text(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.directory.join(name))?)
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.json.pointer(&format!("/screenshot/{name}"))
    }

    /// Every form says that there is no picture, and why.
    fn lacks_it(&self, why: &str) -> Result<()> {
        ensure!(!self.directory.join("screenshot.png").exists(), "there is a picture");
        let missing = self.field("missing").and_then(Value::as_str).context("nothing is missing")?;
        ensure!(missing.contains(why), "{missing}");
        for name in ["report.html", "report.md"] {
            let text = self.text(name)?;
            ensure!(text.contains("No picture of the screen: ") && !text.contains("<img"), "{name}");
        }
        ensure!(self.json.pointer("/findings/0").is_some(), "an empty report");
        Ok(())
    }
}

/// Pixels of a PNG file `0x00RRGGBB`, with its width.
fn picture(file: &[u8]) -> Result<(u32, Vec<u32>)> {
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info()?;
    let mut data = vec![0; reader.output_buffer_size().context("no size")?];
    let info = reader.next_frame(&mut data)?;
    ensure!(info.color_type == png::ColorType::Rgb && info.bit_depth == png::BitDepth::Eight, "{info:?}");
    let rgb = data.as_chunks::<3>().0.iter();
    Ok((info.width, rgb.map(|[r, g, b]| u32::from_be_bytes([0, *r, *g, *b])).collect()))
}

#[test]
fn the_person_allows_one_picture_and_it_is_the_screen_to_the_last_pixel() -> Result<()> {
    let desk = ScreenshotDevice::new()?;
    let mut console = desk.agent.attend()?;
    let out = desk.site.directory("reports")?.join("allowed");
    let shown = out.to_string_lossy();
    let mut client =
        desk.site.admin().start(&["diagnose", "desk", "--quick", "--screenshot", "--out", &shown])?;
    console.sees("take ONE picture of your screen for the report (whatever is open on it")?;
    console.allows()?;
    client.ends_with(0)?;
    let kept = SavedReport::of(&out)?;
    let png = fs::read(out.join("screenshot.png")).with_context(|| format!("{:?}", kept.field("missing")))?;
    let (width, pixels) = picture(&png)?;
    assert_eq!(width, u32::from(WIDTH));
    assert!(pixels == desk.display.eye()?.whole()?, "another picture than the display's");
    // The same in all forms.
    assert!(kept.text("report.html")?.contains(&format!("data:image/png;base64,{}\"", BASE64.encode(&png))));
    let hash = kept.field("sha256").and_then(Value::as_str).context("no hash")?;
    assert!(kept.text("report.md")?.contains(hash));
    assert_eq!(kept.field("bytes"), Some(&png.len().into()));
    assert_eq!(kept.field("missing"), Some(&Value::Null));
    // Told to the person, and in the record: before it was taken, and that it was the only one.
    console.sees("one picture of your screen is taken for the report")?;
    console.sees("the grant is used up")?;
    desk.agent.has_audited("screenshot.end", 1)?;
    let actions = desk.actions()?;
    let at = |action: &str| actions.iter().position(|of| of == action).context(action.to_owned());
    assert!(at("grant")? < at("screenshot.start")? && at("screenshot.start")? < at("screenshot.end")?);
    assert_eq!(actions.iter().filter(|of| *of == "screenshot.start").count(), 1);
    assert!(!actions.iter().any(|of| of == "view.start"));
    Ok(())
}

#[test]
fn the_person_denies_the_picture_alone_and_there_is_a_report_without_it() -> Result<()> {
    let desk = ScreenshotDevice::new()?;
    let mut console = desk.agent.attend()?;
    let out = desk.site.directory("reports")?.join("denied");
    let shown = out.to_string_lossy();
    let mut client =
        desk.site.admin().start(&["diagnose", "desk", "--quick", "--screenshot", "--out", &shown])?;
    console.sees("(screenshot)")?;
    console.answers("allow diagnostics")?;
    client.ends_with(0)?;
    SavedReport::of(&out)?.lacks_it("did not allow it")?;
    assert!(!desk.actions()?.iter().any(|action| action.starts_with("screenshot")));
    Ok(())
}

#[test]
fn a_device_without_a_display_gives_a_report_without_a_picture() -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("server")?;
    agent.allow("\"diagnostics\", \"screenshot\"", true)?;
    let out = site.directory("reports")?.join("headless");
    let shown = out.to_string_lossy();
    let asked = ["diagnose", "server", "--quick", "--screenshot", "--out", &shown];
    site.admin().run(&asked)?.ok()?;
    SavedReport::of(&out)?.lacks_it("it has no screen that can be seen")?;
    // Nobody is asked for what can't be.
    let pseudonymised = site.admin().run(&[&asked[..], &["--pseudonymise"]].concat())?;
    pseudonymised.fails_with(2)?.says("names in a picture of the screen can't be replaced")?;
    Ok(())
}

/// The picture on that session's stream, whole.
fn seen(session: &SessionWire) -> Result<Picture> {
    let mut stream = session.talk(&StreamOpen::Screenshot)?;
    let mut coded = Vec::new();
    loop {
        match stream.hears::<FromScreen>()? {
            FromScreen::Frame { frame: 1, part, last } => {
                coded.extend(part);
                if let Some(last) = last {
                    ensure!(last.exact, "not exact");
                    break;
                }
            }
            other => bail!("{other:?}"),
        }
    }
    ensure!(stream.hears::<FromScreen>().is_err(), "something follows the picture");
    let mut picture = Picture::black(Size { width: 1, height: 1 });
    ScreenDecoder::new().decode(&coded, &mut picture)?;
    Ok(picture)
}

#[test]
fn one_grant_is_one_picture_and_nothing_else_of_the_screen() -> Result<()> {
    let desk = ScreenshotDevice::new()?;
    desk.agent.allow("\"screenshot\"", false)?;
    let wire = WireEndpoint::new()?;
    let mut session = desk.session(&wire)?;
    let granted = |asked: &FromAgent| {
        matches!(asked, FromAgent::Decision { decision: ConsentDecision::Granted { granted, .. }, .. }
            if granted.iter().map(|g| g.capability).eq([Capability::Screenshot]))
    };
    // The policy names the picture, and not the screen.
    let both: Capabilities = [Capability::View, Capability::Screenshot].into_iter().collect();
    let asked = session.ask(both)?;
    assert!(granted(&asked), "{asked:?}");
    let refused = |capability| StreamAnswer::Refused(SessionRefusal::NotGranted(capability));
    for (open, missing) in [(StreamOpen::Screen, Capability::View), (StreamOpen::Input, Capability::Control)]
    {
        assert_eq!(session.stream(&open)?, refused(missing));
    }
    let picture = seen(&session)?;
    assert!(picture.pixels() == desk.display.eye()?.whole()?, "another picture than the display's");
    // It is gone, and both ends know.
    let why = loop {
        match session.hears()? {
            FromAgent::Grants { granted, why } if granted.is_empty() => break why,
            _ => {}
        }
    };
    assert!(why.contains("used up"), "{why}");
    assert_eq!(session.stream(&StreamOpen::Screenshot)?, refused(Capability::Screenshot));
    desk.agent.has_audited("screenshot.start", 1)?;
    // Another grant is another picture.
    let asked = session.ask(Capability::Screenshot.into())?;
    assert!(granted(&asked), "{asked:?}");
    seen(&session)?;
    desk.agent.has_audited("screenshot.start", 2)?;
    session.leave()
}
