//! The decode process as its parent sees it: started, fed, listened to, ended. See [`super::decode`] for what runs
//! in it.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nearhand_proto::wire;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::decode::{DecoderInput, MAX_PIECE, NO_FRAME};
use super::operations::PIECE;

/// Pieces that wait for the process.
const QUEUE: usize = 4;
/// Length of one step in which a process that owes a frame must say something.
const STEP: Duration = Duration::from_secs(5);
/// Steps without a word after which a process counts as hanging.
const STEPS: u32 = 4;

/// The program that decodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoderProgram {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl DecoderProgram {
    /// `nearhand decode` of this program.
    ///
    /// # Errors
    /// The system doesn't say where this program is.
    pub fn this() -> io::Result<Self> {
        Ok(Self::at(std::env::current_exe()?, &["decode"]))
    }

    /// `nearhand decode --png` of this program: makes a file of the first exact frame.
    ///
    /// # Errors
    /// The system doesn't say where this program is.
    pub fn for_png() -> io::Result<Self> {
        Ok(Self::at(std::env::current_exe()?, &["decode", "--png"]))
    }

    /// A program at another path, for tests.
    pub fn at(path: PathBuf, arguments: &[&str]) -> Self {
        Self { path, arguments: arguments.iter().map(OsString::from).collect() }
    }
}

/// Why the decode process has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DecoderFailure {
    /// The bytes were no frame.
    #[error("the device sent a picture that makes no sense")]
    NoFrame,
    /// It crashed, was killed, or hung.
    #[error("the picture decoder stopped unexpectedly")]
    Crashed,
    /// It can't be started.
    #[error("the picture decoder can't be started")]
    NotStarted,
}

/// A process under way. Dropping it ends it.
#[derive(Debug)]
pub struct DecoderProcess {
    feed: mpsc::Sender<DecoderInput>,
    tasks: JoinSet<()>,
    failures: mpsc::Receiver<DecoderFailure>,
    id: Option<u32>,
}

impl DecoderProcess {
    /// Starts a process. What it makes of frames goes to `pieces`, each with a 1 before it.
    ///
    /// # Errors
    /// [`DecoderFailure::NotStarted`]: the system can't start the process; the log says why.
    pub fn start<F>(program: &DecoderProgram, mut pieces: F) -> Result<Self, DecoderFailure>
    where
        F: DecodedPieces,
    {
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                tracing::error!(%error, "the decode process can't be started");
                DecoderFailure::NotStarted
            })?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(DecoderFailure::NotStarted);
        };
        let id = child.id();
        let (feed, fed) = mpsc::channel(QUEUE);
        let (failing, failures) = mpsc::channel(1);
        let owed = Arc::new(AtomicU32::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(write(stdin, fed, owed.clone()));
        tasks.spawn(async move {
            listen(stdout, &owed, &mut pieces).await;
            // The receiver is gone only with this task.
            let _ = failing.send(why(child).await).await;
        });
        Ok(Self { feed, tasks, failures, id })
    }

    /// Where pieces for it go.
    pub fn feed(&self) -> &mpsc::Sender<DecoderInput> {
        &self.feed
    }

    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.id
    }

    /// Ends it; when this returns, nothing of it comes any more.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Waits until the process has ended. Cancel-safe.
    pub async fn failure(&mut self) -> DecoderFailure {
        self.failures.recv().await.unwrap_or(DecoderFailure::Crashed)
    }
}

impl Drop for DecoderProcess {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

/// Receives what the process makes of frames.
pub trait DecodedPieces: Send + 'static {
    /// One piece, with a 1 before it. `false`: no more is wanted.
    fn piece(&mut self, piece: Vec<u8>) -> impl Future<Output = bool> + Send;

    /// A frame is complete. `false`: no more is wanted.
    fn done(&mut self) -> impl Future<Output = bool> + Send {
        core::future::ready(true)
    }
}

async fn write(mut stdin: ChildStdin, mut fed: mpsc::Receiver<DecoderInput>, owed: Arc<AtomicU32>) {
    while let Some(piece) = fed.recv().await {
        let Ok(bytes) = wire::frame(&piece, MAX_PIECE) else { return };
        if matches!(piece, DecoderInput::Part { last: Some(_), .. }) {
            owed.fetch_add(1, Ordering::Relaxed);
        }
        // The task that reads its output notices that the process has ended.
        if stdin.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

/// Passes on what the process says, until it says no more, nonsense, or nothing for too long.
async fn listen(stdout: ChildStdout, owed: &AtomicU32, pieces: &mut impl DecodedPieces) {
    let mut stdout = BufReader::with_capacity(MAX_PIECE, stdout);
    loop {
        let Some(piece) = in_time(&mut stdout, owed).await else { return };
        if piece.len() == 1 {
            // More ends than frames are nonsense.
            let one_less = |owed: u32| owed.checked_sub(1);
            if owed.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err()
                || !pieces.done().await
            {
                return;
            }
        } else if !pieces.piece(piece).await {
            return;
        }
    }
}

async fn in_time(stdout: &mut BufReader<ChildStdout>, owed: &AtomicU32) -> Option<Vec<u8>> {
    let next = read(stdout);
    tokio::pin!(next);
    let mut silent = 0;
    loop {
        tokio::select! {
            piece = &mut next => return piece,
            () = tokio::time::sleep(STEP) => {
                silent = if owed.load(Ordering::Relaxed) > 0 { silent + 1 } else { 0 };
                if silent >= STEPS {
                    tracing::warn!("the decode process hangs and is ended");
                    return None;
                }
            }
        }
    }
}

async fn read(stdout: &mut BufReader<ChildStdout>) -> Option<Vec<u8>> {
    let length = usize::try_from(stdout.read_u32_le().await.ok()?).ok()?;
    if length > PIECE {
        return None;
    }
    let mut piece = vec![1; length + 1];
    stdout.read_exact(piece.get_mut(1..)?).await.ok()?;
    Some(piece)
}

async fn why(mut child: Child) -> DecoderFailure {
    // A process that still runs has sent nonsense or hangs, and is killed.
    let patience = tokio::time::timeout(Duration::from_millis(200), child.wait()).await;
    let status = match patience {
        Ok(status) => status.ok(),
        Err(_) => {
            let _ = child.kill().await;
            None
        }
    };
    match status.and_then(|status| status.code()) {
        Some(code) if code == i32::from(NO_FRAME) => DecoderFailure::NoFrame,
        _ => DecoderFailure::Crashed,
    }
}
