//! Datagrams of a session, one by one: passed on and kept, or sent again.

use std::future::poll_fn;
use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use nearhand_proto::forward::{BindGrant, BindState};
use nearhand_transport::bound_socket::{BindControl, BoundSocket};
use quinn::AsyncUdpSocket;
use quinn::udp::{RecvMeta, Transmit};

use crate::deployment::LIMIT;
use crate::hostile_relay::HostileContext;

/// A datagram with everything that offload may have put behind it.
const BUFFER: usize = 65_536;
/// How long what comes back of a replay is read.
const LISTEN: Duration = Duration::from_secs(2);

/// Passes datagrams between two paths; those of the technician's end are kept.
pub(crate) async fn pass_on(
    shared: Arc<HostileContext>,
    relay: SocketAddr,
    technicians: BindGrant,
    devices: BindGrant,
) -> Result<()> {
    let (technician, _first) = BoundSocket::open(relay, technicians)?;
    let (device, _second) = BoundSocket::open(relay, devices)?;
    let there = async {
        loop {
            for packet in receive(&technician).await? {
                shared.keep_packet(&packet);
                send(&device, relay, &packet);
            }
        }
        #[allow(unreachable_code, reason = "it gives the block its type")]
        anyhow::Ok(())
    };
    let back = async {
        loop {
            for packet in receive(&device).await? {
                send(&technician, relay, &packet);
            }
        }
        #[allow(unreachable_code, reason = "it gives the block its type")]
        anyhow::Ok(())
    };
    tokio::try_join!(there, back).map(|_| ())
}

/// Binds a path and sends packets over it; how many datagrams came back. Sends them again until the other end is there
/// to answer, and then waits for [`LISTEN`] for further datagrams.
pub(crate) async fn replay(relay: SocketAddr, bind: BindGrant, packets: &[Vec<u8>]) -> Result<usize> {
    let (socket, control) = BoundSocket::open(relay, bind)?;
    // The bind's own packets are read where a datagram is waited for.
    tokio::select! {
        bound = wait_bound(&control) => bound?,
        _ = receive(&socket) => {}
    }
    let mut back = 0;
    let patience = Instant::now() + LIMIT;
    while back == 0 && Instant::now() < patience {
        for packet in packets {
            send(&socket, relay, packet);
            tokio::task::yield_now().await;
        }
        let heard = async {
            loop {
                back += receive(&socket).await?.len();
            }
            #[allow(unreachable_code, reason = "it gives the block its type")]
            anyhow::Ok(())
        };
        // Everything that comes within the time counts; the loop has no other end.
        let _ = tokio::time::timeout(LISTEN, heard).await;
    }
    Ok(back)
}

async fn wait_bound(control: &BindControl) -> Result<()> {
    let mut state = control.watch();
    state.wait_for(|state| matches!(state, BindState::Bound { .. })).await?;
    Ok(())
}

async fn receive(socket: &BoundSocket) -> Result<Vec<Vec<u8>>> {
    let mut buffer = vec![0; BUFFER];
    let mut meta = [RecvMeta::default()];
    poll_fn(|cx| socket.poll_recv(cx, &mut [IoSliceMut::new(&mut buffer)], &mut meta)).await?;
    let [meta] = meta;
    let whole = buffer.get(..meta.len).unwrap_or_default();
    Ok(whole.chunks(meta.stride.max(1)).map(<[u8]>::to_vec).collect())
}

/// A datagram that can't be sent is lost, as datagrams are.
fn send(socket: &BoundSocket, relay: SocketAddr, contents: &[u8]) {
    let transmit = Transmit { destination: relay, ecn: None, contents, segment_size: None, src_ip: None };
    let _ = socket.try_send(&transmit);
}
