//! The stage's device: a screen that shows what it is told to, coded by the real coder and paced by what was painted,
//! and a pointer, a keyboard and a clipboard that say what they were given.

use std::sync::{Arc, Mutex};

use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, DeliveryMark};
use nearhand_proto::message::screen::{
    ClipboardForm, ClipboardMessage, CursorPicture, FRAME_PART, FRAMES_IN_FLIGHT, FrameEnd, FromScreen,
    FromViewer, InputEvent, InputNotice, Monitor, ScreenPoint, ScreenQuality,
};
use nearhand_proto::message::session::{FRAME_LIMIT, StreamOpen};
use nearhand_screen::{FrameSettings, PhotoQuality};
use nearhand_screen::{Picture, ScreenEncoder, Size};
use nearhand_transport::framed;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, split};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio::task::JoinSet;

use crate::{DeviceCue, pictures, tell};

/// Whether a conversation may be.
pub(crate) enum GrantState {
    Granted,
    NotGranted,
    Interrupted,
}

/// A device that shows and says what the test's cues want.
pub(crate) struct ScriptedDevice {
    scene: Mutex<ScriptedScreen>,
    changed: Notify,
    cut: broadcast::Sender<Capabilities>,
    cues: broadcast::Sender<StreamCue>,
}

struct ScriptedScreen {
    granted: Capabilities,
    interrupted: bool,
    picture: Picture,
    said: Vec<ChatLine>,
}

#[derive(Clone)]
enum StreamCue {
    Screen(FromScreen),
    Garbage,
    Notice(InputNotice),
    Copied(String),
}

impl Default for ScriptedDevice {
    fn default() -> Self {
        let scene = ScriptedScreen {
            granted: Capabilities::NONE,
            interrupted: false,
            picture: pictures::draw("text", Size { width: 640, height: 400 }, 0),
            said: Vec::new(),
        };
        let (cut, cues) = (broadcast::channel(16).0, broadcast::channel(64).0);
        Self { scene: Mutex::new(scene), changed: Notify::new(), cut, cues }
    }
}

impl ScriptedDevice {
    pub(crate) fn state(&self, capability: Capability) -> GrantState {
        let scene = self.scene.lock().unwrap();
        match (scene.interrupted, scene.granted.contains(capability)) {
            (true, _) => GrantState::Interrupted,
            (false, true) => GrantState::Granted,
            (false, false) => GrantState::NotGranted,
        }
    }

    pub(crate) fn grant(&self, granted: Capabilities) {
        self.scene.lock().unwrap().granted = granted;
        let _ = self.cut.send(granted);
    }

    pub(crate) fn interrupt(&self) {
        self.scene.lock().unwrap().interrupted = true;
        let _ = self.cut.send(Capabilities::NONE);
    }

    pub(crate) fn resume(&self) {
        self.scene.lock().unwrap().interrupted = false;
    }

    pub(crate) fn said(&self, line: ChatLine) {
        self.scene.lock().unwrap().said.push(line);
    }

    pub(crate) fn marked(&self, number: u64) -> Option<ChatLine> {
        let scene = self.scene.lock().unwrap();
        let line = scene.said.iter().find(|line| line.number == number)?;
        Some(ChatLine { mark: DeliveryMark::Shown, ..line.clone() })
    }

    pub(crate) fn picture(&self, name: &str, width: u16, height: u16, step: u32) -> u32 {
        let picture = pictures::draw(name, Size { width, height }, step);
        let hash = pictures::hash(&picture);
        self.scene.lock().unwrap().picture = picture;
        self.changed.notify_waiters();
        hash
    }

    pub(crate) fn cue(&self, cue: &DeviceCue) {
        let event = match cue {
            DeviceCue::Gone(why) => StreamCue::Screen(FromScreen::Gone(why.clone())),
            DeviceCue::Garbage => StreamCue::Garbage,
            DeviceCue::Cursor => StreamCue::Screen(FromScreen::Cursor(cursor())),
            DeviceCue::CursorAt(at) => {
                StreamCue::Screen(FromScreen::CursorAt(at.map(|(x, y)| ScreenPoint { x, y })))
            }
            DeviceCue::HeldBack(held) => StreamCue::Notice(InputNotice::HeldBack(*held)),
            DeviceCue::Untypable(what) => StreamCue::Notice(InputNotice::Untypable(what.clone())),
            DeviceCue::Copied(text) => StreamCue::Copied(text.clone()),
            _ => unreachable!("is an update"),
        };
        let _ = self.cues.send(event);
    }

