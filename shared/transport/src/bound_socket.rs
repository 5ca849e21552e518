//! The socket of a session endpoint: to quinn one peer at one constant address, underneath a UDP socket
//! that keeps itself bound at the relay (see `nearhand_proto::forward`).
//!
//! BIND packets are taken out before quinn sees them, and packets that don't come from the relay are dropped. When
//! the device's network changes, the UDP socket is replaced: the QUIC connection above notices nothing.
//! Sending waits until the relay has bound the socket in use; it doesn't wait when a binding that may still
//! work is renewed.
//!
//! The handshake's packets are read where quinn reads, so the endpoint has to exist for the bind to succeed;
//! make it with `grease_quic_bit(false)`, which is what tells the two kinds of packets apart.
//!
//! Not here: when to bind (the pure `Binder`), the choice between relay and direct path, keys and grants.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker, ready};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, UdpPoller};
use rand_core::{OsRng, RngCore};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, watch};

use crate::network::OwnAddress;
use nearhand_proto::forward::packet::is_bind_family;
use nearhand_proto::forward::{BindCommand, BindGrant, BindState, Binder};

/// Receive and send buffer asked of the system, in bytes: 50 ms of a 300 Mbit/s stream. The default of 208 KiB
/// loses packets when the reader is off the processor for 5 ms. The system may grant less.
const SOCKET_BUFFER: usize = 2 << 20;

/// A session endpoint's socket. Ends its timer task when it is dropped.
pub struct BoundSocket {
    shared: Arc<SocketState>,
}

/// Watches and steers a [`BoundSocket`]; doesn't keep it open.
#[derive(Clone)]
pub struct BindControl {
    shared: Weak<SocketState>,
    state: watch::Receiver<BindState>,
}

struct SocketState {
    /// The one peer that quinn knows.
    relay: SocketAddr,
    io: RwLock<Arc<SocketIo>>,
    binder: Mutex<Binder>,
    /// What the binder says about sending, readable without its lock.
    may_send: AtomicBool,
    state: watch::Sender<BindState>,
    timer: Arc<Notify>,
    closed: AtomicBool,
    /// Who waits to receive: to be woken when the UDP socket is replaced.
    receiver: Mutex<Option<Waker>>,
}

/// One UDP socket and what quinn's system layer knows about it.
struct SocketIo {
    socket: UdpSocket,
    udp: UdpSocketState,
}

impl SocketIo {
    /// Unconnected and on the wildcard address, so that it outlives a change of the device's addresses.
    fn open(relay: SocketAddr) -> io::Result<Self> {
        let local: IpAddr = match relay {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = std::net::UdpSocket::bind((local, 0))?;
        let udp = UdpSocketState::new((&socket).into())?;
        // A smaller buffer than asked for is good enough.
        let _ = udp.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = udp.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        Ok(Self { socket: UdpSocket::from_std(socket)?, udp })
    }

    fn send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.socket.try_io(Interest::WRITABLE, || self.udp.try_send((&self.socket).into(), transmit))
    }
}

impl BoundSocket {
    /// Opens a UDP socket and starts to bind it at `relay`. Call it in a tokio runtime.
    ///
    /// # Errors
    /// The system gives no UDP socket for the relay's address family.
    pub fn open(relay: SocketAddr, grant: BindGrant) -> io::Result<(Arc<Self>, BindControl)> {
        // Wall-clock microseconds only have to grow from one socket of this grant to its next.
        let nonce = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let nonce = u64::try_from(nonce).unwrap_or_default();
        let (state, watched) = watch::channel(BindState::Binding);
        let shared = Arc::new(SocketState {
            relay,
            io: RwLock::new(Arc::new(SocketIo::open(relay)?)),
            binder: Mutex::new(Binder::new(grant, nonce, Instant::now())),
            may_send: AtomicBool::new(false),
            state,
            timer: Arc::new(Notify::new()),
            closed: AtomicBool::new(false),
            receiver: Mutex::new(None),
        });
        tokio::spawn(drive_timer(Arc::downgrade(&shared), Arc::clone(&shared.timer), relay));
        let control = BindControl { shared: Arc::downgrade(&shared), state: watched };
        Ok((Arc::new(Self { shared }), control))
    }
}

impl Drop for BoundSocket {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.timer.notify_one();
    }
}

impl fmt::Debug for BoundSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = *self.shared.state.borrow();
        f.debug_struct("BoundSocket").field("relay", &self.shared.relay).field("state", &state).finish()
    }
}

impl fmt::Debug for BindControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BindControl").field("state", &*self.state.borrow()).finish_non_exhaustive()
    }
}

impl BindControl {
    /// Where the binding stands; the channel closes when the socket is dropped.
    pub fn watch(&self) -> watch::Receiver<BindState> {
        self.state.clone()
    }

    /// Binds again on the same UDP socket, at once. Also starts again after a failure.
    pub fn rebind(&self) {
        self.with(Binder::rebind);
    }

    /// The device's network changed: binds again from a fresh UDP socket, at once.
    pub fn network_changed(&self) {
        self.with(Binder::network_changed);
    }

