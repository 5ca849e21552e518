//! The recording's file: made, written, closed.
//!
//! A driver. A thread writes, so that a slow disk holds up nothing but the pictures themselves. What is written is
//! synced after each of the device's signatures, so that a crash loses seconds at most. A full disk or the largest
//! size ends the recording and nothing else.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nearhand_proto::message::screen::FromScreen;
use nearhand_transport::platform::create_private;
use tokio::sync::{mpsc, oneshot};

use super::format::{ChunkWriter, MAGIC, MAX_FILE, RecordingChunk};
use crate::exit::{CommandFailure, ExitCode};

/// Chunks that may wait for the disk: at 48 KiB each, some 3 MB.
const QUEUE: usize = 64;

/// The file of a recording that has not begun. It is made first, so that a name that exists is noticed at once.
#[derive(Debug)]
pub struct RecordingFile {
    file: Option<File>,
    path: PathBuf,
}

impl RecordingFile {
    /// Makes a file that only its owner can read.
    ///
    /// # Errors
    /// [`CommandFailure`]: there is one already, or none can be made.
    pub fn make(path: &Path) -> Result<Self, CommandFailure> {
        let file = create_private(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => CommandFailure::new(
                ExitCode::Usage,
                format!(
                    "{} exists already, and a recording replaces nothing: name another file",
                    path.display()
                ),
            ),
            _ => CommandFailure::new(ExitCode::Local, format!("{} can't be made: {error}", path.display())),
        })?;
        Ok(Self { file: Some(file), path: path.to_owned() })
    }

    /// Begins the recording with its title.
    ///
    /// # Errors
    /// [`CommandFailure`]: it can't be written.
    pub fn begin(mut self, title: &RecordingChunk) -> Result<ScreenRecorder, CommandFailure> {
        let path = self.path.clone();
        let failed = |error: io::Error| {
            CommandFailure::new(ExitCode::Local, format!("{} can't be written: {error}", path.display()))
        };
        let Some(file) = &mut self.file else { return Err(failed(io::ErrorKind::NotFound.into())) };
        let mut written = RecordingWriter { file, writer: ChunkWriter::new(), bytes: 0 };
        written.append(MAGIC).and_then(|()| written.chunk(title)).map_err(failed)?;
        let RecordingWriter { writer, bytes, .. } = written;
        let file = self.file.take().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let (to, chunks) = mpsc::channel(QUEUE);
        let (ended, outcome) = oneshot::channel();
        let written = RecordingWriter { file, writer, bytes };
        std::thread::Builder::new()
            .name("recorder".to_owned())
            // The command that waits for the outcome may have ended.
            .spawn(move || drop(ended.send(written.write(chunks))))
            .map_err(failed)?;
        Ok(ScreenRecorder { to, outcome, path: path.clone() })
    }
}

impl Drop for RecordingFile {
    fn drop(&mut self) {
        // No recording was begun: the empty file is useless.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A recording under way.
#[derive(Debug)]
pub struct ScreenRecorder {
    to: mpsc::Sender<RecordingChunk>,
    outcome: oneshot::Receiver<RecordingOutcome>,
    path: PathBuf,
}

/// How the file of a recording ended.
#[derive(Debug)]
pub struct RecordingOutcome {
    /// Its size in bytes.
    pub bytes: u64,
    /// Why it ended before the session did.
    pub stopped: Option<String>,
}

impl ScreenRecorder {
    /// Where chunks go. Closed once the file has come to its end.
    pub fn sender(&self) -> mpsc::Sender<RecordingChunk> {
        self.to.clone()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the file has ended, by itself or because all senders are gone.
    pub async fn ended(self) -> RecordingOutcome {
        let Self { to, outcome, .. } = self;
        drop(to);
        let lost =
            || RecordingOutcome { bytes: 0, stopped: Some("the thread that writes it is gone".to_owned()) };
        outcome.await.unwrap_or_else(|_| lost())
    }
}

/// The file's end that is written.
struct RecordingWriter<W> {
    file: W,
    writer: ChunkWriter,
    bytes: u64,
}

/// A file whose contents can be synced to disk.
trait SyncToDisk {
    /// Syncs what was written to disk.
    fn sync(&self) -> io::Result<()>;
}

impl SyncToDisk for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl<W: Write + SyncToDisk> RecordingWriter<W> {
    fn write(mut self, mut chunks: mpsc::Receiver<RecordingChunk>) -> RecordingOutcome {
        while let Some(chunk) = chunks.blocking_recv() {
            let signed = matches!(chunk, RecordingChunk::Message(FromScreen::Head(_)));
            let kept = self.chunk(&chunk);
            if let Err(error) = kept.and_then(|()| if signed { self.file.sync() } else { Ok(()) }) {
                return RecordingOutcome { bytes: self.bytes, stopped: Some(error.to_string()) };
            }
        }
        let stopped = self.file.sync().err().map(|error| error.to_string());
        RecordingOutcome { bytes: self.bytes, stopped }
    }
}

impl<W: Write> RecordingWriter<W> {
    fn chunk(&mut self, chunk: &RecordingChunk) -> io::Result<()> {
        let bytes = self.writer.chunk(chunk).map_err(io::Error::other)?;
        self.append(&bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let more = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let size = self.bytes.saturating_add(more);
        if size > MAX_FILE {
            return Err(io::Error::other("it has reached its largest size of 4 GB"));
        }
        self.file.write_all(bytes)?;
        self.bytes = size;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::format::RecordingReader;

    /// A disk with room for a number of bytes.
    struct FullDisk(usize, Vec<u8>);

    impl Write for FullDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.0 - self.1.len();
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let taken = &bytes[..room.min(bytes.len())];
            self.1.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_ends_the_file_and_what_was_written_stays_readable() {
        let mut written =
            RecordingWriter { file: FullDisk(300, Vec::new()), writer: ChunkWriter::new(), bytes: 0 };
        written.append(MAGIC).unwrap();
        let remark = RecordingChunk::Remark("x".repeat(80));
        let kept = (0..).take_while(|_| written.chunk(&remark).is_ok()).count();
        assert_eq!(kept, 2);
        let bytes = written.file.1;
        let mut reader = RecordingReader::new(bytes.as_slice()).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), remark);
        assert_eq!(reader.next().unwrap().unwrap(), remark);
        assert!(reader.next().is_err());
    }

    #[test]
    fn the_largest_size_is_kept_to() {
        let mut written =
            RecordingWriter { file: Vec::new(), writer: ChunkWriter::new(), bytes: MAX_FILE - 5 };
        assert!(written.append(b"12345").is_ok());
        assert!(written.append(b"6").unwrap_err().to_string().contains("4 GB"));
    }

    #[test]
    fn a_name_that_is_taken_is_refused_and_a_file_without_recording_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        drop(RecordingFile::make(&path).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        let failure = RecordingFile::make(&path).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(failure.message().contains(&path.display().to_string()));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
