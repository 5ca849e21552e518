//! The relay's control endpoint's view of the UDP port: receives what the forwarding thread passes on, sends
//! on the same socket directly.
//!
//! The socket isn't registered with tokio's reactor: any registration would wake it for each datagram of the
//! forwarding thread's, and a send buffer that is full is empty again within a millisecond.
//!
//! Not here: which datagrams are control's (see `table`).

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll, Waker, ready};
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::udp::{RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, EndpointConfig, UdpPoller};
use rand_core::{OsRng, RngCore};

use nearhand_relay_core::forward::cid::{CID_LEN, ControlCids, NONCE_LEN};

/// Wait before a send is tried again that found the send buffer full: 1 ms empties 125 KB at a gigabit.
const SEND_RETRY: Duration = Duration::from_millis(1);

/// A UDP socket and what quinn's system layer knows about it.
pub(crate) struct UdpPort {
    pub(crate) socket: std::net::UdpSocket,
    pub(crate) udp: UdpSocketState,
}

/// A datagram for the control endpoint.
pub(crate) struct ControlDatagram {
    pub(crate) meta: RecvMeta,
    pub(crate) bytes: Box<[u8]>,
}

/// What waits for the control endpoint; bounded.
pub(crate) struct ControlQueue {
    inner: Mutex<QueueState>,
    /// Most datagrams that wait.
    limit: usize,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<ControlDatagram>,
    receiver: Option<Waker>,
    closed: bool,
}

impl ControlQueue {
    pub(crate) fn new(limit: usize) -> Self {
        Self { inner: Mutex::new(QueueState::default()), limit }
    }

    fn inner(&self) -> MutexGuard<'_, QueueState> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes all of a batch that has room, and wakes the endpoint once; how many were dropped.
    pub(crate) fn extend(&self, batch: &mut Vec<ControlDatagram>) -> usize {
        let mut inner = self.inner();
        let room = self.limit.saturating_sub(inner.waiting.len()).min(batch.len());
        inner.waiting.extend(batch.drain(..room));
        let receiver = inner.receiver.take();
        drop(inner);
        if let Some(waker) = receiver {
            waker.wake();
        }
        let dropped = batch.len();
        batch.clear();
        dropped
    }

    /// Nothing comes any more: the endpoint gets an error.
    pub(crate) fn close(&self) {
        let mut inner = self.inner();
        inner.closed = true;
        if let Some(waker) = inner.receiver.take() {
            waker.wake();
        }
    }
}

/// The socket to make the control endpoint with, by `Endpoint::new_with_abstract_socket` and the config that
/// [`ControlSocket::endpoint_config`] gives. The port is free again when this, its endpoint and the
/// forwarder are dropped.
pub struct ControlSocket {
    port: Arc<UdpPort>,
    queue: Arc<ControlQueue>,
    cids: ControlCids,
    /// The last send found the buffer full.
    full: AtomicBool,
}

impl ControlSocket {
    pub(crate) fn new(port: Arc<UdpPort>, queue: Arc<ControlQueue>, cids: ControlCids) -> Self {
        Self { port, queue, cids, full: AtomicBool::new(false) }
    }

    /// What the forwarding thread relies on: connection ids that it knows, and QUIC's fixed bit unchanged.
    /// Start from a config with the persisted stateless-reset key.
    pub fn endpoint_config(&self, mut config: EndpointConfig) -> EndpointConfig {
        let cids = self.cids.clone();
        config.grease_quic_bit(false).cid_generator(move || Box::new(CidGenerator(cids.clone())));
        config
    }
}

/// What quinn asks for the control endpoint's connection ids.
struct CidGenerator(ControlCids);

impl ConnectionIdGenerator for CidGenerator {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut nonce = [0; NONCE_LEN];
        OsRng.fill_bytes(&mut nonce);
        ConnectionId::new(&self.0.cid(nonce))
    }

    fn cid_len(&self) -> usize {
        CID_LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

impl fmt::Debug for ControlSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ControlSocket").field("port", &self.port.socket).finish_non_exhaustive()
    }
}

impl AsyncUdpSocket for ControlSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(RetryLater { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.port.udp.send((&self.port.socket).into(), transmit);
        if sent.is_err() {
            self.full.store(true, Ordering::Relaxed);
        }
        sent
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let mut inner = self.queue.inner();
        let mut count = 0;
        for (buf, meta) in bufs.iter_mut().zip(metas) {
            let Some(datagram) = inner.waiting.pop_front() else { break };
            *meta = datagram.meta;
            // Longer than the endpoint takes: cut, so that it fails to decrypt, as from any socket.
            meta.len = datagram.bytes.len().min(buf.len());
            meta.stride = meta.len;
            buf.iter_mut().zip(&datagram.bytes).for_each(|(to, from)| *to = *from);
            count += 1;
        }
        if count > 0 {
            return Poll::Ready(Ok(count));
        }
        if inner.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        inner.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.port.socket.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.port.udp.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        1
    }

    fn may_fragment(&self) -> bool {
        self.port.udp.may_fragment()
    }
}

/// Lets one connection send unless the buffer was full a moment ago.
struct RetryLater {
    socket: Arc<ControlSocket>,
    waiting: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl fmt::Debug for RetryLater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLater").field("waiting", &self.waiting.is_some()).finish_non_exhaustive()
    }
}

impl UdpPoller for RetryLater {
    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.socket.full.load(Ordering::Relaxed) {
            this.waiting = None;
            return Poll::Ready(Ok(()));
        }
        let waiting = this.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(SEND_RETRY)));
        ready!(waiting.as_mut().poll(cx));
        this.waiting = None;
        this.socket.full.store(false, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_is_bounded_and_a_closed_one_is_an_error() {
        let queue = ControlQueue::new(3);
        let datagram =
            || ControlDatagram { meta: RecvMeta::default(), bytes: Box::from([1_u8, 2].as_slice()) };
        let mut batch: Vec<_> = (0..5).map(|_| datagram()).collect();
        assert_eq!(queue.extend(&mut batch), 2);
        assert!(batch.is_empty());

        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocketState::new((&socket).into()).unwrap();
        let queue = Arc::new(queue);
        let port = Arc::new(UdpPort { socket, udp });
        let control = ControlSocket::new(port, Arc::clone(&queue), ControlCids::new([0; 32]));
        let mut cx = Context::from_waker(Waker::noop());
        let (mut first, mut second) = ([0; 1], [0; 9]);
        let mut bufs = [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        let mut metas = [RecvMeta::default(); 2];
        assert!(matches!(control.poll_recv(&mut cx, &mut bufs, &mut metas), Poll::Ready(Ok(2))));
        assert_eq!((metas[0].len, metas[1].len), (1, 2));
        assert!(matches!(control.poll_recv(&mut cx, &mut bufs, &mut metas), Poll::Ready(Ok(1))));
        assert!(control.poll_recv(&mut cx, &mut bufs, &mut metas).is_pending());
        queue.close();
        assert!(matches!(control.poll_recv(&mut cx, &mut bufs, &mut metas), Poll::Ready(Err(_))));
    }
}
