//! The ways of a datagram: through our relay, through a bare forwarder, through coturn, and straight.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_relay::forward::{Config, Forwarder};
use nearhand_tests::bare::{self, Bare};
use nearhand_tests::load::{self, Path};
use nearhand_tests::relayed::Offer;
use nearhand_tests::turn;

/// How long a session's grants are good for, in seconds: benchmarks run longer than a binding unrefreshed.
const LIFETIME: u16 = 3_600;
/// How long coturn may take to answer the first request.
const START: Duration = Duration::from_secs(10);

/// Paths through one forwarder, and whose processor time it takes.
pub(crate) struct Way {
    pub(crate) paths: Vec<Path>,
    process: u32,
    thread: Option<&'static str>,
}

impl Way {
    /// What it has used so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        load::cpu_time(self.process, self.thread)
    }
}

/// All of them, with so many sessions each.
pub(crate) struct Ways {
    pub(crate) ours: Way,
    pub(crate) bare: Way,
    /// Where it was asked for.
    pub(crate) coturn: Option<Way>,
    pub(crate) raw: Vec<Path>,
    _forwarder: Forwarder,
    _server: Option<Server>,
}

impl Ways {
    pub(crate) fn start(sessions: usize, with_coturn: bool) -> Result<Self> {
        let (forwarder, paths) = ours(sessions)?;
        let ours = Way { paths, process: std::process::id(), thread: Some("forward") };
        let bare = Way { paths: bare(sessions)?, process: std::process::id(), thread: Some(bare::THREAD) };
        let (server, coturn) = if with_coturn {
            let (server, paths) = coturn(sessions)?;
            let way = Way { paths, process: server.0.id(), thread: None };
            (Some(server), Some(way))
        } else {
            (None, None)
        };
        let raw = (0..sessions).map(|_| straight()).collect::<Result<_>>()?;
        Ok(Self { ours, bare, coturn, raw, _forwarder: forwarder, _server: server })
    }
}

fn straight() -> Result<Path> {
    let (from, into) = (load::socket()?, load::socket()?);
    let via = into.local_addr()?;
    Ok(Path { from, via, header: load::bare, into })
}

fn bare(sessions: usize) -> Result<Vec<Path>> {
    let mut paths = (0..sessions).map(|_| straight()).collect::<Result<Vec<_>>>()?;
    let routes: HashMap<SocketAddr, SocketAddr> = paths
        .iter()
        .map(|path| Ok((path.from.local_addr()?, path.into.local_addr()?)))
        .collect::<Result<_>>()?;
    let bare = Bare::start(routes)?;
    for path in &mut paths {
        path.via = bare.addr;
    }
    Ok(paths)
}

fn ours(sessions: usize) -> Result<(Forwarder, Vec<Path>)> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (forwarder, _control) = Forwarder::start(any, &Config::new([0; 32]))?;
    let relay = forwarder.local_addr();
    let until = Instant::now() + Duration::from_secs(600);
    let one = |_| {
        let offer = Offer::random();
        let grants = offer.grants.map(|mut grant| {
            grant.lifetime_s = LIFETIME;
            grant
        });
        forwarder.offer(offer.id, grants.clone(), until)?;
        let (from, into) = (load::socket()?, load::socket()?);
        for (socket, grant) in [&from, &into].into_iter().zip(&grants) {
            load::bind(socket, relay, grant)?;
        }
        Ok(Path { from, via: relay, header: load::bare, into })
    };
    let paths = (0..sessions).map(one).collect::<Result<_>>()?;
    Ok((forwarder, paths))
}

/// Ends with the benchmark.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn coturn(sessions: usize) -> Result<(Server, Vec<Path>)> {
    let port = UdpSocket::bind("127.0.0.1:0")?.local_addr()?.port();
    let scratch = tempfile::tempdir()?;
    let options = "-n -z -m 1 --no-tls --no-dtls --no-cli --no-tcp --allow-loopback-peers -l stdout";
    let server = Command::new("turnserver")
        .args(options.split(' '))
        .args(["-L", "127.0.0.1", "-E", "127.0.0.1", "-p", &port.to_string()])
        .arg("--pidfile")
        .arg(scratch.path().join("pid"))
        .current_dir(scratch.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("turnserver (package coturn) doesn't start")?;
    let server = Server(server);
    let relay = SocketAddr::from(([127, 0, 0, 1], port));
    let started = Instant::now();
    let one = |_| {
        let into = load::socket()?;
        loop {
            let from = load::socket()?;
            match turn::open_channel(&from, relay, into.local_addr()?) {
                Ok(_) => break Ok(Path { from, via: relay, header: turn::channel_header, into }),
                Err(err) if started.elapsed() > START => return Err(err),
                Err(_) => {}
            }
        }
    };
    let paths = (0..sessions).map(one).collect::<Result<_>>()?;
    Ok((server, paths))
}
