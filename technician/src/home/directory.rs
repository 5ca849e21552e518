//! The technician's directory: its files, each read and written under the rules that the parent states.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nearhand_proto::audit::AuditHead;
use nearhand_proto::credential::{CredentialError, Revocations};
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::SecretKey;
use nearhand_proto::wire;
use nearhand_transport::key_file;
use nearhand_transport::platform;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ClientHomeError;
use super::known_devices::KnownDevices;
use super::profile::TechnicianProfile;

pub(super) const TECHNICIAN_KEY: &str = "technician.key";
pub(super) const ORGANISATION_KEY: &str = "organisation.key";
pub(super) const PROFILE: &str = "profile.toml";
pub(super) const KNOWN_DEVICES: &str = "devices.json";
pub(super) const REVOCATIONS: &str = "revocations.bin";
pub(super) const PSEUDONYMS: &str = "pseudonyms.key";
pub(super) const WITNESSED: &str = "relay-audit.json";
pub(super) const SESSIONS: &str = "sessions";
pub(super) const LOCK: &str = "lock";

/// The technician's directory.
#[derive(Clone, Debug)]
pub struct ClientHome {
    dir: PathBuf,
}

impl ClientHome {
    /// Where the directory is when nobody says otherwise.
    ///
    /// # Errors
    /// [`ClientHomeError::NoPlace`]: the system names no directory for the user's data; `--home` can give one.
    pub fn default_dir() -> Result<PathBuf, ClientHomeError> {
        crate::platform::data_dir().map(|dir| dir.join("nearhand")).ok_or(ClientHomeError::NoPlace)
    }

    /// Opens the directory, making it if there is none.
    ///
    /// # Errors
    /// [`ClientHomeError::Exposed`]: others have access to the directory. [`ClientHomeError::Io`]: it can't be
    /// made or looked at.
    pub fn open(dir: PathBuf) -> Result<Self, ClientHomeError> {
        platform::create_private_dir(&dir).map_err(ClientHomeError::io("make", &dir))?;
        if crate::platform::is_open_to_others(&dir).map_err(ClientHomeError::io("look at", &dir))? {
            return Err(ClientHomeError::Exposed { path: dir, mode: "700" });
        }
        Ok(Self { dir })
    }

    /// Where the directory is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Who the technician is, with whom.
    ///
    /// # Errors
    /// [`ClientHomeError`]; [`ClientHomeError::NotSetUp`] before a claim or a join.
    pub fn profile(&self) -> Result<TechnicianProfile, ClientHomeError> {
        let path = self.path(PROFILE);
        match self.read(&path)? {
            Some(bytes) => TechnicianProfile::parse(&path, &bytes),
            None => Err(ClientHomeError::NotSetUp { dir: self.dir.clone() }),
        }
    }

    /// The organisation's key.
    ///
    /// # Errors
    /// [`ClientHomeError`]; [`ClientHomeError::NoOrganisationKey`] where there is none.
    pub fn organisation_key(&self) -> Result<SecretKey, ClientHomeError> {
        self.key_file(&self.path(ORGANISATION_KEY))?
            .ok_or_else(|| ClientHomeError::NoOrganisationKey { dir: self.dir.clone() })
    }

    /// The organisation's key, which must be the profile's organisation's.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the key is missing, can't be read, or is another organisation's; the message says how
    /// to restore it.
    pub fn organisation_key_of(&self, profile: &TechnicianProfile) -> Result<SecretKey, ClientHomeError> {
        let key = self.organisation_key()?;
        if key.public() == profile.organisation {
            return Ok(key);
        }
        let remedy = "restore the right one, or use the directory that belongs to it (--home DIR)";
        Err(ClientHomeError::OtherOrganisationKey { path: self.path(ORGANISATION_KEY), remedy })
    }

    /// Puts the organisation's key here.
    ///
    /// # Errors
    /// [`ClientHomeError::OrganisationKeyExists`] if one is here, [`ClientHomeError::OtherOrganisationKey`] if the
    /// profile is another organisation's, [`ClientHomeError::Io`].
    pub fn put_organisation_key(&self, key: &SecretKey) -> Result<(), ClientHomeError> {
        let _lock = self.lock()?;
        let path = self.path(ORGANISATION_KEY);
        match self.profile() {
            Ok(profile) if profile.organisation != key.public() => {
                let remedy = "restore it into another directory (--home DIR)";
                return Err(ClientHomeError::OtherOrganisationKey { path, remedy });
            }
            Ok(_) | Err(ClientHomeError::NotSetUp { .. }) => {}
            Err(e) => return Err(e),
        }
        if path.symlink_metadata().is_ok() {
            return Err(ClientHomeError::OrganisationKeyExists { path });
        }
        key_file::save_key(key, &path).map_err(ClientHomeError::io("write", &path))
    }

    /// `true` if there is an organisation key here, readable or not.
    pub fn has_organisation_key(&self) -> bool {
        self.path(ORGANISATION_KEY).symlink_metadata().is_ok()
    }

    /// What is known to be withdrawn.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the file can't be read or is damaged; deleting it and `nearhand sync` help then.
    pub fn revocations(&self) -> Result<Revocations, ClientHomeError> {
        let path = self.path(REVOCATIONS);
        let Some(bytes) = self.read(&path)? else { return Ok(Revocations::default()) };
        wire::decode(&bytes).map_err(|e| ClientHomeError::Damaged {
            path,
            why: e.to_string(),
            remedy: "delete it and run `nearhand sync`, which fetches the organisation's list again",
        })
    }

