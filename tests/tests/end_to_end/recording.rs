//! Recordings, end to end on the real programs: a display with real applications, an agent on it, a technician whose
//! browser shows the viewer's page. The customer is told, the file proves what it is, and it becomes a video that
//! shows what there was to see.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::deployment::{LIMIT, ProgramPlace, TestDeployment};
use nearhand_tests::disk::{fill, small_disk};
use nearhand_tests::parties::{TestAgent, TestClient, TestTechnician};
use nearhand_tests::program::{ProgramLogs, TestProgram, until};
use nearhand_tests::x_display::{ColorMarker, PixelReader, XDisplay, window};
use rustix::process::Signal;
use serde_json::Value;

/// The device's screen. It fits on the technician's page as it is.
const WIDTH: u16 = 800;
const HEIGHT: u16 = 480;
const RED: u32 = 0xd0_2040;
const GREEN: u32 = 0x20_c060;
const BLUE: u32 = 0x30_60e0;
/// A browser has a lot to start.
const PATIENCE: Duration = Duration::from_secs(90);

/// A device with a terminal and a square on its screen, and a technician's workstation.
struct RecordingSetup {
    site: TestDeployment,
    agent: TestAgent,
    device: XDisplay,
    marker: ColorMarker,
    work: XDisplay,
    browser: Option<TestProgram>,
    _programs: [TestProgram; 2],
    _logs: ProgramLogs,
}

impl RecordingSetup {
    fn new() -> Result<Self> {
        let logs = ProgramLogs::default();
        let device = XDisplay::virtual_frame_buffer(WIDTH, HEIGHT, &logs)?;
        let work = XDisplay::virtual_frame_buffer(1400, 700, &logs)?;
        let manager = device.window_manager()?;
        let shown = "seq 1 40; printf '\\033[31mrecorded\\033[0m'; exec sleep 600";
        let terminal = device.start(&["xterm", "-T", "terminal", "-e", "sh", "-c", shown])?;
        window(&device, "terminal")?;
        let marker = ColorMarker::show(device.eye()?, 700, 380, RED)?;
        let site = TestDeployment::new()?;
        let place = ProgramPlace::behind(&["env", &format!("DISPLAY={}", device.name)]);
        let agent = site.device_at("till 3", place)?;
        agent.allow("\"view\"", true)?;
        Ok(Self {
            site,
            agent,
            device,
            marker,
            work,
            browser: None,
            _programs: [manager, terminal],
            _logs: logs,
        })
    }

    fn file(&self, name: &str) -> Result<PathBuf> {
        Ok(self.site.directory("recordings")?.join(name))
    }

    /// Connects, records, and shows the page.
    fn record(&mut self, file: &Path) -> Result<TestClient> {
        let ada = self.site.admin().clone();
        self.record_as(&ada, file)
    }

    fn record_as(&mut self, who: &TestTechnician, file: &Path) -> Result<TestClient> {
        let words = ["--view-only", "--no-open", "--record", &file.to_string_lossy()];
        let mut client = who.connect("till 3", &words)?;
        let url = client.event("viewer")?;
        self.browse(&url)?;
        Ok(client)
    }

    fn browse(&mut self, event: &Value) -> Result<()> {
        let url = event.get("url").and_then(Value::as_str).context("no address")?;
        self.browser = None;
        self.browser = Some(self.work.chromium(url, &["--window-size=1400,700"])?);
        Ok(())
    }

    fn eye(&self) -> Result<PixelReader> {
        self.work.eye()
    }

    /// Waits until the technician's page shows a square of that colour.
    fn shown(&self, colour: u32) -> Result<()> {
        let eye = self.eye()?;
        until(PATIENCE, &format!("{colour:06x} on the page"), || Ok(eye.find(colour)?.is_some()))?;
        Ok(())
    }

    fn paint(&self, colour: u32) -> Result<()> {
        self.marker.paint(colour)?;
        self.shown(colour)
    }
}

/// Ends as Ctrl-C does.
fn end(client: &mut TestClient) -> Result<Value> {
    client.program.signal(Signal::INT)?;
    let recorded = client.event("recorded")?;
    client.ends_with(0)?;
    Ok(recorded)
}

fn number(json: &Value, name: &str) -> Result<u64> {
    json.get(name).and_then(Value::as_u64).with_context(|| format!("no {name} in {json}"))
}