    pub(crate) fn open(self: Arc<Self>, open: &StreamOpen, stream: DuplexStream) {
        let (read, write) = split(stream);
        let (mut cut, cues) = (self.cut.subscribe(), self.cues.subscribe());
        let open = open.clone();
        tokio::spawn(async move {
            let served = async {
                match &open {
                    StreamOpen::Screen | StreamOpen::Window => self.screen(read, write, cues).await,
                    StreamOpen::Input => Self::input(read, write, cues).await,
                    StreamOpen::Clipboard => Self::clipboard(read, write, cues).await,
                    _ => unreachable!("the page opens no other"),
                }
            };
            let taken_back = async {
                while cut
                    .recv()
                    .await
                    .is_ok_and(|granted| open.needs().is_some_and(|needs| granted.contains(needs)))
                {
                }
            };
            tokio::select! {
                _ = served => {}
                () = taken_back => {}
            }
        });
    }

    async fn screen(
        &self,
        read: ReadHalf<DuplexStream>,
        mut write: WriteHalf<DuplexStream>,
        mut cues: broadcast::Receiver<StreamCue>,
    ) -> Option<()> {
        let (mut heard, _task) = reader::<FromViewer>(read);
        let mut show: Option<FrameSource> = None;
        loop {
            let changed = self.changed.notified();
            if let Some(showing) = &mut show {
                let picture = self.scene.lock().unwrap().picture.clone();
                showing.frames(&picture, &mut write).await?;
            }
            tokio::select! {
                message = heard.recv() => match message? {
                    FromViewer::Start { monitor, quality } => {
                        tell(&serde_json::json!({"start": monitor, "quality": format!("{quality:?}")}));
                        let picture = self.scene.lock().unwrap().picture.clone();
                        say(&mut write, &FromScreen::Monitors(monitors(picture.size()))).await?;
                        show = Some(FrameSource::new(picture.size(), quality));
                    }
                    FromViewer::Painted { frame, .. } => if let Some(showing) = &mut show { showing.painted(frame) },
                    FromViewer::Hidden(hidden) => {
                        tell(&serde_json::json!({"hidden": hidden}));
                        if let Some(showing) = &mut show { showing.hidden = hidden }
                    }
                    other => tell(&serde_json::json!({"viewer": format!("{other:?}")})),
                },
                event = cues.recv() => match event.ok()? {
                    StreamCue::Screen(message) => say(&mut write, &message).await?,
                    StreamCue::Garbage => {
                        let frame = show.as_mut().map(|showing| { showing.frame += 1; showing.frame })?;
                        let part = (0..5000_u32).map(|i| (i * 31 % 251) as u8).collect();
                        say(&mut write, &FromScreen::Frame { frame, part, last: Some(FrameEnd::default()) }).await?;
                    }
                    StreamCue::Notice(_) | StreamCue::Copied(_) => {}
                },
                () = changed => {}
            }
        }
    }

    async fn input(
        read: ReadHalf<DuplexStream>,
        mut write: WriteHalf<DuplexStream>,
        mut cues: broadcast::Receiver<StreamCue>,
    ) -> Option<()> {
        let (mut heard, _task) = reader::<InputEvent>(read);
        loop {
            tokio::select! {
                input = heard.recv() => tell(&serde_json::json!({"input": format!("{:?}", input?)})),
                event = cues.recv() => if let StreamCue::Notice(notice) = event.ok()? { say(&mut write, &notice).await? },
            }
        }
    }

    async fn clipboard(
        read: ReadHalf<DuplexStream>,
        mut write: WriteHalf<DuplexStream>,
        mut cues: broadcast::Receiver<StreamCue>,
    ) -> Option<()> {
        let (mut heard, _task) = reader::<ClipboardMessage>(read);
        let (mut copied, mut taken) = (String::new(), Vec::new());
        loop {
            tokio::select! {
                message = heard.recv() => match message? {
                    ClipboardMessage::Has { serial, forms } => {
                        tell(&serde_json::json!({"offered": format!("{forms:?}")}));
                        let (form, _) = *forms.first()?;
                        say(&mut write, &ClipboardMessage::Fetch { serial, form }).await?;
                    }
                    ClipboardMessage::Part { serial, bytes, last, .. } => {
                        taken.extend_from_slice(&bytes);
                        if last {
                            let all = core::mem::take(&mut taken);
                            tell(&serde_json::json!({"pasted": String::from_utf8_lossy(&all)}));
                            say(&mut write, &ClipboardMessage::Taken { serial }).await?;
                        }
                    }
                    ClipboardMessage::Fetch { serial, form } => {
                        let bytes = copied.clone().into_bytes();
                        say(&mut write, &ClipboardMessage::Part { serial, form, bytes, last: true }).await?;
                    }
                    other => tell(&serde_json::json!({"clipboard": format!("{other:?}")})),
                },
                event = cues.recv() => if let StreamCue::Copied(text) = event.ok()? {
                    let forms = vec![(ClipboardForm::Text, u64::try_from(text.len()).ok())];
                    copied = text;
                    say(&mut write, &ClipboardMessage::Has { serial: 7, forms }).await?;
                },
            }
        }
    }
}

