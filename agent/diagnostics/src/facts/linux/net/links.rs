//! The network interfaces: `/sys/class/net`.

use std::collections::BTreeMap;

use crate::facts::Fact;
use crate::facts::network::{LinkShape, NetworkInterface};
use crate::facts::root::SystemRoot;

const BASE: &str = "/sys/class/net";

/// Hardware types of tunnels (`ARPHRD_*`, <linux/if_arp.h>): IPv4 and IPv6 in each other, GRE, and what has no hardware
/// address at all, as WireGuard and `tun`.
const TUNNEL_TYPES: [u32; 6] = [768, 769, 776, 778, 823, 65_534];

/// Hardware types of modems and DSL lines: PPP, and raw IP of mobile broadband.
const DIAL_UP_TYPES: [u32; 2] = [512, 519];

/// Reads the interfaces.
pub(in crate::facts::linux) fn links(root: &SystemRoot) -> Fact<Vec<NetworkInterface>> {
    let wireless = root.text("/proc/net/wireless").map(|text| signals(&text)).unwrap_or_default();
    let names = root.names(BASE)?;
    // `bonding_masters` is a file among the interfaces.
    let names =
        names.into_iter().filter(|name| name != "lo" && root.has(&format!("{BASE}/{name}/operstate")));
    Ok(names.map(|name| link(root, name, &wireless)).collect())
}

fn link(root: &SystemRoot, name: String, wireless: &BTreeMap<String, i64>) -> NetworkInterface {
    let line = |file: &str| root.line(&format!("{BASE}/{name}/{file}"));
    let flags = line("flags").and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    let counters = LinkCounters::read(root, &name);
    NetworkInterface {
        physical: root.has(&format!("{BASE}/{name}/device")),
        shape: shape(root, &name),
        lower: lower(root, &name),
        master: root.link_name(&format!("{BASE}/{name}/master")),
        state: line("operstate").unwrap_or_default(),
        // Reading the carrier of an interface that is switched off fails.
        carrier: line("carrier").and_then(|text| text.parse::<u8>().ok()).map(|carrier| carrier != 0),
        // IFF_UP, <linux/if.h>.
        enabled: flags.unwrap_or(0) & 1 != 0,
        mtu: line("mtu").and_then(|text| text.parse().ok()).unwrap_or(0),
        // Reading speed and duplex of a link that is down fails, and -1 means unknown.
        speed: line("speed").and_then(|text| text.parse().ok()),
        duplex: line("duplex").filter(|text| text != "unknown"),
        packets: counters.packets,
        errors: counters.errors,
        lost: counters.lost,
        unwanted: counters.unwanted,
        signal_dbm: wireless.get(&name).copied(),
        wireless: root.has(&format!("{BASE}/{name}/wireless")) || wireless.contains_key(&name),
        name,
    }
}

fn shape(root: &SystemRoot, name: &str) -> LinkShape {
    let has = |file: &str| root.has(&format!("{BASE}/{name}/{file}"));
    let kind = root.number::<u32>(&format!("{BASE}/{name}/type")).unwrap_or(0);
    if has("bridge") {
        LinkShape::Bridge
    } else if has("bonding") || root.text(&format!("{BASE}/{name}/uevent")).is_ok_and(|text| is_team(&text)) {
        LinkShape::Bond
    } else if DIAL_UP_TYPES.contains(&kind)
        || root.text(&format!("{BASE}/{name}/uevent")).is_ok_and(|t| is_modem(&t))
    {
        LinkShape::DialUp
    } else if has("tun_flags") || TUNNEL_TYPES.contains(&kind) {
        LinkShape::Tunnel
    } else if ["dummy", "ifb"].iter().any(|prefix| is_numbered(name, prefix)) {
        LinkShape::Dummy
    } else {
        LinkShape::Adapter
    }
}

fn is_team(uevent: &str) -> bool {
    uevent.lines().any(|line| line == "DEVTYPE=team")
}

fn is_modem(uevent: &str) -> bool {
    uevent.lines().any(|line| line == "DEVTYPE=wwan")
}

/// `dummy0` for `dummy`.
fn is_numbered(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
}

/// The kernel links each interface below as `lower_NAME`.
fn lower(root: &SystemRoot, name: &str) -> Vec<String> {
    let files = root.names(&format!("{BASE}/{name}")).unwrap_or_default();
    files.iter().filter_map(|file| file.strip_prefix("lower_")).map(str::to_owned).collect()
}

/// What is counted of an interface, put together by what the counters mean (Documentation/networking/statistics.rst).
struct LinkCounters {
    packets: u64,
    errors: u64,
    lost: u64,
    unwanted: u64,
}

impl LinkCounters {
    fn read(root: &SystemRoot, name: &str) -> Self {
        let count = |file: &str| root.number::<u64>(&format!("{BASE}/{name}/statistics/{file}")).unwrap_or(0);
        let sum = |files: &[&str]| files.iter().fold(0_u64, |sum, file| sum.saturating_add(count(file)));
        let largest = |files: &[&str]| files.iter().map(|file| count(file)).max().unwrap_or(0);
        // rx_errors should include the following three, and some drivers leave them out.
        let broken = sum(&["rx_crc_errors", "rx_frame_errors", "rx_length_errors"]).max(count("rx_errors"));
        // Three names for "no room in the adapter"; drivers use one of them, or several for the same packet.
        let missed = largest(&["rx_missed_errors", "rx_fifo_errors", "rx_over_errors"]);
        Self {
            packets: sum(&["rx_packets", "tx_packets"]),
            errors: broken.saturating_add(count("tx_errors")),
            lost: missed.saturating_add(count("tx_dropped")),
            // Since Linux 2.6.37 rx_dropped counts packets of protocols that nobody speaks here: discovery protocols of
            // switches, VLANs that aren't set up, what reaches the standby member of a bond.
            unwanted: sum(&["rx_dropped", "rx_nohandler"]),
        }
    }
}

