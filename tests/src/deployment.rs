//! The real programs, set up as an organisation would: a relay, its first administrator, further technicians,
//! devices, people at their consoles. Each part in a separate directory, on ports that nobody else uses;
//! everything is gone when it is dropped.
//!
//! When a test panics, what all programs have said is printed; when it doesn't, what they have logged must not
//! hold any of the secrets that were handed out. Must not live here: what a test expects of them.

use std::fs;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::id::DeviceId;
use nearhand_proto::invitation::{ClaimString, EnrolmentString, InviteString};
use rand_core::{OsRng, RngCore};
use serde_json::Value;
use tempfile::TempDir;

use crate::build::ProgramBinary;
use crate::parties::{TestAgent, TestConsole, TestTechnician};
use crate::program::{ProgramLogs, TestProgram};

/// Long enough for anything that works, on a machine with other things to do.
pub const LIMIT: Duration = Duration::from_secs(30);
/// Ports outside of the range that the system gives to sockets by itself, so that a relay finds its own again.
const PORTS: core::ops::Range<u32> = 20_000..32_000;
/// A command that sets something up; its output may show secrets, that is what it is for.
const SETUP: &str = "setup:";
/// A person's screen, which shows the support code.
pub(crate) const CONSOLE: &str = "console:";

/// What all parts of a site share.
pub(crate) struct DeploymentContext {
    pub(crate) logs: ProgramLogs,
    secrets: Mutex<Vec<(&'static str, String)>>,
    dir: TempDir,
}

impl DeploymentContext {
    fn new() -> Result<Arc<Self>> {
        let dir = tempfile::Builder::new().prefix("nearhand-").tempdir()?;
        Ok(Arc::new(Self { logs: ProgramLogs::default(), secrets: Mutex::default(), dir }))
    }

    /// A new directory of that name.
    pub(crate) fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.path().join(name);
        fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// No log may hold this from now on.
    pub(crate) fn keep_secret(&self, what: &'static str, secret: impl Into<String>) {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner).push((what, secret.into()));
    }

    /// Logs that hold a secret.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        let log = |name: &String| !name.starts_with(SETUP) && !name.starts_with(CONSOLE);
        let found = secrets.iter().flat_map(|(what, secret)| {
            self.logs
                .with(secret)
                .into_iter()
                .filter(log)
                .map(move |name| format!("{what} in the log of {name}"))
        });
        found.collect()
    }

    /// Runs a program to its end.
    pub(crate) fn run(
        &self,
        name: &str,
        place: &ProgramPlace,
        binary: ProgramBinary,
        args: &[&str],
    ) -> Result<CommandResult> {
        let mut program = self.start(&format!("{SETUP} {name}"), place, binary, args)?;
        program.close_input();
        let code = program.exit(Duration::from_secs(90))?;
        Ok(CommandResult { code, text: program.text(), what: format!("{name} {args:?}") })
    }

    /// Starts a program.
    pub(crate) fn start(
        &self,
        name: &str,
        place: &ProgramPlace,
        binary: ProgramBinary,
        args: &[&str],
    ) -> Result<TestProgram> {
        let path = binary.path()?.to_string_lossy().into_owned();
        let mut words = place.prefix.clone();
        words.push(path);
        words.extend(args.iter().map(|arg| (*arg).to_owned()));
        TestProgram::start(name, &words, self.dir.path(), &self.logs)
    }
}

impl Drop for DeploymentContext {
    #[allow(clippy::print_stderr, clippy::panic, reason = "a test's own output and verdict")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.logs.dump());
            return;
        }
        let leaks = self.leaks();
        assert!(leaks.is_empty(), "secrets were logged: {leaks:?}");
    }
}

/// Where a program runs: what is put before its command line, such as `ip netns exec NAME`.
#[derive(Clone, Default, Debug)]
pub struct ProgramPlace {
    pub(crate) prefix: Vec<String>,
}

