//! Systems without `sendmmsg` and segmentation offload by address: one system call per datagram, and a wait
//! with a timeout. Correct, not fast.

use core::time::Duration;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nearhand_relay_core::forward::batch::{BufferRange, SendGroup};
use quinn::udp::{EcnCodepoint, Transmit};

use super::{SendReport, for_socket, ip_for_socket};
use crate::forward::driver::UdpPort;

/// How late a call from another thread may be noticed.
const LATENESS: Duration = Duration::from_millis(100);

/// Lets another thread end a wait.
pub(crate) struct WakeSignal {
    raised: AtomicBool,
}

impl WakeSignal {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { raised: AtomicBool::new(false) })
    }

    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    /// Waits until the port has something, the signal is raised, or time is up, or less.
    pub(crate) fn wait(&self, port: &UdpPort, timeout: Option<Duration>) -> io::Result<()> {
        if self.raised.swap(false, Ordering::Acquire) {
            return Ok(());
        }
        let timeout = timeout.unwrap_or(LATENESS).clamp(Duration::from_millis(1), LATENESS);
        port.socket.set_nonblocking(false)?;
        port.socket.set_read_timeout(Some(timeout))?;
        // One byte is enough to see that something is there; that it is cut off is no error here.
        let _ = port.socket.peek_from(&mut [0]);
        port.socket.set_nonblocking(true)
    }
}

/// Sends groups one datagram at a time.
pub(crate) struct BatchSender {
    v6: bool,
}

impl BatchSender {
    pub(crate) fn new(v6: bool) -> Self {
        Self { v6 }
    }

    /// Sends what the groups refer to in `buffers`.
    pub(crate) fn send(&mut self, port: &UdpPort, groups: &[SendGroup], buffers: &[Box<[u8]>]) -> SendReport {
        let mut report = SendReport::default();
        for group in groups {
            for BufferRange { buffer, range } in &group.pieces {
                let bytes = buffers.get(*buffer).and_then(|b| b.get(range.clone())).unwrap_or_default();
                for datagram in bytes.chunks(group.segment.max(1)) {
                    let sent = self.send_one(port, group, datagram);
                    match sent.map_err(|err| err.kind()) {
                        Ok(()) => {}
                        Err(io::ErrorKind::WouldBlock) => report.congested += 1,
                        Err(_) => report.failed += 1,
                    }
                }
            }
        }
        report
    }

    fn send_one(&self, port: &UdpPort, group: &SendGroup, datagram: &[u8]) -> io::Result<()> {
        let transmit = Transmit {
            destination: for_socket(group.target.to, self.v6),
            ecn: EcnCodepoint::from_bits(group.target.ecn),
            contents: datagram,
            segment_size: None,
            src_ip: group.target.src_ip.map(|ip| ip_for_socket(ip, self.v6)),
        };
        port.udp.try_send((&port.socket).into(), &transmit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::tests as checks;

    #[test]
    fn every_datagram_arrives_as_it_was() {
        checks::every_datagram_arrives_as_it_was(|port, groups, buffers, v6| {
            BatchSender::new(v6).send(port, groups, buffers)
        });
    }

    #[test]
    fn a_raised_signal_ends_a_wait() {
        let signal = WakeSignal::new().unwrap();
        let port = checks::port("127.0.0.1:0");
        signal.raise();
        signal.wait(&port, None).unwrap();
        signal.wait(&port, Some(Duration::from_millis(1))).unwrap();
    }
}
