//! Collectors that only Linux has.
//!
//! Lives here: reading `/proc`, `/sys`, `/etc`, the package database, D-Bus and the programs that tell more,
//! and the pure parsers of what they say. Must not live here: what it means, and network probes that need
//! nothing of Linux.

mod account;
mod disk;
mod hardware;
mod identity;
mod journal;
mod load;
mod mount;
mod net;
mod package;
mod printer;
mod process;
mod protection;
mod systemd;
mod upkeep;

use std::sync::Arc;

use nearhand_report::pseudonymise::Identifiers;

use super::root::Root;
use super::{Context, Fact, Gathered, Missing, Source, blocking, probe};
pub use load::SinceLast;
pub use systemd::{UnitChange, UnitWatch, shutting_down_to};

/// Reads files with `read` on a thread for it, and wraps what came.
async fn files<T: Send + 'static>(
    context: &Arc<Context>,
    wrap: fn(Box<T>) -> Gathered,
    read: fn(&Context) -> Fact<T>,
) -> Fact<Gathered> {
    let context = Arc::clone(context);
    blocking(move || read(&context)).await.map(Box::new).map(wrap)
}

/// Reads what names this machine and its people.
pub(super) fn identifiers(root: &Root) -> Identifiers {
    identity::identifiers(root)
}

/// Asks a source that is read again and again, on the caller's own thread: files only, nothing that waits.
pub(super) fn glance(source: Source, context: &Context) -> Fact<Gathered> {
    let root = &context.root;
    match source {
        Source::Memory => load::memory(root).map(Box::new).map(Gathered::Memory),
        Source::Pressure => load::pressure(root).map(Box::new).map(Gathered::Pressure),
        Source::Mounts => mount::mounts_and_memory(root).map(Box::new).map(Gathered::Mounts),
        Source::Raid => disk::raid(root).map(Box::new).map(Gathered::Raid),
        Source::Ecc => load::ecc(root).map(Box::new).map(Gathered::Ecc),
        Source::Sensors => hardware::sensors(root).map(Box::new).map(Gathered::Sensors),
        Source::Crashes => journal::crashes(root).map(Box::new).map(Gathered::Crashes),
        Source::TimeSync => upkeep::time_sync(root, context.now).map(Box::new).map(Gathered::TimeSync),
        Source::Upkeep => upkeep::upkeep(root).map(Box::new).map(Gathered::Upkeep),
        Source::Routes => net::routes(root).map(Box::new).map(Gathered::Routes),
        _ => Err(Missing::NotApplicable("is not read on the caller's thread".to_owned())),
    }
}

/// Asks one source.
pub(super) async fn collect(source: Source, context: Arc<Context>) -> Fact<Gathered> {
    let c = &context;
    match source {
        Source::Machine => files(c, Gathered::Machine, |c| hardware::machine(&c.root)).await,
        Source::Batteries => files(c, Gathered::Batteries, |c| hardware::batteries(&c.root)).await,
        Source::Graphics => files(c, Gathered::Graphics, |c| hardware::graphics(&c.root)).await,
        Source::Sensors => files(c, Gathered::Sensors, |c| hardware::sensors(&c.root)).await,
        Source::Release => files(c, Gathered::Release, |c| hardware::release(&c.root)).await,
        Source::Mounts => files(c, Gathered::Mounts, |c| mount::mounts(&c.root)).await,
        Source::Smart => disk::smart(c).await.map(Box::new).map(Gathered::Smart),
        Source::Raid => files(c, Gathered::Raid, |c| disk::raid(&c.root)).await,
        Source::DiskErrors => files(c, Gathered::DiskErrors, |c| disk::errors(&c.root)).await,
        Source::Activity => load::activity(c).await.map(Box::new).map(Gathered::Activity),
        Source::Pressure => files(c, Gathered::Pressure, |c| load::pressure(&c.root)).await,
        Source::Throttling => files(c, Gathered::Throttling, |c| load::throttling(&c.root)).await,
        Source::Memory => files(c, Gathered::Memory, |c| load::memory(&c.root)).await,
        Source::Ecc => files(c, Gathered::Ecc, |c| load::ecc(&c.root)).await,
        Source::Descriptors => files(c, Gathered::Descriptors, |c| process::descriptors(&c.root)).await,
        Source::Printers => printer::printers(c).await.map(Box::new).map(Gathered::Printers),
        Source::Units => systemd::units(c).await.map(Box::new).map(Gathered::Units),
        Source::Boot => systemd::boot(c).await.map(Box::new).map(Gathered::Boot),
        Source::Autostart => files(c, Gathered::Autostart, |c| account::autostart(&c.root)).await,
        Source::Crashes => files(c, Gathered::Crashes, |c| journal::crashes(&c.root)).await,
        Source::Journal => journal::errors(c).await.map(Box::new).map(Gathered::Journal),
        Source::Unclean => journal::unclean(c).await.map(Box::new).map(Gathered::Unclean),
        Source::Packages => package::packages(c).await.map(Box::new).map(Gathered::Packages),
        Source::Pending => package::pending(c).await.map(Box::new).map(Gathered::Pending),
        Source::Upkeep => files(c, Gathered::Upkeep, |c| upkeep::upkeep(&c.root)).await,
        Source::TimeSync => files(c, Gathered::TimeSync, |c| upkeep::time_sync(&c.root, c.now)).await,
        _ => network_and_protection(source, context).await,
    }
}

async fn network_and_protection(source: Source, context: Arc<Context>) -> Fact<Gathered> {
    let c = &context;
    match source {
        Source::Links => files(c, Gathered::Links, |c| net::links(&c.root)).await,
        Source::Routes => files(c, Gathered::Routes, |c| net::routes(&c.root)).await,
        Source::Resolver => files(c, Gathered::Resolver, |c| net::resolver(&c.root)).await,
        Source::Tcp => files(c, Gathered::Tcp, |c| net::tcp(&c.root)).await,
        Source::Proxy => net::proxy(c).await.map(Box::new).map(Gathered::Proxy),
        Source::Gateway => net::gateway(c).await.map(Box::new).map(Gathered::Gateway),
        Source::Dns => net::dns(c).await.map(Box::new).map(Gathered::Dns),
        Source::Ipv6 => net::ipv6(c).await.map(Box::new).map(Gathered::Ipv6),
        Source::Firewall => protection::firewall(c).await.map(Box::new).map(Gathered::Firewall),
        Source::Encryption => files(c, Gathered::Encryption, |c| protection::encryption(&c.root)).await,
        Source::Platform => files(c, Gathered::Platform, |c| protection::platform(&c.root)).await,
        Source::Accounts => files(c, Gathered::Accounts, |c| account::accounts(&c.root)).await,
        Source::Passwords => files(c, Gathered::Passwords, |c| account::passwords(&c.root)).await,
        Source::Ports => files(c, Gathered::Ports, |c| net::ports(&c.root)).await,
        Source::Sshd => files(c, Gathered::Sshd, |c| protection::sshd(&c.root)).await,
        Source::FileModes => files(c, Gathered::FileModes, |c| account::file_modes(&c.root)).await,
        _ => {
            net::require_route(&context.root)?;
            probe::collect(source, &context).await
        }
    }
}
