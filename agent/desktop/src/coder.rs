//! The thread that codes frames, so that input never waits for one.
//!
//! It owns the encoder and, while it works, the picture. It is asked for one frame at a time; when that is done it
//! writes a byte to a pipe that the loop waits on.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nearhand_screen::{EncodedFrame, FrameSettings, PendingUpdates, Picture, Rect, ScreenEncoder};

/// What to code.
pub(super) struct EncodeJob {
    /// Changes when all that the viewer had is void: a new encoder begins with a whole frame.
    pub(super) generation: u64,
    /// What was captured of the screen.
    pub(super) picture: Picture,
    /// Where it may differ from the last one.
    pub(super) damage: Vec<Rect>,
    /// Size and quality that the frame may have.
    pub(super) settings: FrameSettings,
}

/// What came of it.
pub(super) struct FinishedEncoding {
    /// The generation of the job that this answers.
    pub(super) generation: u64,
    /// The job's picture, given back.
    pub(super) picture: Picture,
    /// The frame, if there was anything to send.
    pub(super) coded: Option<EncodedFrame>,
    /// What the viewer lacks after it.
    pub(super) pending: PendingUpdates,
    /// How long it took.
    pub(super) took: Duration,
}

/// The coding thread.
pub(super) struct CoderThread {
    jobs: Sender<EncodeJob>,
    done: Receiver<FinishedEncoding>,
    rings: PipeReader,
}

impl CoderThread {
    /// Starts the thread; it ends when this is dropped.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, to_do) = channel();
        let (finished, done) = channel();
        let (rings, bell) = io::pipe()?;
        std::thread::Builder::new().name("coder".to_owned()).spawn(move || work(&to_do, &finished, bell))?;
        Ok(Self { jobs, done, rings })
    }

    /// Readable when a job is done.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.rings.as_fd()
    }

    /// Gives it a job; only after the last one is done. `false`: the thread has died.
    pub(super) fn give(&self, job: EncodeJob) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// The finished job, if there is one.
    pub(super) fn take(&mut self) -> io::Result<Option<FinishedEncoding>> {
        let Ok(done) = self.done.try_recv() else { return Ok(None) };
        self.rings.read_exact(&mut [0])?;
        Ok(Some(done))
    }
}

fn work(to_do: &Receiver<EncodeJob>, finished: &Sender<FinishedEncoding>, mut bell: PipeWriter) {
    let mut current: Option<(u64, ScreenEncoder)> = None;
    while let Ok(EncodeJob { generation, picture, damage, settings }) = to_do.recv() {
        let (_, encoder) = match current.take() {
            Some(same) if same.0 == generation => current.insert(same),
            _ => current.insert((generation, ScreenEncoder::new(picture.size()))),
        };
        let began = Instant::now();
        let coded = encoder.encode(&picture, &damage, settings);
        let done = FinishedEncoding {
            generation,
            picture,
            coded,
            pending: encoder.pending(),
            took: began.elapsed(),
        };
        if finished.send(done).is_err() || bell.write_all(&[0]).is_err() {
            return;
        }
    }
}
