//! Which runbooks there are on this device: those of the program, and the organisation's own with its signature.

use std::path::{Path, PathBuf};

use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::message::runbook::{Listed, MAX_LISTED};
use nearhand_proto::runbook::{MAX_FILE, Manifest, Mode, Order, Refused, built_in};
use nearhand_proto::wire;

use super::{Runbooks, shown};
use crate::home::Home;
use crate::hub::Hub;
use nearhand_agent_core::gate::{Ask, By};

/// Most files of the organisation's that are read.
const MAX_FILES: usize = 64;
/// The ending of files that hold a signed manifest.
const EXTENSION: &str = "nrhb";

/// A runbook that is here.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) manifest: Manifest,
    /// It came with the program.
    pub(crate) built_in: bool,
}

impl Runbooks {
    /// All runbooks that are here: those of the program, and the organisation's in its directory.
    pub(super) fn known(&self, organisation: &PublicKey) -> Vec<Known> {
        Self::known_in(&self.home, organisation)
    }

    /// As the agent that lives there sees them.
    pub(crate) fn known_in(home: &Home, organisation: &PublicKey) -> Vec<Known> {
        let built_in = built_in().into_iter().map(|manifest| Known { manifest, built_in: true });
        let mut all: Vec<Known> = built_in.collect();
        let entries = std::fs::read_dir(home.runbooks()).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == EXTENSION));
        paths.sort();
        for path in paths.into_iter().take(MAX_FILES) {
            match from_file(&path, organisation) {
                // A name that the program has is the program's.
                Ok(manifest)
                    if all.iter().any(|known| known.built_in && known.manifest.name == manifest.name) =>
                {
                    tracing::warn!(path = %path.display(), "this runbook has the name of a built-in one and is left out");
                }
                Ok(manifest) => {
                    all.retain(|known| {
                        known.manifest.name != manifest.name || known.manifest.version > manifest.version
                    });
                    if !all.iter().any(|known| known.manifest.name == manifest.name) {
                        all.push(Known { manifest, built_in: false });
                    }
                }
                Err(why) => tracing::warn!(path = %path.display(), why, "this runbook does not count"),
            }
        }
        all
    }

    /// The list for a technician, with what doesn't run here.
    pub(crate) fn list(&self, hub: &Hub, attended: bool) -> Vec<Listed> {
        let rules = self.rules();
        let off = self.home.runbooks_are_off();
        let by = By::Technician { attended };
        let listed = self.known(&hub.enrolment().organisation).into_iter().map(|known| {
            let Known { manifest, built_in } = known;
            // What it is with its defaults; parameters may make it more.
            let class = manifest.bind(&[]).map_or(manifest.class, |bound| manifest.class_of(&bound));
            let ask = Ask { name: &manifest.name, built_in, class, mode: Mode::Apply, by };
            let refused = match &rules {
                Ok(rules) => rules.lets(&ask, off).err(),
                Err(refused) => Some(refused.clone()),
            };
            Listed {
                class: class.number(),
                name: manifest.name,
                version: manifest.version,
                title: manifest.title,
                built_in,
                refused,
            }
        });
        listed.take(MAX_LISTED).collect()
    }

    /// The runbook of that name.
    pub(crate) fn show(&self, hub: &Hub, name: &str) -> Result<Manifest, Refused> {
        let known = self.known(&hub.enrolment().organisation);
        let found = known.into_iter().find(|known| known.manifest.name == name);
        found.map(|known| known.manifest).ok_or_else(|| Refused::Unknown(shown(name)))
    }

    /// The runbook that an order means: exactly the one it was given for.
    pub(super) fn meant(
        &self,
        hub: &Hub,
        order: &Order,
        carried: Option<&Signed<Manifest>>,
    ) -> Result<Known, Refused> {
        let organisation = hub.enrolment().organisation;
        let known = match carried {
            None => {
                let all = self.known(&organisation);
                let found = all.into_iter().find(|known| known.manifest.name == order.runbook);
                found.ok_or_else(|| Refused::Unknown(shown(&order.runbook)))?
            }
            Some(signed) => {
                let manifest = signed.open(&organisation).map_err(|_| Refused::RunbookSignature)?;
                if let Some(mistake) = manifest.check().first() {
                    return Err(Refused::Mistake(shown(&mistake.to_string())));
                }
                if built_in().iter().any(|ours| ours.name == manifest.name) {
                    return Err(Refused::Mistake("it has the name of a built-in one".to_owned()));
                }
                Known { manifest, built_in: false }
            }
        };
        let Known { manifest, .. } = &known;
        let same = manifest.name == order.runbook
            && manifest.version == order.version
            && manifest.hash() == order.hash;
        if !same {
            return Err(Refused::OtherContent(shown(&order.runbook)));
        }
        Ok(known)
    }
}

/// A signed manifest of the organisation's in a file.
fn from_file(path: &Path, organisation: &PublicKey) -> Result<Manifest, String> {
    let length = std::fs::metadata(path).map_err(|error| error.to_string())?.len();
    if length > u64::try_from(MAX_FILE).unwrap_or(u64::MAX) {
        return Err("it is larger than 32 KiB".to_owned());
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    let signed: Signed<Manifest> = wire::decode(&bytes).map_err(|error| error.to_string())?;
    let manifest = signed.open(organisation).map_err(|_| "the organisation has not signed it".to_owned())?;
    match manifest.check().first() {
        None => Ok(manifest),
        Some(mistake) => Err(mistake.to_string()),
    }
}
