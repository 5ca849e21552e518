//! The forwarding thread: owns receiving on the relay's one UDP port, so that a burst of control handshakes
//! never delays a session's datagrams.
//!
//! Each round receives what is there (many datagrams per system call, and batches that the kernel already
//! joined), asks the table once per batch, regroups by destination and sends all with one system call. What
//! finds the send buffer full is dropped. The table's lock is taken once per round, so the calls of other
//! threads cost nothing per datagram.
//!
//! Not here: any decision about a datagram (see `table`), system calls (see `platform`).

mod control;

use core::ops::Range;
use core::time::Duration;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use nearhand_proto::forward::BindGrant;
use nearhand_proto::id::SessionId;
use nearhand_relay_core::forward::batch::{SendBatch, SendTarget};
use nearhand_relay_core::forward::cid::ControlCids;
use nearhand_relay_core::forward::table::{
    BindReply, DatagramVerdict, ForwardMetrics, ForwardTable, OfferError, SessionCounters,
};
use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use rand_core::{OsRng, RngCore};

use crate::platform::{BatchSender, WakeSignal};

pub use control::ControlSocket;
pub(crate) use control::UdpPort;
use control::{ControlDatagram, ControlQueue};

/// Bytes of one receive buffer: the largest batch that the kernel joins is one maximal IP datagram.
const BUFFER: usize = 65_535;

/// Receive calls before their datagrams are sent: enough to fill an offloaded send with datagrams that came
/// one by one.
const RECEIVES_PER_ROUND: usize = 2;

/// Longest datagram for the control endpoint, in bytes: quinn's default `max_udp_payload_size`.
const MAX_CONTROL: usize = 1472;

/// Socket buffers asked of the system, in bytes: 30 ms of a gigabit. It may grant less (`net.core.rmem_max`).
const SOCKET_BUFFER: usize = 4 << 20;

/// Wait after the system reports an error for the port, so that the thread doesn't spin.
const ERROR_PAUSE: Duration = Duration::from_millis(10);

/// What the relay's configuration says about forwarding.
#[derive(Debug, Clone)]
pub struct ForwarderConfig {
    /// Most sessions at a time.
    pub max_sessions: usize,
    /// Most hints per second to addresses that aren't bound, all together.
    pub hints_per_s: u32,
    /// Most datagrams that wait for the control endpoint.
    pub control_queue: usize,
    /// Marks the control endpoint's connection ids; keep it with the stateless-reset key.
    pub cid_key: [u8; 32],
}

impl ForwarderConfig {
    /// The usual limits.
    ///
    /// 20,000 sessions are far more than a machine forwards at once (about 290 video sessions a core), and
    /// their table is some 20 MB. 1,000 hints a second let 1,000 sessions rebind within a second of a restart
    /// and are 61 KB/s to strangers at most. 4,096 datagrams of 1,472 bytes are 6 MB.
    pub const fn new(cid_key: [u8; 32]) -> Self {
        Self { max_sessions: 20_000, hints_per_s: 1_000, control_queue: 4_096, cid_key }
    }
}

/// Forwards sessions on a UDP port until it is dropped.
pub struct Forwarder {
    shared: Arc<ForwarderState>,
    local_addr: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

struct ForwarderState {
    port: Arc<UdpPort>,
    table: Mutex<ForwardTable>,
    queue: Arc<ControlQueue>,
    signal: WakeSignal,
    stop: AtomicBool,
}

impl ForwarderState {
    fn table(&self) -> MutexGuard<'_, ForwardTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Forwarder {
    /// Takes the UDP port and starts the thread. The second is for the control endpoint.
    ///
    /// # Errors
    /// The port is in use or not allowed, or the system gives no thread.
    pub fn start(addr: SocketAddr, config: &ForwarderConfig) -> io::Result<(Self, Arc<ControlSocket>)> {
        let socket = std::net::UdpSocket::bind(addr)?;
        let udp = UdpSocketState::new((&socket).into())?;
        // What the system grants is good enough to start.
        let _ = udp.set_recv_buffer_size((&socket).into(), SOCKET_BUFFER);
        let _ = udp.set_send_buffer_size((&socket).into(), SOCKET_BUFFER);
        let local_addr = socket.local_addr()?;
        let cids = ControlCids::new(config.cid_key);
        let mut cookie_key = [0; 32];
        OsRng.fill_bytes(&mut cookie_key);
        let now = Instant::now();
        let table = ForwardTable::new(config.max_sessions, config.hints_per_s, cids.clone(), cookie_key, now);
        let shared = Arc::new(ForwarderState {
            port: Arc::new(UdpPort { socket, udp }),
            table: Mutex::new(table),
            queue: Arc::new(ControlQueue::new(config.control_queue)),
            signal: WakeSignal::new()?,
            stop: AtomicBool::new(false),
        });
        let control = ControlSocket::new(Arc::clone(&shared.port), Arc::clone(&shared.queue), cids);
        let thread = std::thread::Builder::new().name("forward".into()).spawn({
            let shared = Arc::clone(&shared);
            move || ForwardingThread::new(shared, local_addr.is_ipv6()).run()
        })?;
        Ok((Self { shared, local_addr, thread: Some(thread) }, Arc::new(control)))
    }

