//! A secret key in a file that only its owner can read. Its text form is [`SecretKey::to_key_file`]'s.

use std::io;
use std::path::Path;

use nearhand_proto::identity::SecretKey;
use rand_core::CryptoRngCore;
use zeroize::Zeroizing;

use crate::platform;

/// Reads a key file.
///
/// # Errors
/// As [`platform::read_private`]; [`io::ErrorKind::InvalidData`] for anything that is no key file.
pub fn load_key(path: &Path) -> io::Result<SecretKey> {
    let bytes = Zeroizing::new(platform::read_private(path)?);
    let text = core::str::from_utf8(&bytes).ok();
    text.and_then(SecretKey::from_key_file).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("{} is no key file", path.display()))
    })
}

/// Writes the key to a file that only its owner can read, replacing what was there.
///
/// # Errors
/// [`io::Error`] of [`platform::write_private`] if the directory can't be written or the disk is full.
pub fn save_key(key: &SecretKey, path: &Path) -> io::Result<()> {
    platform::write_private(path, key.to_key_file().as_bytes())
}

/// The key in `path`, made now if there is none. A damaged file is an error: a key is never silently replaced.
///
/// # Errors
/// As [`load_key`] and [`save_key`].
pub fn load_or_create_key(path: &Path, rng: &mut impl CryptoRngCore) -> io::Result<SecretKey> {
    match load_key(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let key = SecretKey::generate(rng);
            save_key(&key, path)?;
            Ok(key)
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[test]
    fn a_key_file_comes_back_and_other_files_do_not_pass() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let key = load_or_create_key(&path, &mut OsRng).unwrap();
        assert_eq!(load_key(&path).unwrap().public(), key.public());
        platform::write_private(&path, b"nearhand-key-1 00").unwrap();
        assert_eq!(load_key(&path).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(load_or_create_key(&path, &mut OsRng).is_err());
    }
}
