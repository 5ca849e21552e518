//! A program whose clock is read from a file, by libfaketime (Debian: `faketime`). What measures time that passes is left
//! alone.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::deployment::ProgramPlace;

/// A clock that is set from outside.
pub struct FakeClock {
    library: PathBuf,
    file: PathBuf,
}

impl FakeClock {
    /// One that is right, kept in that file.
    ///
    /// # Errors
    /// The library is not installed.
    pub fn new(file: &Path) -> Result<Self> {
        let found = fs::read_dir("/usr/lib")?
            .flatten()
            .map(|entry| entry.path().join("faketime/libfaketimeMT.so.1"))
            .find(|path| path.exists());
        let library = found.context("libfaketime is not here: apt-get install faketime")?;
        fs::write(file, "+0")?;
        Ok(Self { library, file: file.to_owned() })
    }

    /// Jumps: how far it is off from now on, such as `+1d`.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn jump(&self, to: &str) -> Result<()> {
        Ok(fs::write(&self.file, to)?)
    }

    /// Where programs have this clock.
    pub fn place(&self) -> ProgramPlace {
        let (library, file) = (self.library.display(), self.file.display());
        ProgramPlace::behind(&[
            "env",
            &format!("LD_PRELOAD={library}"),
            &format!("FAKETIME_TIMESTAMP_FILE={file}"),
            "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1",
            "FAKETIME_DONT_RESET=1",
        ])
    }
}
