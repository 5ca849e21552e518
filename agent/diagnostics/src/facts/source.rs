//! The sources of facts: what each tells, and how long it may take.
//!
//! Lives here: one list of them, from which come the names, the set of facts of a run and what a collector hands back.
//! Must not live here: the facts' types and any reading.

use core::time::Duration;

use nearhand_proto::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::{
    Fact, MissingFact, hardware, load, log, network, printer, process, security, service, storage, update,
};

/// One place for the list of sources: the enum, the set of facts and what a collector hands back.
macro_rules! sources {
    ($($(#[doc = $doc:literal])* $field:ident: $source:ident($kind:ty);)*) => {
        /// Something that is asked once for a group of facts.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum FactSource { $($(#[doc = $doc])* $source),* }

        impl FactSource {
            /// Every source there is.
            pub const ALL: &'static [FactSource] = &[$(FactSource::$source),*];
        }

        /// All facts of one run.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub struct MachineFacts {
            /// When the run began.
            pub taken_at: UnixMillis,
            $($(#[doc = $doc])* pub $field: Fact<$kind>,)*
        }

        /// What one source told.
        #[derive(Debug)]
        pub enum SourceFacts { $($(#[doc = $doc])* $source(Box<$kind>)),* }

        impl MachineFacts {
            /// No facts yet.
            pub fn none(taken_at: UnixMillis) -> Self {
                let unasked = || MissingFact::NotApplicable("was not asked for in this run".to_owned());
                Self { taken_at, $($field: Err(unasked())),* }
            }

            /// Keeps what a source told.
            pub fn keep(&mut self, gathered: SourceFacts) {
                match gathered { $(SourceFacts::$source(value) => self.$field = Ok(*value)),* }
            }

            /// Keeps why a source told nothing.
            pub fn miss(&mut self, source: FactSource, why: MissingFact) {
                match source { $(FactSource::$source => self.$field = Err(why)),* }
            }
        }
    };
}

sources! {
    /// Maker, model, firmware, processor.
    machine: Machine(hardware::HardwareModel);
    /// The batteries and their state.
    batteries: Batteries(Vec<hardware::BatteryState>);
    /// The graphics adapters and their drivers.
    graphics: Graphics(Vec<hardware::GraphicsAdapter>);
    /// Temperatures and fans.
    sensors: Sensors(Vec<hardware::TemperatureSensor>);
    /// Operating system, kernel, uptime.
    release: Release(hardware::OsRelease);
    /// Mounted file systems.
    mounts: Mounts(storage::MountedFileSystems);
    /// The disks' own health reports.
    smart: Smart(storage::SmartReports);
    /// Software RAID arrays.
    raid: Raid(Vec<storage::RaidArray>);
    /// Errors the file systems and disks counted.
    disk_errors: DiskErrors(Vec<storage::ErrorCount>);
    /// Processor and disk use over a short moment.
    activity: Activity(load::SystemActivity);
    /// Pressure stall information.
    pressure: Pressure(load::PressureStalls);
    /// Clock throttling of the processor.
    throttling: Throttling(load::CpuThrottling);
    /// Memory and swap.
    memory: Memory(load::MemoryUse);
    /// Memory errors that ECC found.
    ecc: Ecc(Vec<load::EccController>);
    /// The network interfaces and their state.
    links: Links(Vec<network::NetworkInterface>);
    /// The default routes, over IPv4 and IPv6.
    routes: Routes(network::DefaultRoutes);
    /// Configured name servers and the hosts file.
    resolver: Resolver(network::ResolverConfig);
    /// TCP and connection tracking counters.
    tcp: Tcp(network::TcpCounters);
    /// The proxies that are configured.
    proxy: Proxy(network::ProxySettings);
    /// Whether the gateway answers.
    gateway: Gateway(network::GatewayReach);
    /// How each name server answers.
    dns: Dns(Vec<network::DnsServer>);
    /// Loss, delay and jitter to the internet.
    echo: Echo(Vec<network::EchoRun>);
    /// Answer of the captive-portal test page.
    portal: Portal(network::PortalAnswer);
    /// Who signed the certificates that well-known hosts show here.
    tls: Tls(Vec<network::TlsPeer>);
    /// Reach over IPv6.
    ipv6: Ipv6(network::Ipv6Reach);
    /// Reach over UDP.
    udp: Udp(Vec<network::UdpTarget>);
    /// The state of systemd's units.
    units: Units(service::UnitStates);
    /// How long the start took.
    boot: Boot(service::BootTimes);
    /// Programs that start with the desktop.
    autostart: Autostart(service::AutostartPrograms);
    /// Crashes of programs.
    crashes: Crashes(Vec<log::ProgramCrash>);
    /// Errors in the journal since the start, grouped.
    journal: Journal(log::JournalErrors);
    /// Starts that followed no orderly stop.
    unclean: Unclean(log::UncleanBoots);
    /// The packages that are installed.
    packages: Packages(update::InstalledPackages);
    /// Packages that could be updated.
    pending: Pending(update::AvailableUpdates);
    /// What is waiting for a restart, how old the package lists are.
    upkeep: Upkeep(update::UpkeepState);
    /// Offset of the clock from network time.
    clock: Clock(update::ClockOffset);
    /// What keeps the clock right.
    time_sync: TimeSync(update::TimeSync);
    /// Whether a packet filter is active.
    firewall: Firewall(security::FirewallState);
    /// Encryption of the disks.
    encryption: Encryption(security::DiskEncryption);
    /// Secure boot, access control modules, processor flaws.
    platform: Platform(security::PlatformSecurity);
    /// Accounts with rights.
    accounts: Accounts(security::PrivilegedAccounts);
    /// Users without a password.
    passwords: Passwords(security::PasswordState);
    /// Ports open to others.
    ports: Ports(Vec<security::OpenPort>);
    /// Settings of the SSH server.
    sshd: Sshd(security::SshdSettings);
    /// Modes of important files.
    file_modes: FileModes(security::FileModes);
    /// The print queues and their state.
    printers: Printers(printer::PrintQueues);
    /// The programs that run, and the largest of them.
    processes: Processes(process::ProcessList);
    /// Open files against their limits.
    descriptors: Descriptors(process::DescriptorUse);
}

impl FactSource {
    /// The longest this source may take.
    pub fn limit(self) -> Duration {
        let ms = match self {
            Self::Pending | Self::Journal => 15_000,
            Self::Smart | Self::Echo | Self::Packages | Self::Boot | Self::Unclean => 10_000,
            Self::Tls | Self::Udp | Self::Dns | Self::Clock | Self::Portal | Self::Ipv6 => 6_000,
            _ => 2_500,
        };
        Duration::from_millis(ms)
    }

    /// `true` for sources that load the machine: they wait until [`FactSource::measures`] have looked.
    pub fn is_heavy(self) -> bool {
        matches!(
            self,
            Self::Pending | Self::Journal | Self::Packages | Self::Boot | Self::Unclean | Self::Smart
        )
    }

    /// `true` for sources that measure how busy the machine is, which our own work would falsify.
    pub fn measures(self) -> bool {
        matches!(self, Self::Activity | Self::Processes)
    }
}
