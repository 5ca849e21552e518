//! Whom the network probes ask.

/// Whom the network probes ask. The defaults are public services that answer anybody and are meant for it; a
/// company without a way to the internet sets its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeTargets {
    /// Name that each DNS server is asked for: reserved for examples (RFC 2606), and it exists.
    pub dns_name: String,
    /// Hosts that get echo requests, as addresses: loss must not depend on DNS.
    pub echo: Vec<String>,
    /// The same hosts by their IPv6 addresses, for networks without IPv4.
    pub echo_v6: Vec<String>,
    /// Page over plain HTTP, and the status that it gives where nothing stands in between.
    pub portal: (String, u16),
    /// Hosts (with port) whose certificates are looked at.
    pub tls: Vec<String>,
    /// Address and port that a connection over IPv6 goes to.
    pub ipv6: String,
    /// STUN servers (RFC 8489), host and port: UDP on other ports than DNS.
    pub stun: Vec<String>,
    /// NTP servers, host and port.
    pub ntp: Vec<String>,
}

impl Default for ProbeTargets {
    fn default() -> Self {
        let list = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect();
        Self {
            dns_name: "example.com".to_owned(),
            echo: list(&["1.1.1.1", "9.9.9.9"]),
            echo_v6: list(&["2606:4700:4700::1111", "2620:fe::fe"]),
            // The page that Android and Chromium ask for the same purpose.
            portal: ("http://connectivitycheck.gstatic.com/generate_204".to_owned(), 204),
            tls: list(&["www.cloudflare.com:443", "www.wikipedia.org:443"]),
            ipv6: "[2606:4700:4700::1111]:443".to_owned(),
            stun: list(&["stun.cloudflare.com:3478", "stun.l.google.com:19302"]),
            ntp: list(&["pool.ntp.org:123", "time.cloudflare.com:123"]),
        }
    }
}
