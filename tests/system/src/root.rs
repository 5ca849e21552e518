//! The Debian root that machines boot over: made once by mmdebstrap, kept in a cache outside the repository.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, flock};

use crate::{MachineNetwork, run};

/// Where roots are kept, if not in the user's cache.
const PLACE: &str = "NEARHAND_SYSTEM_ROOTS";
/// What is in a root: systemd with D-Bus and logind, what tests ask it with, and an X server for a user's desktop.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,dbus-user-session,libpam-systemd,iproute2,ca-certificates,procps,netbase,\
                        sudo,xvfb";
/// Programs that making and booting a root needs.
const PROGRAMS: [&str; 7] =
    ["mmdebstrap", "systemd-nspawn", "unshare", "nsenter", "setpriv", "ip", "apt-get"];
/// Changes when a root is made in another way than before.
const RECIPE: u32 = 1;

/// Why there is no system to test on, for people.
#[derive(Debug)]
pub struct NoRoot(pub String);

/// A root that has booted here.
#[derive(Clone, Debug)]
pub struct DebianRoot {
    path: PathBuf,
}

impl DebianRoot {
    /// The one that [`DebianRoot::make`] has made, if it has booted since this machine was started.
    ///
    /// # Errors
    /// [`NoRoot`]: it can't be had here, or nobody has made it yet.
    pub fn find() -> Result<Self, NoRoot> {
        let root = Self { path: place()? };
        let booted = fs::read_to_string(root.mark()).unwrap_or_default();
        if booted.is_empty() || booted != this_boot() {
            return Err(NoRoot(
                "no Debian root has booted here: cargo run -p nearhand-system-tests".to_owned(),
            ));
        }
        Ok(root)
    }

    /// Makes it if it isn't there, and tries whether it boots.
    ///
    /// # Errors
    /// [`NoRoot`], with what is missing.
    pub fn make() -> Result<Self, NoRoot> {
        let path = place()?;
        let said = |error: anyhow::Error| NoRoot(format!("{error:#}"));
        let parent = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent).map_err(|error| NoRoot(format!("{}: {error}", parent.display())))?;
        // Two runs at once make one root.
        let lock = File::create(parent.join("lock")).map_err(|error| NoRoot(error.to_string()))?;
        flock(&lock, FlockOperation::LockExclusive).map_err(|error| NoRoot(error.to_string()))?;
        if !path.is_dir() {
            bootstrap(&path).map_err(said)?;
        }
        let root = Self { path };
        if Self::find().is_err() {
            root.try_boot().map_err(said)?;
            fs::write(root.mark(), this_boot()).map_err(|error| NoRoot(error.to_string()))?;
        }
        Ok(root)
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn try_boot(&self) -> Result<()> {
        let mut network = MachineNetwork::new(self.clone())?;
        let machine =
            network.machine("trial")?.start().context("systemd doesn't boot in systemd-nspawn here")?;
        machine.run(&["true"]).map(|_| ())
    }

    /// Holds the boot of this machine in which the root has booted.
    fn mark(&self) -> PathBuf {
        self.path.with_extension("boots")
    }
}

/// Where the root for this machine's programs is or belongs.
fn place() -> Result<PathBuf, NoRoot> {
    if !rustix::process::geteuid().is_root() {
        return Err(NoRoot("booting systems needs root".to_owned()));
    }
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|program| !is_there(program)).collect();
    if !missing.is_empty() {
        return Err(NoRoot(format!("not installed: {} (scripts/setup installs them)", missing.join(", "))));
    }
    // Programs that were built here need the C library of here, or a newer one.
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| release.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let suite = field("VERSION_CODENAME=").trim_matches('"');
    if suite.is_empty() || !suite.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Err(NoRoot("this is no release of Debian or a relative of it".to_owned()));
    }
    let cache = std::env::var_os(PLACE).map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || std::env::home_dir().map(|home| home.join(".cache"));
        Some(cache.or_else(home)?.join("nearhand-tests"))
    });
    let cache = cache.ok_or_else(|| NoRoot(format!("there is no home directory; set {PLACE}")))?;
    Ok(cache.join(format!("{suite}-{RECIPE}")))
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|place| place.join(program).is_file())
}

fn this_boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}

/// A minute or two, and 400 MB.
fn bootstrap(path: &Path) -> Result<()> {
    let suite = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let suite = suite.split('-').next().unwrap_or_default();
    let mirror = mirror(suite)?;
    let unfinished = path.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished)?;
    }
    let output = Command::new("mmdebstrap")
        .args(["--quiet", "--variant=apt", "--mode=root", "--aptopt=Acquire::Languages \"none\""])
        .args(["man", "doc", "locale"].map(|what| format!("--dpkgopt=path-exclude=/usr/share/{what}/*")))
        .arg(format!("--include={PACKAGES}"))
        .args([suite.as_ref(), unfinished.as_os_str(), mirror.as_ref()])
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().filter(|line| line.starts_with("E:")).collect::<Vec<_>>().join(" ");
    if !output.status.success() {
        let _ = fs::remove_dir_all(&unfinished);
    }
    ensure!(output.status.success(), "no Debian root can be made from {mirror}: {last}");
    fs::rename(&unfinished, path).with_context(|| path.display().to_string())
}

/// The mirror that this machine's own packages come from.
fn mirror(suite: &str) -> Result<String> {
    let form = "$(REPO_URI) $(CODENAME) $(COMPONENT)";
    let all = run(&["apt-get", "indextargets", "--format", form, "Created-By: Packages"])?;
    let of_suite = all.lines().find_map(|line| {
        let (uri, rest) = line.split_once(' ')?;
        (rest == format!("{suite} main")).then(|| uri.to_owned())
    });
    of_suite.with_context(|| format!("apt knows no mirror of {suite} main here"))
}
