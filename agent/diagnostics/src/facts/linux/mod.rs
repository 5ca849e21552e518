//! Collectors that only Linux has.
//!
//! Lives here: reading `/proc`, `/sys`, `/etc`, the package database, D-Bus and the programs that tell more,
//! and the pure parsers of what they say. Must not live here: what it means, and network probes that need
//! nothing of Linux.

mod account;
mod cgroup;
mod container;
mod disk;
mod hardware;
mod identity;
mod journal;
mod kernel;
mod load;
mod memory;
mod mount;
mod mount_table;
mod net;
mod package;
mod packet_filter;
mod pool;
mod printer;
mod process;
mod protection;
mod sensors;
mod smart;
mod sshd;
mod systemd;
mod upkeep;
mod version;

use std::sync::Arc;

use nearhand_report::pseudonymise::Identifiers;

use super::root::SystemRoot;
use super::{CollectContext, Fact, FactSource, MissingFact, SourceFacts, blocking, probe};
pub use load::CpuMeter;
pub use mount::ask_remote_mounts;
pub(super) use process::hidden_programs;
pub use systemd::{UnitChange, UnitWatch, shutting_down_to};

/// Reads files with `read` on a thread for it, and wraps what came.
async fn files<T: Send + 'static>(
    context: &Arc<CollectContext>,
    source: FactSource,
    wrap: fn(Box<T>) -> SourceFacts,
    read: fn(&CollectContext) -> Fact<T>,
) -> Fact<SourceFacts> {
    let owned = Arc::clone(context);
    blocking(context, source, move || read(&owned)).await.map(Box::new).map(wrap)
}

/// Reads what names this machine and its people.
pub(super) fn identifiers(root: &SystemRoot) -> Identifiers {
    identity::identifiers(root)
}

/// Asks a source that is read again and again, on the caller's own thread: files only, nothing that waits.
pub(super) fn glance(source: FactSource, context: &CollectContext) -> Fact<SourceFacts> {
    let root = &context.root;
    match source {
        FactSource::Memory => memory::memory(root).map(Box::new).map(SourceFacts::Memory),
        FactSource::Pressure => load::pressure(root).map(Box::new).map(SourceFacts::Pressure),
        FactSource::Mounts => mount::mounts_and_memory(context).map(Box::new).map(SourceFacts::Mounts),
        FactSource::Raid => disk::raid(root).map(Box::new).map(SourceFacts::Raid),
        FactSource::Ecc => load::ecc(root).map(Box::new).map(SourceFacts::Ecc),
        FactSource::Sensors => sensors::sensors(root).map(Box::new).map(SourceFacts::Sensors),
        FactSource::Crashes => journal::crashes(root).map(Box::new).map(SourceFacts::Crashes),
        FactSource::TimeSync => upkeep::time_sync(root, context.now).map(Box::new).map(SourceFacts::TimeSync),
        FactSource::Upkeep => upkeep::upkeep(root).map(Box::new).map(SourceFacts::Upkeep),
        FactSource::Routes => net::routes(root).map(Box::new).map(SourceFacts::Routes),
        _ => Err(MissingFact::NotApplicable("is not read on the caller's thread".to_owned())),
    }
}

