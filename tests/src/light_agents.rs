//! Many light agents on one relay, in one process: their own keys, credentials and sockets, the real protocol, and
//! nothing of what makes an agent. And the relay they are on, a real program. For benchmarks.
//!
//! Must not live here: what is measured.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::credential::{self, Credential, Invite, Role};
use nearhand_proto::identity::{SecretKey, Signed};
use nearhand_proto::invitation::{ClaimString, OneTime, RelayAddress};
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{DeviceFacts, RelayHello, RelayRequest};
use nearhand_proto::time::UnixMillis;
use nearhand_transport::control::{RelayConnection, RelayError};
use rand_core::OsRng;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

/// Light agents that join at the same moment: as many as come in the first milliseconds after a restart.
const ABREAST: usize = 16;
/// How long anything that only has to start may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A process's memory, in bytes.
pub struct ProcessMemory {
    /// All of it.
    pub resident: f64,
    /// Without the pages of files, which other processes share.
    pub own: f64,
}

/// A process's memory now.
///
/// # Errors
/// The process is gone.
pub fn memory(pid: u32) -> Result<ProcessMemory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let fields: HashMap<_, _> = status.lines().filter_map(|line| line.split_once(':')).collect();
    let bytes = |name: &str| -> Result<f64> {
        let field = fields.get(name).with_context(|| format!("no {name} in /proc"))?;
        Ok(field.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
    };
    Ok(ProcessMemory { resident: bytes("VmRSS")?, own: bytes("RssAnon")? })
}

/// Each light agent has its own socket, as a real one has.
///
/// # Errors
/// The limit can't be raised.
pub fn allow_files(agents: usize) -> Result<()> {
    let needed = u64::try_from(agents)? + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|now| now < needed) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })
            .with_context(|| format!("{needed} open files are needed: raise the limit (ulimit -n)"))?;
    }
    Ok(())
}

/// Ends with the benchmark.
pub struct BenchmarkProcess(Child);

impl BenchmarkProcess {
    /// Starts a program.
    ///
    /// # Errors
    /// It can't be started.
    pub fn start(program: &Path, args: &[&str], dir: &Path) -> Result<Self> {
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

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for BenchmarkProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A relay that one benchmark has for itself.
pub struct BenchmarkRelay {
    /// The relay's process.
    pub process: BenchmarkProcess,
    /// Where it is.
    pub address: RelayAddress,
    claim: OneTime,
    program: PathBuf,
    dir: PathBuf,
}

impl BenchmarkRelay {
    /// Starts one that takes `agents` agents.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start(programs: &Path, dir: &Path, agents: usize) -> Result<Self> {
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
        let process = BenchmarkProcess::start(&program, &["run", "--data", "relay"], dir)?;
        Ok(Self { process, address, claim, program, dir: dir.to_owned() })
    }

    /// Kills it and starts it again at once.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn kill_and_start(&mut self) -> Result<()> {
        self.kill()?;
        self.start_again()
    }

    /// Kills it.
    ///
    /// # Errors
    /// It can't be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.0.kill()?;
        self.process.0.wait()?;
        Ok(())
    }

    /// Starts it again where it was.
    ///
    /// # Errors
    /// It doesn't start.
    pub fn start_again(&mut self) -> Result<()> {
        self.process = BenchmarkProcess::start(&self.program, &["run", "--data", "relay"], &self.dir)?;
        Ok(())
    }

    /// The organisation's key, which is born here.
    ///
    /// # Errors
    /// The relay refuses.
    pub async fn claim(&self) -> Result<SecretKey> {
        let (organisation, own) = (SecretKey::generate(&mut OsRng), SecretKey::generate(&mut OsRng));
        let (invite, one_time) = invite(&organisation, Role::Admin, "Benchmark")?;
        let credential = Credential::join(invite, &one_time, &own.public(), now())?;
        let request = RelayRequest::Claim {
            secret: self.claim.clone(),
            organisation: organisation.public(),
            credential,
        };
        admit(&self.address, &own, &request).await.context("claim")?;
        Ok(organisation)
    }
}

/// This machine's time.
pub fn now() -> UnixMillis {
    UnixMillis::from_system(SystemTime::now())
}

/// An invite with its one-time key.
///
/// # Errors
/// It can't be made.
pub fn invite(organisation: &SecretKey, role: Role, name: &str) -> Result<(Signed<Invite>, SecretKey)> {
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

/// A newcomer's request, on a separate connection.
async fn admit(relay: &RelayAddress, key: &SecretKey, request: &RelayRequest) -> Result<()> {
    let connection = dial(relay, key).await?;
    connection.hello(RelayHello::Newcomer { program: ProgramInfo::this() }).await?;
    connection.ask(request).await?;
    connection.close();
    Ok(())
}

/// A device that does nothing but be there.
#[derive(Clone)]
pub struct LightAgent {
    relay: RelayAddress,
    key: SecretKey,
    credential: Credential,
    facts: DeviceFacts,
}

impl LightAgent {
    /// Joins the organisation.
    ///
    /// # Errors
    /// The relay refuses, or doesn't answer.
    pub async fn join(relay: RelayAddress, organisation: &SecretKey, number: usize) -> Result<Self> {
        let key = SecretKey::generate(&mut OsRng);
        let (invite, one_time) = invite(organisation, Role::Device, &format!("pc-{number}"))?;
        let credential = Credential::join(invite, &one_time, &key.public(), now())?;
        let facts = DeviceFacts { hostname: format!("pc-{number}").into(), os: "Debian GNU/Linux 12".into() };
        let join = RelayRequest::Join { credential: credential.clone(), facts: Some(facts.clone()) };
        admit(&relay, &key, &join).await?;
        Ok(Self { relay, key, credential, facts })
    }

    /// One try to connect.
    ///
    /// # Errors
    /// The relay refuses, or doesn't answer.
    pub async fn try_connect(&self) -> Result<RelayConnection, RelayError> {
        let connection = RelayConnection::dial(&self.relay, &self.key).await?;
        let (credential, facts) = (self.credential.clone(), self.facts.clone());
        connection.hello(RelayHello::Device { program: ProgramInfo::this(), credential, facts }).await?;
        Ok(connection)
    }
}

/// `count` light agents that have joined and are connected, numbered from `first`.
///
/// # Errors
/// One of them isn't.
pub async fn crowd(
    relay: &RelayAddress,
    organisation: &SecretKey,
    first: usize,
    agents: usize,
) -> Result<Vec<(LightAgent, RelayConnection)>> {
    let mut connected = Vec::with_capacity(agents);
    let mut joining = JoinSet::new();
    for number in first..first + agents {
        if joining.len() >= ABREAST {
            connected.push(joining.join_next().await.context("none is joining")???);
        }
        let (relay, organisation) = (relay.clone(), organisation.clone());
        joining.spawn(async move {
            let agent = LightAgent::join(relay, &organisation, number).await?;
            let connection = agent.try_connect().await?;
            Ok::<_, anyhow::Error>((agent, connection))
        });
    }
    while let Some(joined) = joining.join_next().await {
        connected.push(joined??);
    }
    Ok(connected)
}