/// `wlan0: 0000   54.  -56.  -256 …`: the third word after the name is the level in dBm.
fn signals(text: &str) -> BTreeMap<String, i64> {
    text.lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let level = rest.split_whitespace().nth(2)?.trim_end_matches('.').parse().ok()?;
            Some((name.trim().to_owned(), level)).filter(|(_, level)| (-120..0).contains(level))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn reads_links_and_wifi() {
        let (_dir, root) = tree(&[
            ("/sys/class/net/lo/operstate", "unknown\n"),
            ("/sys/class/net/wlan0/operstate", "up\n"),
            ("/sys/class/net/wlan0/flags", "0x1003\n"),
            ("/sys/class/net/wlan0/mtu", "1500\n"),
            ("/sys/class/net/wlan0/device/uevent", "\n"),
            ("/sys/class/net/wlan0/statistics/rx_errors", "3\n"),
            ("/sys/class/net/wlan0/statistics/tx_errors", "4\n"),
            (
                "/proc/net/wireless",
                "Inter-| sta-|   Quality        |   Discarded packets\n face | tus | link level noise |\n\
                 wlan0: 0000   54.  -56.  -256        0      0      0      0     13        0\n",
            ),
        ]);
        let links = links(&root).unwrap();
        assert_eq!(links.len(), 1);
        assert_eq!((links[0].errors, links[0].signal_dbm), (7, Some(-56)));
        assert!(links[0].enabled && links[0].physical && links[0].wireless);
    }

    #[test]
    fn counters_are_put_together_by_what_they_mean() {
        let (_dir, root) = tree(&[
            ("/sys/class/net/bonding_masters", "bond0\n"),
            ("/sys/class/net/eth0/operstate", "up\n"),
            ("/sys/class/net/eth0/statistics/rx_packets", "6000\n"),
            ("/sys/class/net/eth0/statistics/rx_dropped", "600\n"),
            ("/sys/class/net/eth0/statistics/rx_nohandler", "7\n"),
            ("/sys/class/net/eth0/statistics/rx_missed_errors", "40\n"),
            ("/sys/class/net/eth0/statistics/rx_fifo_errors", "40\n"),
            ("/sys/class/net/eth0/statistics/tx_dropped", "2\n"),
            ("/sys/class/net/eth0/statistics/rx_errors", "1\n"),
            ("/sys/class/net/eth0/statistics/rx_crc_errors", "30\n"),
            ("/sys/class/net/eth0/statistics/tx_errors", "4\n"),
        ]);
        let links = links(&root).unwrap();
        assert_eq!(links.len(), 1);
        let eth0 = &links[0];
        assert_eq!((eth0.packets, eth0.errors, eth0.lost, eth0.unwanted), (6000, 34, 42, 607));
    }

    #[test]
    fn shapes_and_what_lies_below() {
        let (dir, root) = tree(&[
            ("/sys/class/net/docker0/operstate", "up\n"),
            ("/sys/class/net/docker0/bridge/stp_state", "0\n"),
            ("/sys/class/net/docker0/lower_veth1/operstate", "up\n"),
            ("/sys/class/net/bond0/operstate", "up\n"),
            ("/sys/class/net/bond0/bonding/mode", "active-backup 1\n"),
            ("/sys/class/net/wg0/operstate", "unknown\n"),
            ("/sys/class/net/wg0/type", "65534\n"),
            ("/sys/class/net/tap0/operstate", "up\n"),
            ("/sys/class/net/tap0/type", "1\n"),
            ("/sys/class/net/tap0/tun_flags", "0x1002\n"),
            ("/sys/class/net/ppp0/operstate", "unknown\n"),
            ("/sys/class/net/ppp0/type", "512\n"),
            ("/sys/class/net/dummy0/operstate", "unknown\n"),
            ("/sys/class/net/eth0/operstate", "down\n"),
            ("/sys/class/net/eth0/carrier", "0\n"),
        ]);
        std::os::unix::fs::symlink("../bond0", dir.path().join("sys/class/net/eth0/master")).unwrap();
        let links = links(&root).unwrap();
        let shapes: Vec<_> = links.iter().map(|link| (link.name.as_str(), link.shape)).collect();
        assert_eq!(
            shapes,
            [
                ("bond0", LinkShape::Bond),
                ("docker0", LinkShape::Bridge),
                ("dummy0", LinkShape::Dummy),
                ("eth0", LinkShape::Adapter),
                ("ppp0", LinkShape::DialUp),
                ("tap0", LinkShape::Tunnel),
                ("wg0", LinkShape::Tunnel),
            ]
        );
        assert_eq!(links[1].lower, ["veth1"]);
        assert_eq!((links[3].carrier, links[3].master.as_deref()), (Some(false), Some("bond0")));
    }
}
