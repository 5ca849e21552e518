//! Which runbooks there are on this device: those of the program, and the organisation's own with its signature.

use std::path::{Path, PathBuf};

use nearhand_proto::identity::{PublicKey, Signed};
use nearhand_proto::runbook::{MAX_FILE, Manifest, RunOrder, RunRefusal, built_in};
use nearhand_proto::wire;

use crate::home::AgentHome;

/// Most files of the organisation's that are read.
const MAX_FILES: usize = 64;
/// The ending of files that hold a signed manifest.
const EXTENSION: &str = "nrhb";

/// A runbook of this device.
#[derive(Clone, Debug)]
pub(crate) struct KnownRunbook {
    /// What it does.
    pub(crate) manifest: Manifest,
    /// It came with the program.
    pub(crate) built_in: bool,
}

/// All runbooks of this device: those of the program, and the organisation's in its directory.
pub(crate) fn known_runbooks(home: &AgentHome, organisation: &PublicKey) -> Vec<KnownRunbook> {
    let built_in = built_in().into_iter().map(|manifest| KnownRunbook { manifest, built_in: true });
    let mut all: Vec<KnownRunbook> = built_in.collect();
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
                    all.push(KnownRunbook { manifest, built_in: false });
                }
            }
            Err(why) => tracing::warn!(path = %path.display(), why, "this runbook does not count"),
        }
    }
    all
}

/// The runbook that an order names, with exactly the content that was ordered.
pub(super) fn ordered_runbook(
    home: &AgentHome,
    organisation: &PublicKey,
    order: &RunOrder,
    carried: Option<&Signed<Manifest>>,
) -> Result<KnownRunbook, RunRefusal> {
    let known = match carried {
        None => {
            let all = known_runbooks(home, organisation);
            let found = all.into_iter().find(|known| known.manifest.name == order.runbook);
            found.ok_or_else(|| RunRefusal::Unknown(shown(&order.runbook)))?
        }
        Some(signed) => {
            let manifest = signed.open(organisation).map_err(|_| RunRefusal::RunbookSignature)?;
            if let Some(mistake) = manifest.check().first() {
                return Err(RunRefusal::Mistake(shown(&mistake.to_string())));
            }
            if built_in().iter().any(|ours| ours.name == manifest.name) {
                return Err(RunRefusal::Mistake("it has the name of a built-in one".to_owned()));
            }
            KnownRunbook { manifest, built_in: false }
        }
    };
    let KnownRunbook { manifest, .. } = &known;
    let same =
        manifest.name == order.runbook && manifest.version == order.version && manifest.hash() == order.hash;
    if !same {
        return Err(RunRefusal::OtherContent(shown(&order.runbook)));
    }
    Ok(known)
}

/// A name from somebody else, for the record and for people.
pub(super) fn shown(name: &str) -> String {
    nearhand_proto::text::one_line(name, 120)
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
