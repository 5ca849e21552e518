//! Probes: questions asked over the network.
//!
//! Lives here: one file a protocol, whom the probes ask ([`ProbeTargets`]), and what they share (`connection`). Each
//! probe takes its targets and its patience as arguments, so tests ask servers on loopback. Must not live here: what
//! Linux knows about its own network, and what an answer means.

mod connection;
pub mod dns;
pub mod echo;
mod http;
mod ntp;
mod stun;
mod targets;
mod tls;

use std::sync::Arc;

use super::{CollectContext, Fact, FactSource, MissingFact, SourceFacts};

pub use connection::{connect_time, connects, knock};
pub use targets::ProbeTargets;

/// Asks one source that is a probe.
pub(super) async fn collect(source: FactSource, context: &Arc<CollectContext>) -> Fact<SourceFacts> {
    let (targets, patience) = (&context.targets, context.patience);
    match source {
        FactSource::Echo => {
            echo::runs(&targets.echo, patience, &context.programs).await.map(Box::new).map(SourceFacts::Echo)
        }
        FactSource::Portal => {
            let (page, expected) = &targets.portal;
            Ok(SourceFacts::Portal(Box::new(http::portal(page, *expected, patience).await?)))
        }
        FactSource::Tls => {
            Ok(SourceFacts::Tls(Box::new(tls::peers(&targets.tls, patience, context.now).await)))
        }
        FactSource::Udp => Ok(SourceFacts::Udp(Box::new(stun::targets(&targets.stun, patience).await))),
        FactSource::Clock => ntp::offset(&targets.ntp, patience).await.map(Box::new).map(SourceFacts::Clock),
        _ => Err(MissingFact::NotApplicable("not read on this operating system yet".to_owned())),
    }
}
