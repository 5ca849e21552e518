//! Sessions through a real forwarder on loopback, with a live control endpoint on the same port.
#![allow(clippy::panic, clippy::unwrap_used, reason = "all of this crate is a test")]
#![allow(clippy::print_stdout, reason = "a skipped test says why, a measurement what it found")]

use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use nearhand_proto::forward::BindState;
use nearhand_tests::relayed::{ForwardedSession, ForwardingRelay, RelayedEnd, round_trip, session};

async fn within<T>(what: &str, seconds: u64, work: impl Future<Output = anyhow::Result<T>>) -> T {
    match tokio::time::timeout(Duration::from_secs(seconds), work).await {
        Ok(done) => done.unwrap_or_else(|err| panic!("{what}: {err:#}")),
        Err(_) => panic!("{what} took more than {seconds} s"),
    }
}

async fn echo(connection: &quinn::Connection) -> anyhow::Result<()> {
    let (mut send, mut recv) = connection.open_bi().await?;
    send.write_all(b"control").await?;
    send.finish()?;
    anyhow::ensure!(recv.read_to_end(100).await? == b"control");
    Ok(())
}

async fn exchange(ends: &[RelayedEnd; 2], len: usize) -> anyhow::Result<Duration> {
    round_trip(&ends[0].connection, &ends[1].connection, len).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_and_control_share_the_port() {
    for addr in ["127.0.0.1:0", "[::1]:0"] {
        let relay = ForwardingRelay::start(addr.parse().unwrap()).unwrap();
        let control = within("control", 10, relay.dial_control()).await;
        let offer = ForwardedSession::random();
        offer.at(&relay).unwrap();
        let ends = within("session", 10, session(relay.forwarder.local_addr(), &offer)).await;
        within("5 MB both ways", 30, exchange(&ends, 5_000_000)).await;
        within("control", 10, echo(&control)).await;

        let [technician, agent] = relay.forwarder.session_counters(offer.id).unwrap();
        assert!(technician.bytes > 5_000_000 && agent.bytes > 5_000_000, "{technician:?} {agent:?}");
        let BindState::Bound { reflexive } = *ends[0].bind.watch().borrow() else { panic!("unbound") };
        assert_eq!(Some(reflexive), technician.bound);
        assert_eq!(reflexive.port(), ends[0].bind.local_addr().unwrap().port());
        let metrics = relay.forwarder.snapshot();
        assert_eq!((metrics.active_bindings, metrics.binds_ok, metrics.binds_refused), (2, 2, 0));
        assert!(metrics.control > 0 && metrics.packets > 5_000, "{metrics:?}");

        relay.forwarder.end(offer.id).unwrap();
        let stalled = tokio::time::timeout(Duration::from_secs(1), exchange(&ends, 10)).await;
        assert!(stalled.is_err(), "an ended session still forwards");
        within("control", 10, echo(&control)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_ipv6_relay_serves_ipv4_too() {
    let relay = ForwardingRelay::start("[::]:0".parse().unwrap()).unwrap();
    let port = relay.forwarder.local_addr().port();
    let offer = ForwardedSession::random();
    offer.at(&relay).unwrap();
    let ends = within("session", 10, session(SocketAddr::from(([127, 0, 0, 1], port)), &offer)).await;
    within("exchange", 10, exchange(&ends, 1_000_000)).await;
    let [technician, _] = relay.forwarder.session_counters(offer.id).unwrap();
    assert!(technician.bound.unwrap().is_ipv4());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_outlives_a_killed_relay() {
    let relay = ForwardingRelay::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let offer = ForwardedSession::random();
    offer.at(&relay).unwrap();
    let ends = within("session", 10, session(relay.forwarder.local_addr(), &offer)).await;
    within("exchange", 10, exchange(&ends, 100_000)).await;
    let mut relay = relay;
    for pause in [0, 300, 2500] {
        let addr = within("kill", 10, relay.kill()).await;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        relay = ForwardingRelay::start(addr).unwrap();
        offer.at(&relay).unwrap();
        let restarted = Instant::now();
        within("exchange after the restart", 10, exchange(&ends, 100_000)).await;
        println!("down {pause} ms: data flowed {} ms after the restart", restarted.elapsed().as_millis());
        assert!(ends.iter().all(|end| end.connection.close_reason().is_none()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connection_outlives_a_change_of_either_ends_address() {
    let relay = ForwardingRelay::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let offer = ForwardedSession::random();
    offer.at(&relay).unwrap();
    let ends = within("session", 10, session(relay.forwarder.local_addr(), &offer)).await;
    for which in [0, 1, 0] {
        within("exchange", 10, exchange(&ends, 100_000)).await;
        let old = ends[which].bind.local_addr().unwrap();
        ends[which].bind.network_changed();
        let took = within("exchange at the new address", 10, exchange(&ends, 100_000)).await;
        println!("address of end {which} changed: next 100 KB took {} ms", took.as_millis());
        assert_ne!(ends[which].bind.local_addr().unwrap(), old);
        assert!(took < Duration::from_secs(2));
    }
    ends[0].bind.rebind();
    within("exchange after a rebind", 10, exchange(&ends, 100_000)).await;
    let counters = relay.forwarder.session_counters(offer.id).unwrap();
    assert!(counters[0].binds >= 4 && counters[1].binds == 2, "{counters:?}");
    assert_eq!(relay.forwarder.snapshot().active_bindings, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn random_datagrams_and_forged_hints_disturb_nothing() {
    let relay = ForwardingRelay::start("127.0.0.1:0".parse().unwrap()).unwrap();
    let addr = relay.forwarder.local_addr();
    let control = within("control", 10, relay.dial_control()).await;
    let offer = ForwardedSession::random();
    offer.at(&relay).unwrap();
    let ends = within("session", 10, session(addr, &offer)).await;
    let target = ends[0].bind.local_addr().unwrap();
    let flood = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut datagram = [0; 300];
        let mut sent = 0;
        for n in 0..20_000_u32 {
            rand_core::RngCore::fill_bytes(&mut rand_core::OsRng, &mut datagram);
            let len = usize::try_from(n % 300).unwrap();
            let _ = socket.send_to(&datagram[..len], addr);
            sent += len;
            if n % 100 == 0 {
                // Not from the relay's address: not even looked at.
                let _ = socket.send_to(&[0x16], (addr.ip(), target.port()));
            }
        }
        socket.set_nonblocking(true).unwrap();
        let mut replied = 0;
        while let Ok(len) = socket.recv(&mut datagram) {
            replied += len;
        }
        (sent, replied)
    });
    within("exchange during the flood", 30, exchange(&ends, 1_000_000)).await;
    let (sent, replied) = flood.await.unwrap();
    assert!(replied * 3 <= sent, "{replied} bytes of replies to {sent}");
    within("control", 10, echo(&control)).await;
    within("exchange", 10, exchange(&ends, 100_000)).await;
    assert_eq!(relay.forwarder.session_counters(offer.id).unwrap()[0].binds, 1);
}

/// In its own network namespace, made by running this very test once more in there.
#[test]
fn the_connection_outlives_the_loss_and_replacement_of_the_devices_address() {
    const NAME: &str = "forward::the_connection_outlives_the_loss_and_replacement_of_the_devices_address";
    const INSIDE: &str = "NEARHAND_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        return runtime.unwrap().block_on(address_lost_and_replaced());
    }
    let made = Command::new("unshare").args(["-n", "true"]).status().is_ok_and(|status| status.success());
    if !made {
        println!("skipped: a network namespace can't be made here (needs root)");
        return;
    }
    let this = std::env::current_exe().unwrap();
    // Ended by the kernel if this process is gone first.
    let inside = Command::new("unshare")
        .args(["-n", "--kill-child", "--fork"])
        .arg(this)
        .args(["--exact", NAME, "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&inside.stdout);
    print!("{said}{}", String::from_utf8_lossy(&inside.stderr));
    assert!(inside.status.success() && said.contains("1 passed"), "in the namespace it failed");
}

async fn address_lost_and_replaced() {
    for command in [
        "link set lo up",
        "address add 10.250.0.1/32 dev lo",
        "address add 10.250.0.2/32 dev lo",
        "route replace local 10.250.0.1 dev lo src 10.250.0.2 table local",
    ] {
        ip(command);
    }
    let relay = ForwardingRelay::start("10.250.0.1:0".parse().unwrap()).unwrap();
    let offer = ForwardedSession::random();
    offer.at(&relay).unwrap();
    let ends = within("session", 10, session(relay.forwarder.local_addr(), &offer)).await;
    within("exchange", 10, exchange(&ends, 100_000)).await;
    let bound = |relay: &ForwardingRelay| {
        let counters = relay.forwarder.session_counters(offer.id).unwrap();
        counters.map(|side| side.bound.map(|addr| addr.ip().to_string()))
    };
    let both = |ip: &str| [Some(ip.to_owned()), Some(ip.to_owned())];
    assert_eq!(bound(&relay), both("10.250.0.2"));

    ip("route delete local 10.250.0.1 dev lo table local");
    ip("address delete 10.250.0.2/32 dev lo");
    let mut pending = std::pin::pin!(exchange(&ends, 100_000));
    let stalled = tokio::time::timeout(Duration::from_secs(2), &mut pending).await;
    assert!(stalled.is_err(), "there is no route to the relay");
    ip("address add 10.250.0.3/32 dev lo");
    ip("route add local 10.250.0.1 dev lo src 10.250.0.3 table local");
    let back = Instant::now();
    within("exchange from the new address", 30, pending).await;
    println!("the network is back: data flowed {} ms later", back.elapsed().as_millis());
    assert_eq!(bound(&relay), both("10.250.0.3"));
}

fn ip(arguments: &str) {
    let done = Command::new("ip").args(arguments.split(' ')).status();
    assert!(done.is_ok_and(|status| status.success()), "ip {arguments}");
}
