//! What this end keeps of a session: the device's signed grants and audit heads, one JSON document a line in
//! `sessions/<id>/evidence.jsonl`. With it a technician can show what was allowed, and `nearhand-agent audit
//! verify --witness` can show that the device's log was not rewritten since.

use std::fs::File;
use std::io::Write;

use data_encoding::HEXLOWER;
use nearhand_proto::audit::AuditHead;
use nearhand_proto::grant::GrantRecord;
use nearhand_proto::id::SessionId;
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

    /// Keeps a grant that the device really signed; any other is dropped.
    pub(super) fn grant(&mut self, signed: &Signed<GrantRecord>, device: &PublicKey) -> std::io::Result<()> {
        let Ok(grant) = signed.open(device) else { return Ok(()) };
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