    /// The port's address.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Lets the two sides of a session bind until `until`: a minute for a new one. See [`ForwardTable::offer`].
    ///
    /// # Errors
    /// [`OfferError`]: the table is full, or another session uses one of the tokens already.
    pub fn offer(&self, id: SessionId, grants: [BindGrant; 2], until: Instant) -> Result<(), OfferError> {
        self.shared.table().offer(Instant::now(), id, grants, until)?;
        // The thread may sleep past the new deadline.
        self.shared.signal.raise();
        Ok(())
    }

    /// Ends a session's forwarding at once; what its sides sent.
    pub fn end(&self, id: SessionId) -> Option<SessionCounters> {
        self.shared.table().end_session(id)
    }

    /// What a session's sides sent so far, in the order of the offer.
    pub fn session_counters(&self, id: SessionId) -> Option<SessionCounters> {
        self.shared.table().counters(id)
    }

    /// The counters since the start.
    pub fn snapshot(&self) -> ForwardMetrics {
        self.shared.table().metrics()
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.shared.signal.raise();
        if let Some(thread) = self.thread.take() {
            // It panicked: the control endpoint has its error already.
            let _ = thread.join();
        }
    }
}

/// Tells the control endpoint when the thread ends, by a panic too.
struct CloseOnDrop(Arc<ControlQueue>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

struct ForwardingThread {
    shared: Arc<ForwarderState>,
    buffers: Vec<Box<[u8]>>,
    batch: SendBatch,
    sender: BatchSender,
    control: Vec<ControlDatagram>,
    replies: Vec<(RecvMeta, BindReply)>,
}

impl ForwardingThread {
    fn new(shared: Arc<ForwarderState>, v6: bool) -> Self {
        let buffers = (0..RECEIVES_PER_ROUND * BATCH_SIZE).map(|_| vec![0; BUFFER].into()).collect();
        let (batch, sender) = (SendBatch::default(), BatchSender::new(v6));
        Self { shared, buffers, batch, sender, control: Vec::new(), replies: Vec::new() }
    }

    fn run(mut self) {
        let _close = CloseOnDrop(Arc::clone(&self.shared.queue));
        while !self.shared.stop.load(Ordering::Acquire) {
            match self.round() {
                // A full round: more is likely waiting.
                Ok(true) => {}
                Ok(false) => self.wait(),
                Err(error) => {
                    tracing::warn!(%error, "receiving on the UDP port failed");
                    std::thread::park_timeout(ERROR_PAUSE);
                }
            }
        }
    }

    fn wait(&self) {
        let next = self.shared.table().poll_timeout();
        let timeout = next.map(|at| at.saturating_duration_since(Instant::now()));
        if let Err(error) = self.shared.signal.wait(&self.shared.port, timeout) {
            tracing::warn!(%error, "waiting for the UDP port failed");
            std::thread::park_timeout(ERROR_PAUSE);
        }
    }

    /// Receives, decides, sends; whether the last receive call came back full.
    fn round(&mut self) -> io::Result<bool> {
        let mut metas = [RecvMeta::default(); RECEIVES_PER_ROUND * BATCH_SIZE];
        let mut count = 0;
        let mut full = true;
        while full && count < metas.len() {
            match self.receive(&mut metas, count) {
                Ok(received) => {
                    full = received == BATCH_SIZE;
                    count += received;
                }
                Err(err) if err.kind() == io::ErrorKind::WouldBlock => full = false,
                // What was received is still forwarded; the error comes again if it lasts.
                Err(_) if count > 0 => break,
                Err(err) => return Err(err),
            }
        }
        self.decide(metas.get(..count).unwrap_or_default());
        self.send();
        Ok(full)
    }

    fn receive(&mut self, metas: &mut [RecvMeta], from: usize) -> io::Result<usize> {
        let free = self.buffers.get_mut(from..).unwrap_or_default();
        let mut free = free.iter_mut().map(|buffer| IoSliceMut::new(buffer));
        let mut bufs: [IoSliceMut<'_>; BATCH_SIZE] =
            core::array::from_fn(|_| free.next().unwrap_or_else(|| IoSliceMut::new(&mut [])));
        let port = &self.shared.port;
        port.udp.recv((&port.socket).into(), &mut bufs, metas.get_mut(from..).unwrap_or_default())
    }

    /// What becomes of each received batch, with the table locked once for all.
    fn decide(&mut self, metas: &[RecvMeta]) {
        let shared = Arc::clone(&self.shared);
        let mut table = shared.table();
        let now = Instant::now();
        table.handle_timeout(now);
        for (buffer, meta) in metas.iter().enumerate() {
            let src = canonical(meta.addr);
            let bytes = self.buffers.get(buffer).and_then(|b| b.get(..meta.len)).unwrap_or_default();
            match table.forward_run(now, src, meta.stride, bytes) {
                Some(route) => {
                    let target = SendTarget {
                        to: route.to,
                        src_ip: route.src_ip,
                        ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                    };
                    self.batch.push(target, buffer, 0..meta.len, meta.stride);
                }
                None => self.decide_each(&mut table, now, buffer, meta),
            }
        }
        if !self.control.is_empty() {
            let dropped = shared.queue.extend(&mut self.control);
            table.metrics_mut().control_overflow += u64::try_from(dropped).unwrap_or_default();
        }
    }

    fn decide_each(&mut self, table: &mut ForwardTable, now: Instant, buffer: usize, meta: &RecvMeta) {
        let src = canonical(meta.addr);
        let dst_ip = meta.dst_ip.map(|ip| ip.to_canonical());
        for range in segments(meta) {
            let bytes = self.buffers.get(buffer).and_then(|b| b.get(range.clone())).unwrap_or_default();
            match table.handle_packet(now, src, dst_ip, bytes) {
                DatagramVerdict::Forward(route) => {
                    let target = SendTarget {
                        to: route.to,
                        src_ip: route.src_ip,
                        ecn: meta.ecn.map_or(0, |ecn| ecn as u8),
                    };
                    let len = range.len();
                    self.batch.push(target, buffer, range, len);
                }
                DatagramVerdict::Reply(reply) => self.replies.push((*meta, reply)),
                DatagramVerdict::Control if bytes.len() <= MAX_CONTROL => {
                    let meta = RecvMeta { len: bytes.len(), stride: bytes.len(), ..*meta };
                    self.control.push(ControlDatagram { meta, bytes: bytes.into() });
                }
                DatagramVerdict::Control | DatagramVerdict::Drop(_) => {}
            }
        }
    }

    fn send(&mut self) {
        let port = &self.shared.port;
        for (meta, reply) in self.replies.drain(..) {
            let transmit = Transmit {
                destination: meta.addr,
                ecn: None,
                contents: reply.as_bytes(),
                segment_size: None,
                src_ip: meta.dst_ip,
            };
            // If the reply is lost, the peer asks again.
            let _ = port.udp.try_send((&port.socket).into(), &transmit);
        }
        if self.batch.groups().is_empty() {
            return;
        }
        let report = self.sender.send(port, self.batch.groups(), &self.buffers);
        self.batch.clear();
        if report != crate::platform::SendReport::default() {
            let mut table = self.shared.table();
            let metrics = table.metrics_mut();
            metrics.dropped_congested += report.congested;
            metrics.dropped_send_error += report.failed;
        }
    }
}

/// Where each datagram of a received batch lies in its buffer.
fn segments(meta: &RecvMeta) -> impl Iterator<Item = Range<usize>> {
    let (len, stride) = (meta.len, meta.stride.max(1));
    (0..len).step_by(stride).map(move |start| start..len.min(start + stride))
}

/// One form for each address: IPv4 as such, IPv6 without a flow label, which isn't part of a path.
fn canonical(addr: SocketAddr) -> SocketAddr {
    match addr {
        SocketAddr::V4(_) => addr,
        SocketAddr::V6(mut v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => SocketAddr::new(v4.into(), v6.port()),
            None => {
                v6.set_flowinfo(0);
                v6.into()
            }
        },
    }
}
