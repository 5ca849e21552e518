//! What the relay counts, as a monitoring system reads it, and what the system still holds for it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context as _, Result};

/// A relay's metrics at one moment.
pub struct ScrapedMetrics(String);

impl ScrapedMetrics {
    /// Of the relay whose metrics are at that port.
    ///
    /// # Errors
    /// It doesn't answer.
    pub fn read(port: u16) -> Result<Self> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Ok(Self(text))
    }

    /// One of them, by its name and labels.
    ///
    /// # Errors
    /// There is none.
    pub fn get(&self, name: &str) -> Result<f64> {
        let values = self.0.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        let mut values = values.filter_map(|value| value.trim().parse().ok());
        values.next().with_context(|| format!("the relay's metrics have no {name}"))
    }
}

/// Whether nothing waits in the sockets at that UDP port for the program that has it: proc(5), `/proc/net/udp`.
///
/// # Errors
/// The system doesn't say.
pub fn all_read(port: u16) -> Result<bool> {
    let mut read = true;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        for line in fs::read_to_string(table)?.lines().skip(1) {
            let mut words = line.split_whitespace().skip(1);
            let (local, queues) = (words.next().unwrap_or_default(), words.nth(2).unwrap_or_default());
            let ours = local.ends_with(&format!(":{port:04X}"));
            read &= !ours || queues.ends_with(":00000000");
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::all_read;

    #[test]
    fn what_waits_is_seen_until_it_is_read() {
        let to = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = to.local_addr().unwrap();
        assert!(all_read(address.port()).unwrap());
        UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().send_to(b"x", address).unwrap();
        assert!(!all_read(address.port()).unwrap());
        to.recv_from(&mut [0; 8]).unwrap();
        assert!(all_read(address.port()).unwrap());
    }
}
