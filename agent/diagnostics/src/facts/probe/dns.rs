//! One DNS question to one server (RFC 1035).
//!
//! hickory-proto would bring a dozen crates to build one 29-byte question and read twelve bytes of an answer;
//! names in answers aren't read here at all.

use core::time::Duration;
use std::net::SocketAddr;
use std::time::Instant;

use super::connection::{ProbeError, datagrams_to, milliseconds, random, within};
use crate::facts::network::DnsServer;

/// Tries before a server counts as silent: one lost packet is not an outage.
const TRIES: u32 = 2;

/// Asks `server` for the IPv4 addresses of `name`.
pub async fn ask(server: SocketAddr, name: &str, patience: Duration) -> DnsServer {
    let mut found = DnsServer { address: server.ip().to_string(), ..DnsServer::default() };
    for _ in 0..TRIES {
        let begin = Instant::now();
        if let Ok((code, answers)) = within(patience / TRIES, exchange(server, name)).await {
            found.answer_ms = Some(milliseconds(begin));
            (found.code, found.answers) = (Some(code), answers);
            break;
        }
    }
    found
}

async fn exchange(server: SocketAddr, name: &str) -> Result<(u8, u16), ProbeError> {
    let socket = datagrams_to(server).await?;
    let id = u16::from_be_bytes(random()?);
    socket.send(&question(id, name)).await?;
    let mut buffer = [0; 1500];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(answer) = buffer.get(..length).and_then(|bytes| answer(bytes, id)) {
            return Ok(answer);
        }
    }
}

/// A question for A records, recursion desired.
fn question(id: u16, name: &str) -> Vec<u8> {
    let mut bytes = id.to_be_bytes().to_vec();
    bytes.extend_from_slice(&[0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let label: Vec<u8> = label.bytes().take(63).collect();
        bytes.push(u8::try_from(label.len()).unwrap_or(63));
        bytes.extend(label);
    }
    bytes.extend_from_slice(&[0, 0, 1, 0, 1]);
    bytes
}

/// Response code and number of answers, if the bytes answer the question `id`.
fn answer(bytes: &[u8], id: u16) -> Option<(u8, u16)> {
    let header: &[u8; 12] = bytes.first_chunk()?;
    let [id_high, id_low, flags_high, flags_low, _, _, answers_high, answers_low, ..] = *header;
    let is_response = flags_high & 0x80 != 0;
    (u16::from_be_bytes([id_high, id_low]) == id && is_response)
        .then(|| (flags_low & 0x0f, u16::from_be_bytes([answers_high, answers_low])))
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A server that first sends noise, then answers with `code` and one answer; `None` never answers.
    async fn server(code: Option<u8>) -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Some(code) = code else { continue };
                socket.send_to(b"\x1b[2J", from).await.unwrap();
                let mut reply = buffer[..length].to_vec();
                reply[2] |= 0x80;
                reply[3] = code;
                reply[7] = 1;
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn answers_are_timed_and_their_code_kept() {
        let found = ask(server(Some(0)).await, "example.com", Duration::from_secs(10)).await;
        assert_eq!((found.code, found.answers), (Some(0), 1));
        assert!(found.answer_ms.is_some());
        let found = ask(server(Some(2)).await, "example.com", Duration::from_secs(10)).await;
        assert_eq!(found.code, Some(2));
    }

    #[tokio::test]
    async fn silent_and_closed_servers_have_no_answer() {
        let found = ask(server(None).await, "example.com", Duration::from_millis(60)).await;
        assert_eq!((found.answer_ms, found.code), (None, None));
        let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert_eq!(ask(closed, "example.com", Duration::from_secs(2)).await.answer_ms, None);
    }

    #[test]
    fn the_question_is_what_rfc_1035_says() {
        let bytes = question(0x1234, "example.com");
        assert_eq!(bytes, b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x07example\x03com\0\0\x01\0\x01");
        assert_eq!(answer(b"\x12\x34\x81\x83\0\x01\0\0\0\0\0\0", 0x1234), Some((3, 0)));
        assert_eq!(answer(&bytes, 0x1234), None);
        assert_eq!(answer(b"\x12", 0x1234), None);
    }
}
