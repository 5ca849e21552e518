//! The proof of the support code and of a session's resumption: what both ends compute from the same secrets.
//!
//! Not messages but their contents; two releases that compute them differently never get past a hello.

use nearhand_machines::golden::KeyOwner;
use nearhand_proto::pake::{ChannelBinding, CodeProof, ConfirmationKeys, ResumeSecret};
use rand_core::{CryptoRng, RngCore};

use super::Table;
use super::fixed::SESSION;

/// "Random" numbers that are always the same.
pub(crate) struct Fixed {
    next: u64,
    step: u64,
}

impl Fixed {
    /// The same number again and again.
    pub(crate) fn number(number: u32) -> Self {
        Self { next: number.into(), step: 0 }
    }

    /// Numbers that differ.
    fn from(seed: u64) -> Self {
        Self { next: seed, step: 0x9e37_79b9_7f4a_7c15 }
    }
}

impl CryptoRng for Fixed {}

impl RngCore for Fixed {
    fn next_u32(&mut self) -> u32 {
        u32::try_from(self.next_u64() & u64::from(u32::MAX)).unwrap()
    }

    fn next_u64(&mut self) -> u64 {
        let next = self.next;
        self.next = next.wrapping_add(self.step);
        next
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let number = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&number[..chunk.len()]);
        }
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), rand_core::Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

fn channel() -> ChannelBinding {
    ChannelBinding {
        session: SESSION,
        exporter: [9; 32],
        technician: KeyOwner::Technician.public(),
        device: KeyOwner::Device.public(),
    }
}

/// Both ends of one proof: their first messages and the keys that each has then.
fn proven() -> (Vec<u8>, Vec<u8>, ConfirmationKeys, ConfirmationKeys) {
    let (technician, from_technician) = CodeProof::technician("0123456", &mut Fixed::from(1));
    let (agent, from_agent) = CodeProof::agent("0123456", &mut Fixed::from(2));
    let technician = technician.finish(&from_agent, &channel()).unwrap();
    let agent = agent.finish(&from_technician, &channel()).unwrap();
    (from_technician, from_agent, technician, agent)
}

pub(crate) fn fill(table: &mut Table) {
    let (from_technician, from_agent, technician, agent) = proven();
    let resume = ResumeSecret::new([5; 32]);
    let parts = [
        ("technician", from_technician),
        ("agent", from_agent),
        ("technician-confirms", technician.technician_confirmation().to_vec()),
        ("agent-confirms", agent.agent_confirmation().to_vec()),
        ("technician-resumes", resume.technician_proof(&channel()).to_vec()),
        ("agent-resumes", resume.agent_proof(&channel()).to_vec()),
    ];
    for (name, bytes) in parts {
        // There is no decoder to come back through: they are compared, never read.
        table.add("proof", name, bytes, name.to_owned(), move |bytes| Ok((bytes.to_vec(), name.to_owned())));
    }
}

#[test]
fn the_released_proof_convinces_both_ends() {
    let (_, _, technician, agent) = proven();
    let released = nearhand_machines::golden::read("proof").unwrap();
    let of = |name: &str| -> [u8; 32] {
        released.iter().find(|v| v.name == name).unwrap().bytes.clone().try_into().unwrap()
    };
    agent.check_technician(&of("technician-confirms")).unwrap();
    technician.check_agent(&of("agent-confirms")).unwrap();
    let resume = ResumeSecret::new([5; 32]);
    resume.check_technician(&channel(), &of("technician-resumes")).unwrap();
    resume.check_agent(&channel(), &of("agent-resumes")).unwrap();
}
