//! The open attack suite of SECURITY.md, as far as it touches control plane, session and local interface: send X,
//! expect Y, against the real programs.
//!
//! Tried with mutants: an agent that doesn't ask the kernel who calls its local socket fails the test of another
//! user, one that allows every stream the test of acts without a grant.
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use std::io::{Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nearhand_shared::credential::Role;
use nearhand_shared::grant::{Capabilities, Capability};
use nearhand_shared::id::{DeviceId, SessionId};
use nearhand_shared::identity::SecretKey;
use nearhand_shared::invitation::RelayAddress;
use nearhand_shared::message::Program;
use nearhand_shared::message::control::{CloseCode, Hello, Outcome, Refusal, Reply, Request, Target};
use nearhand_shared::message::session::{
    self, AgentHello, Answer, FromAgent, FromTechnician, Open, TechnicianProof,
};
use nearhand_shared::report::model::CheckSet;
use nearhand_shared::support_code::SupportCode;
use nearhand_tests::initial;
use nearhand_tests::parties::Agent;
use nearhand_tests::program::until;
use nearhand_tests::site::{LIMIT, Site};
use nearhand_tests::wire_client::{Member, SessionWire, Wire};
use rand_core::{OsRng, RngCore};

/// The address of a site's relay, with its key.
fn address(site: &Site) -> Result<RelayAddress> {
    let key = SecretKey::load(&site.data().join("relay.key"))?.public();
    Ok(RelayAddress { host: "127.0.0.1".to_owned(), port: site.port, key })
}

fn refused(reply: &Reply) -> Option<&Refusal> {
    match reply {
        Reply::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

fn device_id(site: &Site, label: &str) -> Result<DeviceId> {
    let devices = site.admin().run(&["devices"])?.ok()?.json()?;
    let list = devices.get("devices").and_then(|list| list.as_array()).context("no list")?;
    let entry = list.iter().find(|d| d.get("label").and_then(|l| l.as_str()) == Some(label));
    let id = entry.and_then(|d| d.get("id")).and_then(|id| id.as_str()).context("no such device")?;
    id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))
}

/// A site with a device, and a technician who speaks for herself.
fn with_eve(policy: bool) -> Result<(Site, Agent, Wire, Member)> {
    let (site, wire) = (Site::new()?, Wire::new()?);
    let agent = site.device("pc-1")?;
    if policy {
        agent.allow("\"diagnostics\"", true)?;
    }
    let eve = wire.join(&site.invite("Eve")?)?;
    Ok((site, agent, wire, eve))
}

/// A managed session of hers.
fn session(site: &Site, wire: &Wire, eve: &Member) -> Result<SessionWire> {
    let control = eve.connect(wire)?;
    let mut session = control.open(eve, Target::Device(device_id(site, "pc-1")?))?;
    let ready = session.hello(TechnicianProof::Managed)?;
    ensure!(matches!(ready, AgentHello::Ready(_)), "{ready:?}");
    Ok(session)
}

#[test]
fn random_datagrams_leave_the_relay_alive_and_get_no_more_than_they_are() -> Result<()> {
    const DATAGRAMS: usize = 100_000;
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    let mut client = site.admin().connect("pc-1", &[])?;
    client.event("connected")?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", site.port))?;
    socket.set_nonblocking(true)?;
    let (mut sent, mut back, mut buffer) = (0, 0, vec![0; 2048]);
    for number in 0..DATAGRAMS {
        let len = 1 + usize::try_from(OsRng.next_u32() % 1400)?;
        let datagram = buffer.get_mut(..len).context("longer than the buffer")?;
        OsRng.fill_bytes(datagram);
        // Every shape that looks like something: long and short headers, versions 0 and 1, the bind family.
        if let (Some(first), 0) = (datagram.first_mut(), number % 4) {
            *first |= 0xc0;
        }
        if let (Some(version), 0) = (datagram.get_mut(1..5), number % 8) {
            version.copy_from_slice(&[0, 0, 0, 1]);
        }
        if socket.send(datagram).is_ok() {
            sent += len;
        }
        let mut answer = [0; 2048];
        while let Ok(len) = socket.recv(&mut answer) {
            back += len;
        }
    }
    // SECURITY.md allows three times as much; on the whole it is far less.
    assert!(back <= sent, "{back} bytes back for {sent}");
    client.say("still there?")?;
    client.chat("still there?", "received")?;
    client.end()?;
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

#[test]
fn there_is_no_setup_route() -> Result<()> {
    let site = Site::new()?;
    for (request, status) in [
        ("GET /setup", "404"),
        ("POST /setup", "404"),
        ("GET /SetupWizard.aspx/x", "404"),
        ("GET /../relay.toml", "404"),
        ("GET /healthz", "200"),
    ] {
        let mut stream = TcpStream::connect(("127.0.0.1", site.port))?;
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
    }
    Ok(())
}

#[test]
fn strangers_get_no_further_than_the_door() -> Result<()> {
    let (site, wire) = (Site::new()?, Wire::new()?);
    let relay = address(&site)?;
    let stranger = SecretKey::generate(&mut OsRng);
    // Another protocol's version.
    assert!(wire.dial_as(&relay, &stranger, b"nearhand-relay/2").is_err());
    assert!(wire.dial_as(&relay, &stranger, session::ALPN).is_err());
    // A request before the hello.
    let control = wire.dial(&relay, &stranger)?;
    assert_eq!(refused(&control.ask(&Request::People)?), Some(&Refusal::NotAllowed));
    assert_eq!(control.closed()?, CloseCode::Refused);
    // Frames that are none: lengths of all sizes, nonsense, nothing.
    for bytes in [&[0xff; 4][..], &[0, 0, 1, 0], &[3, 0, 0, 0, 9, 9, 9], &[0, 0, 0, 0]] {
        let control = wire.dial(&relay, &stranger)?;
        assert_eq!(control.raw(bytes)?, Vec::<u8>::new());
        assert_eq!(control.closed()?, CloseCode::Protocol, "{bytes:?}");
    }
    // A credential that somebody else signed, and one's own key for it.
    let other = Site::new()?;
    let foreign = wire.join(&other.invite("Eve")?)?;
    let control = wire.dial(&relay, &foreign.key)?;
    let hello = Hello::Person { program: Program::this(), credential: foreign.credential };
    let reply = control.ask(&Request::Hello(hello))?;
    assert!(matches!(refused(&reply), Some(Refusal::Credential(_))), "{reply:?}");
    // A right credential, but not the key it ends in.
    let eve = wire.join(&site.invite("Eve")?)?;
    let control = wire.dial(&relay, &stranger)?;
    let hello = Hello::Person { program: Program::this(), credential: eve.credential.clone() };
    let reply = control.ask(&Request::Hello(hello))?;
    assert!(refused(&reply).is_some(), "{reply:?}");
    // The relay was claimed; nobody claims it again.
    let control = wire.dial(&relay, &stranger)?;
    control.ask(&Request::Hello(Hello::Newcomer { program: Program::this() }))?;
    let secret = nearhand_shared::invitation::OneTime::new([7; 32]);
    let claim =
        Request::Claim { secret, organisation: stranger.public(), credential: eve.credential.clone() };
    assert_eq!(refused(&control.ask(&claim)?), Some(&Refusal::Claimed));
    assert!(eve.connect(&wire).is_ok(), "and an honest one still comes in");
    Ok(())
}

#[test]
fn a_technician_gets_at_nothing_of_others() -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut client = site.admin().connect("pc-1", &[])?;
    let event = client.event("connected")?;
    let id = event.get("session").and_then(|id| id.as_str()).context("no id")?;
    let theirs: SessionId = id.parse().map_err(|_| anyhow::anyhow!("{id} is no id"))?;
    let control = eve.connect(&wire)?;
    let none = SessionId::random(&mut OsRng);
    let close = |session| Request::Close { session, outcome: Outcome::Technician, audit: None };
    // Somebody else's session is the same to her as none.
    for (real, unreal) in [
        (close(theirs), close(none)),
        (Request::Reopen { session: theirs }, Request::Reopen { session: none }),
    ] {
        let (real, unreal) = (control.ask(&real)?, control.ask(&unreal)?);
        assert_eq!(refused(&real), Some(&Refusal::NoSuchSession));
        assert_eq!(format!("{real:?}"), format!("{unreal:?}"));
    }
    let taken =
        control.ask(&Request::Open { session: theirs, target: Target::Device(device_id(&site, "pc-1")?) })?;
    assert!(refused(&taken).is_some(), "{taken:?}");
    // What only administrators may see or do.
    assert_eq!(refused(&control.ask(&Request::Audit { after: 0 })?), Some(&Refusal::NotAllowed));
    assert_eq!(refused(&control.ask(&Request::AllotRouting { wanted: None })?), Some(&Refusal::NotAllowed));
    // A device of another organisation and one that doesn't exist.
    let other = Site::new()?;
    let _far = other.device("pc-9")?;
    let open = |id| Request::Open { session: SessionId::random(&mut OsRng), target: Target::Device(id) };
    let far = control.ask(&open(device_id(&other, "pc-9")?))?;
    let unreal = control.ask(&open(DeviceId::from_bytes([9; 16])))?;
    assert_eq!(refused(&far), Some(&Refusal::NoSuchDevice));
    assert_eq!(format!("{far:?}"), format!("{unreal:?}"));
    client.say("undisturbed")?;
    client.chat("undisturbed", "received")?;
    drop(agent);
    Ok(())
}

#[test]
fn without_a_grant_every_act_is_refused_by_name_and_written_down() -> Result<()> {
    let (site, agent, wire, eve) = with_eve(false)?;
    let mut console = agent.watch(&["--no-code"])?;
    let mut session = session(&site, &wire, &eve)?;
    console.sees("\"Eve\" of \"Acme Support\"")?;
    let acts = [
        (Open::Screen, Capability::View),
        (Open::Input, Capability::Control),
        (Open::Clipboard, Capability::Clipboard),
        (Open::File, Capability::Files),
        (Open::Terminal, Capability::Terminal),
        (Open::Action, Capability::Actions),
        (Open::Window, Capability::Window),
        (Open::Screenshot, Capability::Screenshot),
        (Open::Runbook, Capability::Runbook),
        (Open::Diagnostics { set: CheckSet::Quick }, Capability::Diagnostics),
    ];
    for (open, capability) in &acts {
        let answer = session.stream(open)?;
        assert_eq!(answer, Answer::Refused(session::Refusal::NotGranted(*capability)), "{open:?}");
    }
    assert_eq!(agent.audited("refused")?, acts.len());
    console.sees("refused: control is not granted")?;
    // Asking for what this device doesn't do grants nothing either; nor does asking for nothing.
    let answer = session.ask(Capabilities::NONE.with(Capability::Control))?;
    assert!(format!("{answer:?}").contains("NotOffered"), "{answer:?}");
    let answer = session.ask(Capabilities::NONE)?;
    assert!(format!("{answer:?}").contains("Refused(Protocol)"), "{answer:?}");
    assert_eq!(agent.audited("grant")?, 0);
    session.leave()
}

#[test]
fn a_grant_covers_what_it_names_and_nothing_else() -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut session = session(&site, &wire, &eve)?;
    let granted = session.ask(Capabilities::NONE.with(Capability::Diagnostics))?;
    assert!(format!("{granted:?}").contains("Granted"), "{granted:?}");
    let answer = session.stream(&Open::Input)?;
    assert_eq!(answer, Answer::Refused(session::Refusal::NotGranted(Capability::Control)));
    assert_eq!(session.stream(&Open::Diagnostics { set: CheckSet::Full })?, Answer::Accepted);
    let twice = session.stream(&Open::Diagnostics { set: CheckSet::Quick })?;
    assert_eq!(twice, Answer::Refused(session::Refusal::AlreadyOpen));
    // What was given up is gone at once.
    session.say(&FromTechnician::GiveUp(Capabilities::NONE.with(Capability::Diagnostics)))?;
    until(LIMIT, "it is gone", || {
        // A stream that was opened a moment too early is cut.
        let answer = session.stream(&Open::Diagnostics { set: CheckSet::Quick }).ok();
        Ok(answer == Some(Answer::Refused(session::Refusal::NotGranted(Capability::Diagnostics))))
    })?;
    assert_eq!(agent.audited("grant")?, 1);
    session.leave()
}

