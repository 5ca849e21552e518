//! What else an administrator puts on every machine, from the distribution's packages: each with its own defaults and its own
//! port, and nothing to report to. Not the services that the packages may have started.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nearhand_tests::light_agents::{BenchmarkProcess, PATIENCE};
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::screen_comparison::with_children;
use nearhand_tests::udp_load::cpu_time;
use tokio::time::{Instant, sleep};

use super::percent;

/// As Prometheus does by default, and somebody has to: between two times its numbers are asked for.
const SCRAPE: Duration = Duration::from_secs(15);

/// A program that is measured, with all that it has started.
pub(crate) struct MeasuredProgram {
    name: &'static str,
    process: BenchmarkProcess,
}

/// What a program has used, and holds.
struct ResourceUse {
    cpu: Duration,
    wakes: u64,
    memory: f64,
}

impl MeasuredProgram {
    pub(crate) fn new(name: &'static str, process: BenchmarkProcess) -> Self {
        Self { name, process }
    }

    pub(crate) fn process(&self) -> &BenchmarkProcess {
        &self.process
    }

    fn used(&self) -> Result<ResourceUse> {
        let alive = Path::new("/proc").join(self.process.id().to_string()).join("smaps_rollup");
        ensure!(fs::read(alive).is_ok_and(|text| !text.is_empty()), "{} has ended", self.name);
        let mut sum = ResourceUse { cpu: Duration::ZERO, wakes: 0, memory: 0.0 };
        for pid in with_children(i32::try_from(self.process.id())?)? {
            // What it started may end at any moment.
            let Ok(cpu) = cpu_time(pid, None) else { continue };
            sum.cpu += cpu;
            sum.wakes += wakes(pid).unwrap_or_default();
            sum.memory += shared_out(pid).unwrap_or_default();
        }
        Ok(sum)
    }
}

/// Zabbix's agent, netdata, Prometheus' exporter: those that are installed.
pub(crate) async fn start(dir: &Path) -> Result<Vec<MeasuredProgram>> {
    let mut peers = Vec::new();
    let dir = dir.join("peers");
    fs::create_dir_all(&dir)?;
    let place = dir.display();
    let mut among = ports()?;
    if let Some(program) = find("zabbix_agentd") {
        let config = format!(
            "Server=127.0.0.1\nListenIP=127.0.0.1\nListenPort={}\nLogType=console\nAllowRoot=1\nPidFile={place}/zabbix.pid\n",
            free_port(&mut among)?
        );
        fs::write(dir.join("zabbix.conf"), config)?;
        let words = ["-f", "-c", "zabbix.conf"];
        peers.push(MeasuredProgram::new("zabbix-agent", BenchmarkProcess::start(&program, &words, &dir)?));
    }
    if let Some(program) = find("prometheus-node-exporter") {
        let address = format!("127.0.0.1:{}", free_port(&mut among)?);
        let words = [format!("--web.listen-address={address}"), "--log.level=error".to_owned()];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        peers.push(MeasuredProgram::new(
            "prometheus-node-exporter",
            BenchmarkProcess::start(&program, &words, &dir)?,
        ));
        scrape_always(address).await?;
    }
    if let Some(program) = find("netdata") {
        for name in ["cache", "lib", "log"] {
            fs::create_dir_all(dir.join(name))?;
        }
        let config = format!(
            "[global]\n  run as user = root\n[directories]\n  cache = {place}/cache\n  lib = {place}/lib\n  \
             log = {place}/log\n[web]\n  bind to = 127.0.0.1:{}\n",
            free_port(&mut among)?
        );
        let file = dir.join("netdata.conf");
        fs::write(&file, config)?;
        let pid = dir.join("netdata.pid");
        let (file, pid) = (file.to_string_lossy(), pid.to_string_lossy());
        let words = ["-D", "-c", &*file, "-P", &*pid];
        peers.push(MeasuredProgram::new("netdata", BenchmarkProcess::start(&program, &words, &dir)?));
    }
    Ok(peers)
}

/// Asks for the numbers as long as this program runs.
async fn scrape_always(address: String) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    while let Err(error) = scrape(&address) {
        ensure!(Instant::now() < until, "prometheus-node-exporter does not answer: {error:#}");
        sleep(Duration::from_millis(100)).await;
    }
    tokio::spawn(async move {
        loop {
            sleep(SCRAPE).await;
            let address = address.clone();
            // One that fails is one less.
            let _ = tokio::task::spawn_blocking(move || scrape(&address)).await;
        }
    });
    Ok(())
}

fn scrape(address: &str) -> Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?;
    ensure!(text.starts_with(b"HTTP/1.1 200"), "no numbers");
    Ok(())
}

/// All of them for so long.
pub(crate) async fn idle(watched: &[&MeasuredProgram], window: Duration) -> Result<Vec<BenchmarkRow>> {
    let before = watched.iter().map(|one| one.used()).collect::<Result<Vec<_>>>()?;
    sleep(window).await;
    let mut rows = Vec::new();
    for (one, before) in watched.iter().zip(before) {
        let after = one.used()?;
        let name = |what: &str| format!("{} idle: {what}", one.name);
        let cpu = percent(after.cpu.saturating_sub(before.cpu), window);
        #[allow(clippy::cast_precision_loss, reason = "shown with three decimals")]
        let wakes = after.wakes.saturating_sub(before.wakes) as f64 / window.as_secs_f64();
        rows.push(BenchmarkRow::new(&name("CPU"), cpu, "% core", None, BetterWhen::Lower));
        rows.push(BenchmarkRow::new(&name("wake-ups"), wakes, "1/s", None, BetterWhen::Lower));
        rows.push(BenchmarkRow::new(
            &name("memory (PSS)"),
            after.memory / 1e6,
            "MB",
            None,
            BetterWhen::Lower,
        ));
        let grown = (after.memory - before.memory) / 1e3;
        rows.push(BenchmarkRow::new(&name("memory, growth"), grown, "KB", None, BetterWhen::Lower));
    }
    Ok(rows)
}

/// How often its threads went to sleep so far: as often they were woken up.
pub(crate) fn wakes(process: u32) -> Result<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let status = fs::read_to_string(task?.path().join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        sum += line.context("no switches in /proc")?.trim().parse::<u64>()?;
    }
    Ok(sum)
}

/// Memory in bytes, with what it shares counted in parts (proc(5): `smaps_rollup`).
fn shared_out(process: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss in /proc")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? * 1024.0)
}

/// Below those that the system gives out by itself: Zabbix takes none above 32,767. Each is given out once: a program
/// that was just started has not taken its own yet.
fn ports() -> Result<Range<u16>> {
    Ok(20_000 + u16::try_from(std::process::id() % 10_000)?..32_000)
}

fn free_port(among: &mut Range<u16>) -> Result<u16> {
    among.find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok()).context("no port is free")
}

/// Where the packages put it.
fn find(name: &str) -> Option<std::path::PathBuf> {
    let found =
        ["/usr/bin", "/usr/sbin"].map(|dir| Path::new(dir).join(name)).into_iter().find(|path| path.exists());
    if found.is_none() {
        eprintln!("{name} is not installed: left out");
    }
    found
}
