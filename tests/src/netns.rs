//! Small networks of network namespaces: a relay on a bridge, with machines around it, one of them perhaps behind a
//! router that translates addresses. Needs root; everything is removed when it is dropped, and what a killed test
//! has left behind by the next one.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};

use crate::deployment::ProgramPlace;
use crate::impaired_link::{self, LinkImpairment};

/// All namespaces of tests begin with this, followed by the test's process id.
const PREFIX: &str = "nearhand-";
/// The relay's address, on the bridge.
pub const RELAY: &str = "10.77.0.1";

/// A network of namespaces: a relay on a bridge, and the machines around it.
pub struct NamespaceNetwork {
    prefix: String,
    made: Vec<String>,
}

impl NamespaceNetwork {
    /// With a relay's namespace; `None`, with a printed reason, where namespaces can't be made.
    ///
    /// # Errors
    /// Some can be made, and then something else goes wrong.
    #[allow(clippy::print_stdout, reason = "a skipped test says why")]
    pub fn new() -> Result<Option<Self>> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-{number}-", std::process::id());
        let mut network = Self { prefix, made: Vec::new() };
        if let Err(error) = network.add("relay") {
            println!("skipped: network namespaces can't be made here (needs root): {error:#}");
            return Ok(None);
        }
        let bridge = network.run("relay", "ip link add br0 type bridge && ip link set br0 up");
        if let Err(error) =
            bridge.and_then(|_| network.run("relay", &format!("ip addr add {RELAY}/16 dev br0")))
        {
            println!("skipped: this kernel has no bridges: {error:#}");
            return Ok(None);
        }
        Ok(Some(network))
    }

    /// A machine on the relay's bridge.
    ///
    /// # Errors
    /// It can't be made.
    pub fn machine(&mut self, name: &str, address: &str) -> Result<ProgramPlace> {
        self.add(name)?;
        self.plug(name, "relay", "eth0")?;
        self.run("relay", &format!("ip link set {name} master br0"))?;
        self.run(name, &format!("ip addr add {address}/16 dev eth0"))?;
        Ok(self.place(name))
    }

    /// A machine at the end of a cable that is as bad as it is told to be; `up` is away from the machine.
    ///
    /// # Errors
    /// It can't be made.
    pub fn far_machine(
        &mut self,
        name: &str,
        address: &str,
        up: LinkImpairment,
        down: LinkImpairment,
    ) -> Result<ProgramPlace> {
        self.add(name)?;
        impaired_link::lay((&self.full(name), "eth0"), (&self.full("relay"), name), up, down)?;
        self.run(name, &format!("ip addr add {address}/16 dev eth0 && ip link set eth0 up"))?;
        self.run("relay", &format!("ip link set {name} master br0 && ip link set {name} up"))?;
        Ok(self.place(name))
    }

    /// A machine behind a router that is on the relay's bridge with `outside`, and translates addresses to ports
    /// from `port` on; `None`, with a printed reason, where the kernel can't.
    ///
    /// # Errors
    /// It can't be made.
    #[allow(clippy::print_stdout, reason = "a skipped test says why")]
    pub fn behind_nat(&mut self, name: &str, outside: &str, port: u16) -> Result<Option<ProgramPlace>> {
        self.machine("router", outside)?;
        self.run("router", "sysctl -qw net.ipv4.ip_forward=1")?;
        self.add(name)?;
        self.plug(name, "router", "eth0")?;
        self.run("router", &format!("ip addr add 192.168.5.1/24 dev {name}"))?;
        self.run(name, "ip addr add 192.168.5.2/24 dev eth0 && ip route add default via 192.168.5.1")?;
        if let Err(error) = self.translate_to(port) {
            println!("skipped: this kernel translates no addresses: {error:#}");
            return Ok(None);
        }
        Ok(Some(self.place(name)))
    }

    /// The router gives new flows ports from `port` on.
    ///
    /// # Errors
    /// The rules can't be loaded.
    pub fn translate_to(&self, port: u16) -> Result<()> {
        let last = port + 999;
        let rules = format!(
            "flush ruleset\ntable ip nat {{\nchain out {{\ntype nat hook postrouting priority 100\n\
             oifname \"eth0\" meta l4proto udp masquerade to :{port}-{last}\n}}\n}}\n"
        );
        self.run("router", &format!("nft '{rules}'")).map(|_| ())
    }

    /// Where programs run in a namespace.
    pub fn place(&self, name: &str) -> ProgramPlace {
        ProgramPlace::behind(&["ip", "netns", "exec", &self.full(name)])
    }

    /// Runs a shell command in a namespace.
    ///
    /// # Errors
    /// The command ended with another exit code than 0.
    pub fn run(&self, name: &str, command: &str) -> Result<String> {
        run(&["ip", "netns", "exec", &self.full(name), "sh", "-c", command])
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let full = self.full(name);
        run(&["ip", "netns", "add", &full])?;
        self.made.push(full);
        self.run(name, "ip link set lo up").map(|_| ())
    }

    /// A cable from `name`'s `port` to a port of that name in `other`.
    fn plug(&self, name: &str, other: &str, port: &str) -> Result<()> {
        let (here, there) = (self.full(name), self.full(other));
        run(&[
            "ip", "-n", &here, "link", "add", port, "type", "veth", "peer", "name", name, "netns", &there,
        ])?;
        self.run(name, &format!("ip link set {port} up"))?;
        self.run(other, &format!("ip link set {name} up")).map(|_| ())
    }
}

impl Drop for NamespaceNetwork {
    fn drop(&mut self) {
        for name in &self.made {
            let _ = run(&["ip", "netns", "del", name]);
        }
    }
}

/// Removes what tests that are no longer there have left.
fn sweep() {
    let Ok(list) = fs::read_dir("/run/netns") else { return };
    for entry in list.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            let _ = run(&["ip", "netns", "del", &name]);
        }
    }
}

fn run(words: &[&str]) -> Result<String> {
    let (program, arguments) = words.split_first().context("no program")?;
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{words:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{words:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
