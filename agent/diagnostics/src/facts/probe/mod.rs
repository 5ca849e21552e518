//! Probes: questions asked over the network.
//!
//! Lives here: whom the probes ask ([`ProbeTargets`]), and one file a protocol. Each probe takes its targets
//! and its patience as arguments, so tests ask servers on loopback. Must not live here: what Linux knows about
//! its own network, and what an answer means.

pub mod dns;
pub mod echo;
mod http;
mod ntp;
mod stun;
mod tls;

use core::time::Duration;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;

use super::{CollectContext, Fact, FactSource, MissingFact, SourceFacts};

/// Whom the network probes ask. The defaults are public services that answer anybody and are meant for it; a
/// company without a way to the internet sets its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeTargets {
    /// Name that each DNS server is asked for: reserved for examples (RFC 2606), and it exists.
    pub dns_name: String,
    /// Hosts that get echo requests, as addresses: loss must not depend on DNS.
    pub echo: Vec<String>,
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
            // The page that Android and Chromium ask for the same purpose.
            portal: ("http://connectivitycheck.gstatic.com/generate_204".to_owned(), 204),
            tls: list(&["www.cloudflare.com:443", "www.wikipedia.org:443"]),
            ipv6: "[2606:4700:4700::1111]:443".to_owned(),
            stun: list(&["stun.cloudflare.com:3478", "stun.l.google.com:19302"]),
            ntp: list(&["pool.ntp.org:123", "time.cloudflare.com:123"]),
        }
    }
}

/// Asks one source that is a probe.
pub(super) async fn collect(source: FactSource, context: &Arc<CollectContext>) -> Fact<SourceFacts> {
    let (targets, patience) = (&context.targets, context.patience);
    match source {
        FactSource::Echo => {
            echo::runs(&targets.echo, patience, &context.programs).await.map(Box::new).map(SourceFacts::Echo)
        }
        FactSource::Portal => {
            let (page, expected) = &targets.portal;
            Ok(SourceFacts::Portal(Box::new(http::portal(page, *expected, patience).await?)))
        }
        FactSource::Tls => {
            Ok(SourceFacts::Tls(Box::new(tls::peers(&targets.tls, patience, context.now).await)))
        }
        FactSource::Udp => Ok(SourceFacts::Udp(Box::new(stun::targets(&targets.stun, patience).await))),
        FactSource::Clock => ntp::offset(&targets.ntp, patience).await.map(Box::new).map(SourceFacts::Clock),
        _ => Err(MissingFact::NotApplicable("not read on this operating system yet".to_owned())),
    }
}

/// Runs `work`, or says that it took too long.
async fn within<T>(patience: Duration, work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
    }
}

/// First address of `host:port`, IPv4 first where `v4` is asked for.
async fn resolve(target: &str, v4: bool) -> Result<SocketAddr, String> {
    let addresses =
        tokio::net::lookup_host(target).await.map_err(|error| format!("name not found: {error}"))?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_by_key(|address| v4 && address.is_ipv6());
    addresses.first().copied().ok_or_else(|| "name not found".to_owned())
}

/// A TCP connection to `host:port`.
async fn connected(target: &str) -> Result<TcpStream, String> {
    let address = resolve(target, true).await?;
    TcpStream::connect(address).await.map_err(|error| error.to_string())
}

/// Whether `host:port` accepts a connection.
pub async fn connects(target: &str, patience: Duration) -> bool {
    within(patience, connected(target)).await.is_ok()
}

/// Milliseconds to a connection with `address:port`.
pub async fn connect_time(target: &str, patience: Duration) -> Result<f64, String> {
    let begin = Instant::now();
    within(patience, async { TcpStream::connect(target).await.map_err(|error| error.to_string()) }).await?;
    Ok(milliseconds(begin))
}

/// Milliseconds since `begin`, with fractions.
fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}

/// Random bytes for identifiers that an answer must repeat.
fn random<const N: usize>() -> Result<[u8; N], String> {
    use rand_core::RngCore;
    let mut bytes = [0; N];
    rand_core::OsRng.try_fill_bytes(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn connections_are_timed_and_refusals_seen() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(connects(&address, Duration::from_secs(5)).await);
        assert!(connect_time(&address, Duration::from_secs(5)).await.unwrap() >= 0.0);
        drop(listener);
        assert!(!connects(&address, Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn silence_is_said_with_its_time() {
        let silent = within(Duration::from_millis(20), std::future::pending::<Result<(), String>>());
        assert_eq!(silent.await, Err("no answer within 20 ms".to_owned()));
    }
}
