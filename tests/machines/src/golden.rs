//! Golden vectors: the bytes of every released message, as files in `tests/golden`.
//!
//! One file for each kind of message, `KIND.hex`: lines of a name, a space and hexadecimal bytes; a line that
//! begins with `#` says for a reader what the next one holds. What is in a file is released and never
//! changes. `tests/tests/golden` makes the values that the bytes stand for and compares; the decoders' test
//! damages the bytes; `seeds` gives them to the fuzzer. The keys are fixed, so that signatures are too
//! (Ed25519, RFC 8032, draws no randomness). They are of no use to anybody.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nearhand_proto::forward::BindKey;
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::time::UnixMillis;

/// The time of every statement: 2023-11-14T22:13:20.123Z.
pub const AT: UnixMillis = UnixMillis(1_700_000_000_123);

/// The key of every BIND packet.
pub const BIND_KEY: [u8; BindKey::LEN] = [7; BindKey::LEN];

/// Whose keys there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyOwner {
    /// The key that signs for the organisation.
    Organisation = 1,
    /// The one-time key of an invite.
    OneTime,
    /// The key of the technician's client.
    Technician,
    /// The key of the device's agent.
    Device,
    /// The key that the relay shows.
    Relay,
    /// The one that takes another's place.
    Successor,
}

impl KeyOwner {
    /// The fixed private key.
    pub fn secret(self) -> SecretKey {
        SecretKey::from_seed(&[self as u8; 32])
    }

    /// Its public half.
    pub fn public(self) -> PublicKey {
        self.secret().public()
    }
}

/// One released message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GoldenVector {
    /// Its name within its file.
    pub name: String,
    /// The encoded message.
    pub bytes: Vec<u8>,
}

/// Where the files are.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../golden")
}

/// The file of one kind of message.
pub fn path(kind: &str) -> PathBuf {
    directory().join(format!("{kind}.hex"))
}

/// All kinds that have a file, in order.
///
/// # Errors
/// The directory can't be read.
pub fn kinds() -> io::Result<Vec<String>> {
    let mut kinds = Vec::new();
    for entry in fs::read_dir(directory())? {
        let name = entry?.file_name();
        kinds.extend(name.to_string_lossy().strip_suffix(".hex").map(str::to_owned));
    }
    kinds.sort();
    Ok(kinds)
}

/// The vectors of one kind; none if it has no file.
///
/// # Errors
/// What the system says; [`io::ErrorKind::InvalidData`] for a line that is no vector.
pub fn read(kind: &str) -> io::Result<Vec<GoldenVector>> {
    let text = match fs::read_to_string(path(kind)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| parse(line).ok_or_else(|| bad(kind, line))).collect()
}

fn parse(line: &str) -> Option<GoldenVector> {
    let (name, hex) = line.split_once(' ')?;
    Some(GoldenVector { name: name.to_owned(), bytes: HEXLOWER.decode(hex.as_bytes()).ok()? })
}

fn bad(kind: &str, line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{kind}.hex: no vector: {line}"))
}
