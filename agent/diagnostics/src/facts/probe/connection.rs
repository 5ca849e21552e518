//! What the probes share: names, connections, patience, and the clock that times them.

use core::time::Duration;
use std::net::SocketAddr;
use std::time::Instant;

use tokio::net::TcpStream;

/// Runs `work`, or says that it took too long.
pub(super) async fn within<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
    }
}

/// First address of `host:port`, IPv4 first where `v4` is asked for.
pub(super) async fn resolve(target: &str, v4: bool) -> Result<SocketAddr, String> {
    let addresses =
        tokio::net::lookup_host(target).await.map_err(|error| format!("name not found: {error}"))?;
    let mut addresses: Vec<SocketAddr> = addresses.collect();
    addresses.sort_by_key(|address| v4 && address.is_ipv6());
    addresses.first().copied().ok_or_else(|| "name not found".to_owned())
}

/// A TCP connection to `host:port`.
pub(super) async fn connected(target: &str) -> Result<TcpStream, String> {
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
pub(super) fn milliseconds(begin: Instant) -> f64 {
    begin.elapsed().as_secs_f64() * 1000.0
}

/// Random bytes for identifiers that an answer must repeat.
pub(super) fn random<const N: usize>() -> Result<[u8; N], String> {
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
