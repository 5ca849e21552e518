//! What forwarding costs: our relay's forwarding thread and coturn, in one run on one machine.
//!
//! Datagrams of 1,200 bytes on loopback, with and without segmentation offload at the sender. The processor
//! time is that of the relay's threads only. The absolute numbers depend on the machine; the ratios are what
//! to look at. coturn runs without authentication, which is its fastest way: a channel's data.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nearhand_relay::forward::{Config, Forwarder};
use nearhand_tests::load::{self, Path};
use nearhand_tests::relayed::Offer;
use nearhand_tests::rows::{self, Better, Row};
use nearhand_tests::turn;

/// Datagrams that a sender with offload gives the system at once: quinn's own maximum.
const OFFLOADED: usize = 10;

/// Between datagrams when latency is measured: about 20 Mbit/s, a busy screen.
const PACE: Duration = Duration::from_micros(500);

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let (rounds, time, datagrams) = match has("--short") {
        true => (1, Duration::from_millis(500), 1_000),
        false => (5, Duration::from_secs(2), 6_000),
    };
    let ours = Ours::start()?;
    let coturn = Coturn::start()?;
    let direct = direct()?;
    let mut measured = [(); 3].map(|()| Measured::default());
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (path, measured) in [&direct, &ours.path, &coturn.path].into_iter().zip(&mut measured) {
            measured.latency(path, datagrams)?;
        }
        let [_, of_ours, of_coturn] = &mut measured;
        of_ours.floods(&ours.path, time, || load::cpu_time(std::process::id(), Some("forward")))?;
        of_coturn.floods(&coturn.path, time, || load::cpu_time(coturn.server.0.id(), None))?;
    }
    eprintln!("forwarder: {:?}", ours.forwarder.snapshot());
    rows::write(&mut std::io::stdout().lock(), &report(&measured), has("--json"))?;
    Ok(())
}

/// One path's values, one of each per round.
#[derive(Default)]
struct Measured {
    offload: Vec<(f64, f64, f64)>,
    single: Vec<(f64, f64, f64)>,
    p50: Vec<f64>,
    p99: Vec<f64>,
}

impl Measured {
    fn latency(&mut self, path: &Path, datagrams: u32) -> Result<()> {
        let took = load::latencies(path, datagrams, PACE)?;
        self.p50.push(load::quantile(&took, 0.5).as_secs_f64() * 1e6);
        self.p99.push(load::quantile(&took, 0.99).as_secs_f64() * 1e6);
        Ok(())
    }

    fn floods(&mut self, path: &Path, time: Duration, cpu: impl Fn() -> Result<Duration>) -> Result<()> {
        for (segments, into) in [(OFFLOADED, &mut self.offload), (1, &mut self.single)] {
            let before = cpu()?;
            let flood = load::flood(path, time, segments)?;
            let spent = cpu()?.saturating_sub(before);
            #[allow(clippy::cast_precision_loss, reason = "a share of losses needs no precision")]
            let lost = flood.lost as f64 / (flood.bytes / load::PAYLOAD as u64 + flood.lost).max(1) as f64;
            into.push((flood.per_gb(spent), flood.gbit_per_s(), lost * 100.0));
        }
        Ok(())
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn report([direct, ours, coturn]: &[Measured; 3]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, m, targets) in [("ours", ours, [Some(0.8), Some(2.8)]), ("coturn", coturn, [None; 2])] {
        for (how, runs, target) in [("offload", &m.offload, targets[0]), ("single", &m.single, targets[1])] {
            let cpu = median(runs.iter().map(|run| run.0));
            rows.push(Row::new(&format!("{name} cpu, {how}"), cpu, "s/GB", target, Better::Lower));
            let rate = median(runs.iter().map(|run| run.1));
            rows.push(Row::new(&format!("{name} rate, {how}"), rate, "Gbit/s", None, Better::Higher));
            let lost = median(runs.iter().map(|run| run.2));
            rows.push(Row::new(&format!("{name} lost, {how}"), lost, "%", None, Better::Lower));
        }
    }
    let ratio = |ours: &[(f64, f64, f64)], theirs: &[(f64, f64, f64)]| {
        median(ours.iter().zip(theirs).map(|(ours, theirs)| theirs.0 / ours.0))
    };
    let times = |name, value, target| Row::new(name, value, "times", Some(target), Better::Higher);
    rows.push(times("coturn/ours cpu, offload", ratio(&ours.offload, &coturn.offload), 10.0));
    rows.push(times("coturn/ours cpu, single", ratio(&ours.single, &coturn.single), 2.0));
    for (name, m, targets) in [("ours", ours, [Some(200.0), Some(500.0)]), ("coturn", coturn, [None; 2])] {
        for (which, of, base, target) in
            [("p50", &m.p50, &direct.p50, targets[0]), ("p99", &m.p99, &direct.p99, targets[1])]
        {
            let added = median(of.iter().zip(base).map(|(relayed, direct)| relayed - direct));
            rows.push(Row::new(
                &format!("{name} added latency, {which}"),
                added,
                "µs",
                target,
                Better::Lower,
            ));
        }
    }
    for (which, values) in [("p50", &direct.p50), ("p99", &direct.p99)] {
        let value = median(values.iter().copied());
        rows.push(Row::new(&format!("direct latency, {which}"), value, "µs", None, Better::Lower));
    }
    rows
}

fn direct() -> Result<Path> {
    let (from, into) = (load::socket()?, load::socket()?);
    let via = into.local_addr()?;
    Ok(Path { from, via, header: Vec::new(), into })
}

struct Ours {
    forwarder: Forwarder,
    path: Path,
}

impl Ours {
    fn start() -> Result<Self> {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let (forwarder, _control) = Forwarder::start(any, &Config::new([0; 32]))?;
        let relay = forwarder.local_addr();
        let offer = Offer::random();
        let until = Instant::now() + Duration::from_secs(600);
        // Benchmarks run longer than a binding unrefreshed.
        let grants = offer.grants.map(|mut grant| {
            grant.lifetime_s = 3600;
            grant
        });
        forwarder.offer(offer.id, grants.clone(), until)?;
        let (from, into) = (load::socket()?, load::socket()?);
        for (socket, grant) in [&from, &into].into_iter().zip(&grants) {
            load::bind(socket, relay, grant)?;
        }
        Ok(Self { forwarder, path: Path { from, via: relay, header: Vec::new(), into } })
    }
}

/// Ends with the benchmark.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Coturn {
    server: Server,
    path: Path,
}

impl Coturn {
    fn start() -> Result<Self> {
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
        let into = load::socket()?;
        let started = Instant::now();
        let from = loop {
            let from = load::socket()?;
            match turn::open_channel(&from, relay, into.local_addr()?) {
                Ok(_) => break from,
                Err(err) if started.elapsed() > Duration::from_secs(10) => return Err(err),
                Err(_) => {}
            }
        };
        let header = turn::channel_header(load::PAYLOAD)?;
        Ok(Self { server, path: Path { from, via: relay, header, into } })
    }
}
