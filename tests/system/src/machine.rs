//! A machine: prepared, booted, given commands, rebooted, and gone when it is dropped.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{DebianRoot, run, until};

/// How a machine is booted.
const BOOT: &str = include_str!("boot.sh");
/// How long booting and shutting down may take on a busy machine.
const BOOTED: Duration = Duration::from_secs(60);
/// How long a command may take, in seconds.
const COMMAND: &str = "120";
/// Most lines of the journal in a failure's message.
const SHOWN: &str = "60";

/// A machine that isn't booted yet.
pub struct MachineSetup {
    name: String,
    namespace: String,
    address: String,
    root: PathBuf,
    work: TempDir,
    arguments: Vec<OsString>,
}

impl MachineSetup {
    pub(crate) fn new(root: &DebianRoot, name: &str, namespace: &str, address: String) -> Result<Self> {
        let work = tempfile::tempdir()?;
        fs::create_dir(work.path().join("seed"))?;
        fs::set_permissions(work.path().join("seed"), fs::Permissions::from_mode(0o755))?;
        fs::create_dir(work.path().join("machine"))?;
        fs::set_permissions(work.path(), fs::Permissions::from_mode(0o755))?;
        let root = root.path().to_owned();
        let (name, namespace) = (name.to_owned(), namespace.to_owned());
        Self { name, namespace, address, root, work, arguments: Vec::new() }.file(
            "etc/machine-id",
            b"",
            0o444,
        )
    }

    /// With a file, its path relative to the root.
    ///
    /// # Errors
    /// It can't be written.
    pub fn file(self, path: &str, content: &[u8], mode: u32) -> Result<Self> {
        let place = self.work.path().join("seed").join(path);
        fs::create_dir_all(place.parent().context("a path without a directory")?)?;
        fs::write(&place, content)?;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
        Ok(self)
    }

    /// With a file or directory of this machine at that place, which can't be changed there.
    #[must_use]
    pub fn with(mut self, file: &Path, place: &str) -> Self {
        let mut argument = OsString::from("--bind-ro=");
        argument.push(file);
        argument.push(format!(":{place}"));
        self.arguments.push(argument);
        self
    }

    /// Boots it.
    ///
    /// # Errors
    /// It doesn't come up; with what it said.
    pub fn start(self) -> Result<Machine> {
        let log = fs::File::create(self.work.path().join("console"))?;
        let script = self.work.path().join("boot.sh");
        fs::write(&script, BOOT)?;
        // The kernel ends the first of them with this thread, and with it all the others.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount", "--propagation", "private"]);
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "bash"]).arg(script);
        command.args([self.root.as_path(), self.work.path()]).args([&self.group(), &self.namespace]);
        let child = command
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("no machine can be started")?;
        let mut machine = Machine { setup: self, child, leader: 0 };
        machine.wait_for_boot("").with_context(|| machine.console())?;
        Ok(machine)
    }

    /// Its control group, and its name for systemd-nspawn.
    fn group(&self) -> String {
        self.namespace.clone()
    }
}

/// A booted machine.
pub struct Machine {
    setup: MachineSetup,
    child: Child,
    /// The process id of its systemd, as this machine sees it.
    leader: u32,
}

impl Machine {
    /// Its address in the network.
    pub fn address(&self) -> &str {
        &self.setup.address
    }

