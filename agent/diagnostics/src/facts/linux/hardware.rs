//! Machine, batteries, graphics, operating system: from `/sys` and `/proc`.

use super::container;
use crate::facts::Fact;
use crate::facts::hardware::{BatteryState, GraphicsAdapter, HardwareModel, OsRelease};
use crate::facts::root::SystemRoot;

/// What makers write where they had nothing to write.
const PLACEHOLDERS: [&str; 6] = [
    "To Be Filled By O.E.M.",
    "System Product Name",
    "System manufacturer",
    "Default string",
    "None",
    "Unknown",
];

/// Reads maker, model and processor.
pub(super) fn machine(root: &SystemRoot) -> Fact<HardwareModel> {
    let dmi = |name: &str| {
        root.line(&format!("/sys/class/dmi/id/{name}"))
            .filter(|text| !PLACEHOLDERS.iter().any(|empty| text.eq_ignore_ascii_case(empty)))
    };
    let cpuinfo = root.text("/proc/cpuinfo")?;
    let (processor, processors) = processor(&cpuinfo);
    let meminfo = root.text("/proc/meminfo").unwrap_or_default();
    let vendor = dmi("sys_vendor");
    let product = dmi("product_name")
        .or_else(|| root.line("/proc/device-tree/model").map(|text| text.trim_end_matches('\0').to_owned()));
    let flag = cpuinfo.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    let container = container::container(root).map(str::to_owned);
    let guest = || hypervisor(root, vendor.as_deref(), product.as_deref(), flag);
    Ok(HardwareModel {
        virtualisation: container.clone().or_else(guest),
        container,
        vendor,
        product,
        firmware: dmi("bios_version"),
        firmware_date: dmi("bios_date").as_deref().and_then(iso_date),
        processor,
        processors,
        memory_bytes: super::memory::meminfo_bytes(&meminfo, "MemTotal").unwrap_or(0),
    })
}

fn processor(cpuinfo: &str) -> (Option<String>, usize) {
    let value = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let name = cpuinfo
        .lines()
        .find(|line| {
            line.starts_with("model name") || line.starts_with("Model") || line.starts_with("Hardware")
        })
        .and_then(value);
    (name, cpuinfo.lines().filter(|line| line.starts_with("processor")).count())
}

/// The firmware's `MM/DD/YYYY` as `YYYY-MM-DD`.
fn iso_date(text: &str) -> Option<String> {
    let mut parts = text.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let number = |text: &str| text.parse::<u16>().ok();
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    ((1..=12).contains(&month) && (1..=31).contains(&day) && (1980..=2200).contains(&year))
        .then(|| format!("{year:04}-{month:02}-{day:02}"))
}

/// The hypervisor that this machine is a guest of.
fn hypervisor(root: &SystemRoot, vendor: Option<&str>, product: Option<&str>, flag: bool) -> Option<String> {
    let known = [
        ("QEMU", "qemu/kvm"),
        ("KVM", "kvm"),
        ("VMware", "vmware"),
        ("innotek", "virtualbox"),
        ("VirtualBox", "virtualbox"),
        ("Xen", "xen"),
        ("Virtual Machine", "hyper-v"),
        ("Amazon EC2", "amazon ec2"),
        ("Google Compute Engine", "google compute engine"),
        ("Parallels", "parallels"),
    ];
    let says = |mark: &str| [vendor, product].into_iter().flatten().any(|text| text.contains(mark));
    if let Some((_, name)) = known.iter().find(|(mark, _)| says(mark)) {
        return Some((*name).to_owned());
    }
    root.line("/sys/hypervisor/type").or_else(|| flag.then(|| "a hypervisor".to_owned()))
}

/// Percent of the design capacity above which a number is none: new batteries hold a little more than they should.
const HEALTH_LIMIT_PERCENT: f64 = 150.0;

/// Reads batteries that power the machine itself (not those of a mouse).
pub(super) fn batteries(root: &SystemRoot) -> Fact<Vec<BatteryState>> {
    let base = "/sys/class/power_supply";
    let mut batteries = Vec::new();
    for name in root.names(base)? {
        let line = |file: &str| root.line(&format!("{base}/{name}/{file}"));
        let number = |file: &str| line(file).and_then(|text| text.parse::<u64>().ok());
        // A bay without a battery stays in the list.
        let is_absent = number("present") == Some(0);
        if is_absent
            || line("type").as_deref() != Some("Battery")
            || line("scope").as_deref() == Some("Device")
        {
            continue;
        }
        batteries.push(BatteryState {
            charge_percent: number("capacity").map(|percent| percent.min(100)),
            health_percent: health(number),
            cycles: number("cycle_count").filter(|cycles| *cycles > 0),
            state: line("status").unwrap_or_default(),
            name,
        });
    }
    Ok(batteries)
}