/// Asks one source.
pub(super) async fn collect(source: FactSource, context: Arc<CollectContext>) -> Fact<SourceFacts> {
    let c = &context;
    match source {
        FactSource::Machine => files(c, source, SourceFacts::Machine, |c| hardware::machine(&c.root)).await,
        FactSource::Batteries => {
            files(c, source, SourceFacts::Batteries, |c| hardware::batteries(&c.root)).await
        }
        FactSource::Graphics => {
            files(c, source, SourceFacts::Graphics, |c| hardware::graphics(&c.root)).await
        }
        FactSource::Sensors => files(c, source, SourceFacts::Sensors, |c| sensors::sensors(&c.root)).await,
        FactSource::Release => files(c, source, SourceFacts::Release, |c| hardware::release(&c.root)).await,
        FactSource::Mounts => files(c, source, SourceFacts::Mounts, mount::mounts).await,
        FactSource::Smart => smart::smart(c).await.map(Box::new).map(SourceFacts::Smart),
        FactSource::Raid => files(c, source, SourceFacts::Raid, |c| disk::raid(&c.root)).await,
        FactSource::DiskErrors => files(c, source, SourceFacts::DiskErrors, |c| disk::errors(&c.root)).await,
        FactSource::Activity => load::activity(c).await.map(Box::new).map(SourceFacts::Activity),
        FactSource::Pressure => files(c, source, SourceFacts::Pressure, |c| load::pressure(&c.root)).await,
        FactSource::Throttling => load::throttling(c).await.map(Box::new).map(SourceFacts::Throttling),
        FactSource::Memory => files(c, source, SourceFacts::Memory, |c| memory::memory(&c.root)).await,
        FactSource::Ecc => files(c, source, SourceFacts::Ecc, |c| load::ecc(&c.root)).await,
        FactSource::Descriptors => {
            files(c, source, SourceFacts::Descriptors, |c| process::descriptors(&c.root)).await
        }
        FactSource::Printers => printer::printers(c).await.map(Box::new).map(SourceFacts::Printers),
        FactSource::Units => systemd::units(c).await.map(Box::new).map(SourceFacts::Units),
        FactSource::Boot => systemd::boot(c).await.map(Box::new).map(SourceFacts::Boot),
        FactSource::Autostart => {
            files(c, source, SourceFacts::Autostart, |c| account::autostart(&c.root)).await
        }
        FactSource::Crashes => files(c, source, SourceFacts::Crashes, |c| journal::crashes(&c.root)).await,
        FactSource::Journal => journal::errors(c).await.map(Box::new).map(SourceFacts::Journal),
        FactSource::Unclean => journal::unclean(c).await.map(Box::new).map(SourceFacts::Unclean),
        FactSource::Packages => package::packages(c).await.map(Box::new).map(SourceFacts::Packages),
        FactSource::Pending => package::pending(c).await.map(Box::new).map(SourceFacts::Pending),
        FactSource::Upkeep => files(c, source, SourceFacts::Upkeep, |c| upkeep::upkeep(&c.root)).await,
        FactSource::TimeSync => {
            files(c, source, SourceFacts::TimeSync, |c| upkeep::time_sync(&c.root, c.now)).await
        }
        _ => network_and_protection(source, context).await,
    }
}

async fn network_and_protection(source: FactSource, context: Arc<CollectContext>) -> Fact<SourceFacts> {
    let c = &context;
    match source {
        FactSource::Links => files(c, source, SourceFacts::Links, |c| net::links(&c.root)).await,
        FactSource::Routes => files(c, source, SourceFacts::Routes, |c| net::routes(&c.root)).await,
        FactSource::Resolver => files(c, source, SourceFacts::Resolver, |c| net::resolver(&c.root)).await,
        FactSource::Tcp => files(c, source, SourceFacts::Tcp, |c| net::tcp(&c.root)).await,
        FactSource::Proxy => net::proxy(c).await.map(Box::new).map(SourceFacts::Proxy),
        FactSource::Gateway => net::gateway(c).await.map(Box::new).map(SourceFacts::Gateway),
        FactSource::Dns => net::dns(c).await.map(Box::new).map(SourceFacts::Dns),
        FactSource::Ipv6 => net::ipv6(c).await.map(Box::new).map(SourceFacts::Ipv6),
        FactSource::Firewall => protection::firewall(c).await.map(Box::new).map(SourceFacts::Firewall),
        FactSource::Encryption => {
            files(c, source, SourceFacts::Encryption, |c| protection::encryption(&c.root)).await
        }
        FactSource::Platform => {
            files(c, source, SourceFacts::Platform, |c| protection::platform(&c.root)).await
        }
        FactSource::Accounts => files(c, source, SourceFacts::Accounts, |c| account::accounts(&c.root)).await,
        FactSource::Passwords => {
            files(c, source, SourceFacts::Passwords, |c| account::passwords(&c.root)).await
        }
        FactSource::Ports => files(c, source, SourceFacts::Ports, |c| net::ports(&c.root)).await,
        FactSource::Sshd => files(c, source, SourceFacts::Sshd, |c| sshd::sshd(&c.root)).await,
        FactSource::FileModes => {
            files(c, source, SourceFacts::FileModes, |c| account::file_modes(&c.root)).await
        }
        FactSource::Echo => {
            let routes = net::require_route(&context.root)?;
            let targets = net::echo_targets(&routes, &context.targets);
            let runs = probe::echo::runs(targets, context.patience, &context.programs).await?;
            Ok(SourceFacts::Echo(Box::new(runs)))
        }
        _ => {
            net::require_route(&context.root)?;
            probe::collect(source, &context).await
        }
    }
}
