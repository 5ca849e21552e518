//! Whose program is at the other end of a connection over loopback.
//!
//! `SO_PEERCRED` knows Unix sockets only; for TCP the kernel lists each socket with its user in `/proc/net/tcp` and
//! `tcp6` (proc(5)).

use std::net::SocketAddr;

use crate::peer_user::PeerUser;

/// The user behind `peer`, a connection that this program's socket at `own` has accepted.
#[cfg(target_os = "linux")]
pub(crate) fn user_of(peer: SocketAddr, own: SocketAddr) -> PeerUser {
    let tables: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    if tables.is_empty() {
        return PeerUser::Unknown;
    }
    match tables.iter().find_map(|table| owner_in(table, peer, own)) {
        Some(user) if is_ours(user) => PeerUser::Own,
        // A connection that no table has was closed meanwhile, or comes from another kernel's view: nobody of ours.
        _ => PeerUser::Other,
    }
}

/// This system isn't asked: token and pass alone decide.
#[cfg(not(target_os = "linux"))]
pub(crate) fn user_of(_peer: SocketAddr, _own: SocketAddr) -> PeerUser {
    PeerUser::Unknown
}

/// The user who runs this program, and, where that is root by `sudo`, the one who typed it: the browser is theirs.
#[cfg(target_os = "linux")]
fn is_ours(user: u32) -> bool {
    let own = rustix::process::geteuid();
    let by_sudo = || std::env::var("SUDO_UID").ok()?.parse::<u32>().ok();
    user == own.as_raw() || (own.is_root() && by_sudo() == Some(user))
}

/// The user of the socket at `peer` that is connected with `own`, in a table of the kernel.
#[cfg(any(target_os = "linux", test))]
fn owner_in(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (local, remote) = (address(fields.nth(1)?)?, address(fields.next()?)?);
        let is_it = local == peer && remote == own;
        // After the remote address: state, queues, timer, retransmissions, user.
        if is_it { fields.nth(4)?.parse().ok() } else { None }
    })
}

/// `0100007F:1F90`: the address as words of the machine's byte order, the port as a number. IPv4 within IPv6 is IPv4.
#[cfg(any(target_os = "linux", test))]
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let word = |at: usize| -> Option<[u8; 4]> {
        Some(u32::from_str_radix(host.get(at..at + 8)?, 16).ok()?.to_ne_bytes())
    };
    let ip = match host.len() {
        8 => std::net::IpAddr::from(word(0)?),
        32 => {
            let mut bytes = [0; 16];
            for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
                part.copy_from_slice(&word(at)?);
            }
            std::net::IpAddr::from(bytes).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_endian = "little")]
    const TABLE: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:D431 01 00000000:00000000 00:00000000 00000000  1000        0 2 1 0 20 4 30 10 -1
   2: 0100007F:D431 0100007F:1F90 01 00000000:00000000 02:000005AB 00000000    33        0 3 2 0 20 4 0 10 -1
";

    #[cfg(target_endian = "little")]
    #[test]
    fn the_other_ends_row_counts_and_not_our_own() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let (peer, own) = (at("127.0.0.1:54321"), at("127.0.0.1:8080"));
        assert_eq!(owner_in(TABLE, peer, own), Some(33));
        assert_eq!(owner_in(TABLE, at("127.0.0.1:54322"), own), None);
        assert_eq!(owner_in("", peer, own), None);
        assert_eq!(address("0000000000000000FFFF00000100007F:1F90"), Some(own));
        assert_eq!(address("00000000000000000000000001000000:0050"), Some(at("[::1]:80")));
        for nonsense in ["", ":", "7F:1", "0100007F", "0100007F:1F9000", "XX00007F:1F90"] {
            assert_eq!(address(nonsense), None, "{nonsense}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn our_own_connections_are_ours() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let own = listener.local_addr().unwrap();
        let stream = std::net::TcpStream::connect(own).unwrap();
        assert_eq!(user_of(stream.local_addr().unwrap(), own), PeerUser::Own);
        assert_eq!(user_of(SocketAddr::from(([127, 0, 0, 1], 1)), own), PeerUser::Other);
    }
}
