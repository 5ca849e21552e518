//! MQTT 3.1.1 (OASIS), as far as publishing goes: log in, publish each notice at QoS 1, wait until the broker has
//! acknowledged each, leave.
//!
//! One try is one connection, on a stream that was judged and opened by `stream`: a client library would resolve and
//! connect by itself, and try again by itself, where the outbox already does. A broker acknowledges before it has
//! anything on its disk, so this is never a proof that somebody will read it.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::secret::HiddenText;
use super::stream::ByteStream;

/// How long the broker may take to answer all of one try.
const PATIENCE: Duration = Duration::from_secs(20);
/// Seconds without a packet after which the broker may hang up: longer than a try takes.
const KEEP_ALIVE: u16 = 60;

/// Why nothing was published.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    /// The connection to the broker could not be opened.
    #[error("the connection broke off: {0}")]
    Io(#[from] io::Error),
    /// The broker said no.
    #[error("the broker refuses: {0}")]
    Refused(&'static str),
    /// The broker doesn't speak MQTT 3.1.1.
    #[error("the broker answered something else than MQTT 3.1.1 has here")]
    Protocol,
    /// It took too long.
    #[error("the broker did not acknowledge within {} s", PATIENCE.as_secs())]
    TimedOut,
    /// What should be sent is larger than the protocol takes.
    #[error("a message is too large for MQTT")]
    TooLarge,
}

/// Publishes messages, each with its topic; returns once all are acknowledged.
///
/// # Errors
/// [`MqttError`]; some may have been published.
pub async fn publish(
    stream: &mut dyn ByteStream,
    login: Option<&(String, HiddenText)>,
    messages: &[(String, String)],
) -> Result<(), MqttError> {
    tokio::time::timeout(PATIENCE, talk(stream, login, messages)).await.map_err(|_| MqttError::TimedOut)?
}

async fn talk(
    stream: &mut dyn ByteStream,
    login: Option<&(String, HiddenText)>,
    messages: &[(String, String)],
) -> Result<(), MqttError> {
    stream.write_all(&connect(login)?).await?;
    let [_, code] = answer(stream, 0x20).await?;
    match code {
        0 => {}
        1 => return Err(MqttError::Refused("it speaks no MQTT 3.1.1")),
        2 => return Err(MqttError::Refused("it takes no client without a name")),
        3 => return Err(MqttError::Refused("it is unavailable")),
        4 => return Err(MqttError::Refused("wrong user or password")),
        5 => return Err(MqttError::Refused("not allowed: set username and password_file")),
        _ => return Err(MqttError::Protocol),
    }
    for (index, (topic, payload)) in messages.iter().enumerate() {
        let id = u16::try_from(index + 1).map_err(|_| MqttError::TooLarge)?;
        stream.write_all(&published(id, topic, payload)?).await?;
        if answer(stream, 0x40).await? != id.to_be_bytes() {
            return Err(MqttError::Protocol);
        }
    }
    stream.write_all(&[0xe0, 0]).await?;
    // It was acknowledged: how the broker hangs up means nothing.
    let _ = stream.shutdown().await;
    Ok(())
}

/// The body of the packet that comes next, which must be of this kind: both kinds that we wait for have two bytes.
async fn answer(stream: &mut dyn ByteStream, kind: u8) -> Result<[u8; 2], MqttError> {
    let mut body = [0; 2];
    if stream.read_u8().await? != kind || stream.read_u8().await? != 2 {
        return Err(MqttError::Protocol);
    }
    stream.read_exact(&mut body).await?;
    Ok(body)
}

fn connect(login: Option<&(String, HiddenText)>) -> Result<Vec<u8>, MqttError> {
    // A clean session; user and password.
    let flags = if login.is_some() { 0b1100_0010 } else { 0b0000_0010 };
    let mut body = Vec::new();
    text(&mut body, "MQTT")?;
    body.extend([4, flags]);
    body.extend(KEEP_ALIVE.to_be_bytes());
    // No name: the broker gives one.
    text(&mut body, "")?;
    if let Some((user, password)) = login {
        text(&mut body, user)?;
        text(&mut body, password.expose())?;
    }
    packet(0x10, &body)
}

/// At QoS 1, not retained: a notice is something that happened, not a state.
fn published(id: u16, topic: &str, payload: &str) -> Result<Vec<u8>, MqttError> {
    let mut body = Vec::new();
    text(&mut body, topic)?;
    body.extend(id.to_be_bytes());
    body.extend(payload.as_bytes());
    packet(0x32, &body)
}

fn text(body: &mut Vec<u8>, text: &str) -> Result<(), MqttError> {
    let length = u16::try_from(text.len()).map_err(|_| MqttError::TooLarge)?;
    body.extend(length.to_be_bytes());
    body.extend(text.as_bytes());
    Ok(())
}

fn packet(kind: u8, body: &[u8]) -> Result<Vec<u8>, MqttError> {
    let mut left =
        u32::try_from(body.len()).ok().filter(|length| *length < 1 << 28).ok_or(MqttError::TooLarge)?;
    let mut packet = vec![kind];
    loop {
        let [low, ..] = (left & 0x7f).to_le_bytes();
        left >>= 7;
        packet.push(if left > 0 { low | 0x80 } else { low });
        if left == 0 {
            packet.extend(body);
            return Ok(packet);
        }
    }
}

/// Whether topics may begin so: no wildcards, no empty levels, nothing of the broker's own.
pub fn is_topic(text: &str) -> bool {
    let level =
        |level: &str| !level.is_empty() && level.chars().all(|c| !c.is_control() && !matches!(c, '+' | '#'));
    text.len() <= 200 && !text.starts_with('$') && text.split('/').all(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_those_of_the_specification() {
        assert_eq!(connect(None).unwrap(), b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00");
        assert_eq!(published(10, "a/b", "x").unwrap(), b"\x32\x08\x00\x03a/b\x00\x0ax");
        let long = packet(0x32, &[7; 321]).unwrap();
        assert_eq!((&long[..3], long.len()), (&[0x32, 0xc1, 0x02][..], 324), "figure 2.4: 321 is C1 02");
        assert!(published(1, &"t".repeat(70_000), "").is_err());
        assert!(
            is_topic("site/alarms")
                && !is_topic("")
                && !is_topic("a//b")
                && !is_topic("a/#")
                && !is_topic("$SYS")
        );
    }

    #[tokio::test]
    async fn a_broker_that_says_no_or_something_else_is_told_apart() {
        for (answers, words) in [
            (&b"\x20\x02\x00\x05"[..], "not allowed"),
            (b"\x20\x02\x00\x04", "wrong user"),
            (b"HTTP/1.1 400\r\n", "something else"),
            (b"\x20\x02\x00\x00\x40\x02\x00\x09", "something else"),
            (b"\x20\xff\xff\xff\x7f", "something else"),
            (b"\x20\x02", "broke off"),
            (b"", "broke off"),
        ] {
            let (mut ours, mut theirs) = tokio::io::duplex(4096);
            theirs.write_all(answers).await.unwrap();
            theirs.shutdown().await.unwrap();
            let error = publish(&mut ours, None, &[("a".into(), "b".into())]).await.unwrap_err().to_string();
            assert!(error.contains(words), "{answers:?}: {error}");
        }
    }
}