    /// Runs a program in it, as root; what it printed.
    ///
    /// # Errors
    /// It ended with another exit code than 0; with what it said, and the machine's journal.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        self.feed(words, b"")
    }

    /// Runs a line of shell.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub fn shell(&self, line: &str) -> Result<String> {
        self.run(&["sh", "-ec", line])
    }

    /// As [`Machine::run`], with something on its standard input.
    ///
    /// # Errors
    /// As [`Machine::run`].
    pub fn feed(&self, words: &[&str], input: &[u8]) -> Result<String> {
        let output = self.output(words, input)?;
        let (said, complaints) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(
            output.status.success(),
            "{} on {}: {}\n{said}{complaints}--- journal\n{}",
            words.join(" "),
            self.setup.name,
            output.status,
            self.journal()
        );
        Ok(said.into_owned())
    }

    /// Runs a program in it, however that ends.
    ///
    /// # Errors
    /// It can't be started.
    pub fn output(&self, words: &[&str], input: &[u8]) -> Result<Output> {
        let mut child = self
            .command(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| words.join(" "))?;
        // One that doesn't read its input ends as it likes.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input));
        Ok(child.wait_with_output()?)
    }

    /// A command that runs in it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", COMMAND, "nsenter", "--target", &self.leader.to_string()]);
        command.args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup"]).args(words);
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", "/root").env("LANG", "C.UTF-8");
        command
    }

    /// Writes a file in it, with its directory.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, path: &str, content: &str) -> Result<()> {
        self.feed(&["sh", "-ec", "mkdir -p \"$(dirname \"$0\")\" && cat >\"$0\"", path], content.as_bytes())
            .map(|_| ())
    }

    /// A property of a unit, as `systemctl show` says it.
    ///
    /// # Errors
    /// systemd can't be asked.
    pub fn unit(&self, unit: &str, property: &str) -> Result<String> {
        let value = self.run(&["systemctl", "show", "--value", "--property", property, unit])?;
        Ok(value.trim().to_owned())
    }

    /// Waits until a property of a unit is as `condition` wants it; the property.
    ///
    /// # Errors
    /// It isn't within `limit`; with the journal.
    pub fn unit_becomes(
        &self,
        unit: &str,
        property: &str,
        limit: Duration,
        condition: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let mut value = String::new();
        let waited = until(limit, &format!("{property} of {unit}"), || {
            value = self.unit(unit, property)?;
            Ok(condition(&value))
        });
        waited.with_context(|| format!("it is {value:?}\n--- journal\n{}", self.journal()))?;
        Ok(value)
    }

    /// What the units of Nearhand have logged, over all its boots.
    ///
    /// # Errors
    /// The journal can't be read.
    pub fn log_of(&self, unit: &str) -> Result<String> {
        self.run(&["journalctl", "--no-pager", "--output=cat", "--unit", unit])
    }

    /// The last lines of its journal.
    pub fn journal(&self) -> String {
        let words = ["journalctl", "--no-pager", "--output=short-monotonic", "--lines", SHOWN];
        self.output(&words, b"")
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    }

    /// Reboots it as its owner would, and waits until it is up again.
    ///
    /// # Errors
    /// It doesn't come back.
    pub fn reboot(&mut self) -> Result<()> {
        let before = self.boot_id()?;
        // The command may be ended by what it begins.
        let _ = self.output(&["systemctl", "reboot"], b"")?;
        self.wait_for_boot(&before).with_context(|| self.console())
    }

    /// Switches it off as its owner would, and waits until it is.
    ///
    /// # Errors
    /// It stays on.
    pub fn power_off(&mut self) -> Result<()> {
        let _ = self.output(&["systemctl", "poweroff"], b"")?;
        until(BOOTED, "switched off", || Ok(self.child.try_wait()?.is_some())).map(|_| ())
    }

    fn boot_id(&self) -> Result<String> {
        self.run(&["cat", "/proc/sys/kernel/random/boot_id"])
    }

    /// Waits until it has booted, again if `before` is a boot's id.
    fn wait_for_boot(&mut self, before: &str) -> Result<()> {
        until(BOOTED, "booted", || {
            ensure!(self.child.try_wait()?.is_none(), "it ended");
            let Some(leader) = leader(self.child.id()) else { return Ok(false) };
            self.leader = leader;
            // It may be gone again by now, where the one before was found.
            let Ok(boot) = self.output(&["cat", "/proc/sys/kernel/random/boot_id"], b"") else {
                return Ok(false);
            };
            if !boot.status.success() || boot.stdout == before.as_bytes() {
                return Ok(false);
            }
            let state = self.output(&["systemctl", "is-system-running", "--wait"], b"")?;
            Ok(["running\n", "degraded\n"].iter().any(|known| state.stdout == known.as_bytes()))
        })
        .map(|_| ())
    }

    /// What it said on its console.
    fn console(&self) -> String {
        fs::read_to_string(self.setup.work.path().join("console")).unwrap_or_default()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Everything in it, and what it had mounted, goes with this one.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let group = self.setup.group();
        let clean = "umount -R -l /sys/fs/cgroup 2>/dev/null; mount -t cgroup2 none /sys/fs/cgroup; \
                     for try in 1 2 3 4 5 6 7 8 9; do [ ! -d \"$0\" ] && break; \
                     find \"$0\" -depth -type d -exec rmdir {} + 2>/dev/null; done";
        let _ = run(&[
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "bash",
            "-c",
            clean,
            &format!("/sys/fs/cgroup/{group}"),
        ]);
    }
}

/// The systemd of a machine: unshare's child is the script, whose child is systemd-nspawn, whose child it is.
fn leader(outer: u32) -> Option<u32> {
    let script = children(outer).into_iter().next()?;
    let nspawn = children(script).into_iter().find(|id| is_called(*id, "systemd-nspawn"))?;
    children(nspawn).into_iter().find(|id| is_called(*id, "systemd"))
}

fn children(id: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    lists.flat_map(|ids| ids.split(' ').flat_map(str::parse).collect::<Vec<_>>()).collect()
}

fn is_called(id: u32, name: &str) -> bool {
    // The kernel keeps fifteen bytes.
    let called = fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default();
    called.trim_end() == name.get(..15).unwrap_or(name)
}
