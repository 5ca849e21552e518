//! Facts about the network. Types only, and what follows from them without judging.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use serde::{Deserialize, Serialize};

/// How an interface comes to its packets, which decides what its state says about the way out.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub enum LinkShape {
    /// Ethernet, Wi-Fi and the like, real or given to a guest or container.
    #[default]
    Adapter,
    /// A switch in the kernel; it is up as soon as one of its ports is, be that a virtual machine.
    Bridge,
    /// Several adapters as one (bonding, teaming).
    Bond,
    /// Packets in other packets: a VPN. It can be up without any network below it.
    Tunnel,
    /// A modem or DSL line (PPP, WWAN).
    DialUp,
    /// Leads nowhere by design (`dummy`, `ifb`).
    Dummy,
}

/// A network interface.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct NetworkInterface {
    /// Its name, for example `eth0`.
    pub name: String,
    /// `true` for real adapters, `false` for bridges, tunnels and the like.
    pub physical: bool,
    /// How it comes to its packets.
    pub shape: LinkShape,
    /// Interfaces that it lies on: ports of a bridge, members of a bond, what a VLAN belongs to.
    pub lower: Vec<String>,
    /// The bridge or bond that it belongs to.
    pub master: Option<String>,
    /// `up`, `down`, `dormant`, `unknown`.
    pub state: String,
    /// Whether there is a signal on the line, where the driver tells.
    pub carrier: Option<bool>,
    /// `true` where it is switched on.
    pub enabled: bool,
    /// Largest packet in bytes.
    pub mtu: u64,
    /// Megabits per second, where known.
    pub speed: Option<u64>,
    /// `full` or `half`, where known.
    pub duplex: Option<String>,
    /// Packets received and sent since the start.
    pub packets: u64,
    /// Broken packets received and sent since the start.
    pub errors: u64,
    /// Good packets that were dropped here since the start because a buffer was full: missed by the adapter, or not sent.
    pub lost: u64,
    /// Packets received that nobody here wanted since the start (unknown protocols, standby members of a bond). No fault.
    pub unwanted: u64,
    /// Wi-Fi signal in dBm; `None` for wires.
    pub signal_dbm: Option<i64>,
    /// `true` for Wi-Fi.
    pub wireless: bool,
}

/// The default routes of this machine.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct DefaultRoutes {
    /// Over IPv4: interface and gateway.
    pub v4: Vec<DefaultRoute>,
    /// Default routes over IPv6.
    pub v6: Vec<DefaultRoute>,
}

/// One default route.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct DefaultRoute {
    /// The interface that the route leaves by.
    pub interface: String,
    /// The gateway's address; empty on links without one.
    pub gateway: String,
    /// Number of the interface, which a link-local gateway's address needs.
    pub interface_index: u32,
    /// Lower is preferred.
    pub metric: u64,
}

impl DefaultRoutes {
    /// The gateway to ask: that of the preferred route over IPv4, or else over IPv6. `None` where no route has one, as on
    /// point-to-point links.
    pub fn gateway(&self) -> Option<SocketAddr> {
        self.v4.iter().chain(&self.v6).find_map(DefaultRoute::gateway_address)
    }
}

impl DefaultRoute {
    fn gateway_address(&self) -> Option<SocketAddr> {
        match self.gateway.parse::<IpAddr>().ok()? {
            IpAddr::V6(address) => Some(SocketAddrV6::new(address, 0, 0, self.interface_index).into()),
            address => Some(SocketAddr::new(address, 0)),
        }
    }
}

impl NetworkInterface {
    /// `true` where it is switched on and, as far as the driver tells, has a signal.
    pub fn is_up(&self) -> bool {
        self.state == "up" || (self.state == "unknown" && self.enabled && self.carrier != Some(false))
    }
}