/// What a battery holds against what it should, by energy or by charge. Firmware writes 0 where it doesn't know.
fn health(number: impl Fn(&str) -> Option<u64>) -> Option<f64> {
    let share = |now: &str, new: &str| {
        let (now, new) = (number(now).filter(|now| *now > 0)?, number(new).filter(|new| *new > 0)?);
        Some(percent(now, new)).filter(|health| *health <= HEALTH_LIMIT_PERCENT)
    };
    let health =
        share("energy_full", "energy_full_design").or_else(|| share("charge_full", "charge_full_design"));
    health.map(|percent| percent.min(100.0))
}

#[expect(clippy::cast_precision_loss, reason = "percentages need no more than 52 bits")]
fn percent(part: u64, whole: u64) -> f64 {
    part as f64 * 100.0 / whole as f64
}

/// Reads display controllers (PCI class 03).
pub(super) fn graphics(root: &SystemRoot) -> Fact<Vec<GraphicsAdapter>> {
    let base = "/sys/bus/pci/devices";
    let mut found = Vec::new();
    for address in root.names(base)? {
        let line = |file: &str| root.line(&format!("{base}/{address}/{file}"));
        if !line("class").is_some_and(|class| class.starts_with("0x03")) {
            continue;
        }
        let vendor = line("vendor").unwrap_or_default();
        found.push(GraphicsAdapter {
            vendor: pci_vendor(&vendor).map_or(vendor, str::to_owned),
            device: line("device").unwrap_or_default(),
            driver: root.link_name(&format!("{base}/{address}/driver")),
            address,
        });
    }
    Ok(found)
}

fn pci_vendor(number: &str) -> Option<&'static str> {
    Some(match number {
        "0x8086" => "Intel",
        "0x1002" => "AMD",
        "0x10de" => "NVIDIA",
        "0x15ad" => "VMware",
        "0x1234" => "QEMU",
        "0x1af4" => "virtio",
        "0x102b" => "Matrox",
        "0x1a03" => "ASPEED",
        _ => return None,
    })
}

/// Reads operating system, kernel, uptime.
pub(super) fn release(root: &SystemRoot) -> Fact<OsRelease> {
    let text = root.text("/etc/os-release").or_else(|_| root.text("/usr/lib/os-release"))?;
    let uptime = root.line("/proc/uptime").unwrap_or_default();
    Ok(OsRelease {
        id: os_release(&text, "ID").unwrap_or_default(),
        version: os_release(&text, "VERSION_ID").unwrap_or_default(),
        name: os_release(&text, "PRETTY_NAME").unwrap_or_default(),
        kernel: root.line("/proc/sys/kernel/osrelease").unwrap_or_default(),
        hostname: root.line("/proc/sys/kernel/hostname").unwrap_or_default(),
        uptime_seconds: uptime.split(['.', ' ']).next().and_then(|text| text.parse().ok()).unwrap_or(0),
        taint: root.number("/proc/sys/kernel/tainted"),
    })
}

