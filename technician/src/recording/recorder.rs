//! The recording's file: made, written, closed.
//!
//! A driver. A thread writes, so that a slow disk holds up nothing but the pictures themselves. What is written is
//! synced whenever the device has signed, so that a lost machine costs seconds. Whatever stops the file (a full
//! disk, the largest size) stops the recording and nothing else.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use nearhand_proto::message::screen::FromScreen;
use nearhand_transport::platform::create_private;
use tokio::sync::{mpsc, oneshot};

use super::format::{Chunk, MAGIC, MAX_FILE, Writer};
use crate::exit::{ExitCode, Failure};

/// Chunks that may wait for the disk: at 48 KiB each, some 3 MB.
const QUEUE: usize = 64;

/// A file that waits for its recording: made before anything else, so that a name that is taken is noticed first.
#[derive(Debug)]
pub struct Place {
    file: Option<File>,
    path: PathBuf,
}

impl Place {
    /// Makes a file that only its owner can read.
    ///
    /// # Errors
    /// [`Failure`]: there is one already, or none can be made.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let file = create_private(path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new(
                ExitCode::Usage,
                format!(
                    "{} exists already, and a recording replaces nothing: name another file",
                    path.display()
                ),
            ),
            _ => Failure::new(ExitCode::Local, format!("{} can't be made: {error}", path.display())),
        })?;
        Ok(Self { file: Some(file), path: path.to_owned() })
    }

    /// Begins the recording with its title.
    ///
    /// # Errors
    /// [`Failure`]: it can't be written.
    pub fn begin(mut self, title: &Chunk) -> Result<Recorder, Failure> {
        let path = self.path.clone();
        let failed = |error: io::Error| {
            Failure::new(ExitCode::Local, format!("{} can't be written: {error}", path.display()))
        };
        let Some(file) = &mut self.file else { return Err(failed(io::ErrorKind::NotFound.into())) };
        let mut written = Written { file, writer: Writer::new(), bytes: 0 };
        written.append(MAGIC).and_then(|()| written.chunk(title)).map_err(failed)?;
        let Written { writer, bytes, .. } = written;
        let file = self.file.take().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
        let (to, chunks) = mpsc::channel(QUEUE);
        let (ended, outcome) = oneshot::channel();
        let written = Written { file, writer, bytes };
        std::thread::Builder::new()
            .name("recorder".to_owned())
            // Who waits for the outcome may have gone.
            .spawn(move || drop(ended.send(written.write(chunks))))
            .map_err(failed)?;
        Ok(Recorder { to, outcome, path: path.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // No recording was begun: an empty file is of use to nobody.
        if self.file.is_some() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A recording under way.
#[derive(Debug)]
pub struct Recorder {
    to: mpsc::Sender<Chunk>,
    outcome: oneshot::Receiver<Outcome>,
    path: PathBuf,
}

/// What became of a file.
#[derive(Debug)]
pub struct Outcome {
    /// Its size in bytes.
    pub bytes: u64,
    /// Why it ended before the session did.
    pub stopped: Option<String>,
}

impl Recorder {
    /// Where chunks go. Closed once the file has come to its end.
    pub fn sender(&self) -> mpsc::Sender<Chunk> {
        self.to.clone()
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until the file has ended, by itself or because all senders are gone.
    pub async fn ended(self) -> Outcome {
        let Self { to, outcome, .. } = self;
        drop(to);
        let lost = || Outcome { bytes: 0, stopped: Some("the thread that writes it is gone".to_owned()) };
        outcome.await.unwrap_or_else(|_| lost())
    }
}

/// The file's end that is written.
struct Written<W> {
    file: W,
    writer: Writer,
    bytes: u64,
}

/// What is written to.
trait Sync {
    /// Makes what was written last.
    fn sync(&self) -> io::Result<()>;
}

impl Sync for File {
    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}

impl<W: Write + Sync> Written<W> {
    fn write(mut self, mut chunks: mpsc::Receiver<Chunk>) -> Outcome {
        while let Some(chunk) = chunks.blocking_recv() {
            let signed = matches!(chunk, Chunk::Said(FromScreen::Witness(_)));
            let kept = self.chunk(&chunk);
            if let Err(error) = kept.and_then(|()| if signed { self.file.sync() } else { Ok(()) }) {
                return Outcome { bytes: self.bytes, stopped: Some(error.to_string()) };
            }
        }
        let stopped = self.file.sync().err().map(|error| error.to_string());
        Outcome { bytes: self.bytes, stopped }
    }
}

impl<W: Write> Written<W> {
    fn chunk(&mut self, chunk: &Chunk) -> io::Result<()> {
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
    use crate::recording::format::Reader;

    /// A disk with room for so many bytes.
    struct Disk(usize, Vec<u8>);

    impl Write for Disk {
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
        let mut written = Written { file: Disk(300, Vec::new()), writer: Writer::new(), bytes: 0 };
        written.append(MAGIC).unwrap();
        let remark = Chunk::Remark("x".repeat(80));
        let kept = (0..).take_while(|_| written.chunk(&remark).is_ok()).count();
        assert_eq!(kept, 2);
        let bytes = written.file.1;
        let mut reader = Reader::new(bytes.as_slice()).unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), remark);
        assert_eq!(reader.next().unwrap().unwrap(), remark);
        assert!(reader.next().is_err());
    }

    #[test]
    fn the_largest_size_is_kept_to() {
        let mut written = Written { file: Vec::new(), writer: Writer::new(), bytes: MAX_FILE - 5 };
        assert!(written.append(b"12345").is_ok());
        assert!(written.append(b"6").unwrap_err().to_string().contains("4 GB"));
    }

    #[test]
    fn a_name_that_is_taken_is_refused_and_a_file_without_recording_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r");
        drop(Place::make(&path).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "mine").unwrap();
        let failure = Place::make(&path).unwrap_err();
        assert_eq!(failure.code, ExitCode::Usage);
        assert!(failure.message().contains(&path.display().to_string()));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