#[test]
fn malformed_streams_end_themselves_and_not_the_agent() -> Result<()> {
    let (site, agent, wire, eve) = with_eve(true)?;
    let mut first = session(&site, &wire, &eve)?;
    for bytes in [&[0xff; 4][..], &[0, 0, 1, 0], &[2, 0, 0, 0, 0xfd, 0xff], &[0, 0, 0, 0], &[1]] {
        assert_eq!(first.raw(bytes)?, Vec::<u8>::new(), "{bytes:?}");
    }
    assert!(first.stands());
    // A second control stream.
    let hello = session::TechnicianHello {
        program: Program::this(),
        session: first.id(),
        credential: eve.credential.clone(),
        proof: TechnicianProof::Managed,
    };
    let answer = first.stream(&Open::Control(Box::new(hello)))?;
    assert_eq!(answer, Answer::Refused(session::Refusal::Protocol));
    // Nonsense on the control stream itself ends the session, and only that.
    first.raw_control(&[0xff; 8])?;
    let end = first.hears();
    assert!(!matches!(end, Ok(FromAgent::Decision { .. })), "{end:?}");
    let control = eve.connect(&wire)?;
    let id = Target::Device(device_id(&site, "pc-1")?);
    // A stream before the hello; a proof that isn't the one asked for; a resumption of nothing.
    let early = control.open(&eve, id)?;
    assert_eq!(early.stream(&Open::Input)?, Answer::Refused(session::Refusal::Protocol));
    for (proof, refusal) in [
        (TechnicianProof::Code(vec![0; 33]), session::Refusal::Protocol),
        (TechnicianProof::Resume([0; 32]), session::Refusal::NoSuchSession),
    ] {
        let answer = control.open(&eve, id)?.hello(proof)?;
        assert!(matches!(&answer, AgentHello::Refused(r) if *r == refusal), "{answer:?}");
    }
    assert_eq!(agent.audited("session.start")?, 1);
    // And an honest one goes on as ever.
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

#[test]
fn oversized_requests_of_a_member_close_only_that_connection() -> Result<()> {
    let (_site, _agent, wire, eve) = with_eve(false)?;
    for bytes in [&[0xff; 4][..], &[0, 0, 16, 0], &[9, 0, 0, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1]] {
        let control = eve.connect(&wire)?;
        assert_eq!(control.raw(bytes)?, Vec::<u8>::new());
        assert_eq!(control.closed()?, CloseCode::Protocol, "{bytes:?}");
    }
    // Streams that never say anything are few, and don't keep others out.
    let control = eve.connect(&wire)?;
    let held = control.stall(&[1])?;
    assert!((1..=8).contains(&held.len()), "{} streams", held.len());
    let again = eve.connect(&wire)?;
    assert!(matches!(again.ask(&Request::Ping)?, Reply::Done));
    Ok(())
}

#[test]
fn a_wrong_guess_on_the_wire_is_the_only_one() -> Result<()> {
    let (_site, agent, wire, eve) = with_eve(false)?;
    let mut console = agent.attend()?;
    let code: SupportCode = console.code.parse()?;
    let control = eve.connect(&wire)?;
    let mut session = control.open(&eve, Target::Code(code.routing()))?;
    let guess = SupportCode::generate(code.routing(), &mut OsRng);
    let answer = session.prove(&guess)?;
    assert!(matches!(answer, AgentHello::Refused(session::Refusal::WrongCode)), "{answer:?}");
    // Neither on this path nor on another is there a second one, not even the right one.
    assert!(session.prove(&code).is_err());
    console.sees("tried a wrong support code")?;
    assert!(control.open(&eve, Target::Code(code.routing())).is_err());
    assert_eq!((agent.audited("code.burnt")?, agent.audited("session.start")?), (1, 0));
    // A proof that is begun and left burns nothing: it has told nothing.
    console.types("/code")?;
    let code: SupportCode = console.next_code()?.parse()?;
    let mut begun = control.open(&eve, Target::Code(code.routing()))?;
    let answer = begun.hello(TechnicianProof::Code(vec![1; 33]))?;
    assert!(
        matches!(answer, AgentHello::Refused(session::Refusal::WrongCode) | AgentHello::Code(_)),
        "{answer:?}"
    );
    Ok(())
}

#[test]
fn two_thousand_stalled_handshakes_do_not_keep_an_honest_one_out() -> Result<()> {
    const STALLED: usize = 2_000;
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    // First packets of real handshakes, each from a socket of its own that never answers.
    let mut held = Vec::new();
    for packet in initial::captured(STALLED)? {
        // A process has only so many sockets; those share.
        let Ok(socket) = UdpSocket::bind("127.0.0.1:0") else { break };
        socket.send_to(&packet, ("127.0.0.1", site.port))?;
        held.push(socket);
    }
    ensure!(held.len() > 500, "only {} sockets", held.len());
    let since = Instant::now();
    site.admin().run(&["devices"])?.ok()?;
    assert!(since.elapsed() < Duration::from_secs(5), "{:?}", since.elapsed());
    site.admin().run(&["diagnose", "pc-1", "--quick"])?.ok()?;
    Ok(())
}

/// Whether this runs as root and can become somebody else.
fn can_be_nobody() -> bool {
    let tried =
        Command::new("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups", "true"]).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        println!("skipped: can't act as another user here (needs root)");
    }
    can
}

