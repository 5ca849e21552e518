//! Ed25519 keys as identities, and statements signed by them.
//!
//! A key is born where it lives and never leaves in the clear. It is the identity: nothing is looked up by
//! name. Every signature covers a context (what kind of statement this is), so that a statement of one kind
//! can't be replayed as another. Not here: who may say what (see `credential`).

use core::fmt;
use core::marker::PhantomData;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use rand_core::CryptoRngCore;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::{DeviceId, OrganisationId, TechnicianId};
use crate::wire::{self, WireError};

/// DER prefix of an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4); the 32 key bytes follow.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER prefix of an Ed25519 PKCS#8 private key (RFC 8410 §7); the 32 seed bytes follow.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// First words of a key file, so that no other file is taken for one.
const KEY_FILE_HEAD: &str = "nearhand-key-1 ";

/// A private key. Doesn't print itself; wiped from memory when dropped.
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRngCore) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed. Handle like the key itself.
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// The key's public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    /// The key as PKCS#8 DER, as rustls takes it.
    pub fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([PKCS8_PREFIX.as_slice(), self.seed().as_slice()].concat())
    }

    /// Signs a statement of one kind.
    pub fn sign<T: Statement>(&self, statement: &T) -> Result<Signed<T>, WireError> {
        let body = wire::encode(statement)?;
        let bytes = self.0.sign(&in_context(T::CONTEXT, &body)).to_bytes();
        Ok(Signed { body, signature: Signature::from_bytes(bytes), kind: PhantomData })
    }

    /// The key as the text of a key file.
    pub fn to_key_file(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{KEY_FILE_HEAD}{}\n", HEXLOWER.encode(self.seed().as_slice())))
    }

    /// The key in the text of a key file; nothing if it is not one.
    pub fn from_key_file(text: &str) -> Option<Self> {
        let hex = text.trim_end().strip_prefix(KEY_FILE_HEAD)?;
        let seed = Zeroizing::new(HEXLOWER.decode(hex.as_bytes()).ok()?);
        Some(Self::from_seed(seed.as_slice().try_into().ok()?))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.public())
    }
}

