//! What the agent keeps on disk, and where.
//!
//! One private directory (0700): the device's key, its enrolment, what is revoked, which technicians were
//! here before, the audit log, each session's chat, the local socket. Files are replaced whole or not at all.
//! Not here: what any of it means.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use nearhand_proto::credential::{Credential, Revocations};
use nearhand_proto::id::{DeviceId, SessionId, TechnicianId};
use nearhand_proto::identity::{PublicKey, SecretKey};
use nearhand_proto::invitation::RelayAddress;
use nearhand_proto::time::UnixMillis;
use nearhand_proto::wire;
use nearhand_transport::key_file;
use nearhand_transport::platform::{create_private_dir, read_private, write_private};
use rand_core::OsRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::help_request::StoredHelpRequest;
use nearhand_agent_core::machine_mark::{MachineMark, MachineVerdict};
use nearhand_agent_core::policy::{self, OwnerPolicy, PolicyError};

/// Most technicians remembered; beyond it everybody is a first contact again.
const MAX_KNOWN: usize = 4096;

/// Whose device this is and which relay it reports to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Enrolment {
    /// The relay that it reports to.
    pub(crate) relay: RelayAddress,
    /// The organisation whose technicians are let in.
    pub(crate) organisation: PublicKey,
    /// The organisation's name, as people see it.
    pub(crate) organisation_name: String,
    /// Proves the enrolment; `None` for a machine that only asks for help.
    pub(crate) credential: Option<Credential>,
}

impl Enrolment {
    /// The keys that the device has had.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PublicKey> {
        let links =
            self.credential.as_ref().map(|credential| credential.links.as_slice()).unwrap_or_default();
        links.iter().filter_map(|link| Some(link.peek().ok()?.key))
    }

    /// The device's id, which follows from the first key it was enrolled with; `None` for one that isn't.
    pub(crate) fn device(&self) -> Option<DeviceId> {
        let first = self.credential.as_ref()?.links.first()?.peek().ok()?;
        Some(first.key.device_id())
    }
}

/// Why something on disk can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentHomeError {
    /// The system refused.
    #[error("{path}: {source}")]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{0} is damaged: restore it from a backup, or enrol this device again")]
    Damaged(PathBuf),
    /// Others can change it, and with it what the agent does.
    #[error("{path} is not used: {why}")]
    Exposed {
        /// The file or directory concerned.
        path: PathBuf,
        /// Who can change what.
        why: String,
    },
    /// The directory came here from another machine.
    #[error(
        "this is a copy of another machine: its key belongs to that one and is not used here. For a device of its own run \
         `nearhand-agent enrol STRING` with a new string. If this is the same device, moved or installed anew, and no other \
         machine uses its key: `nearhand-agent adopt`"
    )]
    Copied,
    /// Not enrolled yet.
    #[error(
        "this device is not enrolled: run `nearhand-agent enrol STRING` with the string from your administrator"
    )]
    NotEnrolled,
    /// The policy has a mistake.
    #[error("{path}: {source}")]
    Policy {
        /// The file concerned.
        path: PathBuf,
        /// What is wrong.
        source: PolicyError,
    },
}

/// Refuses what others can change.
pub(crate) fn only_ours(path: &Path) -> Result<(), AgentHomeError> {
    match crate::platform::changeable_by_others(path) {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(AgentHomeError::Exposed { path: path.to_owned(), why }),
        Err(source) => Err(AgentHomeError::Io { path: path.to_owned(), source }),
    }
}

/// The agent's directory.
#[derive(Clone, Debug)]
pub(crate) struct AgentHome {
    dir: PathBuf,
    /// Nobody named another one.
    is_default: bool,
}

impl AgentHome {
    /// Opens the directory, made now if it isn't there. One that others can change is refused: they could put keys and a
    /// policy there.
    pub(crate) fn open(dir: PathBuf) -> Result<Self, AgentHomeError> {
        create_private_dir(&dir).map_err(|source| AgentHomeError::Io { path: dir.clone(), source })?;
        only_ours(&dir)?;
        let is_default = dir == Self::default_dir();
        Ok(Self { dir, is_default })
    }

