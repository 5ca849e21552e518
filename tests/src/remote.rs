//! A relay, a technician and a device, each on a separate machine, in an attended session; and what happens to
//! networks: links of every kind, addresses replaced, a router that forgets, a relay that is killed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::deployment::{DeploymentPlan, TestDeployment};
use crate::impaired_link::LinkImpairment;
use crate::netns::{NamespaceNetwork, RELAY};
use crate::parties::{TestAgent, TestClient, TestConsole, TestTechnician};

/// How the technician's office hangs on the network.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfficeLink {
    /// From the office.
    pub up: LinkImpairment,
    /// To the office.
    pub down: LinkImpairment,
    /// Largest packet, in bytes with its IP header; as Ethernet has it where nothing is said.
    pub mtu: Option<u16>,
}

impl OfficeLink {
    /// Puts an office at the end of that link.
    ///
    /// # Errors
    /// It can't be made.
    pub fn lay(&self, network: &mut NamespaceNetwork) -> Result<()> {
        network.far_machine("office", "10.77.2.2", self.up, self.down)?;
        if let Some(mtu) = self.mtu {
            network.run("office", &format!("ip link set eth0 mtu {mtu}"))?;
            network.run("relay", &format!("ip link set office mtu {mtu}"))?;
        }
        Ok(())
    }
}

/// Where the device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceHome {
    /// On the relay's network.
    Near,
    /// Behind a router that translates addresses, to ports from 40,000 on.
    BehindRouter,
}

/// What happens to a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkTrouble {
    /// The device gets another address.
    DeviceMoves,
    /// The technician does.
    TechnicianMoves,
    /// The device's router forgets its flows, and gives new ones other ports.
    RouterForgets,
    /// The relay is killed and started.
    RelayKilled,
    /// While it is away, the device gets another address.
    RelayKilledDeviceMoves,
}

/// An attended session in which something is granted.
pub struct RemoteSession {
    // In this order: programs go before the network they are in.
    /// The technician's client.
    pub client: TestClient,
    /// The person's console.
    pub console: TestConsole,
    /// The device's agent.
    pub agent: TestAgent,
    /// The technician at the other end.
    pub technician: TestTechnician,
    /// The relay with its organisation.
    pub site: TestDeployment,
    /// Where it is.
    pub network: NamespaceNetwork,
    /// From the client's start until the person was asked.
    pub asked: Duration,
}

impl RemoteSession {
    /// Sets it up; `None`, with a printed reason, where this can't be had.
    ///
    /// # Errors
    /// Something else goes wrong, as no session over such a link.
    pub fn set(home: DeviceHome, office: Option<&OfficeLink>) -> Result<Option<Self>> {
        let Some(mut network) = NamespaceNetwork::new()? else { return Ok(None) };
        match office {
            Some(far) => far.lay(&mut network)?,
            None => _ = network.machine("office", "10.77.2.2")?,
        }
        let home = match home {
            DeviceHome::Near => Some(network.machine("home", "10.77.1.2")?),
            DeviceHome::BehindRouter => network.behind_nat("home", "10.77.3.2", 40_000)?,
        };
        let Some(home) = home else { return Ok(None) };
        let site = TestDeployment::planned(DeploymentPlan {
            place: network.place("relay"),
            host: RELAY.to_owned(),
            people: network.place("office"),
            ..DeploymentPlan::default()
        })?;
        let agent = site.device_at("pc-1", home)?;
        let mut console = agent.attend()?;
        let technician = site.admin().clone();
        let since = Instant::now();
        let mut client = technician.connect(&console.code, &["--ask", "diagnostics"])?;
        console.sees("Type allow or deny")?;
        let asked = since.elapsed();
        console.tries("allow")?;
        client.event("granted")?;
        Ok(Some(Self { client, console, agent, technician, site, network, asked }))
    }

    /// Both say something; how long it took until both had it.
    ///
    /// # Errors
    /// It isn't heard, or heard twice.
    pub fn talk(&mut self, word: &str) -> Result<Duration> {
        let since = Instant::now();
        self.client.say(&format!("{word} there"))?;
        self.console.types(&format!("{word} back"))?;
        self.console.sees(&format!("│ Ada Lovelace: {word} there"))?;
        self.client.chat(&format!("{word} back"), "received")?;
        let took = since.elapsed();
        let twice = self.console.program.count(&format!("│ Ada Lovelace: {word} there"));
        ensure!(twice == 1, "it arrived {twice} times");
        Ok(took)
    }

    /// Lets it happen.
    ///
    /// # Errors
    /// It can't be done.
    pub fn suffer(&mut self, trouble: NetworkTrouble) -> Result<()> {
        let moves = |network: &NamespaceNetwork, name: &str, net: &str| {
            let say = format!("ip addr del {net}.2/16 dev eth0 && ip addr add {net}.3/16 dev eth0");
            network.run(name, &say).map(|_| ())
        };
        match trouble {
            NetworkTrouble::DeviceMoves => moves(&self.network, "home", "10.77.1"),
            NetworkTrouble::TechnicianMoves => moves(&self.network, "office", "10.77.2"),
            NetworkTrouble::RouterForgets => {
                // New flows get other ports, and a router whose address goes forgets the flows it had.
                self.network.translate_to(50_000)?;
                let say = "ip addr del 10.77.3.2/16 dev eth0 && ip addr add 10.77.3.2/16 dev eth0";
                self.network.run("router", say).map(|_| ())
            }
            NetworkTrouble::RelayKilled => self.site.restart_relay(),
            NetworkTrouble::RelayKilledDeviceMoves => {
                self.site.relay.kill()?;
                moves(&self.network, "home", "10.77.1")?;
                self.site.restart_relay()
            }
        }
    }
}
