//! UDP load through any relay, and what it costs: plain sockets, so that a relay's own work is what is seen.

use std::io::{ErrorKind, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nearhand_proto::forward::{BindGrant, BindPacket, SealedPacket};
use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use tokio::io::Interest;
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Payload of a usual datagram in bytes: QUIC's initial packet size.
pub const PAYLOAD: usize = 1200;

/// Datagrams under way in a flood: enough to keep every stage busy, few enough for default buffers.
const WINDOW: u64 = 128;

/// Without progress for this long, what is under way counts as lost.
const LOST_AFTER: Duration = Duration::from_millis(5);

/// A way from one socket to another.
pub struct UdpPath {
    /// Where it is sent from.
    pub from: UdpSocket,
    /// Where it is sent to: the receiver or a relay.
    pub via: SocketAddr,
    /// What the relay wants before each payload of a length.
    pub header: fn(usize) -> Result<Vec<u8>>,
    /// Where it arrives.
    pub into: UdpSocket,
}

impl UdpPath {
    fn header(&self, size: usize) -> Result<Vec<u8>> {
        (self.header)(size)
    }
}

/// Nothing before the payload.
///
/// # Errors
/// None: see [`UdpPath::header`].
pub fn bare(_: usize) -> Result<Vec<u8>> {
    Ok(Vec::new())
}

/// A socket for either end, with large buffers and a read timeout.
///
/// # Errors
/// The system gives none.
pub fn socket() -> Result<UdpSocket> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    let udp = UdpSocketState::new((&socket).into())?;
    udp.set_recv_buffer_size((&socket).into(), 4 << 20)?;
    udp.set_send_buffer_size((&socket).into(), 4 << 20)?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(Duration::from_millis(200)))?;
    Ok(socket)
}

/// Binds a plain socket at our relay.
///
/// # Errors
/// The relay doesn't answer as it should.
pub fn bind(socket: &UdpSocket, relay: SocketAddr, grant: &BindGrant) -> Result<()> {
    let ask = |packet: BindPacket| {
        socket.send_to(&packet.seal(grant.token, 1, &grant.key), relay)?;
        let mut buf = [0; 200];
        let len = socket.recv(&mut buf).context("the relay doesn't answer")?;
        let sealed = SealedPacket::parse(buf.get(..len).unwrap_or_default());
        sealed.and_then(|sealed| sealed.open(&grant.key)).context("not an authentic answer")
    };
    let BindPacket::Challenge { cookie } = ask(BindPacket::Bind1)? else { bail!("no challenge") };
    let BindPacket::Bound { .. } = ask(BindPacket::Bind2 { cookie })? else { bail!("not bound") };
    Ok(())
}

/// What a flood moved.
#[derive(Debug, Clone, Copy)]
pub struct FloodResult {
    /// Payload that arrived, in bytes.
    pub bytes: u64,
    /// Datagrams that arrived.
    pub packets: u64,
    /// Datagrams that didn't.
    pub lost: u64,
    /// How long it took.
    pub took: Duration,
}

impl FloodResult {
    /// Gigabits per second that arrived.
    #[allow(clippy::cast_precision_loss, reason = "a benchmark's byte count is far below 2^53")]
    pub fn gbit_per_s(&self) -> f64 {
        self.bytes as f64 * 8.0 / 1e9 / self.took.as_secs_f64()
    }

    /// Datagrams that arrived for each second of `cpu` time.
    #[allow(clippy::cast_precision_loss, reason = "a benchmark's count is far below 2^53")]
    pub fn per_cpu_second(&self, cpu: Duration) -> f64 {
        self.packets as f64 / cpu.as_secs_f64()
    }

    /// What `cpu` time comes to for each gigabyte that arrived, in seconds.
    #[allow(clippy::cast_precision_loss, reason = "a benchmark's byte count is far below 2^53")]
    pub fn per_gb(&self, cpu: Duration) -> f64 {
        cpu.as_secs_f64() / (self.bytes as f64 / 1e9)
    }
}

/// What is sent in a flood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FloodShape {
    /// Payload of each datagram in bytes.
    pub size: usize,
    /// Datagrams that are given to the system with each call.
    pub segments: usize,
}

/// Sends as fast as the paths take it, on one after the other.
///
/// # Errors
/// A socket fails.
pub fn flood(paths: &[UdpPath], shape: FloodShape, time: Duration) -> Result<FloodResult> {
    for path in paths {
        prepare(path)?;
    }
    let (arrived, done) = (Arc::new(AtomicU64::new(0)), Notify::new());
    let (sent, took) = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| count_arrivals(paths, &arrived, &done));
        let sent = send_flood(paths, shape, time, &arrived);
        done.notify_one();
        let counted = receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?;
        counted.and(sent)
    })?;
    let arrived = arrived.load(Ordering::Acquire);
    Ok(FloodResult {
        bytes: arrived * u64::try_from(shape.size)?,
        packets: arrived,
        lost: sent.saturating_sub(arrived),
        took,
    })
}