#[test]
fn another_user_gets_nothing_over_the_local_socket() -> Result<()> {
    if !can_be_nobody() {
        return Ok(());
    }
    let site = Site::new()?;
    let agent = site.device("pc-1")?;
    let socket = agent.data().join("run/agent.sock");
    let call = "$SIG{PIPE} = 'IGNORE'; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die \"no way in: $!\"; \
                syswrite($s, \"\\x02\\0\\0\\0\\x01\\0\"); my $n = sysread($s, my $b, 100); print 'bytes: ', $n // 0;";
    let call_as = |user: &str| -> Result<String> {
        let (reuid, regid) = (format!("--reuid={user}"), format!("--regid={user}"));
        let words = [&reuid, &regid, "--clear-groups", "perl", "-MIO::Socket::UNIX", "-e", call];
        let output = Command::new("setpriv").args(words).arg(&socket).output()?;
        Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let as_nobody = || call_as("65534");
    // The directory keeps everybody else out.
    assert!(as_nobody()?.contains("Permission denied"), "{}", as_nobody()?);
    // And if somebody opened it, the kernel's word about the caller does.
    for directory in agent.data().ancestors().take(3) {
        open_to_all(directory)?;
    }
    open_to_all(&agent.data().join("run"))?;
    open_to_all(&socket)?;
    let answer = as_nobody()?;
    assert!(answer.contains("bytes: 0"), "{answer}");
    // The same call by the agent's own user is answered, so it is the user that counts.
    let answer = call_as("0")?;
    assert!(answer.contains("bytes: ") && !answer.contains("bytes: 0"), "{answer}");
    assert!(agent.program.said("turned away from the local socket"));
    agent.run(&["status"])?.ok()?;
    Ok(())
}

fn open_to_all(path: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?)
}

