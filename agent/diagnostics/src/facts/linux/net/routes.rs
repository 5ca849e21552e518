//! Default routes, the gateway, and reach over IPv6.

use core::time::Duration;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::facts::network::{DefaultRoute, DefaultRoutes, GatewayReach, Ipv6Reach};
use crate::facts::probe::{self, ProbeTargets, echo};
use crate::facts::root::SystemRoot;
use crate::facts::{CollectContext, Fact, MissingFact};

/// `IFA_F_DADFAILED` and `IFA_F_TENTATIVE`, <linux/if_addr.h>: addresses that can't be used (yet).
const UNUSABLE_ADDRESS: u32 = 0x08 | 0x40;

/// Reads the default routes. A kernel without IPv4 or without IPv6 lacks the file of that one.
pub(in crate::facts::linux) fn routes(root: &SystemRoot) -> Fact<DefaultRoutes> {
    let v4 = root.text("/proc/net/route").map(|text| parse_routes_v4(&text));
    let v6 = root.text("/proc/net/ipv6_route").map(|text| parse_routes_v6(&text));
    if let (Err(why), Err(_)) = (&v4, &v6) {
        return Err(why.clone());
    }
    let finish = |routes: Fact<Vec<DefaultRoute>>| {
        let mut routes = routes.unwrap_or_default();
        routes.sort_by_key(|route| route.metric);
        for route in &mut routes {
            route.interface_index = interface_index(root, &route.interface).unwrap_or(0);
        }
        routes
    };
    Ok(DefaultRoutes { v4: finish(v4), v6: finish(v6) })
}

/// The kernel's number of an interface.
pub(super) fn interface_index(root: &SystemRoot, name: &str) -> Option<u32> {
    root.number(&format!("/sys/class/net/{name}/ifindex"))
}

/// Refuses, with the reason, where the internet can't be reached anyway.
pub(in crate::facts::linux) fn require_route(root: &SystemRoot) -> Fact<DefaultRoutes> {
    let routes = routes(root)?;
    match routes.v4.is_empty() && routes.v6.is_empty() {
        true => {
            Err(MissingFact::NotApplicable("there is no default route: this machine is offline".to_owned()))
        }
        false => Ok(routes),
    }
}

/// Whom to send echo requests: hosts by IPv6 where there is no way out over IPv4.
pub(in crate::facts::linux) fn echo_targets<'a>(
    routes: &DefaultRoutes,
    targets: &'a ProbeTargets,
) -> &'a [String] {
    if routes.v4.is_empty() { &targets.echo_v6 } else { &targets.echo }
}

/// Columns: interface, destination, gateway (hexadecimal, network order as stored), flags, …, metric, mask.
fn parse_routes_v4(text: &str) -> Vec<DefaultRoute> {
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let word = |index: usize| words.get(index).copied();
            // Flags: RTF_UP, not RTF_REJECT, <linux/route.h>.
            let flags = u32::from_str_radix(word(3)?, 16).ok()?;
            if word(1)? != "00000000" || word(7)? != "00000000" || flags & 1 == 0 || flags & 0x200 != 0 {
                return None;
            }
            let gateway = u32::from_str_radix(word(2)?, 16).ok()?;
            let address = Ipv4Addr::from(gateway.to_ne_bytes());
            Some(DefaultRoute {
                interface: word(0)?.to_owned(),
                gateway: if gateway == 0 { String::new() } else { address.to_string() },
                interface_index: 0,
                metric: word(6)?.parse().ok()?,
            })
        })
        .collect()
}

/// Columns: destination, prefix, source, prefix, next hop, metric, references, use, flags, interface.
fn parse_routes_v6(text: &str) -> Vec<DefaultRoute> {
    text.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let word = |index: usize| words.get(index).copied();
            let flags = u32::from_str_radix(word(8)?, 16).ok()?;
            let interface = word(9)?;
            let default = word(0)?.bytes().all(|b| b == b'0') && word(1)? == "00";
            if !default || flags & 1 == 0 || flags & 0x200 != 0 || interface == "lo" {
                return None;
            }
            let gateway = u128::from_str_radix(word(4)?, 16).ok()?;
            Some(DefaultRoute {
                interface: interface.to_owned(),
                gateway: if gateway == 0 { String::new() } else { Ipv6Addr::from(gateway).to_string() },
                interface_index: 0,
                metric: u64::from_str_radix(word(5)?, 16).ok()?,
            })
        })
        .collect()
}

