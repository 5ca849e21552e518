//! A change of identity that the relay has been asked for: a claim, a join, or a rotated key.
//!
//! Everything that the change needs is on the disk before the relay is asked, in `pending/`; once the relay
//! has agreed it is put in its place and `pending/` goes. So a crash or a lost answer at any point loses
//! nothing: whoever connects next asks the relay which of the two identities it knows. Must not live here:
//! asking the relay (see `crate::relay`).

use core::fmt;

use nearhand_proto::identity::SecretKey;
use nearhand_transport::key_file;
use nearhand_transport::platform;

use super::{Home, HomeError, Identity, ORGANISATION_KEY, PROFILE, Profile, TECHNICIAN_KEY};

const DIR: &str = "pending";
const STEP: &str = "step";

/// What was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The relay is claimed for a new organisation.
    Claim,
    /// An invitation is used.
    Join,
    /// The technician's key is replaced.
    Rotation,
}

impl Step {
    const ALL: [Self; 3] = [Self::Claim, Self::Join, Self::Rotation];
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Claim => "claim",
            Self::Join => "join",
            Self::Rotation => "rotation",
        })
    }
}

/// A change that was begun and isn't settled.
#[derive(Clone, Debug)]
pub struct Pending {
    /// What was begun.
    pub step: Step,
    /// Who the technician is once the relay has agreed.
    pub identity: Identity,
    /// The new organisation's key, in a claim.
    pub organisation_key: Option<SecretKey>,
}

impl Home {
    /// What was begun and isn't settled. Files of a change that was never written whole don't count: the
    /// relay is asked only once all are there.
    ///
    /// # Errors
    /// [`HomeError`].
    pub fn pending(&self) -> Result<Option<Pending>, HomeError> {
        let dir = self.path(DIR);
        let Some(step) = self.read(&dir.join(STEP))? else { return Ok(None) };
        let step = Step::ALL.into_iter().find(|s| s.to_string().as_bytes() == step);
        let path = dir.join(PROFILE);
        let damaged = |why: String| HomeError::Damaged {
            path: dir.clone(),
            why,
            remedy: "if `nearhand status` works without it, delete that directory; it may hold the only copy of a key",
        };
        let step = step.ok_or_else(|| damaged("it does not say what was begun".into()))?;
        let (Some(profile), Some(key)) = (self.read(&path)?, self.key_file(&dir.join(TECHNICIAN_KEY))?)
        else {
            return Err(damaged("files are missing".into()));
        };
        let identity = Identity::new(Profile::parse(&path, &profile)?, key).map_err(damaged)?;
        let organisation_key = self.key_file(&dir.join(ORGANISATION_KEY))?;
        if (step == Step::Claim) != organisation_key.is_some() {
            return Err(damaged("the organisation key is missing".into()));
        }
        Ok(Some(Pending { step, identity, organisation_key }))
    }

    /// Writes down a change before the relay is asked for it.
    ///
    /// # Errors
    /// [`HomeError::Unsettled`] while there is another one; [`HomeError::Io`].
    pub fn begin(&self, pending: &Pending) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        let dir = self.path(DIR);
        if let Some(earlier) = self.pending()? {
            return Err(HomeError::Unsettled(earlier.step));
        }
        self.remove_pending()?;
        platform::create_private_dir(&dir).map_err(HomeError::io("make", &dir))?;
        self.put(&dir, pending)?;
        self.write(&dir.join(STEP), pending.step.to_string().as_bytes())
    }

    /// The relay agreed: puts the change in its place. Can be repeated until it has succeeded once.
    ///
    /// # Errors
    /// [`HomeError`]; `pending/` then still holds everything.
    pub fn commit(&self, pending: &Pending) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        let existing = if pending.organisation_key.is_some() {
            self.key_file(&self.path(ORGANISATION_KEY))?
        } else {
            None
        };
        if let (Some(existing), Some(new)) = (existing, &pending.organisation_key)
            && existing.public() != new.public()
        {
            return Err(HomeError::OrganisationKeyExists { path: self.path(ORGANISATION_KEY) });
        }
        self.put(self.dir(), pending)?;
        self.remove_pending()
    }

    /// The relay doesn't know of the change: forgets it.
    ///
    /// # Errors
    /// [`HomeError::Io`].
    pub fn abandon(&self) -> Result<(), HomeError> {
        let _lock = self.lock()?;
        self.remove_pending()
    }

    /// The profile last: it is what says that the directory is set up.
    fn put(&self, dir: &std::path::Path, pending: &Pending) -> Result<(), HomeError> {
        let save = |key: &SecretKey, name: &str| {
            let path = dir.join(name);
            key_file::save_key(key, &path).map_err(HomeError::io("write", &path))
        };
        if let Some(key) = &pending.organisation_key {
            save(key, ORGANISATION_KEY)?;
        }
        save(&pending.identity.key, TECHNICIAN_KEY)?;
        let path = dir.join(PROFILE);
        let text = pending.identity.profile.to_text().map_err(|why| HomeError::Damaged {
            path: path.clone(),
            why,
            remedy: "tell the developers",
        })?;
        self.write(&path, text.as_bytes())
    }

    fn remove_pending(&self) -> Result<(), HomeError> {
        let dir = self.path(DIR);
        // The mark first: without it the rest doesn't count.
        for gone in [std::fs::remove_file(dir.join(STEP)), std::fs::remove_dir_all(&dir)] {
            match gone {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(HomeError::io("remove", &dir)(e));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