    /// Changes what is known to be withdrawn; written only if `change` says that there was news.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the directory can't be locked, or the file can't be read or written. The inner error
    /// is that of `change`.
    pub fn update_revocations(
        &self,
        change: impl FnOnce(&mut Revocations) -> Result<bool, CredentialError>,
    ) -> Result<Result<bool, CredentialError>, ClientHomeError> {
        let _lock = self.lock()?;
        let mut revocations = self.revocations()?;
        let news = change(&mut revocations);
        if matches!(news, Ok(true)) {
            let path = self.path(REVOCATIONS);
            let bytes = wire::encode(&revocations).map_err(|e| ClientHomeError::Damaged {
                path: path.clone(),
                why: e.to_string(),
                remedy: "tell the developers",
            })?;
            self.write(&path, &bytes)?;
        }
        Ok(news)
    }

    /// The devices met so far.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the file can't be read or is damaged; it has to be restored from a backup then.
    pub fn known_devices(&self) -> Result<KnownDevices, ClientHomeError> {
        Ok(KnownDevices::new(self.read_json(
            &self.path(KNOWN_DEVICES),
            "restore it from a backup; without it no changed key is noticed",
        )?))
    }

    /// Changes the devices met so far; written if something changed.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the directory can't be locked, or the file can't be read or written.
    pub fn update_known_devices(
        &self,
        change: impl FnOnce(&mut KnownDevices),
    ) -> Result<(), ClientHomeError> {
        let _lock = self.lock()?;
        let before = self.known_devices()?;
        let mut after = before.clone();
        change(&mut after);
        if after == before { Ok(()) } else { self.write_json(&self.path(KNOWN_DEVICES), after.entries()) }
    }

    /// The heads of the relay's audit log that were seen and verified here.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the file can't be read or is damaged; deleting it loses what was witnessed.
    pub fn witnessed_heads(&self) -> Result<Vec<AuditHead>, ClientHomeError> {
        self.read_json(&self.path(WITNESSED), "delete it: what was witnessed of the relay's log is lost then")
    }

    /// Remembers a head of the relay's audit log.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the directory can't be locked, or the file can't be read or written.
    pub fn witness(&self, head: AuditHead) -> Result<(), ClientHomeError> {
        /// How many of the newest heads are kept: each covers all rows before it.
        const KEEP: usize = 100;
        let _lock = self.lock()?;
        let mut heads = self.witnessed_heads()?;
        if head.number == 0 || heads.contains(&head) {
            return Ok(());
        }
        heads.push(head);
        heads.sort_by_key(|h| h.number);
        let heads = heads.split_off(heads.len().saturating_sub(KEEP));
        self.write_json(&self.path(WITNESSED), &heads)
    }

    /// The directory of a session's evidence (log, grants, report), made if there is none.
    ///
    /// # Errors
    /// [`ClientHomeError::Io`]: the directory can't be made, or its rights can't be set.
    pub fn session_dir(&self, session: SessionId) -> Result<PathBuf, ClientHomeError> {
        let dir = self.path(SESSIONS).join(session.to_string());
        platform::create_private_dir(&dir).map_err(ClientHomeError::io("make", &dir))?;
        Ok(dir)
    }

    /// The key of the pseudonyms in reports, made at first use: the same names get the same tokens in every
    /// report of this technician, so that reports can be compared.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the key's file can't be read, or can't be made at first use.
    pub fn pseudonym_key(&self) -> Result<zeroize::Zeroizing<[u8; 32]>, ClientHomeError> {
        let path = self.path(PSEUDONYMS);
        // The file has the form of a key, which it is, only never one that signs.
        let key = key_file::load_or_create_key(&path, &mut rand_core::OsRng);
        Ok(key.map_err(ClientHomeError::io("use", &path))?.seed())
    }

    /// Held while a file is read, changed and written; released when dropped.
    pub(super) fn lock(&self) -> Result<File, ClientHomeError> {
        let path = self.path(LOCK);
        let file = platform::open_private_append(&path).map_err(ClientHomeError::io("open", &path))?;
        crate::platform::lock(&file).map_err(ClientHomeError::io("lock", &path))?;
        Ok(file)
    }

    pub(super) fn key_file(&self, path: &Path) -> Result<Option<SecretKey>, ClientHomeError> {
        match key_file::load_key(path) {
            Ok(key) => Ok(Some(key)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => Err(ClientHomeError::Damaged {
                path: path.to_owned(),
                why: "it is no key file".into(),
                remedy: "restore it from a backup",
            }),
            Err(e) => Err(unreadable(path, e)),
        }
    }

    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, ClientHomeError> {
        match platform::read_private(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(unreadable(path, e)),
        }
    }

    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), ClientHomeError> {
        platform::write_private(path, bytes).map_err(ClientHomeError::io("write", path))
    }

    fn read_json<T: DeserializeOwned + Default>(
        &self,
        path: &Path,
        remedy: &'static str,
    ) -> Result<T, ClientHomeError> {
        let Some(bytes) = self.read(path)? else { return Ok(T::default()) };
        serde_json::from_slice(&bytes).map_err(|e| ClientHomeError::Damaged {
            path: path.to_owned(),
            why: e.to_string(),
            remedy,
        })
    }

    fn write_json(&self, path: &Path, value: &(impl Serialize + ?Sized)) -> Result<(), ClientHomeError> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|e| ClientHomeError::io("write", path)(io::Error::new(io::ErrorKind::InvalidData, e)))?;
        self.write(path, &bytes)
    }
}

/// A file that others can read is told apart from one that its owner can't.
fn unreadable(path: &Path, e: io::Error) -> ClientHomeError {
    if e.kind() == io::ErrorKind::PermissionDenied && e.raw_os_error().is_none() {
        ClientHomeError::Exposed { path: path.to_owned(), mode: "600" }
    } else {
        ClientHomeError::io("read", path)(e)
    }
}
