//! What names this machine and its people: host names, accounts, wireless networks, serial numbers.
//!
//! Only for taking these names out of a report. They are no facts: none of them is ever put into one.

use nearhand_report::pseudonymise::Identifiers;

use super::account;
use crate::facts::root::SystemRoot;

/// Most networks, disks and devices whose names are read.
const LIMIT: usize = 500;

/// Serial numbers of the machine that the firmware tells, and what else tells it from all others.
const OF_THE_MACHINE: [&str; 6] = [
    "/sys/class/dmi/id/product_serial",
    "/sys/class/dmi/id/board_serial",
    "/sys/class/dmi/id/chassis_serial",
    "/sys/class/dmi/id/product_uuid",
    "/etc/machine-id",
    "/sys/firmware/devicetree/base/serial-number",
];

/// Directories of devices, and the file of each that holds its serial number.
const OF_DEVICES: [(&str, &str); 6] = [
    ("/sys/block", "serial"),
    ("/sys/block", "device/serial"),
    ("/sys/block", "device/wwid"),
    ("/sys/block", "wwid"),
    ("/sys/bus/usb/devices", "serial"),
    ("/sys/class/power_supply", "serial_number"),
];

/// Reads the names; what can't be read is left out.
pub(super) fn identifiers(root: &SystemRoot) -> Identifiers {
    Identifiers {
        hostnames: hostnames(root),
        users: account::people(root),
        ssids: ssids(root),
        serials: serials(root),
        devices: Vec::new(),
    }
}

fn hostnames(root: &SystemRoot) -> Vec<String> {
    let own: Vec<String> = ["/proc/sys/kernel/hostname", "/etc/hostname", "/etc/mailname"]
        .into_iter()
        .filter_map(|path| root.line(path))
        .collect();
    // The machine's whole name stands next to its short one in the hosts file.
    let hosts = root.text("/etc/hosts").unwrap_or_default();
    let whole = hosts.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(|line| {
        let names: Vec<&str> = line.split_whitespace().skip(1).take_while(|n| !n.starts_with('#')).collect();
        let ours = names.iter().any(|name| own.iter().any(|own| own == name));
        if ours { names } else { Vec::new() }
    });
    let whole: Vec<String> = whole.map(str::to_owned).collect();
    own.into_iter().chain(whole).collect()
}

fn serials(root: &SystemRoot) -> Vec<String> {
    let machine = OF_THE_MACHINE.into_iter().filter_map(|path| root.line(path));
    let devices = OF_DEVICES.into_iter().flat_map(|(directory, file)| {
        let names = root.names(directory).unwrap_or_default();
        names
            .into_iter()
            .take(LIMIT)
            .filter_map(move |name| root.line(&format!("{directory}/{name}/{file}")))
            .collect::<Vec<_>>()
    });
    machine
        .chain(devices)
        .map(|serial| serial.trim_matches(['\0', ' ']).to_owned())
        // Shorter ones are placeholders such as `0` or `None`, and USB hubs give their bus address.
        .filter(|serial| serial.len() >= 5 && !serial.contains(':'))
        .collect()
}

/// Names of the wireless networks that this machine knows: NetworkManager, iwd, wpa_supplicant.
fn ssids(root: &SystemRoot) -> Vec<String> {
    let saved = "/etc/NetworkManager/system-connections";
    let files = root.names(saved).unwrap_or_default().into_iter().take(LIMIT);
    let manager = files.filter_map(|name| {
        let text = root.text(&format!("{saved}/{name}")).ok()?;
        text.lines().find_map(|line| line.strip_prefix("ssid=").map(str::to_owned))
    });
    let iwd = root.names("/var/lib/iwd").unwrap_or_default().into_iter().take(LIMIT).filter_map(|name| {
        let (network, kind) = name.rsplit_once('.')?;
        // `=` begins the hexadecimal form, which no text shows.
        (matches!(kind, "psk" | "open" | "8021x") && !network.starts_with('=')).then(|| network.to_owned())
    });
    let supplicant = root.text("/etc/wpa_supplicant/wpa_supplicant.conf").unwrap_or_default();
    let supplicant = supplicant.lines().filter_map(|line| {
        let quoted = line.trim().strip_prefix("ssid=\"")?.strip_suffix('"')?;
        Some(quoted.to_owned())
    });
    manager.chain(iwd).chain(supplicant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn names_are_read_from_where_systems_keep_them() {
        let (_dir, root) = tree(&[
            ("/proc/sys/kernel/hostname", "anna-pc\n"),
            (
                "/etc/hosts",
                "127.0.0.1 localhost\n127.0.1.1 anna-pc.firma.example anna-pc # us\n10.0.0.1 nas\n",
            ),
            (
                "/etc/passwd",
                "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna Berg,,,:/home/anna:/bin/bash\n\
                 www-data:x:33:33::/var/www:/usr/sbin/nologin\ndeploy:x:998:998::/srv:/bin/sh\n",
            ),
            ("/sys/class/dmi/id/product_serial", "4XK2YZ1\n"),
            ("/sys/class/dmi/id/board_serial", "0\n"),
            ("/sys/block/sda/device/wwid", "naa.5000c500a1b2c3d4\n"),
            ("/sys/block/vda/serial", "disk-7f3a\n"),
            ("/sys/bus/usb/devices/1-1/serial", "4C530001\n"),
            ("/sys/bus/usb/devices/usb1/serial", "0000:00:14.0\n"),
            (
                "/etc/NetworkManager/system-connections/home.nmconnection",
                "[wifi]\nssid=Sonne 7\npsk=geheim\n",
            ),
            ("/var/lib/iwd/Cafe.psk", ""),
            ("/etc/wpa_supplicant/wpa_supplicant.conf", "network={\n  ssid=\"Werk\"\n  psk=\"x\"\n}\n"),
        ]);
        let found = identifiers(&root);
        assert_eq!(found.hostnames, ["anna-pc", "anna-pc.firma.example", "anna-pc"]);
        assert_eq!(found.users, ["root", "anna", "Anna Berg", "deploy"]);
        assert_eq!(found.ssids, ["Sonne 7", "Cafe", "Werk"]);
        assert_eq!(found.serials, ["4XK2YZ1", "disk-7f3a", "naa.5000c500a1b2c3d4", "4C530001"]);
    }
}