    /// Data is due from now on: unless some arrives within 2 s, the socket binds again. Without this call,
    /// silence is told by the QUIC probes that go unanswered.
    pub fn expect_data(&self) {
        self.with(Binder::expect_data);
    }

    /// The UDP socket's own address, for tests and reports; another after each replacement.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.shared.upgrade()?.io().socket.local_addr().ok()
    }

    fn with(&self, act: impl FnOnce(&mut Binder, Instant)) {
        if let Some(shared) = self.shared.upgrade() {
            let mut binder = shared.binder();
            act(&mut binder, Instant::now());
            shared.settle(binder);
            shared.timer.notify_one();
        }
    }
}

/// Waits for the binder's timeouts and for another address of this machine; ends with the socket.
async fn drive_timer(shared: Weak<SocketState>, changed: Arc<Notify>, relay: SocketAddr) {
    let mut own_address = OwnAddress::watch(relay);
    loop {
        let next = match shared.upgrade() {
            Some(shared) if !shared.closed.load(Ordering::Acquire) => shared.handle_timeout(),
            _ => return,
        };
        let due = async {
            match next {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => core::future::pending().await,
            }
        };
        tokio::select! {
            () = due => {}
            () = changed.notified() => {}
            () = own_address.changed() => {
                if let Some(shared) = shared.upgrade() {
                    let mut binder = shared.binder();
                    binder.network_changed(Instant::now());
                    shared.settle(binder);
                }
            }
        }
    }
}

