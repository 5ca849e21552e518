//! Linux: `sendmmsg` of gathering segmentation-offload sends, and a wait on the port and an eventfd.
//!
//! One system call takes all groups of a receive batch; a group's pieces stay where they were received
//! (scatter-gather), and the kernel or the network card cuts them into datagrams (UDP_SEGMENT, Linux 4.18).
#![allow(unsafe_code, reason = "sendmmsg and its control messages have no safe interface")]

use core::mem::{size_of, zeroed};
use core::time::Duration;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use nearhand_relay_core::forward::batch::{BufferRange, SendGroup, SendTarget};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

use super::{SendReport, for_socket, ip_for_socket};
use crate::forward::driver::UdpPort;

/// Lets another thread end a wait.
pub(crate) struct WakeSignal {
    event: OwnedFd,
}

impl WakeSignal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)? })
    }

    pub(crate) fn raise(&self) {
        // It fails only when it is raised 2^64 times already.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Waits until the port has something, the signal is raised, or time is up.
    pub(crate) fn wait(&self, port: &UdpPort, timeout: Option<Duration>) -> io::Result<()> {
        let timeout = timeout.map(rustix::time::Timespec::try_from).transpose().unwrap_or_default();
        let mut fds = [PollFd::new(&port.socket, PollFlags::IN), PollFd::new(&self.event, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(err) => return Err(err.into()),
        }
        let [_, event] = &fds;
        if !event.revents().is_empty() {
            let _ = rustix::io::read(&self.event, &mut [0; 8]);
        }
        Ok(())
    }
}

/// Room for one message's control data: TOS or traffic class, source address, segment size.
const CONTROL_LEN: usize = 128;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct AncillaryData([u8; CONTROL_LEN]);

/// What one `mmsghdr` points to besides its pieces.
#[derive(Clone, Copy)]
struct MessageAddress {
    name: libc::sockaddr_storage,
    name_len: libc::socklen_t,
    control: AncillaryData,
    control_len: usize,
    first_piece: usize,
    pieces: usize,
    /// Datagrams in it.
    packets: u64,
}

/// One message to send: a whole group, or one datagram of it.
struct OutgoingMessage<'a> {
    target: &'a SendTarget,
    /// Set when the system has to cut.
    segment: Option<usize>,
    packets: usize,
}

/// Sends groups; keeps its memory and what it learnt about the system from batch to batch.
pub(crate) struct BatchSender {
    v6: bool,
    /// Segmentation offload works, as far as known.
    offload: bool,
    envelopes: Vec<MessageAddress>,
    pieces: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
    /// Which group each envelope is of.
    group_of: Vec<usize>,
}

impl BatchSender {
    pub(crate) fn new(v6: bool) -> Self {
        Self {
            v6,
            offload: true,
            envelopes: Vec::new(),
            pieces: Vec::new(),
            headers: Vec::new(),
            group_of: Vec::new(),
        }
    }

    /// Sends what the groups refer to in `buffers`. What finds the send buffer full is dropped: a late video
    /// packet is worth less than none, and QUIC sends the rest again.
    pub(crate) fn send(&mut self, port: &UdpPort, groups: &[SendGroup], buffers: &[Box<[u8]>]) -> SendReport {
        let mut report = SendReport::default();
        self.clear();
        for (index, group) in groups.iter().enumerate() {
            self.add(group, buffers, self.offload);
            self.group_of.resize(self.envelopes.len(), index);
        }
        let mut next = 0;
        while next < self.envelopes.len() {
            let (sent, result) = self.send_from(port, next);
            next += sent;
            let Err(err) = result else { continue };
            if err.kind() == io::ErrorKind::WouldBlock {
                report.congested += self.packets_from(next);
                break;
            }
            let refused = self.group_of.get(next).and_then(|index| groups.get(*index));
            self.refused(port, refused.filter(|_| self.was_offloaded(next)), buffers, &err, &mut report);
            next += 1;
        }
        report
    }

    fn was_offloaded(&self, at: usize) -> bool {
        self.envelopes.get(at).is_some_and(|envelope| envelope.packets > 1)
    }

    fn packets_from(&self, at: usize) -> u64 {
        self.envelopes.iter().skip(at).map(|envelope| envelope.packets).sum()
    }

