//! What the control plane hands to each side of an offered session so that it can bind.
//!
//! Must not live here: who is given a grant, and when (the relay's admission).

use core::fmt;

use rand_core::CryptoRngCore;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::id::BindToken;

/// The secret that authenticates one side's BIND packets. It doesn't print itself and is wiped when dropped.
#[derive(Clone, Serialize, Deserialize)]
pub struct BindKey([u8; Self::LEN]);

impl BindKey {
    /// Length in bytes: the output length of the HMAC's hash, SHA-256 (RFC 2104, section 3).
    pub const LEN: usize = 32;

    /// Takes the key's bytes as they are.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The key's bytes: to seal with, or for the relay to keep across a restart.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// A fresh random key.
    pub fn random(rng: &mut impl CryptoRngCore) -> Self {
        let mut bytes = [0; Self::LEN];
        rng.fill_bytes(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Debug for BindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BindKey(..)")
    }
}

impl Drop for BindKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// How much one side may send through the relay; what is above it is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimits {
    /// UDP payload bytes per second.
    pub bytes_per_s: u64,
    /// Datagrams per second.
    pub packets_per_s: u32,
}

impl Default for RateLimits {
    /// 25 MB/s (200 Mbit/s) and 50,000 packets a second: ten times what a full-screen video session uses,
    /// and a file transfer's fair share of a gigabit link.
    fn default() -> Self {
        Self { bytes_per_s: 25_000_000, packets_per_s: 50_000 }
    }
}

/// One side's authorisation to bind its end of one offered session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BindGrant {
    /// Names the side at the relay; it travels in clear and is no secret.
    pub token: BindToken,
    /// Authenticates the side; known to it and to the relay only.
    pub key: BindKey,
    /// How long the first bind may take, in seconds.
    pub bind_within_s: u16,
    /// How long a binding lives without an authenticated refresh, in seconds.
    pub lifetime_s: u16,
    /// What the side may send.
    pub limits: RateLimits,
}

impl BindGrant {
    /// Seconds to the first bind: as long as a Tailscale or TURN allocation waits for its peer, doubled.
    pub const BIND_WITHIN_S: u16 = 60;

    /// Seconds that a binding lives unrefreshed: three refreshes of 15 s may be lost. Short, because a
    /// carrier's NAT may give the port to another customer.
    pub const LIFETIME_S: u16 = 45;

    /// A fresh grant with the usual times.
    pub fn random(rng: &mut impl CryptoRngCore, limits: RateLimits) -> Self {
        Self {
            token: BindToken::random(rng),
            key: BindKey::random(rng),
            bind_within_s: Self::BIND_WITHIN_S,
            lifetime_s: Self::LIFETIME_S,
            limits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_itself_and_a_grant_round_trips() {
        let grant = BindGrant::random(&mut rand_core::OsRng, RateLimits::default());
        assert!(format!("{grant:?}").contains("key: BindKey(..)"));
        let back: BindGrant = crate::wire::decode(&crate::wire::encode(&grant).unwrap()).unwrap();
        assert_eq!(back.token, grant.token);
        assert_eq!(back.key.as_bytes(), grant.key.as_bytes());
        assert_eq!((back.bind_within_s, back.lifetime_s, back.limits), (60, 45, RateLimits::default()));
    }
}