#[test]
fn a_socket_directory_that_somebody_else_made_is_refused() -> Result<()> {
    let site = Site::new()?;
    let mut agent = site.device("pc-1")?;
    agent.program.kill()?;
    let run = agent.data().join("run");
    open_to_all(&run)?;
    agent.restart()?;
    assert_eq!(agent.program.exit(LIMIT)?, 1);
    assert!(agent.program.said("belongs to somebody else or is open to others"));
    if can_be_nobody() {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700))?;
        std::os::unix::fs::chown(&run, Some(65534), Some(65534))?;
        agent.restart()?;
        assert_eq!(agent.program.exit(LIMIT)?, 1);
    }
    std::fs::remove_dir_all(&run)?;
    std::os::unix::fs::symlink("/tmp", &run)?;
    agent.restart()?;
    assert_eq!(agent.program.exit(LIMIT)?, 1);
    std::fs::remove_file(&run)?;
    agent.restart()?;
    agent.wait_connected()
}

/// The invitation says what somebody becomes; a device's string makes no technician.
#[test]
fn an_enrolment_string_makes_no_technician() -> Result<()> {
    let (site, wire) = (Site::new()?, Wire::new()?);
    let string = site.enrolment("pc-1")?;
    assert_eq!(string.invite.peek()?.role, Role::Device);
    let invite = nearhand_shared::invitation::InviteString {
        relay: string.relay,
        organisation: string.organisation,
        invite: string.invite,
        secret: string.secret,
    };
    let joined = wire.join(&invite);
    assert!(joined.is_err(), "a device's string without a device's facts");
    site.newcomer("Mallory")?
        .run(&["join", &invite.reveal()])?
        .fails_with(2)
        .or_else(|_| site.newcomer("Mallory")?.run(&["join", &invite.reveal()])?.fails_with(11))?;
    Ok(())
}
