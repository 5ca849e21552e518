//! A backup of the organisation's key that only its passphrase opens.
//!
//! Argon2id (RFC 9106) makes the key, XChaCha20-Poly1305 seals. One line of text, so that it survives paper
//! and mail: `nearhand-vault-1 ` and base64url of cost, salt, nonce and sealed body. Pure; must not live here:
//! files and prompts.

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use data_encoding::BASE64URL_NOPAD;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::wire;
use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::exit::{ExitCode, HasExitCode};

const HEAD: &str = "nearhand-vault-1 ";
/// Shortest passphrase taken, in characters.
pub const MIN_PASSPHRASE: usize = 10;
/// Longest backup taken, in bytes; real ones have some 300.
pub const MAX_FILE: u64 = 4096;

/// How much memory and time it takes to open a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct VaultCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
}

impl VaultCost {
    /// RFC 9106 §4, second recommended option: 64 MiB, 3 passes.
    pub const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3 };
    /// A forged file must not take all memory or forever: 1 GiB, 16 passes.
    const MOST: Self = Self { memory_kib: 1024 * 1024, passes: 16 };
}

/// Why a backup can't be made or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Too easy to guess.
    #[error("the passphrase is too short: at least {MIN_PASSPHRASE} characters, better five random words")]
    Weak,
    /// Not a backup, or a damaged one.
    #[error("this is no backup of an organisation key, or it is damaged")]
    Damaged,
    /// The passphrase doesn't open it.
    #[error("the passphrase is wrong, or the backup was changed")]
    Passphrase,
    /// The work can't be done here.
    #[error("there is not enough memory to work with this backup")]
    Work,
}

impl HasExitCode for VaultError {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Weak => ExitCode::Usage,
            Self::Passphrase => ExitCode::Denied,
            Self::Damaged | Self::Work => ExitCode::Local,
        }
    }
}

/// The sealed contents.
#[derive(Serialize, Deserialize)]
struct VaultBody {
    seed: Zeroizing<[u8; 32]>,
    organisation_name: String,
}

#[derive(Serialize, Deserialize)]
struct VaultFile {
    cost: VaultCost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: Vec<u8>,
}

/// Seals the organisation's key with a passphrase.
///
/// # Errors
/// [`VaultError::Weak`]: the passphrase is too short. [`VaultError::Work`]: there is not enough memory for this
/// cost.
pub fn seal(
    key: &SecretKey,
    organisation_name: &str,
    passphrase: &str,
    cost: VaultCost,
    rng: &mut impl CryptoRngCore,
) -> Result<String, VaultError> {
    if passphrase.chars().count() < MIN_PASSPHRASE {
        return Err(VaultError::Weak);
    }
    let (mut salt, mut nonce) = ([0; 16], [0; 24]);
    rng.fill_bytes(&mut salt);
    rng.fill_bytes(&mut nonce);
    let body = VaultBody { seed: key.seed(), organisation_name: organisation_name.to_owned() };
    let plain = Zeroizing::new(wire::encode(&body).map_err(|_| VaultError::Work)?);
    let sealed = cipher(passphrase, cost, &salt)?
        .encrypt(XNonce::from_slice(&nonce), payload(&plain))
        .map_err(|_| VaultError::Work)?;
    let file = wire::encode(&VaultFile { cost, salt, nonce, sealed }).map_err(|_| VaultError::Work)?;
    Ok(format!("{HEAD}{}\n", BASE64URL_NOPAD.encode(&file)))
}

/// Opens a backup: the key and the organisation's name.
///
/// # Errors
/// [`VaultError`]: the text is no backup, the passphrase is wrong, or there is not enough memory.
pub fn open(backup: &str, passphrase: &str) -> Result<(SecretKey, String), VaultError> {
    let text: String =
        backup.trim().strip_prefix(HEAD).ok_or(VaultError::Damaged)?.split_whitespace().collect();
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| VaultError::Damaged)?;
    let file: VaultFile = wire::decode(&bytes).map_err(|_| VaultError::Damaged)?;
    if file.cost.memory_kib > VaultCost::MOST.memory_kib || file.cost.passes > VaultCost::MOST.passes {
        return Err(VaultError::Damaged);
    }
    let plain = cipher(passphrase, file.cost, &file.salt)?
        .decrypt(XNonce::from_slice(&file.nonce), payload(&file.sealed))
        .map_err(|_| VaultError::Passphrase)?;
    let plain = Zeroizing::new(plain);
    let body: VaultBody = wire::decode(&plain).map_err(|_| VaultError::Damaged)?;
    Ok((SecretKey::from_seed(&body.seed), body.organisation_name))
}

/// The format's name is sealed as associated data: contents of one format are never opened as another's.
fn payload(message: &[u8]) -> Payload<'_, '_> {
    Payload { msg: message, aad: HEAD.as_bytes() }
}

fn cipher(passphrase: &str, cost: VaultCost, salt: &[u8]) -> Result<XChaCha20Poly1305, VaultError> {
    let params = Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(|_| VaultError::Damaged)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, key.as_mut())
        .map_err(|_| VaultError::Work)?;
    XChaCha20Poly1305::new_from_slice(key.as_slice()).map_err(|_| VaultError::Work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    const CHEAP: VaultCost = VaultCost { memory_kib: 64, passes: 1 };

    #[test]
    fn only_the_passphrase_opens_it() {
        let key = SecretKey::generate(&mut OsRng);
        let backup = seal(&key, "Acme", "correct horse", CHEAP, &mut OsRng).unwrap();
        let (back, name) = open(&format!("\n{backup} "), "correct horse").unwrap();
        assert_eq!((back.public(), name.as_str()), (key.public(), "Acme"));
        assert_eq!(open(&backup, "correct horsf").unwrap_err(), VaultError::Passphrase);
        assert_eq!(seal(&key, "Acme", "short", CHEAP, &mut OsRng).unwrap_err(), VaultError::Weak);
    }

    #[test]
    fn damage_and_forged_costs_are_noticed() {
        let key = SecretKey::generate(&mut OsRng);
        let backup = seal(&key, "Acme", "correct horse", CHEAP, &mut OsRng).unwrap();
        for bad in ["", HEAD, "nearhand-vault-2 AAAA", &backup[..backup.len() - 20]] {
            assert!(open(bad, "correct horse").is_err(), "{bad:?}");
        }
        let forged = VaultFile {
            cost: VaultCost { memory_kib: u32::MAX, passes: 1 },
            salt: [0; 16],
            nonce: [0; 24],
            sealed: vec![0; 64],
        };
        let forged = format!("{HEAD}{}", BASE64URL_NOPAD.encode(&wire::encode(&forged).unwrap()));
        assert_eq!(open(&forged, "correct horse").unwrap_err(), VaultError::Damaged);
    }
}
