//! What the programs weigh: their files, an idle agent's memory and processor time, the customer's window, and the
//! relay's memory for each idle agent.
//!
//! The real programs, started from where this one lies, with the real protocol: this process claims the relay,
//! enrols one real agent, then enrols and connects as many light ones (their key, their credential, one control
//! connection each, one thread for all). Memory per agent is the relay's growth from before the first light agent
//! until all are idle, so it holds the connection, what is known of an enrolled device, and what the handshakes
//! left behind in the allocator. MB and KB are 10^6 and 10^3 bytes.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod window;

use std::collections::HashMap;
use std::io::Write as _;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use nearhand_shared::credential::{self, Credential, Invite, Role};
use nearhand_shared::identity::{SecretKey, Signed};
use nearhand_shared::invitation::{ClaimString, EnrolmentString, OneTime, RelayAddress};
use nearhand_shared::message::Program;
use nearhand_shared::message::control::{DeviceFacts, Hello, Request};
use nearhand_shared::time::UnixMillis;
use nearhand_shared::transport::control::RelayConnection;
use nearhand_tests::load::cpu_time;
use nearhand_tests::rows::{self, Better, Row};
use rand_core::OsRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Light agents that join at the same moment: as many as come in the first milliseconds after a restart.
const ABREAST: usize = 16;
/// How long all may take to be there.
const PATIENCE: Duration = Duration::from_secs(30);
/// Before memory is read: more than the handshakes' own timers, and one round of keep-alives.
const SETTLE: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let (agents, window) = match has("--short") {
        true => (200, Duration::from_secs(15)),
        false => (1_000, Duration::from_secs(60)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let rows = runtime.block_on(measure(agents, window))?;
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}

async fn measure(agents: usize, window: Duration) -> Result<Vec<Row>> {
    let programs = std::env::current_exe()?.parent().context("no directory")?.to_owned();
    let scratch = tempfile::tempdir()?;
    allow_files(agents)?;
    let mut rows = sizes(&programs)?;
    let relay = Relay::start(&programs, scratch.path(), agents)?;
    let organisation = relay.claim().await?;
    let agent = relay.real_agent(&programs, scratch.path(), &organisation).await?;
    rows.extend(idle_agent(&agent, window).await?);
    eprintln!("the window is opened, and idles");
    let (program, socket) = (programs.join("nearhand-window"), scratch.path().join("agent/run/agent.sock"));
    // A thread without a runtime: what looks at the window has its own.
    let opened = std::thread::spawn(move || window::measure(&program, &socket)).join();
    rows.extend(opened.map_err(|_| anyhow::anyhow!("the window's measurement broke off"))??);
    let before = memory(relay.process.id())?;
    eprintln!("{agents} light agents join");
    let connected = crowd(&relay.address, &organisation, agents).await?;
    sleep(SETTLE).await;
    let cpu = cpu_time(relay.process.id(), None)?;
    sleep(window).await;
    let cpu = cpu_time(relay.process.id(), None)?.saturating_sub(cpu);
    let after = memory(relay.process.id())?;
    for connection in &connected {
        connection.ask(&Request::Ping).await.context("an idle agent was lost")?;
    }
    rows.push(plain("relay RSS, one agent", before.resident / 1e6, "MB"));
    let many = u32::try_from(agents)?;
    rows.push(plain(&format!("relay RSS, {agents} agents"), after.resident / 1e6, "MB"));
    let each = (after.resident - before.resident) / f64::from(many) / 1e3;
    rows.push(Row::new("relay RSS per idle agent", each, "KB", Some(30.0), Better::Lower));
    rows.push(plain(&format!("relay CPU, {agents} idle agents"), percent(cpu, window), "% core"));
    Ok(rows)
}

/// Stripped release binaries.
fn sizes(programs: &Path) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for name in ["nearhand-agent", "nearhand-window", "nearhand-relay", "nearhand"] {
        let size =
            std::fs::metadata(programs.join(name)).with_context(|| format!("{name} is not built"))?.len();
        #[allow(clippy::cast_precision_loss, reason = "shown with three decimals")]
        rows.push(plain(&format!("{name}, stripped"), size as f64 / 1e6, "MB"));
    }
    Ok(rows)
}