/// Asks the gateway for an echo, and the neighbour table whether it is there.
pub(in crate::facts::linux) async fn gateway(context: &Arc<CollectContext>) -> Fact<GatewayReach> {
    let Some(gateway) = require_route(&context.root)?.gateway() else {
        return Err(MissingFact::NotApplicable(
            "no default route has a gateway (point-to-point link)".to_owned(),
        ));
    };
    let times = echo::series(gateway, 2, context.patience.min(echo::PATIENCE), &context.programs).await;
    // Without the right to send echoes any datagram makes the kernel look for it.
    let knocked = if times.is_err() { probe::knock(gateway, KNOCK_PATIENCE).await } else { None };
    let neighbour = neighbour(context, gateway.ip()).await;
    match times {
        Err(why) if knocked.is_none() && neighbour != Some(true) => Err(why),
        times => Ok(GatewayReach {
            address: shown(gateway),
            answer_ms: times.unwrap_or_default().into_iter().min_by(f64::total_cmp).or(knocked),
            neighbour,
        }),
    }
}

/// Time for an answer of a machine on the same network.
const KNOCK_PATIENCE: Duration = Duration::from_millis(500);

/// `192.0.2.1`, `fe80::1%2`: a link-local address means nothing without its interface.
fn shown(address: SocketAddr) -> String {
    match address {
        SocketAddr::V6(v6) if v6.scope_id() != 0 => format!("{}%{}", v6.ip(), v6.scope_id()),
        other => other.ip().to_string(),
    }
}

/// Whether the hardware address of a neighbour is known. IPv4 has a file for it; IPv6 is asked for with `ip`.
async fn neighbour(context: &Arc<CollectContext>, address: IpAddr) -> Option<bool> {
    let address = address.to_string();
    if !address.contains(':') {
        return context.root.text("/proc/net/arp").ok().map(|text| is_neighbour(&text, &address));
    }
    let output = context.programs.run("ip", &["-6", "neighbour", "show", &address]).await.ok()?;
    (output.code == Some(0)).then(|| is_neighbour_v6(&output.text))
}

/// Flags 0x2 of `/proc/net/arp`: the hardware address is known (ATF_COM).
fn is_neighbour(text: &str, address: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.first() == Some(&address)
            && words
                .get(2)
                .and_then(|w| u32::from_str_radix(w.trim_start_matches("0x"), 16).ok())
                .is_some_and(|flags| flags & 2 != 0)
    })
}

/// `fe80::1 dev eth0 lladdr 02:00:00:00:00:01 router REACHABLE`: the last word is the state (ip-neighbour(8)).
fn is_neighbour_v6(text: &str) -> bool {
    text.lines().any(|line| {
        let state = line.split_whitespace().last().unwrap_or("");
        matches!(state, "REACHABLE" | "STALE" | "DELAY" | "PROBE" | "PERMANENT" | "NOARP")
    })
}

/// Tries a connection over IPv6, where there is a way to.
pub(in crate::facts::linux) async fn ipv6(context: &Arc<CollectContext>) -> Fact<Ipv6Reach> {
    let text = context.root.text("/proc/net/if_inet6").map_err(|why| match why {
        MissingFact::Absent(_) => MissingFact::NotApplicable("IPv6 is switched off in the kernel".to_owned()),
        other => other,
    })?;
    let global_address = has_global_address(&text);
    let routed = routes(&context.root).is_ok_and(|routes| !routes.v6.is_empty());
    let target = context.targets.ipv6.clone();
    let connect_ms = match global_address && routed {
        true => probe::connect_time(&target, context.patience).await.ok(),
        false => None,
    };
    Ok(Ipv6Reach { global_address, routed, target, connect_ms })
}