/// A public key: somebody's identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the key's bytes; whether they are a point on the curve shows when something is verified.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The key as SubjectPublicKeyInfo DER: what a raw public key handshake (RFC 7250) carries.
    pub fn to_spki(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), self.0.as_slice()].concat()
    }

    /// The key in an Ed25519 SubjectPublicKeyInfo; `None` for anything else.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let key = der.strip_prefix(SPKI_PREFIX.as_slice())?;
        Some(Self(key.try_into().ok()?))
    }

    /// SHA-256 of the key.
    pub fn fingerprint(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    fn short_fingerprint(&self) -> [u8; 16] {
        let [a @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = self.fingerprint();
        a
    }

    /// The id of a device that was enrolled with this key.
    pub fn device_id(&self) -> DeviceId {
        DeviceId::from_bytes(self.short_fingerprint())
    }

    /// The id of a technician who joined with this key.
    pub fn technician_id(&self) -> TechnicianId {
        TechnicianId::from_bytes(self.short_fingerprint())
    }

    /// The id of the organisation with this key.
    pub fn organisation_id(&self) -> OrganisationId {
        OrganisationId::from_bytes(self.short_fingerprint())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl core::str::FromStr for PublicKey {
    type Err = crate::id::ParseIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let err = crate::id::ParseIdError { expected: 64 };
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| err)?;
        Ok(Self(bytes.try_into().map_err(|_| err)?))
    }
}

/// An Ed25519 signature (64 bytes, in halves because serde's arrays end at 32).
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
pub struct Signature {
    r: [u8; 32],
    s: [u8; 32],
}

impl Signature {
    fn from_bytes(bytes: [u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        let (head, tail) = bytes.split_at(32);
        r.copy_from_slice(head);
        s.copy_from_slice(tail);
        Self { r, s }
    }
}

/// A kind of statement that keys sign.
pub trait Statement: Serialize + DeserializeOwned {
    /// What the signature is about; different for every kind of statement, never changed once released.
    const CONTEXT: &'static str;
}

fn in_context(context: &str, body: &[u8]) -> Vec<u8> {
    [b"nearhand/1 ", context.as_bytes(), &[0], body].concat()
}

/// A statement with the signature over its bytes as they were sent.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Signed<T> {
    body: Vec<u8>,
    signature: Signature,
    #[serde(skip)]
    kind: PhantomData<fn() -> T>,
}

/// Why a signed statement doesn't count.
#[derive(Debug, thiserror::Error)]
pub enum SignedError {
    /// The signature is not this key's over this statement.
    #[error("the signature does not match")]
    Signature,
    /// The statement's bytes can't be read.
    #[error("the signed statement can't be read")]
    Body(#[source] WireError),
}

impl<T: Statement> Signed<T> {
    /// The statement, once the signature is known to be `key`'s.
    ///
    /// # Errors
    /// [`SignedError::Signature`] if `key` didn't sign these bytes; [`SignedError::Body`] if it did, but they can't be
    /// read as this kind of statement.
    pub fn open(&self, key: &PublicKey) -> Result<T, SignedError> {
        let verifier = VerifyingKey::from_bytes(&key.0).map_err(|_| SignedError::Signature)?;
        let signature = ed25519_dalek::Signature::from_components(self.signature.r, self.signature.s);
        verifier
            .verify_strict(&in_context(T::CONTEXT, &self.body), &signature)
            .map_err(|_| SignedError::Signature)?;
        wire::decode(&self.body).map_err(SignedError::Body)
    }

    /// What the statement claims, unverified: only to find out which key to verify it with.
    ///
    /// # Errors
    /// [`SignedError::Body`] if the bytes can't be read as this kind of statement.
    pub fn peek(&self) -> Result<T, SignedError> {
        wire::decode(&self.body).map_err(SignedError::Body)
    }
}

impl<T> Clone for Signed<T> {
    fn clone(&self) -> Self {
        Self { body: self.body.clone(), signature: self.signature, kind: PhantomData }
    }
}

impl<T> PartialEq for Signed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body && self.signature == other.signature
    }
}

impl<T> fmt::Debug for Signed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signed<{}>({} bytes)", core::any::type_name::<T>(), self.body.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct A(u32);
    impl Statement for A {
        const CONTEXT: &'static str = "test a";
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct B(u32);
    impl Statement for B {
        const CONTEXT: &'static str = "test b";
    }

    #[test]
    fn a_statement_counts_only_as_signed() {
        let (key, other) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let signed = key.sign(&A(7)).unwrap();
        assert_eq!(signed.open(&key.public()).unwrap(), A(7));
        assert!(matches!(signed.open(&other.public()), Err(SignedError::Signature)));
        let mut edited = signed.clone();
        edited.body = wire::encode(&A(8)).unwrap();
        assert!(matches!(edited.open(&key.public()), Err(SignedError::Signature)));
        // The same bytes as another kind of statement.
        let as_b: Signed<B> = Signed { body: signed.body, signature: signed.signature, kind: PhantomData };
        assert!(matches!(as_b.open(&key.public()), Err(SignedError::Signature)));
    }

    #[test]
    fn keys_keep_to_themselves() {
        let key = SecretKey::generate(&mut OsRng);
        let hex = HEXLOWER.encode(key.seed().as_slice());
        assert!(!format!("{key:?}").contains(&hex));
    }

    #[test]
    fn spki_round_trips() {
        let key = SecretKey::generate(&mut OsRng).public();
        assert_eq!(PublicKey::from_spki(&key.to_spki()), Some(key));
        assert_eq!(PublicKey::from_spki(&key.to_spki()[1..]), None);
    }
}