async fn idle_agent(agent: &Process, window: Duration) -> Result<Vec<Row>> {
    eprintln!("the agent idles for {} s", window.as_secs());
    sleep(Duration::from_secs(5)).await;
    let before = cpu_time(agent.id(), None)?;
    sleep(window).await;
    let cpu = cpu_time(agent.id(), None)?.saturating_sub(before);
    let memory = memory(agent.id())?;
    Ok(vec![
        Row::new("agent idle RSS", memory.resident / 1e6, "MB", Some(12.0), Better::Lower),
        plain("agent idle RSS, not of files", memory.own / 1e6, "MB"),
        Row::new("agent idle CPU", percent(cpu, window), "% core", Some(0.05), Better::Lower),
    ])
}

fn plain(name: &str, value: f64, unit: &'static str) -> Row {
    Row::new(name, value, unit, None, Better::Lower)
}

fn percent(cpu: Duration, of: Duration) -> f64 {
    cpu.as_secs_f64() / of.as_secs_f64() * 100.0
}

/// A process's memory, in bytes.
struct Memory {
    resident: f64,
    /// Without the pages of files, which other processes share.
    own: f64,
}

fn memory(pid: u32) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let fields: HashMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let bytes = |name: &str| -> Result<f64> {
        let field = fields.get(name).with_context(|| format!("no {name} in /proc"))?;
        Ok(field.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    };
    Ok(Memory { resident: bytes("VmRSS")?, own: bytes("RssAnon")? })
}

/// Each light agent has a socket of its own, as a real one has.
fn allow_files(agents: usize) -> Result<()> {
    let needed = u64::try_from(agents)? + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
            .with_context(|| format!("{needed} open files are needed: raise the limit (ulimit -n)"))?;
    }
    Ok(())
}

/// Ends with the benchmark.
struct Process(Child);

impl Process {
    fn start(program: &Path, args: &[&str], dir: &Path) -> Result<Self> {
        let child = Command::new(program)
            .args(args)
            .current_dir(dir)
            .env_remove("NEARHAND_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("{} doesn't start", program.display()))?;
        Ok(Self(child))
    }

    fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Relay {
    process: Process,
    address: RelayAddress,
    claim: OneTime,
}

impl Relay {
    fn start(programs: &Path, dir: &Path, agents: usize) -> Result<Self> {
        let program = programs.join("nearhand-relay");
        let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
        let made = Command::new(&program)
            .args(["init", "--data", "relay", "--host", "127.0.0.1", "--port", &port.to_string()])
            .current_dir(dir)
            .output()?;
        ensure!(made.status.success(), "init: {}", String::from_utf8_lossy(&made.stderr));
        let said = String::from_utf8(made.stdout)?;
        let string = said.split_whitespace().find(|word| word.starts_with("nearhand-claim-"));
        let ClaimString { relay: address, secret: claim } = string.context("no claim string")?.parse()?;
        let config = format!(
            "public_host = \"127.0.0.1\"\npublic_port = {port}\nlisten = \"127.0.0.1:{port}\"\n\
             metrics_listen = \"off\"\n[limits]\nmax_devices = {}\n[log]\nlevel = \"error\"\n",
            agents + 10
        );
        std::fs::write(dir.join("relay/relay.toml"), config)?;
        let process = Process::start(&program, &["run", "--data", "relay"], dir)?;
        Ok(Self { process, address, claim })
    }

    /// The organisation's key, which is born here.
    async fn claim(&self) -> Result<SecretKey> {
        let (organisation, own) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let (invite, one_time) = invite(&organisation, Role::Admin, "Benchmark")?;
        let credential = Credential::join(invite, &one_time, &own.public(), now())?;
        let request =
            Request::Claim { secret: self.claim.clone(), organisation: organisation.public(), credential };
        admit(&self.address, &own, &request).await.context("claim")?;
        Ok(organisation)
    }

    /// The real program, enrolled and connected.
    async fn real_agent(&self, programs: &Path, dir: &Path, organisation: &SecretKey) -> Result<Process> {
        let program = programs.join("nearhand-agent");
        let (invite, one_time) = invite(organisation, Role::Device, "the real one")?;
        let string = EnrolmentString {
            relay: self.address.clone(),
            organisation: organisation.public(),
            invite,
            secret: OneTime::new(*one_time.seed()),
        };
        let mut enrol = Command::new(&program)
            .args(["--data", "agent", "enrol", "-"])
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()?;
        enrol.stdin.take().context("no input")?.write_all(string.reveal().as_bytes())?;
        ensure!(enrol.wait()?.success(), "the agent can't be enrolled");
        let agent = Process::start(&program, &["--data", "agent", "--log", "error", "run"], dir)?;
        let until = Instant::now() + PATIENCE;
        while !is_connected(&program, dir)? {
            ensure!(Instant::now() < until, "the agent doesn't connect");
            sleep(Duration::from_millis(100)).await;
        }
        Ok(agent)
    }
}

fn is_connected(program: &PathBuf, dir: &Path) -> Result<bool> {
    let status = Command::new(program)
        .args(["--data", "agent", "status"])
        .current_dir(dir)
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&status.stdout).contains(": connected\n"))
}

fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

fn invite(organisation: &SecretKey, role: Role, name: &str) -> Result<(Signed<Invite>, SecretKey)> {
    let made = credential::invite(organisation, &mut OsRng, |id, organisation, key| Invite {
        id,
        organisation,
        organisation_name: "Benchmark".to_owned(),
        key,
        role,
        name: name.to_owned(),
        issued: now(),
        use_by: now().after(Duration::from_secs(3_600)),
        valid_until: now().after(Duration::from_secs(86_400)),
    });
    Ok(made?)
}

/// A connection, as soon as the relay takes any.
async fn dial(relay: &RelayAddress, key: &SecretKey) -> Result<RelayConnection> {
    let until = Instant::now() + PATIENCE;
    loop {
        match RelayConnection::dial(relay, key).await {
            Ok(connection) => return Ok(connection),
            Err(error) if Instant::now() > until => bail!(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A newcomer's request, on a connection of its own.
async fn admit(relay: &RelayAddress, key: &SecretKey, request: &Request) -> Result<()> {
    let connection = dial(relay, key).await?;
    connection.hello(Hello::Newcomer { program: Program::this() }).await?;
    connection.ask(request).await?;
    connection.close();
    Ok(())
}

/// All light agents, joined and connected, each with its own key and socket.
async fn crowd(
    relay: &RelayAddress,
    organisation: &SecretKey,
    agents: usize,
) -> Result<Vec<RelayConnection>> {
    let mut connected = Vec::with_capacity(agents);
    let mut joining = JoinSet::new();
    for number in 0..agents {
        if joining.len() >= ABREAST {
            connected.push(joining.join_next().await.context("none is joining")???);
        }
        joining.spawn(light_agent(relay.clone(), organisation.clone(), number));
    }
    while let Some(joined) = joining.join_next().await {
        connected.push(joined??);
    }
    Ok(connected)
}

async fn light_agent(relay: RelayAddress, organisation: SecretKey, number: usize) -> Result<RelayConnection> {
    let key = SecretKey::generate(&mut OsRng);
    let (invite, one_time) = invite(&organisation, Role::Device, &format!("pc-{number}"))?;
    let credential = Credential::join(invite, &one_time, &key.public(), now())?;
    let facts = DeviceFacts { hostname: format!("pc-{number}"), os: "Debian GNU/Linux 12".to_owned() };
    let join = Request::Join { credential: credential.clone(), facts: Some(facts.clone()) };
    admit(&relay, &key, &join).await?;
    let connection = dial(&relay, &key).await?;
    connection.hello(Hello::Device { program: Program::this(), credential, facts }).await?;
    Ok(connection)
}