    /// The directory itself.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The owner's rules for alarms.
    pub(crate) fn rules_file(&self) -> PathBuf {
        self.at("rules.toml")
    }

    /// Where the organisation's own runbooks are put.
    pub(crate) fn runbooks(&self) -> PathBuf {
        self.at("runbooks")
    }

    /// Where runbooks keep reports.
    pub(crate) fn reports(&self) -> PathBuf {
        self.at("reports")
    }

    /// Whether runbooks were switched off here; a switch that can't be looked at is off.
    pub(crate) fn runbooks_are_off(&self) -> bool {
        self.at("runbooks.off").try_exists().unwrap_or(true)
    }

    /// Switches runbooks off, or on again.
    pub(crate) fn switch_runbooks(&self, off: bool) -> io::Result<()> {
        let path = self.at("runbooks.off");
        if off {
            return write_private(&path, b"");
        }
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether it is the directory used unless another is named.
    pub(crate) fn is_default(&self) -> bool {
        self.is_default
    }

    /// The directory used unless another is named: the system's for root, else the user's own.
    pub(crate) fn default_dir() -> PathBuf {
        if crate::platform::is_root() {
            return PathBuf::from("/var/lib/nearhand-agent");
        }
        let absolute = |dir: &PathBuf| dir.is_absolute();
        let data = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(absolute);
        let home = || std::env::home_dir().filter(absolute).map(|home| home.join(".local/share"));
        // Without any home a path that says by its failure what is wrong.
        data.or_else(home).unwrap_or_else(|| PathBuf::from("/var/lib")).join("nearhand-agent")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The local socket; its directory is private.
    pub(crate) fn socket(&self) -> PathBuf {
        self.at("run/agent.sock")
    }

    /// The socket of an agent that runs as a service and lets desktop users in.
    pub(crate) fn service_socket() -> PathBuf {
        PathBuf::from("/run/nearhand-agent/agent.sock")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.at("audit.jsonl")
    }

    pub(crate) fn audit_head(&self) -> PathBuf {
        self.at("audit.head")
    }

    pub(crate) fn policy_file(&self) -> PathBuf {
        self.at("policy.toml")
    }

    /// Where a session's chat is kept; the directory is made.
    pub(crate) fn session_dir(&self, session: SessionId) -> io::Result<PathBuf> {
        let dir = self.dir.join("sessions").join(session.to_string());
        create_private_dir(&dir)?;
        Ok(dir)
    }

    /// The device's key, born here at first use.
    pub(crate) fn key(&self) -> Result<SecretKey, AgentHomeError> {
        let path = self.at("device.key");
        key_file::load_or_create_key(&path, &mut OsRng).map_err(|source| AgentHomeError::Io { path, source })
    }

    /// Refuses where the key was made on another machine. Without a mark (a machine that never had one) it is made now.
    pub(crate) fn refuse_copy(&self) -> Result<(), AgentHomeError> {
        let here = crate::platform::machine_mark();
        match self.load::<MachineMark>("machine")? {
            Some(kept) if kept.compare(&here) == MachineVerdict::Another => Err(AgentHomeError::Copied),
            // What could not be read before (not root then, no number yet) counts from now on.
            Some(kept) if kept.lacks_of(&here) => self.save("machine", &kept.or(here)),
            Some(_) => Ok(()),
            // Nothing to be a copy of.
            None if !self.at("enrolment").exists() => Ok(()),
            None => self.adopt(),
        }
    }

    /// This machine is the device from now on.
    pub(crate) fn adopt(&self) -> Result<(), AgentHomeError> {
        self.save("machine", &crate::platform::machine_mark())
    }

    /// Takes leave of the machine that this directory was copied from: `key` takes the place of its key, its record is set aside.
    /// The owner's own files stay.
    pub(crate) fn leave_original(&self, key: &SecretKey) -> Result<(), AgentHomeError> {
        let aside = [
            ("audit.jsonl", "audit.jsonl.of-another-machine"),
            ("audit.head", "audit.head.of-another-machine"),
        ];
        let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        for name in ["enrolment", "device.key", "device.key.next", "help", "technicians"] {
            match std::fs::remove_file(self.at(name)) {
                Err(source) if !gone(&source) => {
                    return Err(AgentHomeError::Io { path: self.at(name), source });
                }
                _ => {}
            }
        }
        for (from, to) in aside {
            match std::fs::rename(self.at(from), self.at(to)) {
                Err(source) if !gone(&source) => {
                    return Err(AgentHomeError::Io { path: self.at(from), source });
                }
                _ => {}
            }
        }
        let path = self.at("device.key");
        key_file::save_key(key, &path).map_err(|source| AgentHomeError::Io { path, source })?;
        // Last: one that is interrupted before is still a copy, and begins again.
        self.adopt()
    }

    /// All keys that this device has had: what it signed counts under each.
    pub(crate) fn all_keys(&self) -> Result<Vec<PublicKey>, AgentHomeError> {
        let mut keys = vec![self.key()?.public()];
        match self.enrolment() {
            Ok(enrolment) => keys.extend(enrolment.keys()),
            Err(AgentHomeError::NotEnrolled) => {}
            Err(error) => return Err(error),
        }
        Ok(keys)
    }

    /// The key of the pseudonyms in reports, born here at first use: the same names get the same tokens in
    /// every report of this machine.
    pub(crate) fn pseudonym_key(&self) -> Result<Zeroizing<[u8; 32]>, AgentHomeError> {
        let path = self.at("pseudonyms.key");
        // The file has the form of a key, which it is, only never one that signs.
        let key = key_file::load_or_create_key(&path, &mut OsRng);
        Ok(key.map_err(|source| AgentHomeError::Io { path, source })?.seed())
    }

    /// The key's successor while it is being rotated, made now if there is none.
    pub(crate) fn next_key(&self) -> Result<SecretKey, AgentHomeError> {
        let path = self.at("device.key.next");
        key_file::load_or_create_key(&path, &mut OsRng).map_err(|source| AgentHomeError::Io { path, source })
    }

    /// The successor becomes the key. The enrolment is written first: a crash between the two is mended by
    /// [`AgentHome::mend_rotation`].
    pub(crate) fn switch_key(&self, enrolment: &Enrolment) -> Result<(), AgentHomeError> {
        self.save_enrolment(enrolment)?;
        let (from, to) = (self.at("device.key.next"), self.at("device.key"));
        std::fs::rename(&from, &to).map_err(|source| AgentHomeError::Io { path: to, source })
    }

    /// After a crash in [`AgentHome::switch_key`]: the enrolment already names the next key.
    pub(crate) fn mend_rotation(&self, enrolment: &Enrolment) -> Result<(), AgentHomeError> {
        let next = self.at("device.key.next");
        let names = |key: &SecretKey| {
            enrolment
                .credential
                .as_ref()
                .and_then(|c| c.links.last())
                .and_then(|l| l.peek().ok())
                .map(|e| e.key)
                == Some(key.public())
        };
        match key_file::load_key(&next) {
            Ok(key) if names(&key) => self.switch_key(enrolment),
            _ => Ok(()),
        }
    }

    pub(crate) fn enrolment(&self) -> Result<Enrolment, AgentHomeError> {
        self.load("enrolment")?.ok_or(AgentHomeError::NotEnrolled)
    }

    pub(crate) fn save_enrolment(&self, enrolment: &Enrolment) -> Result<(), AgentHomeError> {
        self.save("enrolment", enrolment)
    }

    pub(crate) fn revocations(&self) -> Result<Revocations, AgentHomeError> {
        Ok(self.load("revocations")?.unwrap_or_default())
    }

    pub(crate) fn save_revocations(&self, revocations: &Revocations) -> Result<(), AgentHomeError> {
        self.save("revocations", revocations)
    }

    /// Technicians who were granted something here before.
    pub(crate) fn known_technicians(&self) -> Result<BTreeSet<TechnicianId>, AgentHomeError> {
        Ok(self.load("technicians")?.unwrap_or_default())
    }

    pub(crate) fn save_known_technicians(
        &self,
        known: &BTreeSet<TechnicianId>,
    ) -> Result<(), AgentHomeError> {
        if known.len() <= MAX_KNOWN {
            self.save("technicians", known)
        } else {
            self.save("technicians", &BTreeSet::<TechnicianId>::new())
        }
    }

    /// When support codes were burnt, if that can be read: losing it is no reason to refuse to start.
    pub(crate) fn burnt_codes(&self) -> Vec<UnixMillis> {
        self.load("burnt-codes").ok().flatten().unwrap_or_default()
    }

    pub(crate) fn save_burnt_codes(&self, burnt: &[UnixMillis]) -> Result<(), AgentHomeError> {
        self.save("burnt-codes", &burnt)
    }

    /// What a person here asked for and is not over, if it can be read: losing it is no reason to refuse to start.
    pub(crate) fn help_request(&self) -> Option<StoredHelpRequest> {
        self.load("help").unwrap_or_else(|error| {
            tracing::warn!(%error, "the request for help is not sent again");
            None
        })
    }

    pub(crate) fn save_help_request(
        &self,
        request: Option<&StoredHelpRequest>,
    ) -> Result<(), AgentHomeError> {
        if let Some(request) = request {
            return self.save("help", request);
        }
        let path = self.at("help");
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(AgentHomeError::Io { path, source })
            }
            _ => Ok(()),
        }
    }