/// Neither end waits, and nothing of before is left.
fn prepare(path: &UdpPath) -> Result<()> {
    path.from.set_nonblocking(true)?;
    path.into.set_nonblocking(true)?;
    loop {
        match path.into.recv(&mut [0; 2000]) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn send_flood(
    paths: &[UdpPath],
    FloodShape { size, segments }: FloodShape,
    time: Duration,
    arrived: &AtomicU64,
) -> Result<(u64, Duration)> {
    let header = paths.first().context("no path")?.header(size)?;
    let datagram = [header, vec![0x41; size]].concat();
    let contents = datagram.repeat(segments);
    let sockets = paths
        .iter()
        .map(|path| Ok((path, UdpSocketState::new((&path.from).into())?)))
        .collect::<Result<Vec<_>>>()?;
    let mut next = sockets.iter().cycle();
    let each = u64::try_from(segments)?;
    let started = Instant::now();
    let (mut sent, mut lost) = (0_u64, 0_u64);
    let mut progress = (0, started);
    while started.elapsed() < time {
        let got = arrived.load(Ordering::Acquire);
        if sent.saturating_sub(got + lost) + each <= WINDOW {
            let (path, udp) = next.next().context("no path")?;
            let transmit = Transmit {
                destination: path.via,
                ecn: None,
                contents: &contents,
                segment_size: (segments > 1).then_some(datagram.len()),
                src_ip: None,
            };
            match udp.try_send((&path.from).into(), &transmit) {
                Ok(()) => sent += each,
                Err(err) if err.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                Err(err) => return Err(err.into()),
            }
        } else if got != progress.0 {
            progress = (got, Instant::now());
            std::thread::yield_now();
        } else if progress.1.elapsed() > LOST_AFTER {
            lost = sent.saturating_sub(got);
            progress.1 = Instant::now();
        } else {
            std::thread::yield_now();
        }
    }
    Ok((sent, started.elapsed()))
}

/// Until it is told that all is sent.
fn count_arrivals(paths: &[UdpPath], arrived: &Arc<AtomicU64>, done: &Notify) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        // One for all: none waits while it is used.
        let buffers = Arc::new(Mutex::new(vec![[0; 65_535]; BATCH_SIZE]));
        let mut sockets = JoinSet::new();
        for path in paths {
            let udp = UdpSocketState::new((&path.into).into())?;
            let socket = tokio::net::UdpSocket::from_std(path.into.try_clone()?)?;
            sockets.spawn(count_one(socket, udp, Arc::clone(&buffers), Arc::clone(arrived)));
        }
        tokio::select! {
            Some(failed) = sockets.join_next() => failed?,
            () = done.notified() => Ok(()),
        }
    })
}

async fn count_one(
    socket: tokio::net::UdpSocket,
    udp: UdpSocketState,
    buffers: Arc<Mutex<Vec<[u8; 65_535]>>>,
    arrived: Arc<AtomicU64>,
) -> Result<()> {
    let mut metas = [RecvMeta::default(); BATCH_SIZE];
    loop {
        socket.readable().await?;
        let mut buffers = buffers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bufs: Vec<_> = buffers.iter_mut().map(|buf| IoSliceMut::new(buf)).collect();
        let receive = || udp.recv((&socket).into(), &mut bufs, &mut metas);
        match socket.try_io(Interest::READABLE, receive) {
            Ok(count) => {
                let datagrams = |meta: &RecvMeta| meta.len.div_ceil(meta.stride.max(1));
                let got: usize = metas.iter().take(count).map(datagrams).sum();
                arrived.fetch_add(u64::try_from(got)?, Ordering::Release);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Sends single datagrams at a steady pace and sorts the times that they took.
///
/// # Errors
/// A socket fails, or nothing arrives.
pub fn latencies(path: &UdpPath, datagrams: u32, every: Duration) -> Result<Vec<Duration>> {
    let base = Instant::now();
    let mut took = std::thread::scope(|scope| {
        let receiver = scope.spawn(|| receive_stamped(&path.into, base, datagrams));
        send_stamped(path, base, datagrams, every)?;
        receiver.join().map_err(|_| anyhow::anyhow!("the receiver panicked"))?
    })?;
    took.sort_unstable();
    Ok(took)
}

fn send_stamped(path: &UdpPath, base: Instant, datagrams: u32, every: Duration) -> Result<()> {
    let header = path.header(PAYLOAD)?;
    path.from.set_nonblocking(false)?;
    for n in 0..datagrams {
        let due = base + every * n;
        while let Some(left) = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
        let stamp = u64::try_from(base.elapsed().as_nanos())?.to_be_bytes();
        let mut datagram = [header.as_slice(), &[0x41], &stamp].concat();
        datagram.resize(header.len() + PAYLOAD, 0);
        path.from.send_to(&datagram, path.via)?;
    }
    Ok(())
}

fn receive_stamped(socket: &UdpSocket, base: Instant, datagrams: u32) -> Result<Vec<Duration>> {
    socket.set_nonblocking(false)?;
    let mut took = Vec::new();
    let mut buf = [0; 2000];
    for _ in 0..datagrams {
        match socket.recv(&mut buf) {
            Ok(_) => {}
            // The rest was lost.
            Err(err) if err.kind() == ErrorKind::WouldBlock => break,
            Err(err) => return Err(err.into()),
        }
        let now = base.elapsed();
        let stamp = buf.get(1..).and_then(|rest| rest.first_chunk()).context("a short datagram")?;
        took.push(now.saturating_sub(Duration::from_nanos(u64::from_be_bytes(*stamp))));
    }
    Ok(took)
}

/// The value at `part` (0 to 1) of sorted values.
pub fn quantile(sorted: &[Duration], part: f64) -> Duration {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = (sorted.len() as f64 * part) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// Processor time of a process's threads, of those called `name` if one is given.
///
/// # Errors
/// The system doesn't keep it (Linux does: `schedstat`, proc(5)).
pub fn cpu_time(pid: u32, name: Option<&str>) -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        let comm = std::fs::read_to_string(task.join("comm"))?;
        if name.is_none_or(|name| comm.trim_end() == name) {
            let stat = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = stat.split(' ').next().context("an empty schedstat")?;
            total += Duration::from_nanos(nanos.parse()?);
        }
    }
    Ok(total)
}
