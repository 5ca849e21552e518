//! A stranger on the internet, before anybody knows who they are.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use nearhand_proto::identity::SecretKey;
use nearhand_proto::invitation::OneTime;
use nearhand_proto::message::ProgramInfo;
use nearhand_proto::message::control::{CloseCode, RelayHello, RelayRefusal, RelayRequest};
use nearhand_proto::message::session::{self, ChatFrame, StreamOpen};
use rand_core::{OsRng, RngCore};

use super::fixtures::{self, address, refused, with_eve};
use super::{AttackTrial, number};
use crate::deployment::TestDeployment;
use crate::initial;
use crate::udp_load::quantile;
use crate::wire_client::{TalkWire, WireEndpoint};

/// Most bytes that may come back for each that was sent.
const AMPLIFICATION: f64 = 3.0;
/// Addresses that a flood pretends to come from.
const SOURCES: u8 = 100;
/// How many first packets are sent in each burst, and how often: 10,000 a second, a tenth of a small line.
const BURST: usize = 20;
const BETWEEN: Duration = Duration::from_millis(2);
/// How long what a flood has caused is listened to, and after what silence nothing more is expected.
const SETTLES: Duration = Duration::from_secs(10);
const QUIET: Duration = Duration::from_millis(800);
/// How often the live session is asked whether it has what was said.
const PINGS: usize = 600;

pub(super) fn random_datagrams(trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    let mut client = site.admin().connect("pc-1", &[])?;
    client.event("connected")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", site.port))?;
    socket.set_nonblocking(true)?;
    let (mut sent, mut back, mut buffer) = (0, 0, vec![0; 2048]);
    let datagrams = trial.many(100_000, 1_000_000);
    for count in 0..datagrams {
        let len = 1 + usize::try_from(OsRng.next_u32() % 1400)?;
        let datagram = buffer.get_mut(..len).context("longer than the buffer")?;
        OsRng.fill_bytes(datagram);
        // Every shape that looks like something: long and short headers, versions 0 and 1, the bind family.
        if let (Some(first), 0) = (datagram.first_mut(), count % 4) {
            *first |= 0xc0;
        }
        if let (Some(version), 0) = (datagram.get_mut(1..5), count % 8) {
            version.copy_from_slice(&[0, 0, 0, 1]);
        }
        if let (Some(first), 1) = (datagram.first_mut(), count % 8) {
            *first = 0x10 + *first % 7;
        }
        if socket.send(datagram).is_ok() {
            sent += len;
        }
        let mut answer = [0; 2048];
        while let Ok(len) = socket.recv(&mut answer) {
            back += len;
        }
    }
    trial.tried("datagrams sent", number(datagrams));
    trial.at_most("bytes back for each byte of garbage", number(back) / number(sent), "", AMPLIFICATION)?;
    client.say("still there?")?;
    client.chat("still there?", "received")?;
    client.end()?;
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

pub(super) fn spoofed_initials(trial: &AttackTrial) -> Result<()> {
    let (site, _agent, wire, eve) = with_eve(true)?;
    let live = fixtures::session(&site, &wire, &eve)?;
    let mut chat = live.talk(&StreamOpen::Chat)?;
    let mut said = 0;
    let packets = initial::captured(trial.many(3_000, 100_000))?;
    pings(&mut chat, &mut said, PINGS / 10, &|| false)?;
    let calm = pings(&mut chat, &mut said, PINGS, &|| false)?;
    let (over, to) = (AtomicBool::new(false), site.port);
    let (flooded, seen) = thread::scope(|scope| {
        let flood = scope.spawn(|| {
            let seen = flood(&packets, to);
            over.store(true, Ordering::Relaxed);
            seen
        });
        let flooded = pings(&mut chat, &mut said, usize::MAX, &|| over.load(Ordering::Relaxed));
        let seen = flood.join().map_err(|_| anyhow!("the flood panicked"))?;
        anyhow::Ok((flooded?, seen?))
    })?;
    trial.tried("Initials sent, from 100 addresses", number(packets.len()));
    trial.at_most(
        "bytes back for each byte of Initials",
        number(seen.back) / number(seen.sent),
        "",
        AMPLIFICATION,
    )?;
    // A quarter of the room is let in without the round trip, again when those have timed out after 10 s.
    ensure!(
        seen.retries > 0,
        "no Retry came for {} Initials, {} datagrams did",
        packets.len(),
        seen.datagrams
    );
    let of_all = number(seen.retries) / number(packets.len().saturating_sub(seen.lost));
    trial.tried("of them answered by Retry", of_all);
    let ratio = quantile(&flooded, 0.99).as_secs_f64() / quantile(&calm, 0.99).as_secs_f64();
    trial.tried("p99 of the live session, calm, in ms", quantile(&calm, 0.99).as_secs_f64() * 1000.0);
    trial.tried("p99 under the flood, in ms", quantile(&flooded, 0.99).as_secs_f64() * 1000.0);
    trial.timed("p99 under the flood ÷ calm", ratio, "×", 2.0);
    ensure!(live.stands());
    // Nothing is left of it: somebody new comes in, and the session's end is in order.
    eve.connect(&wire)?;
    live.leave()
}

/// What came of a flood.
struct FloodEffect {
    sent: usize,
    back: usize,
    datagrams: usize,
    retries: usize,
    /// Not even sent: the system had no room for them.
    lost: usize,
}

/// Sends each packet once, from addresses that don't go on with it.
fn flood(packets: &[Vec<u8>], port: u16) -> Result<FloodEffect> {
    let mut sockets = Vec::new();
    for host in 1..=SOURCES {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 9, host, 7), 0))?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let mut seen = FloodEffect { sent: 0, back: 0, datagrams: 0, retries: 0, lost: 0 };
    let mut buffer = [0; 2048];
    let mut listen = |seen: &mut FloodEffect, sockets: &[UdpSocket]| {
        for socket in sockets {
            while let Ok(len) = socket.recv(&mut buffer) {
                seen.back += len;
                seen.datagrams += 1;
                // A long header of type 3 (RFC 9000, section 17.2.5).
                seen.retries += usize::from(buffer.first().is_some_and(|first| first & 0xf0 == 0xf0));
            }
        }
    };
    for (burst, some) in packets.chunks(BURST).enumerate() {
        for (packet, socket) in some.iter().zip(sockets.iter().cycle().skip(burst * BURST)) {
            match socket.send_to(packet, (Ipv4Addr::LOCALHOST, port)) {
                Ok(len) => seen.sent += len,
                Err(_) => seen.lost += 1,
            }
        }
        if burst % 16 == 0 {
            listen(&mut seen, &sockets);
        }
        thread::park_timeout(BETWEEN);
    }
    // What is on its way: until nothing has come for a while.
    let (until, mut last) = (Instant::now() + SETTLES, Instant::now());
    while Instant::now() < until && last.elapsed() < QUIET {
        let before = seen.datagrams;
        listen(&mut seen, &sockets);
        if seen.datagrams > before || seen.datagrams == 0 {
            last = Instant::now();
        }
        thread::park_timeout(BETWEEN);
    }
    Ok(seen)
}