impl ProgramPlace {
    /// Where an agent of root finds no display: other tests' programs have some, and it would find those of all programs that
    /// it can see. Where that can't be had, an agent sees its own user's programs at most.
    pub fn without_displays() -> Self {
        let alone = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
        let works = Command::new("unshare").args(&alone[1..]).arg("true").status();
        if works.is_ok_and(|status| status.success()) { Self::behind(&alone) } else { Self::default() }
    }

    /// Behind these words of a command line.
    pub fn behind(words: &[&str]) -> Self {
        Self { prefix: words.iter().map(|word| (*word).to_owned()).collect() }
    }

    /// There, behind further words.
    #[must_use]
    pub fn then(mut self, words: &[&str]) -> Self {
        self.prefix.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// What is put before a command line.
    pub fn words(&self) -> impl Iterator<Item = String> + '_ {
        self.prefix.iter().cloned()
    }

    /// Starts any program there.
    ///
    /// # Errors
    /// It can't be started.
    pub fn program(&self, name: &str, words: &[&str], logs: &ProgramLogs) -> Result<TestProgram> {
        let words = self.prefix.iter().cloned().chain(words.iter().map(|word| (*word).to_owned()));
        TestProgram::start(name, &words.collect::<Vec<_>>(), Path::new("/"), logs)
    }
}

/// What came of a command.
#[derive(Debug)]
pub struct CommandResult {
    /// Its exit code.
    pub code: i32,
    /// What it said, on both outputs.
    pub text: String,
    what: String,
}

impl CommandResult {
    /// Its output, if it worked.
    ///
    /// # Errors
    /// The program ended with another exit code than 0.
    pub fn ok(self) -> Result<Self> {
        self.fails_with(0)
    }

    /// Checks its exit code.
    ///
    /// # Errors
    /// It is another.
    pub fn fails_with(self, code: i32) -> Result<Self> {
        ensure!(
            self.code == code,
            "{}: exit code {} instead of {code}:\n{}",
            self.what,
            self.code,
            self.text
        );
        Ok(self)
    }

    /// The last line that is a JSON document.
    ///
    /// # Errors
    /// No line is a JSON object.
    pub fn json(&self) -> Result<Value> {
        let mut documents = self.text.lines().rev().filter_map(|line| serde_json::from_str(line).ok());
        documents.find(Value::is_object).with_context(|| format!("{}: no JSON in {}", self.what, self.text))
    }

    /// The text field of that document.
    ///
    /// # Errors
    /// There is none.
    pub fn field(&self, pointer: &str) -> Result<String> {
        let json = self.json()?;
        let text = json.pointer(pointer).and_then(Value::as_str);
        Ok(text.with_context(|| format!("{}: no {pointer} in {json}", self.what))?.to_owned())
    }

    /// Checks that it says this.
    ///
    /// # Errors
    /// The output has no such text.
    pub fn says(self, needle: &str) -> Result<Self> {
        ensure!(self.text.contains(needle), "{}: no {needle:?} in:\n{}", self.what, self.text);
        Ok(self)
    }
}

/// How a site differs from the usual.
#[derive(Clone, Debug)]
pub struct DeploymentPlan {
    /// Where the relay runs.
    pub place: ProgramPlace,
    /// The address that it is reached at.
    pub host: String,
    /// Where people work.
    pub people: ProgramPlace,
    /// Its data directory, where another than one of the site's own is wanted.
    pub data: Option<PathBuf>,
}

impl Default for DeploymentPlan {
    fn default() -> Self {
        Self {
            place: ProgramPlace::default(),
            host: "127.0.0.1".to_owned(),
            people: ProgramPlace::default(),
            data: None,
        }
    }
}

/// A relay with its organisation.
pub struct TestDeployment {
    /// The relay's process.
    pub relay: TestProgram,
    /// Its UDP port, and the TCP port of its metrics.
    pub port: u16,
    plan: DeploymentPlan,
    data: PathBuf,
    admin: TestTechnician,
    ground: Arc<DeploymentContext>,
}

