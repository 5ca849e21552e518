//! The clocks that alarms go by, read in one place.

use std::time::SystemTime;

use nearhand_proto::time::UnixMillis;
use nearhand_rules::EngineTime;
use sha2::{Digest, Sha256};

use nearhand_spool::SpoolOwner;

/// Clocks of this run of the machine, and how far the wall clock is known to be off.
#[derive(Clone, Debug)]
pub(crate) struct AlarmClocks {
    boot: [u8; 16],
    /// Wall clock minus monotonic clock, plus how far the wall clock was ahead then, both in milliseconds.
    true_time: Option<i64>,
}

impl AlarmClocks {
    /// The clocks of this run.
    pub(crate) fn new() -> Self {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self { boot: id_bytes(&id), true_time: None }
    }

    /// Reads the clocks.
    pub(crate) fn now(&self) -> EngineTime {
        let boottime = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let monotonic = u64::try_from(boottime.tv_sec)
            .unwrap_or(0)
            .saturating_mul(1000)
            .saturating_add(u64::try_from(boottime.tv_nsec).unwrap_or(0) / 1_000_000);
        let wall = UnixMillis::from_system(SystemTime::now());
        EngineTime { monotonic, boot: self.boot, wall, ahead_ms: self.ahead(monotonic, wall) }
    }

    /// The relay told the time: the wall clock is that far ahead of it now. From here on, a step of the wall clock is
    /// seen without asking again.
    pub(crate) fn learn(&mut self, ahead_ms: i64) {
        let now = self.now();
        self.true_time = Some(apart(now.monotonic, now.wall).saturating_sub(ahead_ms));
    }

    fn ahead(&self, monotonic: u64, wall: UnixMillis) -> Option<i64> {
        Some(apart(monotonic, wall).saturating_sub(self.true_time?))
    }
}

fn apart(monotonic: u64, wall: UnixMillis) -> i64 {
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    signed(wall.0).saturating_sub(signed(monotonic))
}

/// The hexadecimal digits of an id; what isn't one is hashed.
fn id_bytes(text: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (to, from) in bytes.iter_mut().zip(Sha256::digest(text.trim())) {
        *to = from;
    }
    bytes
}

/// Whose spool it is: this device on this machine. A copied disk comes with another machine id or, where root reads
/// it, another mainboard.
pub(crate) fn owner(device: nearhand_proto::id::DeviceId) -> SpoolOwner {
    let read = |path: &str| std::fs::read(path).unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(device.as_bytes());
    for path in ["/etc/machine-id", "/sys/class/dmi/id/product_uuid"] {
        hash.update(read(path));
        hash.update([0]);
    }
    SpoolOwner { mark: hash.finalize().into() }
}
