//! The playback page: one recording, shown by the viewer's page server and decode process.
//!
//! A driver. Playing time follows this machine's clock, at the chosen speed. To go to a moment, the player decodes
//! the last complete picture before it and all frames from there to the moment.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nearhand_proto::text;
use tokio::time::timeout;

use super::source::{RecordingPlayback, RecordingSurvey};
use super::timeline::PlaybackStep;
use crate::exit::{CommandFailure, ExitCode};
use crate::viewer::PageServer;
use crate::viewer::decode::DecoderInput;
use crate::viewer::decoder_process::{DecoderFailure, DecoderProcess, DecoderProgram};
use crate::viewer::device_stream::OperationsToPage;
use crate::viewer::page_messages::{FromPage, PlaybackRequest, ScreenState, ToPage};
use crate::viewer::server::{PageConnection, PageMessage, PageOutput};

/// Frames that the page may owe.
const UNPAINTED: usize = 8;
/// Requests that wait while the player goes to a moment.
const REQUESTS: usize = 16;
/// Nothing happens for longer than this: with stillness skipped, it is cut to it. In milliseconds.
const STILL: u64 = 500;
/// Interval at which the page gets the playing position.
const TICK: Duration = Duration::from_millis(250);
/// A page that takes no message for this time is gone.
const STUCK: Duration = Duration::from_secs(10);
/// Speeds that can be chosen.
const SPEEDS: [u8; 4] = [1, 2, 4, 8];

/// What is played and how.
pub struct PlayerSettings {
    /// The file of the recording.
    pub file: PathBuf,
    /// What a first reading of the file has found.
    pub survey: RecordingSurvey,
    /// What the recording proves, as a sentence for the page.
    pub verdict: String,
    /// The program that decodes the frames.
    pub decoder: DecoderProgram,
}

/// Plays on the page that is open, until `stop` is done.
///
/// # Errors
/// [`CommandFailure`]: the recording can't be read.
pub async fn play(
    settings: PlayerSettings,
    mut server: PageServer,
    stop: impl Future<Output = ()>,
) -> Result<(), CommandFailure> {
    tokio::pin!(stop);
    let mut player = RecordingPlayer::new(settings)?;
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while let Some(said) = player.requests.pop_front() {
            player.handle_page(said).await?;
        }
        let due = player.due();
        tokio::select! {
            page = server.next_page() => match page {
                Some(page) => player.attach(page).await?,
                None => return Ok(()),
            },
            heard = next_heard(&mut player.page) => match heard {
                Some(PageMessage::Request(said)) => player.handle_page(said).await?,
                Some(PageMessage::Pasted { .. }) => {}
                None => player.page = None,
            },
            failure = decoder_failure(&mut player.decoding) => player.decoder_failed(failure).await,
            () = at(due) => player.step().await?,
            _ = ticks.tick(), if player.page.is_some() && !player.paused => player.tell_position().await,
            () = &mut stop => return Ok(()),
        }
    }
}

async fn next_heard(page: &mut Option<PageConnection>) -> Option<PageMessage> {
    match page {
        Some(page) => page.heard.recv().await,
        None => core::future::pending().await,
    }
}

async fn decoder_failure(decoding: &mut Option<DecoderProcess>) -> DecoderFailure {
    match decoding {
        Some(decoding) => decoding.failure().await,
        None => core::future::pending().await,
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => core::future::pending().await,
    }
}

struct RecordingPlayer {
    settings: PlayerSettings,
    showing: RecordingPlayback,
    next: Option<(u64, PlaybackStep)>,
    page: Option<PageConnection>,
    decoding: Option<DecoderProcess>,
    epoch: u32,
    /// Frames of this epoch that were given to the decoder and aren't painted.
    unpainted: VecDeque<u32>,
    /// Requests that came while the player went to a moment.
    requests: VecDeque<FromPage>,
    /// Where it was at that time.
    anchor: (u64, Instant),
    paused: bool,
    /// It stands still because it has come to its end.
    over: bool,
    speed: u8,
    skips: bool,
}

impl RecordingPlayer {
    fn new(settings: PlayerSettings) -> Result<Self, CommandFailure> {
        let showing = opened(&settings)?;
        Ok(Self {
            settings,
            showing,
            next: None,
            page: None,
            decoding: None,
            epoch: 0,
            unpainted: VecDeque::new(),
            requests: VecDeque::new(),
            anchor: (0, Instant::now()),
            paused: true,
            over: false,
            speed: 1,
            skips: true,
        })
    }

    /// Where it is, in milliseconds.
    fn position(&self) -> u64 {
        let (at, since) = self.anchor;
        if self.paused {
            return at;
        }
        let passed = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
        at.saturating_add(passed.saturating_mul(self.speed.into())).min(self.settings.survey.millis)
    }

