//! Secrets of receivers: read from files that only their owner can read, never shown.

use std::path::{Path, PathBuf};

use nearhand_transport::platform;
use zeroize::Zeroizing;

/// Longest secret, in bytes.
const MAX_LEN: usize = 4096;

/// A password, token or key.
#[derive(Clone)]
pub struct HiddenText(Zeroizing<String>);

/// Why a secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file can't be read, or others can read it.
    #[error("can't read the secret {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It holds no line of text.
    #[error("{0} must hold one line of text, of at most 4096 bytes")]
    Text(PathBuf),
}

impl HiddenText {
    /// Reads the one line of a file.
    ///
    /// # Errors
    /// [`SecretError`]: the file can't be read, or does not hold exactly one line of text of an allowed length.
    pub fn read(file: &Path) -> Result<Self, SecretError> {
        let bytes = Zeroizing::new(
            platform::read_private(file).map_err(|error| SecretError::Read(file.to_owned(), error))?,
        );
        let text = core::str::from_utf8(&bytes).unwrap_or_default().trim_end_matches(['\r', '\n']);
        let good = !text.is_empty() && text.len() <= MAX_LEN && !text.chars().any(char::is_control);
        if good { Ok(Self(Zeroizing::new(text.to_owned()))) } else { Err(SecretError::Text(file.to_owned())) }
    }

    /// The text, for where it is needed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
