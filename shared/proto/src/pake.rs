//! Proof that both ends know the support code, without saying it.
//!
//! SPAKE2 (RFC 9382's idea, the `spake2` crate's Ed25519 group) with the code's secret digits as password.
//! Its result alone would not notice a relay that runs one TLS connection with each end, so both
//! confirmations also cover the TLS exporter of this very connection and both ends' keys. The technician
//! confirms first: an agent that sees a wrong confirmation burns the code and says nothing more, so each code
//! is worth one guess; the technician goes on only after the agent's own confirmation.
//!
//! Not here: how often a device lets somebody try (the agent's business), and the messages' frames.

use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use rand_core::CryptoRngCore;
use sha2::{Digest, Sha256};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use zeroize::Zeroizing;

use crate::id::SessionId;
use crate::identity::PublicKey;
use crate::session_side::SessionSide;

/// Label of the TLS exporter (RFC 8446 §7.5) that the proof is bound to; the session id is its context.
pub const EXPORTER_LABEL: &[u8] = b"nearhand support code 1";
/// Bytes of exporter output used.
pub const EXPORTER_LEN: usize = 32;
/// Longest proof message taken from a peer, in bytes; a valid one has 33.
pub const MAX_MESSAGE: usize = 64;

/// A confirmation: HMAC-SHA256 under a key only the holders of code and connection can derive.
pub type Confirmation = [u8; 32];

/// The proof failed: a wrong code, or somebody between the two ends. The two can't be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the support code was not confirmed by the other end")]
pub struct ProofError;

/// What a proof is bound to; both ends must see the same.
#[derive(Clone, Debug)]
pub struct ChannelBinding {
    /// Id of the session.
    pub session: SessionId,
    /// TLS exporter output of this connection, under [`EXPORTER_LABEL`] and the session id.
    pub exporter: [u8; EXPORTER_LEN],
    /// The technician's key in this connection's handshake.
    pub technician: PublicKey,
    /// The device's key in this connection's handshake.
    pub device: PublicKey,
}

/// One end's proof under way.
pub struct CodeProof {
    state: Spake2<Ed25519Group>,
    sent: Vec<u8>,
    side: SessionSide,
}

/// The keys that both ends hold once the messages are exchanged.
pub struct ConfirmationKeys {
    technician: Zeroizing<[u8; 32]>,
    agent: Zeroizing<[u8; 32]>,
}

impl CodeProof {
    /// The technician's first message.
    pub fn technician(secret: &str, rng: &mut impl CryptoRngCore) -> (Self, Vec<u8>) {
        let (technician, device) =
            (spake_identity(SessionSide::Technician), spake_identity(SessionSide::Device));
        let (state, sent) = Spake2::start_a_with_rng(&Password::new(secret), &technician, &device, rng);
        (Self { state, sent: sent.clone(), side: SessionSide::Technician }, sent)
    }

    /// The agent's answer.
    pub fn agent(secret: &str, rng: &mut impl CryptoRngCore) -> (Self, Vec<u8>) {
        let (technician, device) =
            (spake_identity(SessionSide::Technician), spake_identity(SessionSide::Device));
        let (state, sent) = Spake2::start_b_with_rng(&Password::new(secret), &technician, &device, rng);
        (Self { state, sent: sent.clone(), side: SessionSide::Device }, sent)
    }

    /// Takes the other end's message.
    ///
    /// # Errors
    /// [`ProofError`] for a message that is none; a wrong code only shows in the confirmation.
    pub fn finish(self, received: &[u8], channel: &ChannelBinding) -> Result<ConfirmationKeys, ProofError> {
        if received.len() > MAX_MESSAGE {
            return Err(ProofError);
        }
        let sent = self.sent.as_slice();
        let (first, second) = match self.side {
            SessionSide::Technician => (sent, received),
            SessionSide::Device => (received, sent),
        };
        let transcript = transcript(first, second, channel);
        let shared = Zeroizing::new(self.state.finish(received).map_err(|_| ProofError)?);
        let hkdf = Hkdf::<Sha256>::new(Some(&channel.exporter), &shared);
        let derive = |who: &[u8]| {
            let mut key = Zeroizing::new([0; 32]);
            let info = [b"nearhand confirm ", who, &transcript].concat();
            hkdf.expand(&info, key.as_mut()).map_err(|_| ProofError)?;
            Ok::<_, ProofError>(key)
        };
        Ok(ConfirmationKeys { technician: derive(b"technician")?, agent: derive(b"agent")? })
    }
}

impl ConfirmationKeys {
    /// The technician's confirmation, sent first.
    pub fn technician_confirmation(&self) -> Confirmation {
        mac(&self.technician).finalize().into_bytes().into()
    }

    /// The agent's confirmation, sent only after the technician's was right.
    pub fn agent_confirmation(&self) -> Confirmation {
        mac(&self.agent).finalize().into_bytes().into()
    }

    /// Checks the technician's confirmation, in constant time.
    ///
    /// # Errors
    /// [`ProofError`] if the technician doesn't know the code, or somebody is between the two ends: burn the code.
    pub fn check_technician(&self, received: &Confirmation) -> Result<(), ProofError> {
        mac(&self.technician).verify_slice(received).map_err(|_| ProofError)
    }

    /// Checks the agent's confirmation, in constant time.
    ///
    /// # Errors
    /// [`ProofError`] if the agent doesn't know the code, or somebody is between the two ends: end the session.
    pub fn check_agent(&self, received: &Confirmation) -> Result<(), ProofError> {
        mac(&self.agent).verify_slice(received).map_err(|_| ProofError)
    }
}