    fn anchor_at(&mut self, at: u64) {
        self.anchor = (at, Instant::now());
    }

    /// When the next step, or the end, is due; `None` while paused or while the page owes frames.
    fn due(&self) -> Option<Instant> {
        let waits = self.page.is_none() || self.paused || self.unpainted.len() >= UNPAINTED;
        if waits {
            return None;
        }
        let moment = self.next.as_ref().map_or(self.settings.survey.millis, |(at, _)| *at);
        let (at, since) = self.anchor;
        let still = moment.saturating_sub(self.position());
        if self.skips && still > STILL {
            return Some(Instant::now());
        }
        let wait = Duration::from_millis(moment.saturating_sub(at)) / u32::from(self.speed);
        since.checked_add(wait)
    }

    /// Does the step that is due.
    async fn step(&mut self) -> Result<(), CommandFailure> {
        let position = self.position();
        let moment = self.next.as_ref().map_or(self.settings.survey.millis, |(at, _)| *at);
        if self.skips && moment.saturating_sub(position) > STILL {
            self.anchor_at(moment - STILL);
            return Ok(());
        }
        match self.next.take() {
            Some((_, act)) => {
                self.perform(act).await;
                self.next = self.showing.next();
            }
            None => {
                self.anchor_at(self.settings.survey.millis);
                (self.paused, self.over) = (true, true);
                self.tell_position().await;
            }
        }
        Ok(())
    }

    async fn perform(&mut self, act: PlaybackStep) {
        match act {
            PlaybackStep::Begin => self.begin().await,
            PlaybackStep::Frame { frame, part, last } => {
                if last.is_some() {
                    self.unpainted.push_back(frame);
                }
                if let Some(decoding) = &self.decoding {
                    // A process that has ended is reported by `failure`.
                    let _ = decoding.feed().send(DecoderInput::Part { frame, bytes: part, last }).await;
                }
            }
            PlaybackStep::Cursor(cursor) => self.tell(ToPage::from(&cursor)).await,
            PlaybackStep::CursorAt(at) => self.tell(ToPage::CursorAt { at: at.map(|at| (at.x, at.y)) }).await,
            PlaybackStep::Gone(why) => {
                let why = text::one_line(&why, 200);
                self.tell(ToPage::Notice { text: format!("There was nothing to see: {why}") }).await;
            }
            PlaybackStep::Nothing => {}
        }
    }

    /// A decoder that knows nothing, and a page that waits for it.
    async fn begin(&mut self) {
        if let Some(mut decoding) = self.decoding.take() {
            // What the page hasn't painted by then belongs to a picture that is over.
            decoding.stop().await;
        }
        self.unpainted.clear();
        self.epoch = self.epoch.wrapping_add(1);
        let Some(page) = &self.page else { return };
        match DecoderProcess::start(&self.settings.decoder, OperationsToPage(page.to.clone())) {
            Ok(decoding) => {
                self.tell(ToPage::Screen { state: ScreenState::On, why: String::new(), epoch: self.epoch })
                    .await;
                let _ = decoding.feed().send(DecoderInput::Begin { epoch: self.epoch }).await;
                self.decoding = Some(decoding);
            }
            Err(failure) => self.decoder_failed(failure).await,
        }
    }

    async fn decoder_failed(&mut self, failure: DecoderFailure) {
        self.decoding = None;
        self.pause(true);
        let why = format!("{failure}; go to another moment to start it again");
        self.tell(ToPage::Screen { state: ScreenState::Failed, why, epoch: self.epoch }).await;
        self.tell_position().await;
    }

    async fn tell(&mut self, what: ToPage) {
        let Some(page) = &self.page else { return };
        if !matches!(timeout(STUCK, page.to.send(PageOutput::Message(what))).await, Ok(Ok(()))) {
            self.page = None;
        }
    }

    async fn tell_position(&mut self) {
        let told = ToPage::Playing {
            at: self.position(),
            paused: self.paused,
            speed: self.speed,
            skips: self.skips,
        };
        self.tell(told).await;
    }

    /// A page has come: it takes over.
    async fn attach(&mut self, page: PageConnection) -> Result<(), CommandFailure> {
        self.tell(ToPage::Elsewhere).await;
        self.page = Some(page);
        let (survey, title) = (&self.settings.survey, &self.settings.survey.proof.title);
        self.tell(ToPage::Recording {
            device: text::one_line(&title.device, 64),
            technician: text::one_line(&title.technician, 64),
            organisation: text::one_line(&title.organisation_name, 64),
            began: title.began.0,
            millis: survey.millis,
            verdict: self.settings.verdict.clone(),
            whole: survey.proof.is_whole(),
        })
        .await;
        let position = self.position();
        self.paused = false;
        self.seek(if position >= self.settings.survey.millis { 0 } else { position }).await
    }