/// Scope 00 of `/proc/net/if_inet6` is global; unique local addresses (fc00::/7) don't reach the internet.
fn has_global_address(text: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let flags = words.get(4).and_then(|word| u32::from_str_radix(word, 16).ok()).unwrap_or(0);
        words.get(3) == Some(&"00")
            && flags & UNUSABLE_ADDRESS == 0
            && words.first().is_some_and(|w| !w.starts_with("fc") && !w.starts_with("fd"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    const ROUTE: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";

    const ROUTE_V6: &str = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
        fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n";

    #[test]
    fn default_routes_come_best_first() {
        let (_dir, root) = tree(&[("/proc/net/route", ROUTE)]);
        let routes = routes(&root).unwrap();
        let seen: Vec<_> = routes.v4.iter().map(|r| (r.interface.as_str(), r.gateway.as_str())).collect();
        assert_eq!(seen, [("eth0", "192.0.2.1"), ("wlan0", "192.168.0.1")]);
    }

    #[test]
    fn ipv6_default_routes_leave_out_rejects() {
        let text = "00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
            fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 \
            00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
        let routes = parse_routes_v6(text);
        assert_eq!(routes.len(), 1);
        assert_eq!(routes[0].gateway, "fe80::1");
    }

    #[test]
    fn no_route_is_said_at_once() {
        let (_dir, root) = tree(&[("/proc/net/route", "Iface\tDestination\n")]);
        assert!(require_route(&root).unwrap_err().to_string().contains("no default route"));
    }

    #[test]
    fn neighbours_and_global_addresses() {
        let arp = "IP address       HW type     Flags       HW address            Mask     Device\n\
            192.0.2.1        0x1         0x2         02:00:00:00:00:01     *        eth0\n\
            192.0.2.7        0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        assert!(is_neighbour(arp, "192.0.2.1"));
        assert!(!is_neighbour(arp, "192.0.2.7"));
        assert!(has_global_address("20010db8000000000000000000000001 02 40 00 80     eth0\n"));
        assert!(!has_global_address("fd000000000000000000000000000001 02 40 00 80     eth0\n"));
        assert!(
            !has_global_address("20010db8000000000000000000000001 02 40 00 08     eth0\n"),
            "a duplicate"
        );
        assert!(!has_global_address("fe800000000000000000000000000001 02 40 20 80     eth0\n"));
    }

    #[test]
    fn a_link_local_gateway_is_asked_on_its_interface() {
        let (_dir, root) = tree(&[
            ("/proc/net/route", "Iface\tDestination\n"),
            ("/proc/net/ipv6_route", ROUTE_V6),
            ("/sys/class/net/eth0/ifindex", "7\n"),
        ]);
        let only_v6 = routes(&root).unwrap();
        assert_eq!(only_v6.gateway().unwrap().to_string(), "[fe80::1%7]:0");
        let targets = ProbeTargets::default();
        assert_eq!(echo_targets(&only_v6, &targets), targets.echo_v6);
        let (_dir, root) = tree(&[("/proc/net/route", ROUTE), ("/proc/net/ipv6_route", ROUTE_V6)]);
        let both = routes(&root).unwrap();
        assert_eq!(both.gateway().unwrap().to_string(), "192.0.2.1:0", "IPv4 first where it has a gateway");
        assert_eq!(echo_targets(&both, &targets), targets.echo);
        // A tunnel over IPv4 without a gateway leaves the one of IPv6.
        let tunnel = DefaultRoutes { v4: vec![DefaultRoute::default()], ..only_v6 };
        assert_eq!(tunnel.gateway().unwrap().to_string(), "[fe80::1%7]:0");
        assert_eq!(DefaultRoutes { v6: vec![], ..tunnel }.gateway(), None);
    }

    #[test]
    fn a_kernel_without_ipv4_has_routes_too() {
        let (_dir, root) = tree(&[("/proc/net/ipv6_route", ROUTE_V6)]);
        assert!(require_route(&root).unwrap().v4.is_empty());
        let (_dir, root) = tree(&[]);
        assert_eq!(routes(&root), Err(MissingFact::Absent("/proc/net/route".into())));
    }

    #[test]
    fn states_of_ipv6_neighbours() {
        for (state, known) in [("REACHABLE", true), ("STALE", true), ("FAILED", false), ("INCOMPLETE", false)]
        {
            let line = format!("fe80::1 dev eth0 lladdr 02:00:00:00:00:01 router {state} \n");
            assert_eq!(is_neighbour_v6(&line), known, "{state}");
        }
        assert!(!is_neighbour_v6(""));
    }
}
