//! Reach over UDP: a STUN binding request (RFC 8489), 20 bytes out, any matching answer back.

use core::time::Duration;
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::{ProbeError, datagrams_to_any, milliseconds, random, resolve, within};
use crate::facts::network::UdpTarget;

/// Marks STUN, RFC 8489 section 5.
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// Asks all servers side by side, in their order.
pub(super) async fn targets(servers: &[String], patience: Duration) -> Vec<UdpTarget> {
    let mut asked = tokio::task::JoinSet::new();
    for server in servers {
        let server = server.clone();
        asked.spawn(async move {
            let mut target = UdpTarget { target: server.clone(), ..UdpTarget::default() };
            let outcome = match within(patience, resolve(&server)).await {
                Ok(addresses) => {
                    target.found = true;
                    within(patience, ask(&addresses)).await
                }
                Err(problem) => Err(problem),
            };
            match outcome {
                Ok(ms) => target.answer_ms = Some(ms),
                Err(problem) => target.problem = Some(problem.to_string()),
            }
            target
        });
    }
    let mut found = asked.join_all().await;
    found.sort_by(|a, b| a.target.cmp(&b.target));
    found
}

async fn ask(addresses: &[SocketAddr]) -> Result<f64, ProbeError> {
    let socket = datagrams_to_any(addresses).await?;
    let transaction: [u8; 12] = random()?;
    // Binding request, no attributes.
    let request = [&[0, 1, 0, 0], &MAGIC[..], &transaction[..]].concat();
    let begin = Instant::now();
    socket.send(&request).await?;
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let reply = buffer.get(..length).unwrap_or_default();
        if reply.get(..2) == Some(&[1, 1]) && reply.get(8..20) == Some(&transaction[..]) {
            return Ok(milliseconds(begin));
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    #[tokio::test]
    async fn answers_count_and_silence_does_not() {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let answering = socket.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut buffer = [0; 64];
            let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
            assert_eq!((length, &buffer[..8]), (20, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42][..]));
            socket.send_to(&[1, 1, 0, 0], from).await.unwrap();
            buffer[0] = 1;
            socket.send_to(&buffer[..20], from).await.unwrap();
        });
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let quiet = silent.local_addr().unwrap().to_string();
        let found = targets(&[answering.clone(), quiet], Duration::from_millis(1500)).await;
        let answered: Vec<_> = found.iter().filter(|t| t.answer_ms.is_some()).map(|t| &t.target).collect();
        assert_eq!(answered, [&answering]);
    }
}
