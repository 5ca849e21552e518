//! The painting process as its parent sees it. See [`super::paint`] for what runs in it.

use std::process::Stdio;
use std::time::Duration;

use nearhand_proto::wire;
use nearhand_screen::Size;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader, BufWriter};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::paint::PaintTask;
use crate::viewer::decode::{MAX_PIECE, NO_FRAME};
use crate::viewer::decoder_process::DecoderFailure;

/// A process that takes or shows nothing for this time hangs.
const HANGS: Duration = Duration::from_secs(30);

/// A picture: rows of red, green, blue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RgbPicture {
    /// Width and height in pixels.
    pub size: Size,
    /// Three bytes for each pixel, row by row.
    pub bytes: Vec<u8>,
}

/// A process under way. Dropping it ends it.
#[derive(Debug)]
pub struct PaintProcess {
    child: Child,
    to: BufWriter<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl PaintProcess {
    /// Starts `nearhand paint` of this program.
    ///
    /// # Errors
    /// [`DecoderFailure::NotStarted`]: the system can't start the process, as when the program's file was
    /// replaced.
    pub fn start() -> Result<Self, DecoderFailure> {
        let program = std::env::current_exe().map_err(|_| DecoderFailure::NotStarted)?;
        let mut child = Command::new(program)
            .arg("paint")
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|_| DecoderFailure::NotStarted)?;
        let (Some(to), Some(from)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(DecoderFailure::NotStarted);
        };
        Ok(Self { child, to: BufWriter::with_capacity(MAX_PIECE, to), from: BufReader::new(from) })
    }

    /// Gives it a task other than [`PaintTask::Show`].
    ///
    /// # Errors
    /// [`DecoderFailure`]: the task is too long, or the process has ended or hangs; it is of no use after that.
    pub async fn give(&mut self, task: &PaintTask) -> Result<(), DecoderFailure> {
        let bytes = wire::frame(task, MAX_PIECE).map_err(|_| DecoderFailure::NoFrame)?;
        match timeout(HANGS, self.to.write_all(&bytes)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(self.why().await),
        }
    }

    /// The picture as it is now.
    ///
    /// # Errors
    /// [`DecoderFailure`]: a frame can't be decoded, or the process has ended or hangs; it is of no use after
    /// that.
    pub async fn show(&mut self) -> Result<RgbPicture, DecoderFailure> {
        self.give(&PaintTask::Show).await?;
        match timeout(HANGS, self.shown()).await {
            Ok(Some(rgb)) => Ok(rgb),
            _ => Err(self.why().await),
        }
    }

    async fn shown(&mut self) -> Option<RgbPicture> {
        self.to.flush().await.ok()?;
        let (width, height) = (self.from.read_u16_le().await.ok()?, self.from.read_u16_le().await.ok()?);
        let size = Size::checked(width, height)?;
        let mut bytes = vec![0; size.pixels() * 3];
        self.from.read_exact(&mut bytes).await.ok()?;
        Some(RgbPicture { size, bytes })
    }

    async fn why(&mut self) -> DecoderFailure {
        // A process that still runs hangs or sends nonsense; dropping it ends it.
        match timeout(Duration::from_millis(500), self.child.wait()).await {
            Ok(Ok(status)) if status.code() == Some(i32::from(NO_FRAME)) => DecoderFailure::NoFrame,
            _ => DecoderFailure::Crashed,
        }
    }
}