/// Runs ffmpeg or ffprobe; what it writes.
fn video(program: &str, words: &[&str], file: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new(program);
    match words.iter().position(|word| *word == "FILE") {
        Some(at) => command.args(words.iter().take(at)).arg(file).args(words.iter().skip(at + 1)),
        None => command.args(words).arg(file),
    };
    let done = command.output().with_context(|| format!("{program} can't be run"))?;
    ensure!(done.status.success(), "{program}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(done.stdout)
}

/// How far two pictures are apart on average, in steps of a colour.
fn apart(rgb: &[u8], pixels: &[u32]) -> f64 {
    let differences = rgb.as_chunks::<3>().0.iter().zip(pixels).map(|(coded, pixel)| {
        let [_, red, green, blue] = pixel.to_be_bytes();
        let each = coded.iter().zip([red, green, blue]);
        each.map(|(a, b)| u64::from(a.abs_diff(b))).sum::<u64>()
    });
    let sum = u32::try_from(differences.sum::<u64>()).unwrap_or(u32::MAX);
    f64::from(sum) / (f64::from(WIDTH) * f64::from(HEIGHT) * 3.0)
}

#[test]
fn a_session_is_recorded_proved_played_and_made_a_video() -> Result<()> {
    let mut scene = RecordingSetup::new()?;
    let mut console = scene.agent.watch(&[])?;
    let file = scene.file("one.nearhand")?;
    let mut client = scene.record(&file)?;
    console.sees("the technician records the screen")?;
    scene.shown(RED)?;
    assert!(client.event("remark")?.to_string().contains("is being recorded"));
    // Who comes later is told too.
    scene.agent.watch(&[])?.sees("the technician records the screen")?;
    scene.paint(GREEN)?;
    // The page is opened again: another part of the recording.
    scene.work.run(&["xdotool", "key", "F5"])?;
    until(LIMIT, "a second part", || Ok(scene.agent.audited("record.start")? == 2))?;
    scene.shown(GREEN)?;
    scene.paint(BLUE)?;
    let screen = scene.device.eye()?.whole()?;
    let recorded = end(&mut client)?;
    console.sees("no longer records the screen")?;
    assert_eq!(number(&recorded, "bytes")?, fs::metadata(&file)?.len());
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    scene.agent.has_audited("record.end", 2)?;

    // It is proved.
    let shown = file.to_string_lossy().into_owned();
    let ada = scene.site.admin();
    let proof = ada.run(&["play", &shown, "--verify"])?.ok()?.json()?;
    assert_eq!(proof.pointer("/verdict").and_then(Value::as_str), Some("whole"), "{proof}");
    assert_eq!(proof.pointer("/device/known").and_then(Value::as_str), Some("organisation"), "{proof}");
    assert_eq!(proof.pointer("/technician_known"), Some(&Value::Bool(true)), "{proof}");
    assert_eq!((number(&proof, "parts")?, number(&proof, "missing_parts")?), (2, 0), "{proof}");
    let millis = number(&proof, "milliseconds")?;

    // It becomes a video that ends with what the screen was.
    let webm = scene.file("one.webm")?;
    ada.run(&["play", &shown, "--export", &webm.to_string_lossy(), "--fps", "5"])?.ok()?;
    let probed =
        ["-v", "error", "-show_entries", "stream=width,height,codec_name:format=duration", "-of", "json"];
    let probed: Value = serde_json::from_slice(&video("ffprobe", &probed, &webm)?)?;
    assert_eq!(probed.pointer("/streams/0/width").and_then(Value::as_u64), Some(WIDTH.into()), "{probed}");
    assert_eq!(probed.pointer("/streams/0/height").and_then(Value::as_u64), Some(HEIGHT.into()), "{probed}");
    assert_eq!(probed.pointer("/streams/0/codec_name").and_then(Value::as_str), Some("vp9"), "{probed}");
    let duration = probed.pointer("/format/duration").and_then(Value::as_str).context("no duration")?;
    let off = (duration.parse::<f64>()? * 1000.0 - f64::from(u32::try_from(millis)?)).abs();
    assert!(off < 1500.0, "{duration} s of {millis} ms");
    let last = [
        "-v", "error", "-sseof", "-1", "-i", "FILE", "-update", "1", "-pix_fmt", "rgb24", "-f", "rawvideo",
        "-",
    ];
    let pictures = video("ffmpeg", &last, &webm)?;
    let size = usize::from(WIDTH) * usize::from(HEIGHT) * 3;
    let rgb = pictures.rchunks_exact(size).next().context("no picture")?;
    let apart = apart(rgb, &screen);
    assert!(apart < 6.0, "on average {apart} steps from the screen");
    // Nothing is replaced.
    ada.run(&["play", &shown, "--export", &webm.to_string_lossy()])?.fails_with(2)?;
    ada.run(&["connect", "till 3", "--record", &shown])?.fails_with(2)?.says(&shown)?;

    // And pictures.
    let pictures = scene.file("pictures")?;
    ada.run(&["play", &shown, "--frames", &pictures.to_string_lossy()])?.ok()?;
    assert!(fs::read_dir(&pictures)?.count() >= 2);

    // And it is played, from its beginning to its end.
    let mut player = scene.site.admin().start(&["play", &shown, "--no-open"])?;
    let url = player.event("player")?;
    scene.browse(&url)?;
    scene.shown(BLUE)?;
    scene.work.run(&["xdotool", "key", "Home"])?;
    scene.shown(RED)?;
    scene.shown(GREEN)?;
    player.program.signal(Signal::INT)?;
    player.ends_with(0)
}

#[test]
fn a_recording_that_was_edited_is_refused_and_one_that_was_cut_is_named_so() -> Result<()> {
    let mut scene = RecordingSetup::new()?;
    let file = scene.file("two.nearhand")?;
    let mut client = scene.record(&file)?;
    scene.shown(RED)?;
    scene.paint(GREEN)?;
    // The client dies in the middle: what it has written stays.
    client.program.kill()?;
    let ada = scene.site.admin();
    let proof = ada.run(&["play", &file.to_string_lossy(), "--verify"])?.fails_with(23)?;
    assert!(proof.text.contains("\"verdict\":\"cut\""), "{}", proof.text);
    let bytes = fs::read(&file)?;
    let edited = scene.file("edited")?;
    let mut changed = bytes.clone();
    *changed.get_mut(bytes.len() / 2).context("empty")? ^= 1;
    fs::write(&edited, changed)?;
    let (edited, webm) = (edited.to_string_lossy(), scene.file("edited.webm")?);
    for words in [vec!["--verify"], vec!["--export", &webm.to_string_lossy()], vec!["--no-open"]] {
        let refused = ada.run(&[&["play", &edited], words.as_slice()].concat())?.fails_with(22)?;
        refused.says("changed at frame")?;
    }
    assert!(!webm.exists());
    // Without ffmpeg there is no video, nor a part of one.
    let nowhere = ProgramPlace::behind(&["env", "PATH=/nowhere"]);
    let alone =
        ada.at(nowhere).run(&["play", &file.to_string_lossy(), "--export", &webm.to_string_lossy()])?;
    alone.fails_with(17)?.says("apt install ffmpeg")?;
    assert!(!webm.exists());
    Ok(())
}

#[test]
fn a_recording_goes_on_after_an_interruption_and_says_what_it_lacks() -> Result<()> {
    let mut scene = RecordingSetup::new()?;
    let file = scene.file("three.nearhand")?;
    let mut client = scene.record(&file)?;
    scene.shown(RED)?;
    scene.site.relay.signal(Signal::STOP)?;
    client.event_within("interrupted", Duration::from_secs(60))?;
    scene.marker.paint(GREEN)?;
    scene.site.relay.signal(Signal::CONT)?;
    client.event_within("resumed", Duration::from_secs(60))?;
    scene.shown(GREEN)?;
    end(&mut client)?;
    let shown = file.to_string_lossy().into_owned();
    let ada = scene.site.admin();
    let proof = ada.run(&["play", &shown, "--verify"])?.fails_with(23)?;
    let document = proof.text.lines().find(|line| line.contains("\"verdict\"")).context("no verdict")?;
    let document: Value = serde_json::from_str(document)?;
    assert_eq!((number(&document, "parts")?, number(&document, "missing_parts")?), (2, 0), "{document}");
    assert!(document.to_string().contains("1 of 2 parts were interrupted"), "{document}");
    // What is there is shown.
    let pictures = scene.file("pictures")?;
    ada.run(&["play", &shown, "--frames", &pictures.to_string_lossy()])?.ok()?;
    assert!(fs::read_dir(&pictures)?.count() >= 2);
    Ok(())
}

#[test]
fn a_recording_that_the_person_stops_is_whole() -> Result<()> {
    let mut scene = RecordingSetup::new()?;
    let mut console = scene.agent.watch(&["--no-code"])?;
    for (name, stop, code) in [("five", "/take view", 0), ("six", "/stop", 18)] {
        let file = scene.file(&format!("{name}.nearhand"))?;
        scene.marker.paint(RED)?;
        let mut client = scene.record(&file)?;
        scene.shown(RED)?;
        scene.paint(GREEN)?;
        console.sees("the technician records the screen")?;
        console.types(stop)?;
        if code == 0 {
            console.sees("no longer records the screen")?;
            end(&mut client)?;
        } else {
            client.event("recorded")?;
            client.ends_with(code)?;
        }
        // The device signed it to its end before it cut the view.
        let proof = scene.site.admin().run(&["play", &file.to_string_lossy(), "--verify"])?.ok()?;
        assert!(proof.text.contains("\"verdict\":\"whole\""), "{}", proof.text);
    }
    Ok(())
}

#[test]
fn a_full_disk_ends_the_recording_and_not_the_session() -> Result<()> {
    let mut scene = RecordingSetup::new()?;
    let directory = scene.site.directory("small")?;
    let Some(place) = small_disk(&directory, "1m") else { return Ok(()) };
    let mut console = scene.agent.watch(&[])?;
    let ada = scene.site.admin().at(place);
    let mut client = scene.record_as(&ada, &directory.join("four.nearhand"))?;
    scene.shown(RED)?;
    console.sees("the technician records the screen")?;
    fill(client.program.pid(), &directory)?;
    // What comes now finds no room, sooner or later.
    let mut colours = [GREEN, BLUE].into_iter().cycle();
    until(LIMIT, "the recording stops", || {
        scene.paint(colours.next().unwrap_or(RED))?;
        Ok(client.program.said("The recording has stopped"))
    })?;
    console.sees("no longer records the screen")?;
    scene.paint(RED)?;
    client.program.signal(Signal::INT)?;
    let recorded = client.event("recorded")?;
    assert!(recorded.get("stopped").is_some_and(Value::is_string), "{recorded}");
    client.ends_with(0)
}