/// An address of any interface, of the family of `peer`: where a socket for it begins.
pub(super) fn unspecified(peer: SocketAddr) -> SocketAddr {
    match peer.is_ipv4() {
        true => (Ipv4Addr::UNSPECIFIED, 0).into(),
        false => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Name resolution as configured.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ResolverConfig {
    /// Name servers that programs ask.
    pub servers: Vec<String>,
    /// Name servers behind a local resolver, where it tells.
    pub upstream: Vec<String>,
    /// Well-known public names that the hosts file sends elsewhere.
    pub redirected: Vec<String>,
    /// `true` where the name `localhost` is found: in the hosts file, or made up by the system's resolver.
    pub has_localhost: bool,
    /// Lines of the hosts file.
    pub hosts_lines: usize,
}

/// TCP and connection tracking counters since the start.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct TcpCounters {
    /// Number of segments sent.
    pub sent: u64,
    /// Number of segments sent again.
    pub resent: u64,
    /// Connections tracked by the packet filter and the most it can.
    pub tracked: Option<(u64, u64)>,
}

/// Configured proxies: that there is one and where; never its credentials.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct ProxySettings {
    /// Where a proxy is set, and its host and port.
    pub settings: Vec<(String, String)>,
    /// `true` where a script chooses the proxy.
    pub automatic: bool,
    /// A proxy that was tried and did not accept a connection.
    pub unreachable: Vec<String>,
}

/// Whether the gateway answers.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct GatewayReach {
    /// The IP address that was asked.
    pub address: String,
    /// Milliseconds to its answer; `None` without one.
    pub answer_ms: Option<f64>,
    /// Whether its hardware address is known: then it is there, even if it ignores echo requests. `None` where that can't
    /// be told.
    pub neighbour: Option<bool>,
}

/// How a name server answers.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct DnsServer {
    /// The IP address that was asked.
    pub address: String,
    /// Milliseconds to its answer; `None` without one.
    pub answer_ms: Option<f64>,
    /// The DNS response code: 0 is good.
    pub code: Option<u8>,
    /// Addresses in the answer.
    pub answers: u16,
    /// The domains that it is asked for, where it isn't asked for all (split DNS of a VPN).
    pub only_for: Option<String>,
}

/// A series of echo requests to one host.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct EchoRun {
    /// The host that was asked.
    pub target: String,
    /// Number of requests sent.
    pub sent: u32,
    /// Milliseconds to each answer, in the order sent.
    pub times_ms: Vec<f64>,
}

/// Answer of the captive-portal test page.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct PortalAnswer {
    /// The page asked for.
    pub target: String,
    /// HTTP status that a free internet gives.
    pub expected: u16,
    /// HTTP status that came; `None` without an answer.
    pub status: Option<u16>,
    /// Host that the answer sends to.
    pub redirect_host: Option<String>,
    /// Why there was no answer.
    pub problem: Option<String>,
}

/// The certificate that a well-known host shows here.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct TlsPeer {
    /// Host and port.
    pub target: String,
    /// Milliseconds to the end of the handshake.
    pub ms: f64,
    /// Who signed the certificate.
    pub issuer: Option<String>,
    /// Days until it ends; negative if it has.
    pub days_left: Option<i64>,
    /// `true` where a public authority stands behind it.
    pub public: bool,
    /// Why there was no certificate, or why it isn't good.
    pub problem: Option<String>,
}

/// Reach over IPv6.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct Ipv6Reach {
    /// `true` where an interface has a global address.
    pub global_address: bool,
    /// `true` where there is a default route over IPv6.
    pub routed: bool,
    /// The host tried.
    pub target: String,
    /// Milliseconds to a connection; `None` without one.
    pub connect_ms: Option<f64>,
}

/// Reach over UDP.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub struct UdpTarget {
    /// Host and port.
    pub target: String,
    /// Milliseconds to its answer; `None` without one.
    pub answer_ms: Option<f64>,
    /// `true` once its name was found: only then does silence say something about UDP.
    pub found: bool,
    /// Why there was no answer.
    pub problem: Option<String>,
}
