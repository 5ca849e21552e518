//! Facts about the network. Types only.

use serde::{Deserialize, Serialize};

/// A network interface.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Its name, for example `eth0`.
    pub(crate) name: String,
    /// `true` for real adapters, `false` for bridges, tunnels and the like.
    pub(crate) physical: bool,
    /// `up`, `down`, `dormant`, `unknown`.
    pub(crate) state: String,
    /// `true` where it is switched on.
    pub(crate) enabled: bool,
    /// Largest packet in bytes.
    pub(crate) mtu: u64,
    /// Megabits per second, where known.
    pub(crate) speed: Option<u64>,
    /// `full` or `half`, where known.
    pub(crate) duplex: Option<String>,
    /// Packets received and sent since the start.
    pub(crate) packets: u64,
    /// Broken packets received and sent since the start.
    pub(crate) errors: u64,
    /// Packets dropped since the start.
    pub(crate) dropped: u64,
    /// Wi-Fi signal in dBm; `None` for wires.
    pub(crate) signal_dbm: Option<i64>,
    /// `true` for Wi-Fi.
    pub(crate) wireless: bool,
}

/// Default routes.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Routes {
    /// Over IPv4: interface and gateway.
    pub(crate) v4: Vec<Route>,
    /// Over IPv6.
    pub(crate) v6: Vec<Route>,
}

/// One default route.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Route {
    /// The interface.
    pub(crate) interface: String,
    /// The gateway's address; empty on links without one.
    pub(crate) gateway: String,
    /// Lower is preferred.
    pub(crate) metric: u64,
}

/// Name resolution as configured.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Resolver {
    /// Name servers that programs ask.
    pub(crate) servers: Vec<String>,
    /// Name servers behind a local resolver, where it tells.
    pub(crate) upstream: Vec<String>,
    /// Well-known public names that the hosts file sends elsewhere.
    pub(crate) redirected: Vec<String>,
    /// `true` where the hosts file names `localhost`.
    pub(crate) has_localhost: bool,
    /// Lines of the hosts file.
    pub(crate) hosts_lines: usize,
}

/// TCP and connection tracking counters since the start.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct TcpCounters {
    /// Segments sent.
    pub(crate) sent: u64,
    /// Segments sent again.
    pub(crate) resent: u64,
    /// Connections tracked by the packet filter and the most it can.
    pub(crate) tracked: Option<(u64, u64)>,
}

/// Configured proxies: that there is one and where; never its credentials.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Proxy {
    /// Where a proxy is set, and its host and port.
    pub(crate) settings: Vec<(String, String)>,
    /// `true` where a script chooses the proxy.
    pub(crate) automatic: bool,
    /// A proxy that was tried and did not accept a connection.
    pub(crate) unreachable: Vec<String>,
}

/// Whether the gateway answers.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Gateway {
    /// Its address.
    pub(crate) address: String,
    /// Milliseconds to its answer; `None` without one.
    pub(crate) answer_ms: Option<f64>,
    /// `true` where its hardware address is known: it is there, even if it ignores echo requests.
    pub(crate) neighbour: bool,
}

/// How a name server answers.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct DnsServer {
    /// Its address.
    pub(crate) address: String,
    /// Milliseconds to its answer; `None` without one.
    pub(crate) answer_ms: Option<f64>,
    /// The DNS response code: 0 is good.
    pub(crate) code: Option<u8>,
    /// Addresses in the answer.
    pub(crate) answers: u16,
}

/// A series of echo requests to one host.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct EchoRun {
    /// The host.
    pub(crate) target: String,
    /// Requests sent.
    pub(crate) sent: u32,
    /// Milliseconds to each answer, in the order sent.
    pub(crate) times_ms: Vec<f64>,
}

/// Answer of the captive-portal test page.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Portal {
    /// The page asked for.
    pub(crate) target: String,
    /// HTTP status that a free internet gives.
    pub(crate) expected: u16,
    /// HTTP status that came; `None` without an answer.
    pub(crate) status: Option<u16>,
    /// Host that the answer sends to.
    pub(crate) redirect_host: Option<String>,
    /// Why there was no answer.
    pub(crate) problem: Option<String>,
}

/// The certificate that a well-known host shows here.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct TlsPeer {
    /// Host and port.
    pub(crate) target: String,
    /// Milliseconds to the end of the handshake.
    pub(crate) ms: f64,
    /// Who signed the certificate.
    pub(crate) issuer: Option<String>,
    /// Days until it ends; negative if it has.
    pub(crate) days_left: Option<i64>,
    /// `true` where a public authority stands behind it.
    pub(crate) public: bool,
    /// Why there was no certificate, or why it isn't good.
    pub(crate) problem: Option<String>,
}

/// Reach over IPv6.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Ipv6 {
    /// `true` where an interface has a global address.
    pub(crate) global_address: bool,
    /// The host tried.
    pub(crate) target: String,
    /// Milliseconds to a connection; `None` without one.
    pub(crate) connect_ms: Option<f64>,
}

/// Reach over UDP.
#[derive(Clone, PartialEq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct UdpTarget {
    /// Host and port.
    pub(crate) target: String,
    /// Milliseconds to its answer; `None` without one.
    pub(crate) answer_ms: Option<f64>,
    /// `true` once its name was found: only then does silence say something about UDP.
    pub(crate) found: bool,
    /// Why there was no answer.
    pub(crate) problem: Option<String>,
}