impl TestDeployment {
    /// A relay on this machine, claimed by Ada Lovelace of Acme Support.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn new() -> Result<Self> {
        Self::planned(DeploymentPlan::default())
    }

    /// As [`TestDeployment::new`], elsewhere.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn planned(plan: DeploymentPlan) -> Result<Self> {
        let ground = DeploymentContext::new()?;
        let mut last = None;
        // Somebody else may take the port first.
        for attempt in 0..5 {
            let own = ground.directory(&format!("relay-{attempt}"))?.join("data");
            let data = plan.data.clone().unwrap_or(own);
            match free_port().and_then(|port| open_relay(&ground, &plan, &data, port)) {
                Ok((relay, port, claim)) => {
                    let admin = TestTechnician::new(&ground, "Ada Lovelace")?.at(plan.people.clone());
                    let site = Self { relay, port, plan, data, admin, ground };
                    let claimed =
                        ["claim", &claim, "--organisation", "Acme Support", "--name", "Ada Lovelace"];
                    site.admin.run(&claimed)?.ok()?;
                    return Ok(site);
                }
                Err(error) => last = Some(error),
            }
        }
        Err(last.context("no attempt was made")?)
    }

    /// The administrator's own client.
    pub fn admin(&self) -> &TestTechnician {
        &self.admin
    }

    /// A device as the organisation has it listed.
    ///
    /// # Errors
    /// The relay lists no device of that label.
    pub fn listed(&self, label: &str) -> Result<Value> {
        let devices = self.admin.run(&["devices"])?.ok()?.json()?;
        let list = devices.get("devices").and_then(Value::as_array).context("no list")?;
        let entry = list.iter().find(|one| one.get("label").and_then(Value::as_str) == Some(label));
        entry.cloned().with_context(|| format!("no device {label}"))
    }

    /// The id of a device.
    ///
    /// # Errors
    /// There is none of that label.
    pub fn device_id(&self, label: &str) -> Result<DeviceId> {
        let entry = self.listed(label)?;
        let id = entry.get("id").and_then(Value::as_str).context("it has no id")?;
        id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))
    }

    /// The relay's data directory.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A directory for the test's own files.
    ///
    /// # Errors
    /// It can't be made.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        self.ground.directory(name)
    }

    /// A string with which a person joins.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn invite(&self, name: &str) -> Result<InviteString> {
        let text = self.admin.run(&["invite", name])?.ok()?.field("/string")?;
        let string: InviteString = text.parse()?;
        self.guard("an invitation", &text, string.secret.bytes());
        Ok(string)
    }

    /// A technician who has joined.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn technician(&self, name: &str) -> Result<TestTechnician> {
        let string = self.invite(name)?;
        let technician = TestTechnician::new(&self.ground, name)?;
        technician.run(&["join", &string.reveal()])?.ok()?;
        Ok(technician)
    }

    /// A string with which a device is enrolled.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn enrolment(&self, label: &str) -> Result<EnrolmentString> {
        let text = self.admin.run(&["enrol", label])?.ok()?.field("/string")?;
        let string: EnrolmentString = text.parse()?;
        self.guard("an enrolment string", &text, string.secret.bytes());
        Ok(string)
    }

    /// An enrolled device whose agent is connected.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn device(&self, label: &str) -> Result<TestAgent> {
        self.device_at(label, ProgramPlace::default())
    }

    /// As [`TestDeployment::device`], elsewhere.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn device_at(&self, label: &str, place: ProgramPlace) -> Result<TestAgent> {
        let string = self.enrolment(label)?;
        let mut agent = TestAgent::enrolled(&self.ground, label, place, &string.reveal())?;
        agent.wait_connected()?;
        Ok(agent)
    }

    /// As [`TestDeployment::device_at`], where the place has its own file system: the first process there keeps it,
    /// and all others join it.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn device_in(&self, place: &ProgramPlace, label: &str) -> Result<TestAgent> {
        let string = self.enrolment(label)?;
        let mut agent = TestAgent::enrolled_in_one(&self.ground, label, place, &string.reveal())?;
        agent.wait_connected()?;
        Ok(agent)
    }

    /// Starts the relay again after it was ended.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn restart_relay(&mut self) -> Result<()> {
        self.relay.kill()?;
        self.relay = run_relay(&self.ground, &self.plan, &self.data)?;
        Ok(())
    }

    /// Kills the relay and makes another in its place, with its own key and database. Returns its claim string
    /// and the old one's directory.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn replace_relay(&mut self) -> Result<(String, PathBuf)> {
        self.relay.kill()?;
        let data = self.ground.directory("relay-replaced")?.join("data");
        let (relay, _, claim) = open_relay(&self.ground, &self.plan, &data, self.port)?;
        self.relay = relay;
        Ok((claim, std::mem::replace(&mut self.data, data)))
    }

    /// Runs a command of the relay's program on its data directory.
    ///
    /// # Errors
    /// It can't be run.
    pub fn relay_command(&self, words: &[&str]) -> Result<CommandResult> {
        let data = self.data.to_string_lossy();
        self.relay_program(&[words, &["--data", &data]].concat())
    }

    /// Runs the relay's program where the relay is.
    ///
    /// # Errors
    /// It can't be started, or doesn't end.
    pub fn relay_program(&self, words: &[&str]) -> Result<CommandResult> {
        self.ground.run("relay", &self.plan.place, ProgramBinary::Relay, words)
    }

    /// What all programs have said so far.
    pub fn logs(&self) -> &ProgramLogs {
        &self.ground.logs
    }

    /// Logs that hold a secret: a test of the check itself plants one.
    pub fn leaks(&self) -> Vec<String> {
        self.ground.leaks()
    }

    /// Enrols a machine with a string and starts its agent.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn enrol(&self, label: &str, string: &str) -> Result<TestAgent> {
        TestAgent::enrolled(&self.ground, label, ProgramPlace::default(), string)
    }

    /// Somebody who hasn't joined yet.
    ///
    /// # Errors
    /// There is no room for them.
    pub fn newcomer(&self, name: &str) -> Result<TestTechnician> {
        TestTechnician::new(&self.ground, name)
    }

    /// A person at a machine that isn't enrolled, asking for help.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn guest(&self, name: &str) -> Result<TestConsole> {
        let string = self.admin.run(&["site"])?.ok()?.field("/string")?;
        let data = self.directory("guests")?.join(name);
        let args = ["--data", &data.to_string_lossy(), "attend", "--site", &string];
        TestConsole::start(&self.ground, name, &ProgramPlace::default(), &args)
    }

    /// As [`TestDeployment::guest`], with a window: the program, which is the person's own agent too.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn guest_window(&self, name: &str, place: &ProgramPlace, words: &[&str]) -> Result<TestProgram> {
        crate::build::window()?;
        let data = self.directory("guests")?.join(name);
        let data = data.to_string_lossy();
        let args = [&["--data", &data, "window"], words].concat();
        self.ground.start(&format!("{CONSOLE} {name}"), place, ProgramBinary::Agent, &args)
    }

    /// The string with which somebody asks for help here.
    ///
    /// # Errors
    /// Anything goes wrong.
    pub fn string(&self) -> Result<String> {
        self.admin.run(&["site"])?.ok()?.field("/string")
    }

    /// Nothing is secret any more: for a test that plants one on purpose.
    pub fn reveal_all(&self) {
        self.ground.secrets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// No log may hold this from now on.
    pub fn keep_secret(&self, what: &'static str, secret: &str) {
        self.ground.keep_secret(what, secret);
    }

    fn guard(&self, what: &'static str, text: &str, secret: &[u8; 32]) {
        keep(&self.ground, what, text, secret);
    }
}