    fn pause(&mut self, paused: bool) {
        let position = self.position();
        self.anchor_at(position);
        self.paused = paused;
    }

    async fn handle_page(&mut self, said: FromPage) -> Result<(), CommandFailure> {
        match said {
            FromPage::Painted { epoch, frame, .. } => {
                if epoch == self.epoch {
                    self.unpainted.retain(|waiting| *waiting > frame);
                }
                return Ok(());
            }
            FromPage::Play(PlaybackRequest::Pause(false)) if self.over => return self.seek(0).await,
            FromPage::Play(PlaybackRequest::Pause(paused)) => self.pause(paused),
            FromPage::Play(PlaybackRequest::Seek(at)) => return self.seek(at).await,
            FromPage::Play(PlaybackRequest::Speed(speed)) => {
                let paused = self.paused;
                self.pause(paused);
                self.speed = SPEEDS.into_iter().find(|known| *known == speed).unwrap_or(1);
            }
            FromPage::Play(PlaybackRequest::Skip(skips)) => {
                let paused = self.paused;
                self.pause(paused);
                self.skips = skips;
            }
            // Operations that made no sense to the page: from the last whole frame again.
            FromPage::Again => {
                let position = self.position();
                return self.seek(position).await;
            }
            _ => return Ok(()),
        }
        self.tell_position().await;
        Ok(())
    }

    /// Goes to a moment and shows what the screen showed then.
    async fn seek(&mut self, to: u64) -> Result<(), CommandFailure> {
        // Before the first picture there is nothing to see.
        let first = self.settings.survey.seek_points.first().copied().unwrap_or_default();
        let to = to.max(first).min(self.settings.survey.millis);
        if core::mem::take(&mut self.over) {
            self.paused = false;
        }
        let before = self.settings.survey.seek_points.iter().take_while(|point| **point <= to).count();
        self.showing = opened(&self.settings)?;
        // What came before that frame shows no more, but for the pointer.
        let (mut begun, mut pointer) = (0, [None, None]);
        while let Some((at, act)) = self.showing.next() {
            if act == PlaybackStep::Begin {
                begun += 1;
            }
            let there = begun >= before.max(1);
            for pointer in pointer.iter_mut().filter(|_| there).filter_map(Option::take) {
                self.perform(pointer).await;
            }
            if there && at > to {
                self.next = Some((at, act));
                break;
            }
            self.next = None;
            match act {
                act if there => {
                    self.perform(act).await;
                    self.wait_for_room().await;
                }
                act @ PlaybackStep::Cursor(_) => pointer = [Some(act), pointer[1].take()],
                act @ PlaybackStep::CursorAt(_) => pointer[1] = Some(act),
                _ => {}
            }
        }
        self.anchor_at(to);
        self.tell_position().await;
        Ok(())
    }

    /// A request for when the moment is there. Of several moments the last one counts.
    fn postpone(&mut self, request: FromPage) {
        let moment = |request: &FromPage| {
            matches!(request, FromPage::Play(PlaybackRequest::Seek(_)) | FromPage::Again)
        };
        match request {
            // Going to another moment starts the decoder again as well.
            FromPage::Again if self.requests.iter().any(moment) => return,
            ref request if moment(request) => self.requests.retain(|waiting| !moment(waiting)),
            _ => {}
        }
        if self.requests.len() < REQUESTS {
            self.requests.push_back(request);
        }
    }

    /// Waits until the page has painted enough to take more.
    async fn wait_for_room(&mut self) {
        while self.unpainted.len() >= UNPAINTED {
            let heard = tokio::select! {
                heard = timeout(STUCK, next_heard(&mut self.page)) => heard,
                failure = decoder_failure(&mut self.decoding) => return self.decoder_failed(failure).await,
            };
            match heard {
                Ok(Some(PageMessage::Request(FromPage::Painted { epoch, frame, .. }))) => {
                    if epoch == self.epoch {
                        self.unpainted.retain(|waiting| *waiting > frame);
                    }
                }
                Ok(Some(PageMessage::Request(request))) => self.postpone(request),
                Ok(Some(PageMessage::Pasted { .. })) => {}
                Ok(None) | Err(_) => {
                    self.page = None;
                    self.unpainted.clear();
                }
            }
        }
    }
}

fn opened(settings: &PlayerSettings) -> Result<RecordingPlayback, CommandFailure> {
    RecordingPlayback::start(&settings.file).map_err(|error| {
        CommandFailure::new(ExitCode::Local, format!("{}: {error}", settings.file.display()))
    })
}