/// Says something and waits until the other end has it, again and again; how long each took, sorted.
fn pings(chat: &mut TalkWire, said: &mut u64, most: usize, over: &dyn Fn() -> bool) -> Result<Vec<Duration>> {
    let mut took = Vec::new();
    while took.len() < most && !over() {
        *said += 1;
        let number = *said;
        let began = Instant::now();
        chat.say(&ChatFrame::Message { number, text: "ping".to_owned(), at: crate::light_agents::now() })?;
        while !matches!(chat.hears::<ChatFrame>()?, ChatFrame::Received(up_to) if up_to >= number) {}
        took.push(began.elapsed());
        thread::park_timeout(Duration::from_millis(5));
    }
    took.sort_unstable();
    Ok(took)
}

pub(super) fn no_setup_route(_trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    for (request, status) in [
        ("GET /setup", "404"),
        ("POST /setup", "404"),
        ("GET /SetupWizard.aspx/x", "404"),
        ("GET /../relay.toml", "404"),
        ("GET /healthz", "200"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port))?;
        write!(stream, "{request} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    Ok(())
}

pub(super) fn strangers_at_the_door(_trial: &AttackTrial) -> Result<()> {
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let relay = address(&site)?;
    let stranger = SecretKey::generate(&mut OsRng);
    // Another protocol's version.
    ensure!(wire.dial_as(&relay, &stranger, b"nearhand-relay/2").is_err());
    ensure!(wire.dial_as(&relay, &stranger, session::ALPN).is_err());
    // A request before the hello.
    let control = wire.dial(&relay, &stranger)?;
    ensure!(refused(&control.ask(&RelayRequest::People { after: None })?) == Some(&RelayRefusal::NotAllowed));
    ensure!(control.closed()? == CloseCode::Refused);
    // Frames that are none: lengths of all sizes, nonsense, nothing.
    for bytes in [&[0xff; 4][..], &[0, 0, 1, 0], &[3, 0, 0, 0, 9, 9, 9], &[0, 0, 0, 0]] {
        let control = wire.dial(&relay, &stranger)?;
        ensure!(control.raw(bytes)?.is_empty());
        ensure!(control.closed()? == CloseCode::Protocol, "{bytes:?}");
    }
    // A credential that somebody else signed, and one's own key for it.
    let other = TestDeployment::new()?;
    let foreign = wire.join(&other.invite("Eve")?)?;
    let control = wire.dial(&relay, &foreign.key)?;
    let hello = RelayHello::Person { program: ProgramInfo::this(), credential: foreign.credential };
    let reply = control.ask(&RelayRequest::Hello(hello))?;
    ensure!(matches!(refused(&reply), Some(RelayRefusal::Credential(_))), "{reply:?}");
    // A right credential, but not the key it ends in.
    let eve = wire.join(&site.invite("Eve")?)?;
    let control = wire.dial(&relay, &stranger)?;
    let hello = RelayHello::Person { program: ProgramInfo::this(), credential: eve.credential.clone() };
    let reply = control.ask(&RelayRequest::Hello(hello))?;
    ensure!(refused(&reply).is_some(), "{reply:?}");
    // The relay was claimed; nobody claims it again.
    let control = wire.dial(&relay, &stranger)?;
    control.ask(&RelayRequest::Hello(RelayHello::Newcomer { program: ProgramInfo::this() }))?;
    let secret = OneTime::new([7; 32]);
    let claim =
        RelayRequest::Claim { secret, organisation: stranger.public(), credential: eve.credential.clone() };
    ensure!(refused(&control.ask(&claim)?) == Some(&RelayRefusal::Claimed));
    ensure!(eve.connect(&wire).is_ok(), "and an honest one still comes in");
    Ok(())
}
