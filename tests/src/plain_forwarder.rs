//! A forwarder that does nothing but forward: what a datagram costs at least where one thread takes it from one address
//! and sends it on to another, with the system's batches and segmentation offload. It checks nothing, counts nothing,
//! limits nothing. For benchmarks: what a real relay does beyond this is what it costs beyond this.

use std::collections::HashMap;
use std::io::IoSliceMut;
use std::net::{SocketAddr, UdpSocket};
use std::thread;

use anyhow::{Context, Result};
use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;

/// The name of its thread.
pub const THREAD: &str = "bare";
/// What the system hands over at once at most.
const LARGEST: usize = 65_535;

/// Where a bare forwarder is. It ends with the process.
pub struct PlainForwarder {
    /// Where it receives.
    pub addr: SocketAddr,
}

impl PlainForwarder {
    /// Starts one on loopback that forwards from the first of each pair to the second.
    ///
    /// # Errors
    /// The system gives no socket or no thread.
    pub fn start(routes: HashMap<SocketAddr, SocketAddr>) -> Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let udp = UdpSocketState::new((&socket).into())?;
        udp.set_recv_buffer_size((&socket).into(), 4 << 20)?;
        udp.set_send_buffer_size((&socket).into(), 4 << 20)?;
        let addr = socket.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        thread::Builder::new()
            .name(THREAD.into())
            .spawn(move || runtime.block_on(forward(socket, udp, routes)))
            .context("a thread")?;
        Ok(Self { addr })
    }
}

async fn forward(
    socket: UdpSocket,
    udp: UdpSocketState,
    routes: HashMap<SocketAddr, SocketAddr>,
) -> Result<()> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut buffers = vec![vec![0; LARGEST]; BATCH_SIZE];
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    loop {
        socket.readable().await?;
        let received = {
            let mut bufs: Vec<_> = buffers.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
            socket.try_io(Interest::READABLE, || udp.recv((&socket).into(), &mut bufs, &mut metas))
        };
        // What stopped it is over with the next datagram: this is loopback.
        let Ok(count) = received else { continue };
        for (buffer, meta) in buffers.iter().zip(metas.iter().take(count)) {
            let Some(to) = routes.get(&meta.addr) else { continue };
            let transmit = Transmit {
                destination: *to,
                ecn: meta.ecn,
                contents: buffer.get(..meta.len).unwrap_or_default(),
                segment_size: (meta.stride < meta.len).then_some(meta.stride),
                src_ip: None,
            };
            // Lost, as on any wire.
            let _ = udp.try_send((&socket).into(), &transmit);
        }
    }
}
