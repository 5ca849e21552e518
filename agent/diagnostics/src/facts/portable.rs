//! Sources that sysinfo reads on every operating system, and on the others than Linux what it has of the rest.
//!
//! Only the parts that are needed are refreshed: a full refresh costs megabytes of memory in the agent.

use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;

use sysinfo::{MemoryRefreshKind, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

use super::process::{ProcessList, ProcessUse};
use super::{CollectContext, Fact, FactSource, MissingFact, SourceFacts, blocking};

/// How long processes are watched.
const WATCH: Duration = Duration::from_millis(1000);

/// Processes kept of each order.
const TOP: usize = 8;

/// Asks one source; `None` where it isn't one of those here.
pub(super) async fn collect(source: FactSource, context: &Arc<CollectContext>) -> Option<Fact<SourceFacts>> {
    match source {
        FactSource::Processes => Some(processes(context).await.map(Box::new).map(SourceFacts::Processes)),
        #[cfg(not(target_os = "linux"))]
        other => elsewhere::collect(other, context).await,
        #[cfg(target_os = "linux")]
        _ => None,
    }
}

fn wanted() -> ProcessRefreshKind {
    ProcessRefreshKind::nothing()
        .with_cpu()
        .with_memory()
        .with_disk_usage()
        .with_exe(UpdateKind::OnlyIfNotSet)
        .without_tasks()
}

/// Watches the running programs for [`WATCH`].
async fn processes(context: &Arc<CollectContext>) -> Fact<ProcessList> {
    let mut system = blocking(context, FactSource::Processes, || {
        let mut system = System::new().map_err(|error| MissingFact::failed("sysinfo", error))?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted());
        Ok(system)
    })
    .await?;
    tokio::time::sleep(WATCH).await;
    let root = context.root.clone();
    blocking(context, FactSource::Processes, move || {
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted());
        Ok(summary(&system, root.number("/proc/sys/kernel/pid_max")))
    })
    .await
}

fn summary(system: &System, limit: Option<u64>) -> ProcessList {
    let mut all = Vec::new();
    let mut zombies: BTreeMap<String, usize> = BTreeMap::new();
    let mut blocked = Vec::new();
    for (pid, process) in system.processes() {
        match process.status() {
            ProcessStatus::Zombie => {
                let parent = process.parent().and_then(|pid| system.process(pid));
                *zombies.entry(parent.map_or_else(|| "unknown".to_owned(), name)).or_default() += 1;
            }
            ProcessStatus::UninterruptibleDiskSleep => blocked.push(name(process)),
            _ => {}
        }
        let disk = process.disk_usage();
        all.push(ProcessUse {
            name: name(process),
            pid: pid.as_u32(),
            cpu_percent: f64::from(process.cpu_usage()),
            memory: process.memory(),
            io: disk.read_bytes.saturating_add(disk.written_bytes),
        });
    }
    blocked.sort();
    ProcessList {
        count: all.len(),
        limit,
        processors: std::thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: system.total_memory(),
        by_cpu: top(&all, |a, b| b.cpu_percent.total_cmp(&a.cpu_percent)),
        by_memory: top(&all, |a, b| b.memory.cmp(&a.memory)),
        by_io: top(&all, |a, b| b.io.cmp(&a.io)),
        zombies: zombies.into_iter().collect(),
        blocked,
    }
}

/// The program's file name, never its arguments; what the kernel calls it where the file isn't known.
fn name(process: &sysinfo::Process) -> String {
    let file = process.exe().and_then(|path| path.file_name());
    file.unwrap_or_else(|| process.name()).to_string_lossy().into_owned()
}

fn top(
    all: &[ProcessUse],
    order: impl Fn(&ProcessUse, &ProcessUse) -> std::cmp::Ordering,
) -> Vec<ProcessUse> {
    let mut sorted: Vec<&ProcessUse> = all.iter().collect();
    sorted.sort_by(|a, b| order(a, b).then(a.pid.cmp(&b.pid)));
    sorted.into_iter().take(TOP).cloned().collect()
}

/// What sysinfo and the probes give on systems whose own collectors aren't written yet.
#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::sync::Arc;

    use sysinfo::{CpuRefreshKind, Disks, MemoryRefreshKind, System};

    use crate::facts::hardware::{HardwareModel, OsRelease};
    use crate::facts::load::MemoryUse;
    use crate::facts::storage::{MountedFileSystem, MountedFileSystems, WriteState};
    use crate::facts::{CollectContext, Fact, FactSource, MissingFact, SourceFacts, blocking, probe};

    pub(super) async fn collect(
        source: FactSource,
        context: &Arc<CollectContext>,
    ) -> Option<Fact<SourceFacts>> {
        Some(match source {
            FactSource::Machine => {
                blocking(context, source, machine).await.map(Box::new).map(SourceFacts::Machine)
            }
            FactSource::Release => {
                blocking(context, source, release).await.map(Box::new).map(SourceFacts::Release)
            }
            FactSource::Memory => {
                blocking(context, source, memory).await.map(Box::new).map(SourceFacts::Memory)
            }
            FactSource::Mounts => {
                blocking(context, source, mounts).await.map(Box::new).map(SourceFacts::Mounts)
            }
            FactSource::Echo | FactSource::Portal | FactSource::Tls | FactSource::Udp | FactSource::Clock => {
                probe::collect(source, context).await
            }
            _ => return None,
        })
    }

    fn system() -> Fact<System> {
        System::new().map_err(|error| MissingFact::failed("sysinfo", error))
    }

    fn machine() -> Fact<HardwareModel> {
        let mut system = system()?;
        system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
        system.refresh_cpu_specifics(CpuRefreshKind::nothing());
        Ok(HardwareModel {
            processor: system.cpus().first().map(|cpu| cpu.brand().to_owned()),
            processors: system.cpus().len(),
            memory_bytes: system.total_memory(),
            ..HardwareModel::default()
        })
    }

    fn release() -> Fact<OsRelease> {
        Ok(OsRelease {
            id: System::distribution_id(),
            version: System::os_version().unwrap_or_default(),
            name: System::long_os_version().unwrap_or_default(),
            kernel: System::kernel_version().unwrap_or_default(),
            hostname: System::host_name().unwrap_or_default(),
            uptime_seconds: System::uptime().unwrap_or_default(),
            taint: None,
        })
    }

    fn memory() -> Fact<MemoryUse> {
        let mut system = system()?;
        system.refresh_memory();
        Ok(MemoryUse {
            total: system.total_memory(),
            available: Some(system.available_memory()),
            swap_total: system.total_swap(),
            swap_free: system.free_swap(),
            ..MemoryUse::default()
        })
    }

    fn mounts() -> Fact<MountedFileSystems> {
        let disks =
            Disks::new_with_refreshed_list().map_err(|error| MissingFact::failed("sysinfo", error))?;
        let local = disks.iter().map(|disk| MountedFileSystem {
            target: disk.mount_point().to_string_lossy().into_owned(),
            device: disk.name().to_string_lossy().into_owned(),
            kind: disk.file_system().to_string_lossy().into_owned(),
            writing: match (disk.is_read_only(), disk.is_removable()) {
                (false, _) => WriteState::Writable,
                (true, true) => WriteState::ReadOnlyMeant,
                (true, false) => WriteState::ReadOnly,
            },
            size: disk.total_space(),
            available: disk.available_space(),
            used: disk.total_space().saturating_sub(disk.available_space()),
            ..MountedFileSystem::default()
        });
        Ok(MountedFileSystems { local: local.collect(), ..MountedFileSystems::default() })
    }
}
