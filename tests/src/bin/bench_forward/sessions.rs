//! The same session with and without our relay between its ends: how fast a stream is, and how long a question and its
//! answer take. Both ends and the relay share this machine's processors, so the rate with a relay is what is left to the
//! ends, too.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_relay::forward::{Forwarder, ForwarderConfig};
use nearhand_tests::quic;
use nearhand_tests::relayed::{ForwardedSession, round_trip, session};
use nearhand_tests::rows::{BenchmarkRow, BetterWhen};
use nearhand_tests::udp_load::quantile;
use quinn::{Connection, Endpoint, EndpointConfig, TokioRuntime};

const SESSION: &[u8] = b"nearhand-session/1";
/// Of a stream, there and back.
const BULK: usize = 32 << 20;
/// Questions of a round.
const QUESTIONS: usize = 500;

/// So often; medians.
pub(crate) fn measure(rounds: usize) -> Result<Vec<BenchmarkRow>> {
    eprintln!("a session with and without the relay");
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(both(rounds))
}

async fn both(rounds: usize) -> Result<Vec<BenchmarkRow>> {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let (forwarder, _control) = Forwarder::start(any, &ForwarderConfig::new([0; 32]))?;
    let offer = ForwardedSession::random();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    forwarder.offer(offer.id, offer.grants.clone(), until)?;
    let ends = session(forwarder.local_addr(), &offer).await?;
    let relayed = (ends[0].connection.clone(), ends[1].connection.clone());
    let (straight, _endpoints) = straight().await?;
    let mut figures = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        for (connections, figures) in [&straight, &relayed].into_iter().zip(&mut figures) {
            figures.push(one(connections).await?);
        }
    }
    let [straight, relayed] = figures;
    let of =
        |figures: &[[f64; 3]], n: usize| super::median(figures.iter().filter_map(|one| one.get(n).copied()));
    let mut rows = Vec::new();
    for (name, figures) in [("without relay", &straight), ("through the relay", &relayed)] {
        rows.push(BenchmarkRow::new(
            &format!("session {name}: stream"),
            of(figures, 0),
            "Gbit/s",
            None,
            BetterWhen::Higher,
        ));
    }
    for (n, part, target) in [(1, "p50", None), (2, "p99", Some(1.0))] {
        let added = of(&relayed, n) - of(&straight, n);
        rows.push(BenchmarkRow::new(
            &format!("session: round trip, {part}, added"),
            added,
            "ms",
            target,
            BetterWhen::Lower,
        ));
    }
    Ok(rows)
}

/// Gbit/s, and a round trip's p50 and p99 in ms.
async fn one((from, to): &(Connection, Connection)) -> Result<[f64; 3]> {
    let took = round_trip(from, to, BULK).await?;
    let bits = 2.0 * 8.0 * f64::from(u32::try_from(BULK)?);
    let mut trips = Vec::with_capacity(QUESTIONS);
    for _ in 0..QUESTIONS {
        trips.push(round_trip(from, to, 1).await?);
    }
    trips.sort_unstable();
    let ms = |part| quantile(&trips, part).as_secs_f64() * 1e3;
    Ok([bits / took.as_secs_f64() / 1e9, ms(0.5), ms(0.99)])
}

/// Two ends that reach each other.
async fn straight() -> Result<((Connection, Connection), [Endpoint; 2])> {
    let open = |server| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
        anyhow::Ok(Endpoint::new(EndpointConfig::default(), server, socket, Arc::new(TokioRuntime))?)
    };
    let (agent, technician) = (open(Some(quic::server(SESSION)?))?, open(None)?);
    let dial = technician.connect_with(quic::client(SESSION)?, agent.local_addr()?, "agent")?;
    let accept = async { anyhow::Ok(agent.accept().await.context("the endpoint closed")?.await?) };
    let (dialled, accepted) = tokio::try_join!(async { anyhow::Ok(dial.await?) }, accept)?;
    Ok(((dialled, accepted), [technician, agent]))
}
