//! A network for machines: a bridge in a network namespace, and a namespace with a cable to it for each machine.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::machine::MachineSetup;
use crate::{DebianRoot, run};

/// All namespaces of tests begin with this, followed by the test's process id.
const PREFIX: &str = "nearhand-";

/// Machines that reach each other, and nothing else.
pub struct MachineNetwork {
    root: DebianRoot,
    prefix: String,
    made: Vec<String>,
}

impl MachineNetwork {
    /// Without machines yet.
    ///
    /// # Errors
    /// Namespaces or bridges can't be made.
    pub fn new(root: DebianRoot) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{PREFIX}{}-s{number}-", std::process::id());
        let mut network = Self { root, prefix, made: Vec::new() };
        let switch = network.add("switch")?;
        run(&["ip", "-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        run(&["ip", "-n", &switch, "link", "set", "br0", "up"])?;
        Ok(network)
    }

    /// A machine that isn't booted yet. The first has the address 10.78.0.1, the next 10.78.0.2 and so on.
    ///
    /// # Errors
    /// Its namespace can't be made.
    pub fn machine(&mut self, name: &str) -> Result<MachineSetup> {
        let number = self.made.len();
        let here = self.add(name)?;
        let switch = self.made.first().context("no switch")?;
        let port = format!("port{number}");
        let peer = ["type", "veth", "peer", "name", &port, "netns", switch];
        run(&[["ip", "-n", &here, "link", "add", "eth0"].as_slice(), &peer].concat())?;
        run(&["ip", "-n", switch, "link", "set", &port, "master", "br0", "up"])?;
        let address = format!("10.78.0.{number}");
        run(&["ip", "-n", &here, "addr", "add", &format!("{address}/24"), "dev", "eth0"])?;
        run(&["ip", "-n", &here, "link", "set", "eth0", "up"])?;
        MachineSetup::new(&self.root, name, &here, address)
    }

    fn add(&mut self, name: &str) -> Result<String> {
        let full = format!("{}{name}", self.prefix);
        run(&["ip", "netns", "add", &full])?;
        self.made.push(full.clone());
        run(&["ip", "-n", &full, "link", "set", "lo", "up"])?;
        Ok(full)
    }
}

impl Drop for MachineNetwork {
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
