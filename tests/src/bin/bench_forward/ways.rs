//! The ways of a datagram: through our relay, through a bare forwarder, through coturn, and straight.

use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_relay::forward::{Forwarder, ForwarderConfig};
use nearhand_tests::plain_forwarder::{self, PlainForwarder};
use nearhand_tests::relayed::ForwardedSession;
use nearhand_tests::turn;
use nearhand_tests::udp_load::{self, UdpPath};

/// How long a session's grants are good for, in seconds: benchmarks run longer than a binding unrefreshed.
const LIFETIME: u16 = 3_600;
/// How long coturn may take to answer the first request.
const START: Duration = Duration::from_secs(10);

/// Paths through one forwarder, and whose processor time it takes.
pub(crate) struct ForwarderRoute {
    pub(crate) paths: Vec<UdpPath>,
    process: u32,
    thread: Option<&'static str>,
}

impl ForwarderRoute {
    /// What it has used so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        udp_load::cpu_time(self.process, self.thread)
    }
}

/// All of them, with the same number of sessions each.
pub(crate) struct ForwarderRoutes {
    pub(crate) ours: ForwarderRoute,
    pub(crate) bare: ForwarderRoute,
    /// Where it was asked for.
    pub(crate) coturn: Option<ForwarderRoute>,
    pub(crate) raw: Vec<UdpPath>,
    _forwarder: Forwarder,
    _server: Option<ForwarderProcess>,
}

impl ForwarderRoutes {
    pub(crate) fn start(sessions: usize, with_coturn: bool) -> Result<Self> {
        let (forwarder, paths) = ours(sessions)?;
        let ours = ForwarderRoute { paths, process: std::process::id(), thread: Some("forward") };
        let bare = ForwarderRoute {
            paths: bare(sessions)?,
            process: std::process::id(),
            thread: Some(plain_forwarder::THREAD),
        };
        let (server, coturn) = if with_coturn {
            let (server, paths) = coturn(sessions)?;
            let way = ForwarderRoute { paths, process: server.0.id(), thread: None };
            (Some(server), Some(way))
        } else {
            (None, None)
        };
        let raw = (0..sessions).map(|_| straight()).collect::<Result<_>>()?;
        Ok(Self { ours, bare, coturn, raw, _forwarder: forwarder, _server: server })
    }
}

fn straight() -> Result<UdpPath> {
    let (from, into) = (udp_load::socket()?, udp_load::socket()?);
    let via = into.local_addr()?;
    Ok(UdpPath { from, via, header: udp_load::bare, into })
}

fn bare(sessions: usize) -> Result<Vec<UdpPath>> {
    let mut paths = (0..sessions).map(|_| straight()).collect::<Result<Vec<_>>>()?;
    let routes: HashMap<SocketAddr, SocketAddr> = paths
        .iter()
        .map(|path| Ok((path.from.local_addr()?, path.into.local_addr()?)))
        .collect::<Result<_>>()?;
    let bare = PlainForwarder::start(routes)?;
    for path in &mut paths {
        path.via = bare.addr;
    }
    Ok(paths)
}

fn ours(sessions: usize) -> Result<(Forwarder, Vec<UdpPath>)> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (forwarder, _control) = Forwarder::start(any, &ForwarderConfig::new([0; 32]))?;
    let relay = forwarder.local_addr();
    let until = Instant::now() + Duration::from_secs(600);
    let one = |_| {
        let offer = ForwardedSession::random();
        let grants = offer.grants.map(|mut grant| {
            grant.lifetime_s = LIFETIME;
            grant
        });
        forwarder.offer(offer.id, grants.clone(), until)?;
        let (from, into) = (udp_load::socket()?, udp_load::socket()?);
        for (socket, grant) in [&from, &into].into_iter().zip(&grants) {
            udp_load::bind(socket, relay, grant)?;
        }
        Ok(UdpPath { from, via: relay, header: udp_load::bare, into })
    };
    let paths = (0..sessions).map(one).collect::<Result<_>>()?;
    Ok((forwarder, paths))
}

/// Ends with the benchmark.
struct ForwarderProcess(Child);

impl Drop for ForwarderProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn coturn(sessions: usize) -> Result<(ForwarderProcess, Vec<UdpPath>)> {
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
    let server = ForwarderProcess(server);
    let relay = SocketAddr::from(([127, 0, 0, 1], port));
    let started = Instant::now();
    let one = |_| {
        let into = udp_load::socket()?;
        loop {
            let from = udp_load::socket()?;
            match turn::open_channel(&from, relay, into.local_addr()?) {
                Ok(_) => break Ok(UdpPath { from, via: relay, header: turn::channel_header, into }),
                Err(err) if started.elapsed() > START => return Err(err),
                Err(_) => {}
            }
        }
    };
    let paths = (0..sessions).map(one).collect::<Result<_>>()?;
    Ok((server, paths))
}