impl SocketState {
    fn io(&self) -> Arc<SocketIo> {
        Arc::clone(&self.io.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn binder(&self) -> MutexGuard<'_, Binder> {
        self.binder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is due; when the next thing is.
    fn handle_timeout(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut binder = self.binder();
        if binder.poll_timeout().is_some_and(|at| at <= now) {
            binder.handle_timeout(now, OsRng.next_u64());
        }
        self.settle(binder)
    }

    /// Carries out what the binder wants and publishes where it stands; when its next timeout is.
    fn settle(&self, mut binder: MutexGuard<'_, Binder>) -> Option<Instant> {
        let mut failed = false;
        while let Some(command) = binder.poll_command() {
            match command {
                BindCommand::Send(packet) => failed |= self.send_bind(&packet),
                BindCommand::FreshSocket => self.replace_socket(),
            }
        }
        if failed {
            binder.send_failed(Instant::now());
        }
        self.may_send.store(binder.may_send(), Ordering::Release);
        let state = binder.state();
        self.state.send_if_modified(|old| core::mem::replace(old, state) != state);
        binder.poll_timeout()
    }

    /// Sends a BIND packet; whether the network is to blame if that fails.
    fn send_bind(&self, packet: &[u8]) -> bool {
        let transmit = Transmit {
            destination: self.relay,
            ecn: None,
            contents: packet,
            segment_size: None,
            src_ip: None,
        };
        // Past tokio, which doesn't know yet that a fresh socket is writable. A full buffer loses the packet,
        // which is then sent again.
        let io = self.io();
        io.udp.try_send((&io.socket).into(), &transmit).is_err_and(|err| network_is_gone(&err))
    }

    fn replace_socket(&self) {
        match SocketIo::open(self.relay) {
            Ok(io) => {
                *self.io.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(io);
                let waiting = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(waker) = waiting {
                    waker.wake();
                }
            }
            // The old socket stays; the binder asks again when it doesn't answer.
            Err(error) => tracing::warn!(%error, "no fresh UDP socket for the session"),
        }
    }

    /// Waits until sending may succeed.
    async fn writable(self: Arc<Self>) {
        let mut state = self.state.subscribe();
        while !self.may_send.load(Ordering::Acquire) {
            if state.changed().await.is_err() {
                return;
            }
        }
        let io = self.io();
        let _ = io.socket.writable().await;
    }

    fn writable_now(&self) -> bool {
        self.may_send.load(Ordering::Acquire)
            && self.io().socket.try_io(Interest::WRITABLE, || Ok(())).is_ok()
    }

    fn note_sent(&self, failed: bool) {
        let now = Instant::now();
        let mut binder = self.binder();
        let before = binder.poll_timeout();
        if failed {
            binder.send_failed(now);
        } else {
            binder.note_sent(now);
        }
        let after = binder.poll_timeout();
        drop(binder);
        // Only an earlier deadline matters to the sleeping timer: the common send doesn't wake it.
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.timer.notify_one();
        }
    }

    /// Takes BIND packets and strangers' datagrams out of a batch; whether anything is left for quinn.
    fn filter(&self, bufs: &mut [IoSliceMut<'_>], metas: &mut [RecvMeta]) -> bool {
        let mut left = false;
        let mut binds = Vec::new();
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            if same_peer(meta.addr, self.relay) {
                take_bind_packets(buf, meta, &mut binds);
            } else {
                meta.len = 0;
            }
            meta.addr = self.relay;
            meta.dst_ip = None;
            left |= meta.len > 0;
        }
        if left || !binds.is_empty() {
            let mut binder = self.binder();
            if left {
                binder.note_received();
            }
            if !binds.is_empty() {
                let now = Instant::now();
                binds.iter().for_each(|packet| binder.handle_packet(now, packet));
                self.settle(binder);
                self.timer.notify_one();
            }
        }
        left
    }
}

/// Moves the BIND packets out of a received buffer, every GRO segment looked at, and closes the gaps. All
/// segments but the last have the stride's length, so what is left still does.
fn take_bind_packets(buf: &mut [u8], meta: &mut RecvMeta, binds: &mut Vec<Vec<u8>>) {
    let stride = meta.stride.max(1);
    let received = buf.get(..meta.len).unwrap_or_default();
    if !received.chunks(stride).any(|segment| segment.first().is_some_and(|b| is_bind_family(*b))) {
        return;
    }
    let mut kept = Vec::with_capacity(received.len());
    for segment in received.chunks(stride) {
        if segment.first().is_some_and(|b| is_bind_family(*b)) {
            binds.push(segment.to_vec());
        } else {
            kept.extend_from_slice(segment);
        }
    }
    buf.iter_mut().zip(&kept).for_each(|(to, from)| *to = *from);
    meta.len = kept.len();
}

/// Whether a datagram's source is the relay; the scope and flow of an IPv6 address don't matter.
fn same_peer(source: SocketAddr, relay: SocketAddr) -> bool {
    source.port() == relay.port() && source.ip().to_canonical() == relay.ip().to_canonical()
}

/// Whether a send error says that the device's address or route is gone.
fn network_is_gone(err: &io::Error) -> bool {
    matches!(
        err.kind(),
        io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::AddrNotAvailable
    )
}

impl AsyncUdpSocket for BoundSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(WritePoller { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if !self.shared.may_send.load(Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        // The source address is the system's choice: the one quinn remembers may be gone by now.
        let transmit = Transmit { destination: self.shared.relay, src_ip: None, ..transmit.clone() };
        match self.shared.io().send(&transmit) {
            Err(err) if err.kind() == io::ErrorKind::WouldBlock => Err(err),
            // To QUIC, what can't be sent is lost: it sends it again.
            result => {
                self.shared.note_sent(result.is_err_and(|err| network_is_gone(&err)));
                Ok(())
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        loop {
            // Registered before the socket is looked at, so that a replacement in between isn't missed.
            {
                let mut receiver = self.shared.receiver.lock().unwrap_or_else(PoisonError::into_inner);
                if !receiver.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                    *receiver = Some(cx.waker().clone());
                }
            }
            let io = self.shared.io();
            ready!(io.socket.poll_recv_ready(cx))?;
            let received =
                io.socket.try_io(Interest::READABLE, || io.udp.recv((&io.socket).into(), bufs, metas));
            let Ok(count) = received else { continue };
            let metas = metas.get_mut(..count).unwrap_or_default();
            if self.shared.filter(bufs, metas) {
                return Poll::Ready(Ok(count));
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.io().socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.shared.io().udp.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.shared.io().udp.gro_segments()
    }

    fn may_fragment(&self) -> bool {
        self.shared.io().udp.may_fragment()
    }
}

/// One connection's wait for the socket to take data.
struct WritePoller {
    socket: Arc<BoundSocket>,
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl fmt::Debug for WritePoller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("waiting", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

impl UdpPoller for WritePoller {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let shared = &this.socket.shared;
        if shared.writable_now() {
            this.waiting = None;
            return Poll::Ready(Ok(()));
        }
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(Arc::clone(shared).writable()));
        ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_proto::forward::packet::unbound;

    #[test]
    fn bind_packets_are_taken_out_of_every_gro_segment() {
        let mut buf = Vec::new();
        for first in [0x41_u8, 0x16, 0x42, 0x13] {
            buf.extend([first; 61]);
        }
        buf.extend([0x43; 20]);
        let mut meta = RecvMeta { len: buf.len(), stride: 61, ..RecvMeta::default() };
        let mut binds = Vec::new();
        take_bind_packets(&mut buf, &mut meta, &mut binds);
        assert_eq!(binds, [vec![0x16; 61], vec![0x13; 61]]);
        let left: Vec<u8> = buf[..meta.len].chunks(61).map(|segment| segment[0]).collect();
        assert_eq!((left, meta.len), (vec![0x41, 0x42, 0x43], 61 + 61 + 20));

        let mut only = unbound(61).to_vec();
        let mut meta = RecvMeta { len: 61, stride: 61, ..RecvMeta::default() };
        take_bind_packets(&mut only, &mut meta, &mut Vec::new());
        assert_eq!(meta.len, 0);
    }

    #[tokio::test]
    async fn the_timer_task_ends_with_the_socket() {
        let grant = BindGrant::random(&mut OsRng, nearhand_proto::forward::RateLimits::default());
        let relay = "127.0.0.1:9".parse().unwrap();
        let (socket, control) = BoundSocket::open(relay, grant).unwrap();
        let mut state = control.watch();
        assert!(!socket.shared.writable_now());
        drop(socket);
        let ended = tokio::time::timeout(std::time::Duration::from_secs(5), async {
            while state.changed().await.is_ok() {}
        });
        ended.await.expect("the timer task still holds the socket");
        assert_eq!(control.local_addr(), None);
    }
}
