//! The only home of `cfg(target_os)` and of `unsafe` in the relay: waiting for the UDP port, sending many
//! datagrams at once, and what the system says about this process.
//!
//! Each system's module has the same two types: `WakeSignal`, which waits for the port or for another thread's
//! call, and `BatchSender`. Receiving needs neither: quinn's own system layer already does it in batches.

use std::net::{IpAddr, SocketAddr};

mod process;
pub(crate) use process::{
    give_memory_back, max_files, open_files, reload_signal, resident_bytes, stop_signal, try_lock,
};

#[cfg(target_os = "linux")]
mod udp_linux;
#[cfg(target_os = "linux")]
pub(crate) use udp_linux::{BatchSender, WakeSignal};

#[cfg(any(not(target_os = "linux"), test))]
mod udp_portable;
#[cfg(not(target_os = "linux"))]
pub(crate) use udp_portable::{BatchSender, WakeSignal};

#[cfg(test)]
mod tests;

/// What became of a batch, in datagrams.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct SendReport {
    /// Dropped because the send buffer was full.
    pub(crate) congested: u64,
    /// Dropped because the system refused them: no route, too long for the path.
    pub(crate) failed: u64,
}

/// An address in the form that a socket of `local`'s family takes: an IPv6 socket reaches IPv4 by mapped
/// addresses (RFC 3493, section 3.7).
pub(crate) fn for_socket(to: SocketAddr, v6: bool) -> SocketAddr {
    match to {
        SocketAddr::V4(v4) if v6 => SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port()),
        _ => to,
    }
}

/// The same for a source address.
pub(crate) fn ip_for_socket(ip: IpAddr, v6: bool) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v6 => v4.to_ipv6_mapped().into(),
        _ => ip,
    }
}