struct FrameSource {
    encoder: ScreenEncoder,
    frame: u32,
    painted: u32,
    photos: PhotoQuality,
    hidden: bool,
}

impl FrameSource {
    fn new(size: Size, quality: ScreenQuality) -> Self {
        let photos = if quality == ScreenQuality::Exact {
            PhotoQuality::Exact
        } else {
            PhotoQuality::Lossy { quality: 80 }
        };
        Self { encoder: ScreenEncoder::new(size), frame: 0, painted: 0, photos, hidden: false }
    }

    fn painted(&mut self, frame: u32) {
        tell(&serde_json::json!({"painted": frame}));
        self.painted = self.painted.max(frame);
    }

    /// Sends what changed while there is credit; refines once all is painted.
    async fn frames(&mut self, picture: &Picture, write: &mut WriteHalf<DuplexStream>) -> Option<()> {
        if picture.size() != self.encoder.size() {
            self.encoder = ScreenEncoder::new(picture.size());
        }
        let mut damage = vec![picture.size().rect()];
        while !self.hidden && self.frame - self.painted < FRAMES_IN_FLIGHT {
            let refine = self.frame == self.painted && self.frame > 0;
            let how = FrameSettings {
                budget: usize::MAX,
                pixels: usize::MAX,
                photos: self.photos,
                refine,
                focus: None,
            };
            let Some(coded) = self.encoder.encode(picture, &damage, how) else { return Some(()) };
            damage.clear();
            self.frame += 1;
            let end = FrameEnd { waited: 1200, capture: 800, encode: 3400, exact: coded.exact };
            let mut parts = coded.bytes.chunks(FRAME_PART).peekable();
            while let Some(part) = parts.next() {
                let last = parts.peek().is_none().then_some(end);
                say(write, &FromScreen::Frame { frame: self.frame, part: part.to_vec(), last }).await?;
            }
            tell(&serde_json::json!({"frame": self.frame, "bytes": coded.bytes.len(), "exact": coded.exact}));
        }
        Some(())
    }
}

fn monitors(size: Size) -> Vec<Monitor> {
    let monitor = |number, name: &str, x, primary| Monitor {
        number,
        name: name.to_owned(),
        x,
        y: 0,
        width: size.width,
        height: size.height,
        primary,
    };
    vec![monitor(1, "eDP-1", 0, true), monitor(2, "HDMI-1", size.width, false)]
}

/// An arrow, black with a white rim.
fn cursor() -> CursorPicture {
    let (width, height) = (16_u16, 24_u16);
    let mut rgba = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let inside = x <= y * 2 / 3 && y < 20;
            let rim = inside && (x == 0 || x >= y * 2 / 3 - u16::from(y > 1) || y > 18);
            let shade = if rim { 255 } else { 0 };
            rgba.extend_from_slice(&[shade, shade, shade, if inside { 255 } else { 0 }]);
        }
    }
    CursorPicture { width, height, hot: ScreenPoint::default(), rgba }
}

async fn say<T: serde::Serialize>(write: &mut WriteHalf<DuplexStream>, message: &T) -> Option<()> {
    framed::write(write, message, FRAME_LIMIT).await.ok()
}

/// Reads in a task that ends with the returned set, as the conversation does.
fn reader<T: serde::de::DeserializeOwned + Send + 'static>(
    mut read: ReadHalf<DuplexStream>,
) -> (mpsc::Receiver<T>, JoinSet<()>) {
    let (to, heard) = mpsc::channel(16);
    let mut task = JoinSet::new();
    task.spawn(async move {
        while let Ok(message) = framed::read(&mut read, FRAME_LIMIT).await {
            if to.send(message).await.is_err() {
                return;
            }
        }
    });
    (heard, task)
}