    /// A message that the system refuses: one that was to be cut is sent again as single datagrams.
    fn refused(
        &mut self,
        port: &UdpPort,
        group: Option<&SendGroup>,
        buffers: &[Box<[u8]>],
        err: &io::Error,
        report: &mut SendReport,
    ) {
        let Some(group) = group else {
            report.failed += 1;
            return;
        };
        // EIO: the route's network card can't do the checksum that offload needs (udp(7)). Other errors
        // (EINVAL, EMSGSIZE) concern this path only: datagrams longer than its MTU.
        if err.raw_os_error() == Some(libc::EIO) && self.offload {
            tracing::info!("UDP segmentation offload does not work here: sending datagrams one by one");
            self.offload = false;
        }
        let mut single = Self { offload: false, ..Self::new(self.v6) };
        single.add(group, buffers, false);
        let mut next = 0;
        while next < single.envelopes.len() {
            let (sent, result) = single.send_from(port, next);
            next += sent;
            match result.map_err(|err| err.kind()) {
                Ok(()) => {}
                Err(io::ErrorKind::WouldBlock) => {
                    report.congested += single.packets_from(next);
                    return;
                }
                Err(_) => {
                    report.failed += 1;
                    next += 1;
                }
            }
        }
    }

    fn clear(&mut self) {
        self.envelopes.clear();
        self.pieces.clear();
        self.headers.clear();
        self.group_of.clear();
    }

    fn add(&mut self, group: &SendGroup, buffers: &[Box<[u8]>], offload: bool) {
        if offload {
            let first_piece = self.pieces.len();
            for piece in &group.pieces {
                self.pieces.push(iovec(bytes_of(piece, buffers)));
            }
            let segment = (group.packets > 1).then_some(group.segment);
            self.seal(
                &OutgoingMessage { target: &group.target, segment, packets: group.packets },
                first_piece,
            );
            return;
        }
        for piece in &group.pieces {
            for datagram in bytes_of(piece, buffers).chunks(group.segment.max(1)) {
                let first_piece = self.pieces.len();
                self.pieces.push(iovec(datagram));
                self.seal(&OutgoingMessage { target: &group.target, segment: None, packets: 1 }, first_piece);
            }
        }
    }

    fn seal(&mut self, message: &OutgoingMessage<'_>, first_piece: usize) {
        let (name, name_len) = sockaddr(for_socket(message.target.to, self.v6));
        let (control, control_len) = self.control(message);
        self.envelopes.push(MessageAddress {
            name,
            name_len,
            control,
            control_len,
            first_piece,
            pieces: self.pieces.len() - first_piece,
            packets: u64::try_from(message.packets).unwrap_or(u64::MAX),
        });
    }

    /// How many messages from `next` on were sent, and what stopped it.
    fn send_from(&mut self, port: &UdpPort, next: usize) -> (usize, io::Result<()>) {
        self.headers.clear();
        // SAFETY: mmsghdr is plain data for which all zeros is a valid value.
        let empty: libc::mmsghdr = unsafe { zeroed() };
        for envelope in self.envelopes.iter_mut().skip(next) {
            let mut header = empty;
            let pieces = self.pieces.get_mut(envelope.first_piece..).unwrap_or_default();
            header.msg_hdr.msg_name = (&raw mut envelope.name).cast();
            header.msg_hdr.msg_namelen = envelope.name_len;
            header.msg_hdr.msg_iov = pieces.as_mut_ptr();
            header.msg_hdr.msg_iovlen = envelope.pieces.min(pieces.len()) as _;
            header.msg_hdr.msg_control = envelope.control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = envelope.control_len as _;
            self.headers.push(header);
        }
        let count = u32::try_from(self.headers.len()).unwrap_or(u32::MAX);
        // SAFETY: each header points into `envelopes` and `pieces`, which are not touched until the call
        // returns, with the lengths that they have there; each iovec was made from a slice of the receive
        // buffers, which the caller borrows for as long; the kernel only reads what they point to. `count`
        // is the number of headers.
        let sent = unsafe {
            libc::sendmmsg(port.socket.as_raw_fd(), self.headers.as_mut_ptr(), count, libc::MSG_DONTWAIT)
        };
        match usize::try_from(sent) {
            Ok(sent) => (sent, Ok(())),
            Err(_) => match io::Error::last_os_error() {
                err if err.kind() == io::ErrorKind::Interrupted => (0, Ok(())),
                err => (0, Err(err)),
            },
        }
    }

