//! As much of a TURN client (RFC 8656) as a benchmark against coturn needs: an allocation without
//! authentication, and a channel to one peer.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use anyhow::{Context, Result, ensure};

const COOKIE: u32 = 0x2112_a442;
const ALLOCATE: u16 = 0x003;
const CHANNEL_BIND: u16 = 0x009;
const SUCCESS: u16 = 0x100;
const CHANNEL_NUMBER: u16 = 0x000c;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const REQUESTED_TRANSPORT: u16 = 0x0019;
const CHANNEL: u16 = 0x4000;

/// Allocates at `server` and binds a channel to `peer`. What is then sent with [`channel_header`] in front
/// comes to the peer from the relayed address, which is returned.
///
/// # Errors
/// The server refuses or doesn't answer; the socket should have a read timeout.
pub fn open_channel(socket: &UdpSocket, server: SocketAddr, peer: SocketAddr) -> Result<SocketAddr> {
    let udp = [17, 0, 0, 0];
    let answer = request(socket, server, ALLOCATE, &attribute(REQUESTED_TRANSPORT, &udp))?;
    let relayed = find(&answer, XOR_RELAYED_ADDRESS).and_then(unxor).context("no relayed address")?;
    let channel = attribute(CHANNEL_NUMBER, &[CHANNEL.to_be_bytes(), [0; 2]].concat());
    let body = [channel, attribute(XOR_PEER_ADDRESS, &xor(peer)?)].concat();
    request(socket, server, CHANNEL_BIND, &body)?;
    Ok(relayed)
}

/// What goes before each datagram of `len` bytes on the channel.
///
/// # Errors
/// It is longer than a channel takes.
pub fn channel_header(len: usize) -> Result<Vec<u8>> {
    Ok([CHANNEL.to_be_bytes(), u16::try_from(len)?.to_be_bytes()].concat())
}

fn request(socket: &UdpSocket, server: SocketAddr, method: u16, body: &[u8]) -> Result<Vec<u8>> {
    let id = [7; 12];
    let len = u16::try_from(body.len())?.to_be_bytes();
    let message = [&method.to_be_bytes()[..], &len, &COOKIE.to_be_bytes(), &id, body].concat();
    socket.send_to(&message, server)?;
    let mut buf = [0; 1500];
    let len = socket.recv(&mut buf).context("no answer from the TURN server")?;
    let answer = buf.get(..len).unwrap_or_default();
    let kind = answer.first_chunk().map(|kind| u16::from_be_bytes(*kind)).context("an empty answer")?;
    ensure!(kind == method | SUCCESS, "the TURN server answers {method:#x} with {kind:#x}");
    Ok(answer.get(20..).unwrap_or_default().to_vec())
}

/// Values here are multiples of four bytes: no padding.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let len = u16::try_from(value.len()).unwrap_or_default();
    [&kind.to_be_bytes()[..], &len.to_be_bytes(), value].concat()
}

fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (kind, rest) = attributes.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let len = usize::from(u16::from_be_bytes(*len));
        if u16::from_be_bytes(*kind) == wanted {
            return rest.get(..len);
        }
        attributes = rest.get(len.next_multiple_of(4)..)?;
    }
}

fn xor(addr: SocketAddr) -> io::Result<Vec<u8>> {
    let IpAddr::V4(ip) = addr.ip() else { return Err(io::ErrorKind::Unsupported.into()) };
    let port = addr.port() ^ u16::try_from(COOKIE >> 16).unwrap_or_default();
    let ip = u32::from(ip) ^ COOKIE;
    Ok([&[0, 1][..], &port.to_be_bytes(), &ip.to_be_bytes()].concat())
}

fn unxor(value: &[u8]) -> Option<SocketAddr> {
    let (port, ip) = value.get(2..)?.split_first_chunk()?;
    let port = u16::from_be_bytes(*port) ^ u16::try_from(COOKIE >> 16).ok()?;
    let ip = Ipv4Addr::from(u32::from_be_bytes(*ip.first_chunk()?) ^ COOKIE);
    Some(SocketAddr::from((ip, port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_attributes_round_trip() {
        let addr = "192.0.2.1:32853".parse().unwrap();
        // The example of RFC 5769, section 2.2.
        assert_eq!(xor(addr).unwrap(), [0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]);
        let body = [attribute(1, &[0; 4]), attribute(XOR_RELAYED_ADDRESS, &xor(addr).unwrap())].concat();
        assert_eq!(find(&body, XOR_RELAYED_ADDRESS).and_then(unxor), Some(addr));
        assert_eq!(find(&body, 5), None);
    }
}
