//! Tells that this machine's IP addresses have changed: a netlink socket that the kernel writes to (rtnetlink(7)),
//! silent until then.

use std::io;
use std::os::unix::net::UnixDatagram;

use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType, bind, socket_with};

/// NETLINK_ROUTE (netlink(7)) is protocol 0.
const ROUTE: Option<Protocol> = None;
/// Multicast groups of rtnetlink(7): RTMGRP_IPV4_IFADDR and RTMGRP_IPV6_IFADDR.
const ADDRESS_GROUPS: u32 = 0x10 | 0x100;

/// A socket from which a datagram can be received whenever addresses have changed; what is in it doesn't matter.
///
/// It is a netlink socket in the clothes of a Unix datagram socket: receiving is the same system call, and the
/// runtime knows how to wait for one safely.
///
/// # Errors
/// [`io::Error`] where netlink is not available, for example in a sandbox.
pub fn address_changes() -> io::Result<UnixDatagram> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, ROUTE)?;
    bind(&socket, &SocketAddrNetlink::new(0, ADDRESS_GROUPS))?;
    Ok(UnixDatagram::from(socket))
}