    /// The owner's policy; without the file nothing is allowed unattended. Read again at each use, so that a
    /// change counts at once.
    pub(crate) fn policy(&self) -> Result<OwnerPolicy, AgentHomeError> {
        let path = self.policy_file();
        let text = match std::fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(OwnerPolicy::default()),
            Ok(meta) if meta.len() > policy::MAX_FILE => {
                let source = io::Error::new(io::ErrorKind::InvalidData, "larger than 64 KiB");
                return Err(AgentHomeError::Io { path, source });
            }
            _ => {
                only_ours(&path)?;
                std::fs::read_to_string(&path)
            }
        };
        let text = text.map_err(|source| AgentHomeError::Io { path: path.clone(), source })?;
        OwnerPolicy::parse(&text).map_err(|source| AgentHomeError::Policy { path, source })
    }

    fn load<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, AgentHomeError> {
        let path = self.at(name);
        match read_private(&path) {
            Ok(bytes) => wire::decode(&bytes).map(Some).map_err(|_| AgentHomeError::Damaged(path)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(AgentHomeError::Io { path, source }),
        }
    }

    fn save<T: Serialize>(&self, name: &str, value: &T) -> Result<(), AgentHomeError> {
        let path = self.at(name);
        let bytes = wire::encode(value).map_err(|_| AgentHomeError::Damaged(path.clone()))?;
        write_private(&path, &bytes).map_err(|source| AgentHomeError::Io { path, source })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_or_policy_that_others_can_change_is_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("home");
        let home = AgentHome::open(place.clone()).unwrap();
        fs::write(home.policy_file(), "").unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        mode(&home.policy_file(), 0o644);
        assert!(home.policy().is_ok());
        mode(&home.policy_file(), 0o666);
        assert!(matches!(home.policy(), Err(AgentHomeError::Exposed { .. })));
        mode(&place, 0o777);
        assert!(matches!(AgentHome::open(place), Err(AgentHomeError::Exposed { .. })));
    }
}