    /// A message's control data: the ECN mark, the source address, and where to cut.
    fn control(&self, message: &OutgoingMessage<'_>) -> (AncillaryData, usize) {
        let mut control = ControlWriter { control: AncillaryData([0; CONTROL_LEN]), len: 0 };
        let target = message.target;
        let ecn = libc::c_int::from(target.ecn);
        if target.to.is_ipv4() {
            control.push(libc::IPPROTO_IP, libc::IP_TOS, &ecn);
        } else {
            control.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &ecn);
        }
        match target.src_ip.map(|ip| ip_for_socket(ip, self.v6)) {
            Some(IpAddr::V4(ip)) => {
                let source = libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) };
                let any = libc::in_addr { s_addr: 0 };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: any };
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            Some(IpAddr::V6(ip)) => {
                let source = libc::in6_addr { s6_addr: ip.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
            None => {}
        }
        if let Some(segment) = message.segment.and_then(|segment| u16::try_from(segment).ok()) {
            control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &segment);
        }
        (control.control, control.len)
    }
}

fn bytes_of<'a>(piece: &BufferRange, buffers: &'a [Box<[u8]>]) -> &'a [u8] {
    buffers.get(piece.buffer).and_then(|buffer| buffer.get(piece.range.clone())).unwrap_or_default()
}

fn iovec(bytes: &[u8]) -> libc::iovec {
    // The pointer is mutable because the type serves recvmsg too; sendmsg only reads.
    libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() }
}

/// Writes control messages one after the other.
struct ControlWriter {
    control: AncillaryData,
    len: usize,
}

impl ControlWriter {
    /// `T` is plain data without padding: an integer or one of libc's pktinfo structures.
    fn push<T: Copy>(&mut self, level: libc::c_int, kind: libc::c_int, value: &T) {
        let size = u32::try_from(size_of::<T>()).unwrap_or(u32::MAX);
        // SAFETY: CMSG_SPACE and CMSG_LEN only compute.
        let (space, len) = unsafe { (libc::CMSG_SPACE(size) as usize, libc::CMSG_LEN(size)) };
        let Some(room) = self.control.0.get_mut(self.len..self.len + space) else { return };
        let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
        // SAFETY: `room` has CMSG_SPACE bytes for the header and the value, and starts aligned for a cmsghdr:
        // `AncillaryData` is aligned to 8, and every CMSG_SPACE before it is a multiple of that. CMSG_DATA points
        // behind the header within `room`; the value is written unaligned.
        unsafe {
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            (*header).cmsg_len = len as _;
            libc::CMSG_DATA(header).cast::<T>().write_unaligned(*value);
        }
        self.len += space;
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the families are 2 and 10")]
fn sockaddr(addr: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    // SAFETY: sockaddr_storage is plain data for which all zeros is a valid value.
    let mut storage: libc::sockaddr_storage = unsafe { zeroed() };
    let place = &raw mut storage;
    let len = match addr {
        SocketAddr::V4(v4) => {
            let name = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: v4.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(v4.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: sockaddr_storage is made to hold, in size and alignment, every kind of address.
            unsafe { place.cast::<libc::sockaddr_in>().write(name) };
            size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            let name = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: v6.port().to_be(),
                sin6_flowinfo: 0,
                sin6_addr: libc::in6_addr { s6_addr: v6.ip().octets() },
                sin6_scope_id: v6.scope_id(),
            };
            // SAFETY: as above.
            unsafe { place.cast::<libc::sockaddr_in6>().write(name) };
            size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, libc::socklen_t::try_from(len).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests as checks;

    #[test]
    fn every_datagram_arrives_as_it_was_with_offload_and_without() {
        for offload in [true, false] {
            checks::every_datagram_arrives_as_it_was(|port, groups, buffers, v6| {
                BatchSender { offload, ..BatchSender::new(v6) }.send(port, groups, buffers)
            });
        }
    }

    #[test]
    fn a_group_that_is_refused_does_not_stop_the_others() {
        checks::a_group_that_is_refused_does_not_stop_the_others(|port, groups, buffers| {
            BatchSender::new(false).send(port, groups, buffers)
        });
    }

    #[test]
    fn a_raised_signal_ends_a_wait() {
        let signal = WakeSignal::new().unwrap();
        let port = checks::port("127.0.0.1:0");
        signal.raise();
        signal.wait(&port, None).unwrap();
        let before = std::time::Instant::now();
        signal.wait(&port, Some(Duration::from_millis(30))).unwrap();
        assert!(before.elapsed() >= Duration::from_millis(30), "the signal was taken");
    }
}
