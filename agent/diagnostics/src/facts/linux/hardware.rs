//! Machine, batteries, graphics, sensors, operating system: from `/sys` and `/proc`.

use crate::facts::hardware::{BatteryState, GraphicsAdapter, HardwareModel, OsRelease, TemperatureSensor};
use crate::facts::root::SystemRoot;
use crate::facts::{Fact, MissingFact};

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
    let hypervisor = cpuinfo.lines().any(|line| line.starts_with("flags") && line.contains(" hypervisor"));
    Ok(HardwareModel {
        virtualisation: virtualisation(root, vendor.as_deref(), product.as_deref(), hypervisor),
        vendor,
        product,
        firmware: dmi("bios_version"),
        firmware_date: dmi("bios_date").as_deref().and_then(iso_date),
        processor,
        processors,
        memory_bytes: super::load::kilobytes(&meminfo, "MemTotal"),
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

fn virtualisation(
    root: &SystemRoot,
    vendor: Option<&str>,
    product: Option<&str>,
    flag: bool,
) -> Option<String> {
    if root.has("/.dockerenv") {
        return Some("docker".to_owned());
    }
    if root.has("/run/.containerenv") {
        return Some("podman".to_owned());
    }
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

/// Reads batteries that power the machine itself (not those of a mouse).
pub(super) fn batteries(root: &SystemRoot) -> Fact<Vec<BatteryState>> {
    let base = "/sys/class/power_supply";
    let mut batteries = Vec::new();
    for name in root.names(base)? {
        let line = |file: &str| root.line(&format!("{base}/{name}/{file}"));
        let number = |file: &str| line(file).and_then(|text| text.parse::<u64>().ok());
        if line("type").as_deref() != Some("Battery") || line("scope").as_deref() == Some("Device") {
            continue;
        }
        let pair = |now: &str, new: &str| Some((number(now)?, number(new)?));
        let full =
            pair("energy_full", "energy_full_design").or_else(|| pair("charge_full", "charge_full_design"));
        batteries.push(BatteryState {
            charge_percent: number("capacity"),
            health_percent: full.filter(|(_, new)| *new > 0).map(|(now, new)| percent(now, new)),
            cycles: number("cycle_count").filter(|cycles| *cycles > 0),
            state: line("status").unwrap_or_default(),
            name,
        });
    }
    Ok(batteries)
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

/// Reads temperatures of hwmon chips, or of thermal zones where there are none.
pub(super) fn sensors(root: &SystemRoot) -> Fact<Vec<TemperatureSensor>> {
    let mut found = Vec::new();
    let chips = root.names("/sys/class/hwmon");
    for chip in chips.as_deref().unwrap_or_default() {
        hwmon_chip(root, &format!("/sys/class/hwmon/{chip}"), &mut found);
    }
    if found.is_empty() {
        for zone in root.names("/sys/class/thermal").unwrap_or_default() {
            found.extend(zone.starts_with("thermal_zone").then(|| thermal_zone(root, &zone)).flatten());
        }
    }
    if found.is_empty() {
        return Err(MissingFact::Absent("a temperature sensor".to_owned()));
    }
    Ok(found)
}

/// Sysfs gives thousandths of a degree.
fn degrees(root: &SystemRoot, path: &str) -> Option<f64> {
    let celsius = root.number::<f64>(path)? / 1000.0;
    // Unconnected sensors report the ends of their range.
    (-40.0..=150.0).contains(&celsius).then_some(celsius)
}

fn hwmon_chip(root: &SystemRoot, base: &str, found: &mut Vec<TemperatureSensor>) {
    let chip = root.line(&format!("{base}/name")).unwrap_or_default();
    for file in root.names(base).unwrap_or_default() {
        let Some(number) = file.strip_prefix("temp").and_then(|rest| rest.strip_suffix("_input")) else {
            continue;
        };
        let Some(celsius) = degrees(root, &format!("{base}/{file}")) else { continue };
        let label = root.line(&format!("{base}/temp{number}_label")).unwrap_or_else(|| number.to_owned());
        let critical = degrees(root, &format!("{base}/temp{number}_crit")).filter(|limit| *limit > 30.0);
        found.push(TemperatureSensor { name: format!("{chip} {label}"), celsius, critical });
    }
}

fn thermal_zone(root: &SystemRoot, zone: &str) -> Option<TemperatureSensor> {
    let base = format!("/sys/class/thermal/{zone}");
    let celsius = degrees(root, &format!("{base}/temp"))?;
    let critical = (0..10)
        .find(|trip| root.line(&format!("{base}/trip_point_{trip}_type")).as_deref() == Some("critical"))
        .and_then(|trip| degrees(root, &format!("{base}/trip_point_{trip}_temp")))
        .filter(|limit| *limit > 30.0);
    Some(TemperatureSensor {
        name: root.line(&format!("{base}/type")).unwrap_or_else(|| zone.to_owned()),
        celsius,
        critical,
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
        assert_eq!(machine.product, None);
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
    fn temperatures_skip_unconnected_sensors_and_fall_back_to_zones() {
        let (_dir, root) = tree(&[
            ("/sys/class/hwmon/hwmon0/name", "coretemp\n"),
            ("/sys/class/hwmon/hwmon0/temp1_input", "54000\n"),
            ("/sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n"),
            ("/sys/class/hwmon/hwmon0/temp1_crit", "100000\n"),
            ("/sys/class/hwmon/hwmon0/temp2_input", "-273000\n"),
        ]);
        let found = sensors(&root).unwrap();
        assert_eq!(
            found,
            [TemperatureSensor {
                name: "coretemp Package id 0".into(),
                celsius: 54.0,
                critical: Some(100.0)
            }]
        );

        let (_dir, root) = tree(&[
            ("/sys/class/thermal/thermal_zone0/temp", "61000\n"),
            ("/sys/class/thermal/thermal_zone0/type", "cpu-thermal\n"),
            ("/sys/class/thermal/thermal_zone0/trip_point_0_type", "critical\n"),
            ("/sys/class/thermal/thermal_zone0/trip_point_0_temp", "90000\n"),
        ]);
        assert_eq!(sensors(&root).unwrap()[0].critical, Some(90.0));
        let (_dir, root) = tree(&[]);
        assert_eq!(sensors(&root), Err(MissingFact::Absent("a temperature sensor".into())));
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
