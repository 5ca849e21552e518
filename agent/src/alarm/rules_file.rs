//! The owner's rules file: read, and read again when it changes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nearhand_proto::alarm::DeviceProfile;
use nearhand_rules::{RuleMistake, RuleSet, parse};

use crate::platform;

/// Why the rules can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RulesError {
    /// The file is there and can't be read.
    #[error("{path}: {source}")]
    Io {
        /// The rules file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It has mistakes.
    #[error("{path}, {first}{more}", path = path.display(), first = first(mistakes), more = more(mistakes))]
    Mistakes {
        /// The rules file.
        path: PathBuf,
        /// All that were found, by line.
        mistakes: Vec<RuleMistake>,
    },
}

fn first(mistakes: &[RuleMistake]) -> String {
    mistakes.first().map(ToString::to_string).unwrap_or_default()
}

fn more(mistakes: &[RuleMistake]) -> String {
    match mistakes.len() {
        0 | 1 => String::new(),
        n => format!(" (and {} more: run `nearhand-agent rules check`)", n - 1),
    }
}

/// What tells that a file has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FileStamp(Option<(SystemTime, u64)>);

impl FileStamp {
    /// As the file is now.
    pub(crate) fn of(path: &Path) -> Self {
        let meta = fs::metadata(path).ok();
        Self(meta.and_then(|meta| Some((meta.modified().ok()?, meta.len()))))
    }
}

/// Reads the agent's own file, which nobody else may be able to change.
pub(crate) fn load_own(path: &Path) -> Result<RuleSet, RulesError> {
    let io = |source| RulesError::Io { path: path.to_owned(), source };
    match platform::changeable_by_others(path) {
        Ok(Some(why)) => Err(io(io::Error::new(io::ErrorKind::PermissionDenied, why))),
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io(error)),
        _ => load(path),
    }
}

/// Reads the file; without one, the rules are those of the profile that this machine looks like.
pub(crate) fn load(path: &Path) -> Result<RuleSet, RulesError> {
    let otherwise = likely_profile(Path::new("/"));
    let limit = u64::try_from(parse::MAX_FILE).unwrap_or(u64::MAX);
    let io = |source| RulesError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(RuleSet::of_profile(otherwise)),
        Ok(meta) if meta.len() > limit => return Err(io(io::Error::other("larger than 256 KiB"))),
        Ok(meta) if !meta.is_file() => return Err(io(io::Error::other("not a regular file"))),
        _ => {}
    }
    let text = fs::read_to_string(path).map_err(io)?;
    RuleSet::read(&text, otherwise)
        .map_err(|mistakes| RulesError::Mistakes { path: path.to_owned(), mistakes })
}

/// A machine with a battery or a graphical log-in is somebody's desktop.
pub(crate) fn likely_profile(root: &Path) -> DeviceProfile {
    let names = |dir: &str| fs::read_dir(root.join(dir)).into_iter().flatten().flatten();
    let battery = names("sys/class/power_supply").any(|e| e.file_name().to_string_lossy().starts_with("BAT"));
    let sessions =
        ["usr/share/xsessions", "usr/share/wayland-sessions"].iter().any(|dir| names(dir).next().is_some());
    if battery || sessions { DeviceProfile::Desktop } else { DeviceProfile::Server }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_file_the_machine_decides_and_mistakes_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(likely_profile(dir.path()), DeviceProfile::Server);
        fs::create_dir_all(dir.path().join("sys/class/power_supply/BAT0")).unwrap();
        assert_eq!(likely_profile(dir.path()), DeviceProfile::Desktop);
        let path = dir.path().join("rules.toml");
        let before = FileStamp::of(&path);
        assert!(!load(&path).unwrap().rules.is_empty());
        fs::write(&path, "profile = \"server\"\ncolour = 3\n").unwrap();
        assert_ne!(FileStamp::of(&path), before);
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains("rules.toml, line 2: unknown field `colour`"), "{error}");
        assert!(matches!(load(dir.path()), Err(RulesError::Io { .. })));
        fs::write(&path, "profile = \"server\"\n").unwrap();
        let mode =
            |mode| fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o600);
        assert!(load_own(&path).is_ok());
        mode(0o666);
        let error = load_own(&path).unwrap_err().to_string();
        assert!(error.contains("others can write"), "{error}");
        assert!(load_own(&dir.path().join("missing.toml")).is_ok());
    }
}