#[allow(clippy::expect_used, reason = "HMAC takes a key of any length")]
fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    mac.update(b"nearhand confirmed");
    mac
}

fn spake_identity(side: SessionSide) -> Identity {
    Identity::new(match side {
        SessionSide::Technician => b"nearhand technician",
        SessionSide::Device => b"nearhand agent",
    })
}

fn transcript(first: &[u8], second: &[u8], channel: &ChannelBinding) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in [
        first,
        second,
        channel.session.as_bytes(),
        &channel.exporter,
        channel.technician.as_bytes(),
        channel.device.as_bytes(),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// One end's right to carry on a session over a new connection, derived once both were sure of each other.
///
/// Bound to the new connection's exporter, so a proof can't be carried over to another connection.
#[derive(Clone)]
pub struct ResumeSecret(Zeroizing<[u8; 32]>);

/// Label of the TLS exporter that the resume secret is taken from, in the session's first connection.
pub const RESUME_LABEL: &[u8] = b"nearhand resume 1";

impl ResumeSecret {
    /// Takes the first connection's exporter output under [`RESUME_LABEL`].
    pub fn new(exporter: [u8; 32]) -> Self {
        Self(Zeroizing::new(exporter))
    }

    /// The secret itself, for an agent that keeps it over a restart.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.0.clone()
    }

    fn mac(&self, who: &[u8], channel: &ChannelBinding) -> Hmac<Sha256> {
        let mut mac = mac(&self.0);
        mac.update(who);
        mac.update(&transcript(b"resume", who, channel));
        mac
    }

    /// The technician's proof on a new connection.
    pub fn technician_proof(&self, channel: &ChannelBinding) -> Confirmation {
        self.mac(b"technician", channel).finalize().into_bytes().into()
    }

    /// The agent's proof on a new connection.
    pub fn agent_proof(&self, channel: &ChannelBinding) -> Confirmation {
        self.mac(b"agent", channel).finalize().into_bytes().into()
    }

    /// Checks the technician's proof, in constant time.
    ///
    /// # Errors
    /// [`ProofError`] if the technician doesn't hold this secret, or made the proof for another connection: refuse to
    /// resume.
    pub fn check_technician(
        &self,
        channel: &ChannelBinding,
        received: &Confirmation,
    ) -> Result<(), ProofError> {
        self.mac(b"technician", channel).verify_slice(received).map_err(|_| ProofError)
    }

    /// Checks the agent's proof, in constant time.
    ///
    /// # Errors
    /// [`ProofError`] if the agent doesn't hold this secret, or made the proof for another connection: don't resume.
    pub fn check_agent(&self, channel: &ChannelBinding, received: &Confirmation) -> Result<(), ProofError> {
        self.mac(b"agent", channel).verify_slice(received).map_err(|_| ProofError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::OsRng;

    fn channel(exporter: u8) -> ChannelBinding {
        ChannelBinding {
            session: SessionId::from_bytes([1; 16]),
            exporter: [exporter; 32],
            technician: PublicKey::from_bytes([2; 32]),
            device: PublicKey::from_bytes([3; 32]),
        }
    }

    fn keys(
        code_t: &str,
        code_a: &str,
        channel_t: &ChannelBinding,
        channel_a: &ChannelBinding,
    ) -> (ConfirmationKeys, ConfirmationKeys) {
        let (t, from_t) = CodeProof::technician(code_t, &mut OsRng);
        let (a, from_a) = CodeProof::agent(code_a, &mut OsRng);
        (t.finish(&from_a, channel_t).unwrap(), a.finish(&from_t, channel_a).unwrap())
    }

    #[test]
    fn the_right_code_on_one_connection_is_confirmed_both_ways() {
        let (t, a) = keys("0000007", "0000007", &channel(9), &channel(9));
        a.check_technician(&t.technician_confirmation()).unwrap();
        t.check_agent(&a.agent_confirmation()).unwrap();
        assert!(t.check_agent(&t.technician_confirmation()).is_err(), "a confirmation can't be reflected");
    }

    #[test]
    fn a_wrong_code_or_somebody_between_is_noticed_by_both() {
        let mut other_key = channel(9);
        other_key.device = PublicKey::from_bytes([4; 32]);
        for (code, channel_a) in [("0000008", channel(9)), ("0000007", channel(8)), ("0000007", other_key)] {
            let (t, a) = keys("0000007", code, &channel(9), &channel_a);
            assert_eq!(a.check_technician(&t.technician_confirmation()), Err(ProofError));
            assert_eq!(t.check_agent(&a.agent_confirmation()), Err(ProofError));
        }
    }

    #[test]
    fn hostile_messages_are_errors() {
        for bad in [vec![], vec![0; 33], vec![0x42; 33], vec![0xff; 65]] {
            let (t, _) = CodeProof::technician("1234567", &mut OsRng);
            assert!(t.finish(&bad, &channel(1)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn resumption_is_bound_to_the_new_connection() {
        let secret = ResumeSecret::new([5; 32]);
        let proof = secret.technician_proof(&channel(1));
        secret.check_technician(&channel(1), &proof).unwrap();
        assert!(secret.check_technician(&channel(2), &proof).is_err());
        assert!(secret.check_agent(&channel(1), &proof).is_err());
        assert!(ResumeSecret::new([6; 32]).check_technician(&channel(1), &proof).is_err());
    }
}
