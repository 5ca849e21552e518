//! What this end keeps of a session: the device's signed grants and audit heads, one JSON document a line in
//! `sessions/<id>/evidence.jsonl`. With it a technician can show what was allowed, and `nearhand-agent audit
//! verify --witness` can show that the device's log was not rewritten since.

use std::fs::File;
use std::io::Write;

use data_encoding::HEXLOWER;
use nearhand_proto::audit::AuditHead;
use nearhand_proto::grant::GrantRecord;
use nearhand_proto::id::{SessionId, TechnicianId};
use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::wire;
use nearhand_transport::platform::open_private_append;

use crate::home::{ClientHome, ClientHomeError};

/// The evidence of one session.
pub(super) struct SessionEvidence {
    file: File,
    last: Option<Signed<AuditHead>>,
}

impl SessionEvidence {
    pub(super) fn open(home: &ClientHome, session: SessionId) -> Result<Self, ClientHomeError> {
        let path = home.session_dir(session)?.join("evidence.jsonl");
        let file = open_private_append(&path).map_err(ClientHomeError::io("open", &path))?;
        Ok(Self { file, last: None })
    }

    /// Keeps a head that the device really signed; any other is dropped.
    pub(super) fn head(&mut self, signed: &Signed<AuditHead>, device: &PublicKey) -> std::io::Result<()> {
        let Ok(head) = signed.open(device) else { return Ok(()) };
        self.last = Some(signed.clone());
        let hash: String = head.hash.iter().map(|b| format!("{b:02x}")).collect();
        self.keep(&serde_json::json!({
            "kind": "audit-head",
            "witness": format!("{}:{hash}", head.number),
            "device_key": device.to_string(),
            "signed": HEXLOWER.encode(&wire::encode(signed).unwrap_or_default()),
        }))
    }

    /// Keeps a grant.
    pub(super) fn grant(
        &mut self,
        signed: &Signed<GrantRecord>,
        grant: &GrantRecord,
        device: &PublicKey,
    ) -> std::io::Result<()> {
        self.keep(&serde_json::json!({
            "kind": "grant",
            "capabilities": grant.capabilities.to_string(),
            "seconds": grant.seconds,
            "at": grant.at.to_string(),
            "by": format!("{:?}", grant.by),
            "device_key": device.to_string(),
            "signed": HEXLOWER.encode(&wire::encode(signed).unwrap_or_default()),
        }))
    }

    /// The newest head.
    pub(super) fn last_head(&self) -> Option<Signed<AuditHead>> {
        self.last.clone()
    }

    fn keep(&mut self, document: &serde_json::Value) -> std::io::Result<()> {
        writeln!(self.file, "{document}")
    }
}

/// Why a grant that the device sent is none.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum FalseGrant {
    /// Another key signed it, or none.
    #[error("the device didn't sign the grant that it sent")]
    NotSigned,
    /// It was given in another session.
    #[error("the grant that the device sent is of another session")]
    OtherSession,
    /// It was given to another technician.
    #[error("the grant that the device sent is another technician's")]
    OtherTechnician,
}

/// The grant, if the device signed it for this session and this technician: a record that the device shows again, or
/// one that was made for somebody else, is no evidence of what was allowed here.
pub(super) fn open_grant(
    signed: &Signed<GrantRecord>,
    device: &PublicKey,
    session: SessionId,
    technician: TechnicianId,
) -> Result<GrantRecord, FalseGrant> {
    let grant = signed.open(device).map_err(|_| FalseGrant::NotSigned)?;
    match (grant.session == session, grant.technician == technician) {
        (true, true) => Ok(grant),
        (false, _) => Err(FalseGrant::OtherSession),
        (true, false) => Err(FalseGrant::OtherTechnician),
    }
}

#[cfg(test)]
mod tests {
    use nearhand_proto::grant::{Capabilities, DecidedBy};
    use nearhand_proto::identity::SecretKey;
    use nearhand_proto::time::UnixMillis;
    use rand_core::OsRng;

    use super::*;

    #[test]
    fn a_grant_counts_in_its_session_for_its_technician_and_signed_by_the_device() {
        let [device, technician, other] = [(); 3].map(|()| SecretKey::generate(&mut OsRng));
        let [here, there] = [[1; 16], [2; 16]].map(SessionId::from_bytes);
        let me = technician.public().technician_id();
        let grant = GrantRecord {
            device: device.public().device_id(),
            session: here,
            technician: me,
            capabilities: Capabilities::NONE,
            seconds: 60,
            at: UnixMillis(1),
            by: DecidedBy::Person,
        };
        let signed = device.sign(&grant).unwrap();
        let own = device.public();
        assert_eq!(open_grant(&signed, &own, here, me), Ok(grant));
        assert_eq!(open_grant(&signed, &own, there, me), Err(FalseGrant::OtherSession));
        let them = other.public().technician_id();
        assert_eq!(open_grant(&signed, &own, here, them), Err(FalseGrant::OtherTechnician));
        assert_eq!(open_grant(&signed, &other.public(), here, me), Err(FalseGrant::NotSigned));
    }
}
