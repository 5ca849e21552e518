//! Finds the programs under test next to the test itself, and has cargo build them if they are missing or older
//! than their sources, which happens where only this package's tests are run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

use anyhow::{Context, Result, anyhow, ensure};

/// Set where the programs lie next to the test and are used as they are.
const BESIDE: &str = "NEARHAND_TESTS_PROGRAMS";

/// A program under test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProgramBinary {
    /// The agent, `nearhand-agent`.
    Agent,
    /// The technician's client, `nearhand`.
    Client,
    /// The relay, `nearhand-relay`.
    Relay,
}

impl ProgramBinary {
    const ALL: [Self; 3] = [Self::Agent, Self::Client, Self::Relay];

    const fn name(self) -> &'static str {
        match self {
            Self::Agent => "nearhand-agent",
            Self::Client => "nearhand",
            Self::Relay => "nearhand-relay",
        }
    }

    /// Where it is, built if need be.
    ///
    /// # Errors
    /// It can't be found or built.
    pub fn path(self) -> Result<PathBuf> {
        static DIRECTORY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
        let built = DIRECTORY.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        let directory = built.as_ref().map_err(|error| anyhow!("the programs can't be built: {error}"))?;
        Ok(directory.join(self.name()))
    }
}

/// Makes sure that the customer's window lies next to the programs, and is up to date: a separate workspace, which most
/// tests don't need. Its path.
///
/// # Errors
/// It can't be built.
pub fn window() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<(), String>> = OnceLock::new();
    let path = ProgramBinary::Agent.path()?.with_file_name("nearhand-window");
    let built = BUILT.get_or_init(|| build_window(&path).map_err(|error| format!("{error:#}")));
    built.as_ref().map_err(|error| anyhow!("the window can't be built: {error}"))?;
    Ok(path)
}

/// The checkout that the programs are built from.
///
/// # Errors
/// It isn't where it was when this was compiled.
pub fn workspace() -> Result<&'static Path> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().and_then(Path::parent).context("where is the workspace?")
}

fn build_window(path: &Path) -> Result<()> {
    if std::env::var_os(BESIDE).is_some() {
        return Ok(());
    }
    let directory = path.parent().context("where is the target directory?")?;
    let root = workspace()?;
    let mut command = cargo();
    let output = command
        .args(["build", "--locked", "--profile", profile(directory), "--target-dir"])
        .arg(directory.parent().context("where is the target directory?")?)
        .current_dir(root.join("agent/window"))
        .output()
        .context("cargo can't be run")?;
    ensure!(output.status.success(), "cargo build:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

fn profile(directory: &Path) -> &str {
    match directory.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(other) => other,
    }
}

/// Cargo, with nothing of what it says of this package to its tests: that would have build scripts run again, here and
/// the next time.
fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_this_package = |name: &str| {
        ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|start| name.starts_with(start))
            || ["CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE", "CARGO_TARGET_TMPDIR", "OUT_DIR"].contains(&name)
    };
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_this_package) {
            command.env_remove(name);
        }
    }
    command
}

/// Makes sure that the programs are up to date; their directory.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    // target/PROFILE/deps/TEST-HASH, or target/PROFILE/BENCHMARK, next to what scripts/bench has built.
    let place = test.parent().context("where is the target directory?")?;
    let is_test = place.file_name().is_some_and(|name| name == "deps");
    let directory = if is_test { place.parent().context("where is the target directory?")? } else { place };
    if std::env::var_os(BESIDE).is_some() {
        return Ok(directory.to_owned());
    }
    let root = workspace()?;
    let stamp = directory.join(".end-to-end-built");
    let began = SystemTime::now();
    if is_fresh(directory, root, &stamp)? {
        return Ok(directory.to_owned());
    }
    let output = cargo()
        .args(["build", "--locked", "--workspace", "--bins", "--profile", profile(directory), "--target-dir"])
        .arg(directory.parent().context("where is the target directory?")?)
        .current_dir(root)
        .output()
        .context("cargo can't be run")?;
    ensure!(output.status.success(), "cargo build:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::File::create(&stamp)?.set_modified(began)?;
    Ok(directory.to_owned())
}

/// Whether all programs are there, and neither their sources nor a manifest has changed since cargo built them or last found
/// them up to date. Where all tests of the workspace are built, cargo has built the programs too, for the tests of those
/// packages; building them again here would give their dependencies other features, and so build almost everything twice.
fn is_fresh(directory: &Path, root: &Path, stamp: &Path) -> Result<bool> {
    let checked = modified(stamp).ok();
    let mut manifests = modified(&root.join("Cargo.lock"))?;
    for folder in ["shared", "agent", "relay", "technician"] {
        manifests = manifests.max(newest_manifest(&root.join(folder))?);
    }
    for binary in ProgramBinary::ALL {
        let program = directory.join(binary.name());
        let Ok(built) = modified(&program) else { return Ok(false) };
        let Ok(sources) = newest_source(&program) else { return Ok(false) };
        let current = checked.map_or(built, |checked| checked.max(built));
        if manifests.max(sources) > current {
            return Ok(false);
        }
    }
    Ok(true)
}

fn modified(file: &Path) -> Result<SystemTime> {
    Ok(fs::metadata(file)?.modified()?)
}

/// When a source of `program` last changed: cargo lists them in a file next to it, `program: source source …`, with spaces
/// in a path escaped.
fn newest_source(program: &Path) -> Result<SystemTime> {
    let list = fs::read_to_string(program.with_extension("d"))?;
    let (_, sources) = list.split_once(": ").context("this is not a list of sources")?;
    let mut newest = SystemTime::UNIX_EPOCH;
    for source in sources.trim_end().replace("\\ ", "\0").split(' ') {
        newest = newest.max(modified(Path::new(&source.replace('\0', " ")))?);
    }
    Ok(newest)
}

/// When a `Cargo.toml` in or below `directory` last changed.
fn newest_manifest(directory: &Path) -> Result<SystemTime> {
    let mut newest = SystemTime::UNIX_EPOCH;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            newest = newest.max(newest_manifest(&entry.path())?);
        } else if entry.file_name() == "Cargo.toml" {
            newest = newest.max(modified(&entry.path())?);
        }
    }
    Ok(newest)
}

#[test]
fn the_newest_source_of_a_program_is_found_also_in_a_folder_with_a_space() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().join("a b");
    fs::create_dir(&place)?;
    let (old, new) = (place.join("old.rs"), place.join("new.rs"));
    fs::write(&old, "")?;
    fs::File::create(&new)?
        .set_modified(SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(4_000_000_000))?;
    let escaped = |path: &Path| path.display().to_string().replace(' ', "\\ ");
    let program = folder.path().join("program");
    let line = format!("{}: {} {}\n", escaped(&program), escaped(&old), escaped(&new));
    fs::write(program.with_extension("d"), line)?;
    ensure!(newest_source(&program)? == modified(&new)?, "the newest source is not found");
    fs::remove_file(&new)?;
    ensure!(newest_source(&program).is_err(), "a source that is gone is not noticed");
    Ok(())
}
