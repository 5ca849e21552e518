//! Offset of the clock by SNTP (RFC 4330): one packet out, one back.

use core::time::Duration;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::connection::{ProbeError, datagrams_to_any, random, resolve, within};
use crate::facts::update::ClockOffset;
use crate::facts::{Fact, MissingFact};

/// Seconds from 1900 (NTP's start) to 1970.
const TO_UNIX: f64 = 2_208_988_800.0;

/// Asks the servers one after the other until one answers.
pub(super) async fn offset(servers: &[String], patience: Duration) -> Fact<ClockOffset> {
    let mut problem = "no server is configured".to_owned();
    for server in servers {
        match within(patience, ask(server)).await {
            Ok(offset) => return Ok(offset),
            Err(why) => problem = format!("{server}: {why}"),
        }
    }
    Err(MissingFact::failed("network time", problem))
}

async fn ask(server: &str) -> Result<ClockOffset, ProbeError> {
    let socket = datagrams_to_any(&resolve(server).await?).await?;
    // The transmit time is echoed: a random one proves the answer is to this question and tells nobody our time.
    let cookie: [u8; 8] = random()?;
    let mut request = [0; 48];
    if let Some(first) = request.first_mut() {
        // Version 4, client.
        *first = 0x23;
    }
    if let Some(place) = request.last_chunk_mut() {
        *place = cookie;
    }
    let sent_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let begin = Instant::now();
    socket.send(&request).await?;
    let mut buffer = [0; 128];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let round_trip = begin.elapsed().as_secs_f64();
        if let Some(reply) = buffer.get(..length).and_then(|bytes| NtpReply::parse(bytes, cookie)) {
            return reply.offset(server, sent_at, round_trip);
        }
    }
}

struct NtpReply {
    leap: u8,
    stratum: u8,
    received_at: f64,
    sent_at: f64,
}

impl NtpReply {
    /// The server's answer, if it repeats our cookie as its originate time.
    fn parse(bytes: &[u8], cookie: [u8; 8]) -> Option<Self> {
        let first = *bytes.first()?;
        let at = |start: usize| bytes.get(start..start + 8)?.first_chunk::<8>().copied();
        (first & 7 == 4 && at(24)? == cookie).then_some(())?;
        Some(Self {
            leap: first >> 6,
            stratum: *bytes.get(1)?,
            received_at: seconds(at(32)?),
            sent_at: seconds(at(40)?),
        })
    }

    fn offset(&self, server: &str, sent_at: f64, round_trip: f64) -> Result<ClockOffset, ProbeError> {
        // Stratum 0 is a refusal ("kiss of death"), leap 3 a server that doesn't know the time itself.
        if self.stratum == 0 || self.stratum > 15 || self.leap == 3 {
            return Err(ProbeError::NoTime);
        }
        let arrived_at = sent_at + round_trip;
        let offset = ((self.received_at - sent_at) + (self.sent_at - arrived_at)) / 2.0;
        Ok(ClockOffset {
            server: server.to_owned(),
            offset_seconds: offset,
            round_trip_ms: round_trip * 1000.0,
            stratum: self.stratum,
        })
    }
}

/// NTP's 32 bits of seconds and 32 of fraction, as seconds since 1970; the era that began in 2036 included.
fn seconds(stamp: [u8; 8]) -> f64 {
    let [a, b, c, d, e, f, g, h] = stamp;
    let whole = u32::from_be_bytes([a, b, c, d]);
    let fraction = f64::from(u32::from_be_bytes([e, f, g, h])) / 4_294_967_296.0;
    let era = if whole & 0x8000_0000 == 0 { 4_294_967_296.0 } else { 0.0 };
    f64::from(whole) + era + fraction - TO_UNIX
}

#[cfg(test)]
mod tests {
    use tokio::net::UdpSocket;

    use super::*;

    /// A server whose clock is `ahead` seconds ahead of ours.
    async fn server(ahead: f64, stratum: u8) -> String {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut buffer = [0; 48];
            while let Ok((48, from)) = socket.recv_from(&mut buffer).await {
                let now =
                    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() + ahead + TO_UNIX;
                let mut reply = [0; 48];
                reply[0] = 0x24;
                reply[1] = stratum;
                reply[24..32].copy_from_slice(&buffer[40..48]);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a test's clock")]
                let stamp =
                    (((now.trunc() as u64) << 32) | (now.fract() * 4_294_967_296.0) as u64).to_be_bytes();
                reply[32..40].copy_from_slice(&stamp);
                reply[40..48].copy_from_slice(&stamp);
                socket.send_to(b"noise", from).await.unwrap();
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn the_offset_of_a_server_that_is_ahead_is_positive() {
        let found = offset(&[server(90.0, 2).await], Duration::from_secs(10)).await.unwrap();
        assert!((found.offset_seconds - 90.0).abs() < 5.0, "{found:?}");
        assert_eq!(found.stratum, 2);
    }

    #[tokio::test]
    async fn the_next_server_is_asked_after_a_bad_one() {
        let servers = [server(0.0, 0).await, server(-30.0, 1).await];
        let found = offset(&servers, Duration::from_secs(10)).await.unwrap();
        assert!((found.offset_seconds + 30.0).abs() < 5.0, "{found:?}");
    }

    #[tokio::test]
    async fn silence_is_missing() {
        let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap().to_string();
        let missing = offset(&[address], Duration::from_millis(30)).await.unwrap_err();
        assert!(missing.to_string().contains("no answer within 30 ms"));
    }

    #[test]
    fn eras_are_told_apart() {
        assert_eq!(seconds([0x83, 0xaa, 0x7e, 0x80, 0x80, 0, 0, 0]), 0.5);
        // 2036-02-07T06:28:16Z, when the first era ends.
        assert_eq!(seconds([0; 8]), 2_085_978_496.0);
    }
}
