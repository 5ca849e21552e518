//! A change of identity that the relay has been asked for: a claim, a join, or a rotated key.
//!
//! Everything that the change needs is on the disk before the relay is asked, in `pending/`; once the relay
//! has agreed it is put in its place and `pending/` goes. So a crash or a lost answer at any point loses
//! nothing: the next command that connects asks the relay which of the two identities it knows. Must not live here:
//! asking the relay (see `crate::relay`).

use nearhand_proto::identity::SecretKey;
use nearhand_transport::key_file;
use nearhand_transport::platform;

use super::directory::{ClientHome, ORGANISATION_KEY, PROFILE, TECHNICIAN_KEY};
use super::error::{ClientHomeError, IdentityChange};
use super::profile::{TechnicianIdentity, TechnicianProfile};

const DIR: &str = "pending";
const STEP: &str = "step";

/// A change that was begun and isn't settled.
#[derive(Clone, Debug)]
pub struct PendingIdentity {
    /// What was begun.
    pub step: IdentityChange,
    /// The technician's identity once the relay has agreed.
    pub identity: TechnicianIdentity,
    /// The new organisation's key, in a claim.
    pub organisation_key: Option<SecretKey>,
}

impl ClientHome {
    /// The profile, the key, and what both prove.
    ///
    /// # Errors
    /// [`ClientHomeError`]; [`ClientHomeError::Damaged`] if key and credential don't belong together.
    pub fn identity(&self) -> Result<TechnicianIdentity, ClientHomeError> {
        let profile = self.profile()?;
        let key = self
            .key_file(&self.path(TECHNICIAN_KEY))?
            .ok_or_else(|| ClientHomeError::NotSetUp { dir: self.dir().to_owned() })?;
        match (TechnicianIdentity::new(profile, key), self.pending()?) {
            (Ok(identity), _) => Ok(identity),
            // A change was being put in its place when the program or the machine stopped.
            (Err(_), Some(pending)) => Err(ClientHomeError::Unsettled(pending.step)),
            (Err(error), None) => Err(ClientHomeError::Damaged {
                path: self.path(PROFILE),
                why: error.to_string(),
                remedy: "ask the administrator for a new invitation and join from a new directory",
            }),
        }
    }

    /// What was begun and isn't settled. Files of a change that was never written whole don't count: the
    /// relay is asked only once all are there.
    ///
    /// # Errors
    /// [`ClientHomeError`]: the files of the change can't be read, or they are missing or damaged; the message
    /// says when to delete them.
    pub fn pending(&self) -> Result<Option<PendingIdentity>, ClientHomeError> {
        let dir = self.path(DIR);
        let Some(step) = self.read(&dir.join(STEP))? else { return Ok(None) };
        let step = IdentityChange::ALL.into_iter().find(|s| s.to_string().as_bytes() == step);
        let path = dir.join(PROFILE);
        let damaged = |why: String| ClientHomeError::Damaged {
            path: dir.clone(),
            why,
            remedy: "if `nearhand status` works without it, delete that directory; it may hold the only copy of a key",
        };
        let step = step.ok_or_else(|| damaged("it does not say what was begun".into()))?;
        let (Some(profile), Some(key)) = (self.read(&path)?, self.key_file(&dir.join(TECHNICIAN_KEY))?)
        else {
            return Err(damaged("files are missing".into()));
        };
        let identity = TechnicianIdentity::new(TechnicianProfile::parse(&path, &profile)?, key)
            .map_err(|error| damaged(error.to_string()))?;
        let organisation_key = self.key_file(&dir.join(ORGANISATION_KEY))?;
        if (step == IdentityChange::Claim) != organisation_key.is_some() {
            return Err(damaged("the organisation key is missing".into()));
        }
        Ok(Some(PendingIdentity { step, identity, organisation_key }))
    }

    /// Writes down a change before the relay is asked for it.
    ///
    /// # Errors
    /// [`ClientHomeError::Unsettled`] while there is another one; [`ClientHomeError::Io`].
    pub fn begin(&self, pending: &PendingIdentity) -> Result<(), ClientHomeError> {
        let _lock = self.lock()?;
        let dir = self.path(DIR);
        if let Some(earlier) = self.pending()? {
            return Err(ClientHomeError::Unsettled(earlier.step));
        }
        self.remove_pending()?;
        platform::create_private_dir(&dir).map_err(ClientHomeError::io("make", &dir))?;
        self.put(&dir, pending)?;
        self.write(&dir.join(STEP), pending.step.to_string().as_bytes())
    }

    /// The relay agreed: puts the change in its place. Can be repeated until it has succeeded once.
    ///
    /// # Errors
    /// [`ClientHomeError`]; `pending/` then still holds everything.
    pub fn commit(&self, pending: &PendingIdentity) -> Result<(), ClientHomeError> {
        let _lock = self.lock()?;
        let existing = if pending.organisation_key.is_some() {
            self.key_file(&self.path(ORGANISATION_KEY))?
        } else {
            None
        };
        if let (Some(existing), Some(new)) = (existing, &pending.organisation_key)
            && existing.public() != new.public()
        {
            return Err(ClientHomeError::OrganisationKeyExists { path: self.path(ORGANISATION_KEY) });
        }
        self.put(self.dir(), pending)?;
        self.remove_pending()
    }

    /// The relay doesn't know of the change: forgets it.
    ///
    /// # Errors
    /// [`ClientHomeError::Io`]: the directory can't be locked, or the files of the change can't be deleted.
    pub fn abandon(&self) -> Result<(), ClientHomeError> {
        let _lock = self.lock()?;
        self.remove_pending()
    }

    /// The profile last: it is what says that the directory is set up.
    fn put(&self, dir: &std::path::Path, pending: &PendingIdentity) -> Result<(), ClientHomeError> {
        let save = |key: &SecretKey, name: &str| {
            let path = dir.join(name);
            key_file::save_key(key, &path).map_err(ClientHomeError::io("write", &path))
        };
        if let Some(key) = &pending.organisation_key {
            save(key, ORGANISATION_KEY)?;
        }
        save(&pending.identity.key, TECHNICIAN_KEY)?;
        let path = dir.join(PROFILE);
        let text = pending.identity.profile.to_text().map_err(|error| ClientHomeError::Damaged {
            path: path.clone(),
            why: error.to_string(),
            remedy: "tell the developers",
        })?;
        self.write(&path, text.as_bytes())
    }

    fn remove_pending(&self) -> Result<(), ClientHomeError> {
        let dir = self.path(DIR);
        // The mark first: without it the rest doesn't count.
        for gone in [std::fs::remove_file(dir.join(STEP)), std::fs::remove_dir_all(&dir)] {
            match gone {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(ClientHomeError::io("remove", &dir)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