/// Neither the string's secret end nor the secret in hexadecimal may turn up.
fn keep(ground: &DeploymentContext, what: &'static str, text: &str, secret: &[u8; 32]) {
    let end = text.len().saturating_sub(40);
    ground.keep_secret(what, text.get(end..).unwrap_or(text));
    ground.keep_secret(what, secret.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
}

/// Makes a relay and starts it: with its port and its claim string.
fn open_relay(
    ground: &Arc<DeploymentContext>,
    plan: &DeploymentPlan,
    data: &Path,
    port: u16,
) -> Result<(TestProgram, u16, String)> {
    let directory = data.to_string_lossy();
    let args = ["init", "--data", &directory, "--host", &plan.host, "--port", &port.to_string()];
    if plan.data.is_some() {
        return open_in_one(ground, plan, &args, port);
    }
    let done = ground.run("relay", &plan.place, ProgramBinary::Relay, &args)?.ok()?;
    let claim = done.text.split_whitespace().find(|word| word.starts_with("nearhand-claim-"));
    let claim = claim.context("no claim string")?.to_owned();
    keep(ground, "the claim string", &claim, claim.parse::<ClaimString>()?.secret.bytes());
    let file = data.join("relay.toml");
    let usual = "# metrics_listen = \"127.0.0.1:9464\"";
    let text = fs::read_to_string(&file)?;
    ensure!(text.contains(usual), "the configuration no longer shows {usual}");
    fs::write(&file, text.replace(usual, &format!("metrics_listen = \"127.0.0.1:{port}\"")))?;
    Ok((run_relay(ground, plan, data)?, port, claim))
}

/// Makes and runs a relay in one process tree: what it is put behind may be its own file system.
fn open_in_one(
    ground: &DeploymentContext,
    plan: &DeploymentPlan,
    init: &[&str],
    port: u16,
) -> Result<(TestProgram, u16, String)> {
    let binary = ProgramBinary::Relay.path()?.to_string_lossy().into_owned();
    let quoted: Vec<String> = init.iter().map(|word| format!("'{word}'")).collect();
    let data = plan.data.clone().context("no directory")?;
    let (data, init) = (data.display(), quoted.join(" "));
    let script = format!(
        "'{binary}' {init} && echo 'metrics_listen = \"off\"' | cat - '{data}/relay.toml' > '{data}/new' \
         && mv '{data}/new' '{data}/relay.toml' && exec '{binary}' run --data '{data}'"
    );
    let mut words = plan.place.prefix.clone();
    words.extend(["sh".to_owned(), "-c".to_owned(), script]);
    // Its first lines show the claim string, as they should.
    let mut relay = TestProgram::start(&format!("{SETUP} relay"), &words, ground.dir.path(), &ground.logs)?;
    let claim = relay.wait_map("a claim string", LIMIT, |line| {
        line.split_whitespace().find(|word| word.starts_with("nearhand-claim-")).map(str::to_owned)
    })?;
    relay.wait_for("the relay runs", LIMIT)?;
    Ok((relay, port, claim))
}

fn run_relay(ground: &Arc<DeploymentContext>, plan: &DeploymentPlan, data: &Path) -> Result<TestProgram> {
    let args = ["run", "--data", &data.to_string_lossy()];
    let mut relay = ground.start("relay", &plan.place, ProgramBinary::Relay, &args)?;
    relay.wait_for("the relay runs", LIMIT)?;
    Ok(relay)
}

/// A port that nobody uses right now.
fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let number = PORTS.start + OsRng.next_u32() % (PORTS.end - PORTS.start);
        let port = u16::try_from(number)?;
        let free = UdpSocket::bind(("0.0.0.0", port)).is_ok();
        if free && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free")
}