fn os_release(text: &str, key: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix('='))?;
    Some(line.trim().trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const CPUINFO: &str = "processor\t: 0\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\n\
        flags\t\t: fpu vme sse2\n\nprocessor\t: 1\nmodel name\t: Intel(R) Core(TM) i5-8250U CPU @ 1.60GHz\n";

    #[test]
    fn reads_a_notebook() {
        let (_dir, root) = tree(&[
            ("/proc/cpuinfo", CPUINFO),
            ("/proc/meminfo", "MemTotal:        8048324 kB\n"),
            ("/sys/class/dmi/id/sys_vendor", "LENOVO\n"),
            ("/sys/class/dmi/id/product_name", "20L5S00R00\n"),
            ("/sys/class/dmi/id/bios_version", "N24ET56W (1.31 )\n"),
            ("/sys/class/dmi/id/bios_date", "02/19/2020\n"),
        ]);
        let machine = machine(&root).unwrap();
        assert_eq!(machine.vendor.as_deref(), Some("LENOVO"));
        assert_eq!(machine.firmware_date.as_deref(), Some("2020-02-19"));
        assert_eq!((machine.processors, machine.memory_bytes), (2, 8_048_324 * 1024));
        assert_eq!(machine.virtualisation, None);
    }

    #[test]
    fn knows_guests_and_ignores_placeholders() {
        let (_dir, root) = tree(&[
            ("/proc/cpuinfo", "processor : 0\nflags : fpu hypervisor\n"),
            ("/sys/class/dmi/id/sys_vendor", "QEMU\n"),
            ("/sys/class/dmi/id/product_name", "To Be Filled By O.E.M.\n"),
        ]);
        let machine = machine(&root).unwrap();
        assert_eq!(machine.virtualisation.as_deref(), Some("qemu/kvm"));
        assert_eq!((machine.product, machine.container), (None, None));
        let (_dir, root) = tree(&[
            ("/proc/cpuinfo", "processor : 0\nflags : fpu hypervisor\n"),
            ("/run/systemd/container", "lxc\n"),
        ]);
        let inside = super::machine(&root).unwrap();
        assert_eq!(
            (inside.virtualisation.as_deref(), inside.container.as_deref()),
            (Some("lxc"), Some("lxc"))
        );
    }

    #[test]
    fn firmware_dates_that_are_none_are_refused() {
        assert_eq!(iso_date("13/01/2020"), None);
        assert_eq!(iso_date("2020"), None);
        assert_eq!(iso_date("01/02/\u{1b}[2J"), None);
    }

    #[test]
    fn battery_health_comes_from_energy_or_charge() {
        let (_dir, root) = tree(&[
            ("/sys/class/power_supply/BAT0/type", "Battery\n"),
            ("/sys/class/power_supply/BAT0/capacity", "71\n"),
            ("/sys/class/power_supply/BAT0/charge_full", "2500000\n"),
            ("/sys/class/power_supply/BAT0/charge_full_design", "5000000\n"),
            ("/sys/class/power_supply/BAT0/status", "Discharging\n"),
            ("/sys/class/power_supply/AC/type", "Mains\n"),
            ("/sys/class/power_supply/hidpp_battery_0/type", "Battery\n"),
            ("/sys/class/power_supply/hidpp_battery_0/scope", "Device\n"),
        ]);
        let batteries = batteries(&root).unwrap();
        assert_eq!(batteries.len(), 1);
        assert_eq!(batteries[0].health_percent, Some(50.0));
        assert_eq!(batteries[0].charge_percent, Some(71));
    }

    #[test]
    fn batteries_that_say_the_impossible_are_not_known() {
        let of = |files: &[(&str, &str)]| {
            let files: Vec<(String, &str)> = files
                .iter()
                .map(|(name, text)| (format!("/sys/class/power_supply/BAT1/{name}"), *text))
                .collect();
            let mut all = vec![("/sys/class/power_supply/BAT1/type", "Battery\n")];
            all.extend(files.iter().map(|(name, text)| (name.as_str(), *text)));
            let (_dir, root) = tree(&all);
            batteries(&root).unwrap()
        };
        let health = |full: &str, design: &str| {
            of(&[("present", "1"), ("energy_full", full), ("energy_full_design", design)])[0].health_percent
        };
        assert_eq!(health("0", "23500000"), None);
        assert_eq!(health("23500000", "0"), None);
        assert_eq!(health("23500000", "10"), None, "a design capacity that can't be");
        assert_eq!(health("24000000", "23500000"), Some(100.0));
        assert_eq!(health("-1", "23500000"), None);
        let both = [
            ("energy_full", "0"),
            ("energy_full_design", "23500000"),
            ("charge_full", "1500"),
            ("charge_full_design", "3000"),
        ];
        assert_eq!(of(&both)[0].health_percent, Some(50.0));
        assert_eq!(of(&[("capacity", "104")])[0].charge_percent, Some(100));
        assert_eq!(of(&[("present", "0"), ("energy_full", "1"), ("energy_full_design", "9")]), []);
    }

    #[test]
    fn graphics_are_pci_class_3() {
        let (_dir, root) = tree(&[
            ("/sys/bus/pci/devices/0000:00:02.0/class", "0x030000\n"),
            ("/sys/bus/pci/devices/0000:00:02.0/vendor", "0x8086\n"),
            ("/sys/bus/pci/devices/0000:00:02.0/device", "0x5917\n"),
            ("/sys/bus/pci/devices/0000:00:1f.3/class", "0x040300\n"),
        ]);
        let found = graphics(&root).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].vendor.as_str(), &found[0].driver), ("Intel", &None));
    }

    #[test]
    fn reads_os_release_with_and_without_quotes() {
        let (_dir, root) = tree(&[
            (
                "/etc/os-release",
                "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nID=debian\n",
            ),
            ("/proc/uptime", "915.53 1701.20\n"),
            ("/proc/sys/kernel/tainted", "4097\n"),
        ]);
        let release = release(&root).unwrap();
        assert_eq!((release.id.as_str(), release.version.as_str()), ("debian", "12"));
        assert_eq!((release.uptime_seconds, release.taint), (915, Some(4097)));
    }
}
