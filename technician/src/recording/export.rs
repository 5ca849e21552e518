//! A recording as a WebM video, made by the program ffmpeg, or as PNG files.
//!
//! A driver. Pictures come from the painting process. A picture that stays the same is painted once and written as
//! often as the frame rate needs it.

use std::fs::File;
use std::io::{BufWriter, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nearhand_proto::text;
use nearhand_screen::Size;
use nearhand_transport::platform::create_private;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;

use super::paint::PaintTask;
use super::paint_process::PaintProcess;
use super::pointer::PointerOverlay;
use super::source::{RecordingPlayback, RecordingSurvey};
use super::timeline::PlaybackStep;
use crate::exit::{CommandFailure, ExitCode};
use crate::viewer::decoder_process::DecoderFailure;

/// Most bytes of ffmpeg's words that are shown.
const WORDS: u64 = 2000;
/// Between two PNG files, in milliseconds.
const SECOND: u64 = 1000;

/// Renders a recording moment by moment on a canvas of one size.
struct FrameRenderer {
    showing: RecordingPlayback,
    painter: PaintProcess,
    pointer: PointerOverlay,
    size: Size,
    canvas: Vec<u8>,
    /// A whole frame was given to the painter.
    begun: bool,
    /// The canvas doesn't show the present moment yet.
    stale: bool,
    next: Option<(u64, PlaybackStep)>,
}

impl FrameRenderer {
    fn new(file: &Path, size: Size) -> Result<Self, CommandFailure> {
        let mut showing = RecordingPlayback::start(file)
            .map_err(|error| CommandFailure::new(ExitCode::Local, format!("{}: {error}", file.display())))?;
        let next = showing.next();
        Ok(Self {
            showing,
            painter: PaintProcess::start().map_err(painting_failed)?,
            pointer: PointerOverlay::default(),
            size,
            canvas: vec![0; size.pixels() * 3],
            begun: false,
            stale: false,
            next,
        })
    }

    /// Applies all steps up to a moment. `false`: no step follows.
    async fn advance_to(&mut self, moment: u64) -> Result<bool, CommandFailure> {
        while let Some((at, step)) = self.next.take() {
            if at > moment {
                self.next = Some((at, step));
                return Ok(true);
            }
            self.apply(step).await?;
            self.next = self.showing.next();
        }
        Ok(false)
    }

    async fn apply(&mut self, step: PlaybackStep) -> Result<(), CommandFailure> {
        match step {
            PlaybackStep::Begin => self.painter.give(&PaintTask::Begin).await.map_err(painting_failed)?,
            PlaybackStep::Frame { part, last, .. } => {
                self.painter
                    .give(&PaintTask::Part { bytes: part, is_last: last.is_some() })
                    .await
                    .map_err(painting_failed)?;
                self.begun |= last.is_some();
                self.stale |= last.is_some();
            }
            PlaybackStep::Cursor(cursor) => {
                self.pointer.cursor = Some(cursor);
                self.stale = true;
            }
            PlaybackStep::CursorAt(at) => {
                self.pointer.at = at;
                self.stale = true;
            }
            PlaybackStep::Gone(_) | PlaybackStep::Nothing => {}
        }
        Ok(())
    }

    /// The picture of the present moment; `None` before the first one.
    async fn current_picture(&mut self) -> Result<Option<&[u8]>, CommandFailure> {
        if !self.begun {
            return Ok(None);
        }
        if core::mem::take(&mut self.stale) {
            let mut rgb = self.painter.show().await.map_err(painting_failed)?;
            self.pointer.paint(rgb.size.width, &mut rgb.bytes);
            place(&mut self.canvas, self.size, &rgb.bytes, rgb.size);
        }
        Ok(Some(&self.canvas))
    }
}

/// Puts a picture in the middle of a canvas at least as large; what of it is larger is cut off.
fn place(canvas: &mut [u8], size: Size, picture: &[u8], of: Size) {
    let row = |width: u16| usize::from(width) * 3;
    canvas.fill(0);
    let left = row(size.width.saturating_sub(of.width) / 2);
    let top = usize::from(size.height.saturating_sub(of.height) / 2);
    let length = row(of.width.min(size.width));
    let lines = canvas.chunks_exact_mut(row(size.width)).skip(top);
    for (to, from) in lines.zip(picture.chunks_exact(row(of.width))) {
        if let (Some(to), Some(from)) = (to.get_mut(left..left + length), from.get(..length)) {
            to.copy_from_slice(from);
        }
    }
}

fn painting_failed(failure: DecoderFailure) -> CommandFailure {
    CommandFailure::new(ExitCode::Unexpected, format!("the recording's pictures can't be made: {failure}"))
}

fn video_size(survey: &RecordingSurvey) -> Result<Size, CommandFailure> {
    let nothing = || CommandFailure::new(ExitCode::Unexpected, "there is no picture in this recording");
    let size = survey.size.ok_or_else(nothing)?;
    // Video with half as many colours as points wants even sides.
    Size::checked(size.width.next_multiple_of(2), size.height.next_multiple_of(2)).ok_or_else(nothing)
}

/// Makes a WebM file with `rate` frames a second; `progress` is called with the playing time that is done, in
/// milliseconds.
///
/// # Errors
/// [`CommandFailure`]; the unfinished file is then removed.
pub async fn webm(
    file: &Path,
    survey: &RecordingSurvey,
    out: &Path,
    rate: u32,
    progress: impl Fn(u64),
) -> Result<(), CommandFailure> {
    let reserved = ReservedFile::new(out)?;
    let size = video_size(survey)?;
    let mut renderer = FrameRenderer::new(file, size)?;
    let mut video = FfmpegVideo::start(out, size, rate)?;
    let mut frames = 0_u64;
    for tick in 0.. {
        let moment = tick * 1000 / u64::from(rate.max(1));
        let more = renderer.advance_to(moment).await?;
        if let Some(seen) = renderer.current_picture().await? {
            if video.to.write_all(seen).await.is_err() {
                // It has ended before its time, and says why.
                break;
            }
            frames += 1;
        }
        progress(moment);
        if !more && moment >= survey.millis {
            break;
        }
    }
    if frames == 0 {
        return Err(CommandFailure::new(ExitCode::Unexpected, "there is no whole picture in this recording"));
    }
    video.end().await?;
    reserved.keep();
    Ok(())
}

/// A name that is taken for a file to be made; the file goes unless it is kept.
struct ReservedFile(Option<PathBuf>);

impl ReservedFile {
    fn new(path: &Path) -> Result<Self, CommandFailure> {
        match create_private(path) {
            Ok(_) => Ok(Self(Some(path.to_owned()))),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(CommandFailure::new(
                ExitCode::Usage,
                format!("{} exists already: name another file", path.display()),
            )),
            Err(error) => Err(CommandFailure::new(
                ExitCode::Local,
                format!("{} can't be made: {error}", path.display()),
            )),
        }
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for ReservedFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Half a video is useless.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// ffmpeg under way. Dropping it ends it.
struct FfmpegVideo {
    child: Child,
    to: ChildStdin,
    /// Its messages, read in a task: ffmpeg must not wait for us.
    words: JoinHandle<Vec<u8>>,
}

impl FfmpegVideo {
    fn start(out: &Path, size: Size, rate: u32) -> Result<Self, CommandFailure> {
        let missing = || {
            CommandFailure::new(
                ExitCode::Local,
                "the program ffmpeg is needed for this and was not found: install it \
                 (on Debian and its relatives: apt install ffmpeg)",
            )
        };
        let mut child = Command::new("ffmpeg")
            .args(["-hide_banner", "-loglevel", "error", "-f", "rawvideo", "-pixel_format", "rgb24"])
            .args(["-video_size", &format!("{}x{}", size.width, size.height)])
            .args(["-framerate", &rate.to_string(), "-i", "pipe:0", "-an"])
            .args(["-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"])
            .args(["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709"])
            .args(["-color_range", "tv", "-c:v", "libvpx-vp9", "-crf", "24", "-b:v", "0"])
            .args(["-deadline", "realtime", "-cpu-used", "7", "-row-mt", "1", "-f", "webm", "-y"])
            // ffmpeg would take a name with a colon for a protocol.
            .arg(file_argument(out))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| match error.kind() {
                ErrorKind::NotFound => missing(),
                _ => CommandFailure::new(ExitCode::Local, format!("ffmpeg can't be started: {error}")),
            })?;
        let to = child.stdin.take().ok_or_else(missing)?;
        let words = tokio::spawn(read_words(child.stderr.take()));
        Ok(Self { child, to, words })
    }

    async fn end(self) -> Result<(), CommandFailure> {
        let Self { mut child, to, words } = self;
        drop(to);
        let words = words.await.unwrap_or_default();
        let failed = |how: String| {
            let words = text::multi_line(&String::from_utf8_lossy(&words), 2000);
            let message = format!("ffmpeg has made no video ({how}): {}", words.trim());
            Err(CommandFailure::new(ExitCode::Local, message))
        };
        match child.wait().await {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => failed(status.to_string()),
            Err(error) => failed(error.to_string()),
        }
    }
}

/// The beginning of ffmpeg's messages, once it has ended.
async fn read_words(from: Option<ChildStderr>) -> Vec<u8> {
    let mut words = Vec::new();
    if let Some(from) = from {
        let mut from = from.take(WORDS);
        // Words that can't be read are missing from a message, nothing more.
        let _ = from.read_to_end(&mut words).await;
        let _ = tokio::io::copy(&mut from.into_inner(), &mut tokio::io::sink()).await;
    }
    words
}

/// A path as ffmpeg takes it.
fn file_argument(path: &Path) -> std::ffi::OsString {
    let mut argument = std::ffi::OsString::from("file:");
    argument.push(path);
    argument
}

/// Writes a PNG file of each change, at most one for each second; how many there are.
///
/// # Errors
/// [`CommandFailure`]: the recording has no picture or can't be decoded, or the directory or a file can't be
/// written.
pub async fn frames(
    file: &Path,
    survey: &RecordingSurvey,
    directory: &Path,
    progress: impl Fn(u64),
) -> Result<u64, CommandFailure> {
    let size = video_size(survey)?;
    std::fs::create_dir_all(directory)
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("{}: {e}", directory.display())))?;
    let mut renderer = FrameRenderer::new(file, size)?;
    let (mut made, mut moment) = (0, 0);
    loop {
        let more = renderer.advance_to(moment).await?;
        let changed = renderer.stale;
        if let Some(seen) = renderer.current_picture().await?
            && changed
        {
            let name = format!(
                "{:02}-{:02}-{:02}.png",
                moment / 3_600_000,
                moment / 60_000 % 60,
                moment / 1000 % 60
            );
            write_png(&directory.join(name), size, seen)?;
            made += 1;
        }
        progress(moment);
        if !more {
            return Ok(made);
        }
        moment += SECOND;
    }
}

fn write_png(path: &Path, size: Size, rgb: &[u8]) -> Result<(), CommandFailure> {
    let failed = |error: String| CommandFailure::new(ExitCode::Local, format!("{}: {error}", path.display()));
    let file: File = create_private(path).map_err(|error| failed(error.to_string()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), size.width.into(), size.height.into());
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| failed(error.to_string()))?;
    writer.write_image_data(rgb).map_err(|error| failed(error.to_string()))?;
    writer.finish().map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smaller_picture_stands_in_the_middle_and_a_larger_one_is_cut() {
        let small = Size { width: 2, height: 1 };
        let mut canvas = vec![9; 4 * 3 * 3];
        place(&mut canvas, Size { width: 4, height: 3 }, &[1, 1, 1, 2, 2, 2], small);
        let line = [0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 0, 0];
        assert_eq!(canvas, [[0; 12], line, [0; 12]].concat());
        let mut canvas = vec![9; 3];
        place(&mut canvas, Size { width: 1, height: 1 }, &[1, 1, 1, 2, 2, 2], small);
        assert_eq!(canvas, [1, 1, 1]);
    }
}
