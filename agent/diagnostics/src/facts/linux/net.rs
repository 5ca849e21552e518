//! Network as the kernel and `/etc` tell it; the probes that need that.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use crate::facts::network::{
    DefaultRoute, DefaultRoutes, DnsServer, GatewayReach, Ipv6Reach, NetworkInterface, ProxySettings,
    ResolverConfig, TcpCounters,
};
use crate::facts::probe::{self, dns, echo};
use crate::facts::root::SystemRoot;
use crate::facts::security::OpenPort;
use crate::facts::{CollectContext, Fact, MissingFact};

use super::process;

/// DNS has one well-known port.
const DNS_PORT: u16 = 53;

/// Most name servers that are asked.
const SERVER_LIMIT: usize = 6;

/// Domains that malware and pranks send elsewhere in the hosts file.
const REDIRECT_TARGETS: [&str; 7] =
    ["google.", "microsoft.", "windowsupdate.", "facebook.", "paypal.", "debian.org", "ubuntu.com"];

/// Reads the interfaces.
pub(super) fn links(root: &SystemRoot) -> Fact<Vec<NetworkInterface>> {
    let base = "/sys/class/net";
    let wireless = root.text("/proc/net/wireless").map(|text| signals(&text)).unwrap_or_default();
    let read = |name: String| {
        let line = |file: &str| root.line(&format!("{base}/{name}/{file}"));
        let count = |file: &str| root.number::<u64>(&format!("{base}/{name}/statistics/{file}")).unwrap_or(0);
        let sum = |a: &str, b: &str| count(a).saturating_add(count(b));
        let flags =
            line("flags").and_then(|text| u32::from_str_radix(text.trim_start_matches("0x"), 16).ok());
        NetworkInterface {
            physical: root.has(&format!("{base}/{name}/device")),
            state: line("operstate").unwrap_or_default(),
            // IFF_UP, <linux/if.h>.
            enabled: flags.unwrap_or(0) & 1 != 0,
            mtu: line("mtu").and_then(|text| text.parse().ok()).unwrap_or(0),
            // Reading speed and duplex of a link that is down fails, and -1 means unknown.
            speed: line("speed").and_then(|text| text.parse().ok()),
            duplex: line("duplex").filter(|text| text != "unknown"),
            packets: sum("rx_packets", "tx_packets"),
            errors: sum("rx_errors", "tx_errors"),
            dropped: sum("rx_dropped", "tx_dropped"),
            signal_dbm: wireless.get(&name).copied(),
            wireless: root.has(&format!("{base}/{name}/wireless")) || wireless.contains_key(&name),
            name,
        }
    };
    Ok(root.names(base)?.into_iter().filter(|name| name != "lo").map(read).collect())
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

/// Reads the default routes.
pub(super) fn routes(root: &SystemRoot) -> Fact<DefaultRoutes> {
    let mut v4 = root.text("/proc/net/route").map(|text| parse_routes_v4(&text))?;
    let mut v6 = root.text("/proc/net/ipv6_route").map(|text| parse_routes_v6(&text)).unwrap_or_default();
    v4.sort_by_key(|route| route.metric);
    v6.sort_by_key(|route| route.metric);
    Ok(DefaultRoutes { v4, v6 })
}

/// Refuses, with the reason, where the internet can't be reached anyway.
pub(super) fn require_route(root: &SystemRoot) -> Fact<DefaultRoutes> {
    let routes = routes(root)?;
    match routes.v4.is_empty() && routes.v6.is_empty() {
        true => {
            Err(MissingFact::NotApplicable("there is no default route: this machine is offline".to_owned()))
        }
        false => Ok(routes),
    }
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
                metric: u64::from_str_radix(word(5)?, 16).ok()?,
            })
        })
        .collect()
}

/// Reads name servers and oddities of the hosts file.
pub(super) fn resolver(root: &SystemRoot) -> Fact<ResolverConfig> {
    let servers = nameservers(&root.text("/etc/resolv.conf")?);
    // systemd-resolved's own list: whom the local stub asks.
    let upstream =
        root.text("/run/systemd/resolve/resolv.conf").map(|text| nameservers(&text)).unwrap_or_default();
    let hosts = root.text("/etc/hosts").unwrap_or_default();
    let (redirected, has_localhost) = parse_hosts(&hosts);
    let hosts_lines = hosts.lines().filter(|line| host_entry(line).is_some()).count();
    let upstream = upstream.into_iter().filter(|server| !servers.contains(server)).collect();
    Ok(ResolverConfig { servers, upstream, redirected, has_localhost, hosts_lines })
}

fn nameservers(text: &str) -> Vec<String> {
    let mut servers = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if words.next() == Some("nameserver")
            && let Some(server) = words.next().filter(|server| !servers.iter().any(|s| s == server))
        {
            servers.push(server.to_owned());
        }
    }
    servers
}

fn host_entry(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.split('#').next()?.split_whitespace();
    Some((words.next()?, words.collect()))
}

fn parse_hosts(text: &str) -> (Vec<String>, bool) {
    let mut redirected = BTreeSet::new();
    let mut has_localhost = false;
    for (address, names) in text.lines().filter_map(host_entry) {
        has_localhost |= names.contains(&"localhost");
        // Blocking by 0.0.0.0 or loopback is a choice; another machine's address is a redirection.
        let elsewhere = address
            .parse::<IpAddr>()
            .is_ok_and(|address| !address.is_loopback() && !address.is_unspecified());
        if elsewhere {
            let known =
                names.iter().filter(|name| REDIRECT_TARGETS.iter().any(|target| name.contains(target)));
            redirected.extend(known.map(|name| (*name).to_owned()));
        }
    }
    (redirected.into_iter().collect(), has_localhost)
}

/// Reads TCP and connection tracking counters.
pub(super) fn tcp(root: &SystemRoot) -> Fact<TcpCounters> {
    let text = root.text("/proc/net/snmp")?;
    let (sent, resent) =
        parse_snmp(&text).ok_or_else(|| MissingFact::failed("/proc/net/snmp", "no counters of TCP"))?;
    let count = root.number("/proc/sys/net/netfilter/nf_conntrack_count");
    let limit = root.number("/proc/sys/net/netfilter/nf_conntrack_max");
    Ok(TcpCounters { sent, resent, tracked: count.zip(limit) })
}

/// Two lines that begin with `Tcp:`: names, then values.
fn parse_snmp(text: &str) -> Option<(u64, u64)> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?, lines.next()?);
    let value = |wanted: &str| {
        let index = names.split_whitespace().position(|name| name == wanted)?;
        values.split_whitespace().nth(index)?.parse::<u64>().ok()
    };
    Some((value("OutSegs")?, value("RetransSegs")?))
}

/// Reads ports that listen on more than loopback.
pub(super) fn ports(root: &SystemRoot) -> Fact<Vec<OpenPort>> {
    let mut sockets = parse_sockets("tcp", &root.text("/proc/net/tcp")?);
    for (protocol, path) in [("tcp", "/proc/net/tcp6"), ("udp", "/proc/net/udp"), ("udp", "/proc/net/udp6")] {
        sockets.extend(root.text(path).map(|text| parse_sockets(protocol, &text)).unwrap_or_default());
    }
    let inodes: BTreeSet<u64> = sockets.iter().map(|(_, inode)| *inode).collect();
    let owners = process::socket_owners(root, &inodes);
    let mut ports: Vec<OpenPort> = sockets
        .into_iter()
        .map(|(port, inode)| OpenPort { program: owners.get(&inode).cloned(), ..port })
        .collect();
    ports.sort();
    // The same port over IPv4 and IPv6 is one.
    ports.dedup_by(|a, b| a.protocol == b.protocol && a.number == b.number);
    Ok(ports)
}

/// Listening TCP and unconnected UDP sockets of `/proc/net/{tcp,udp}*`, with their inode.
fn parse_sockets(protocol: &str, text: &str) -> Vec<(OpenPort, u64)> {
    // TCP_LISTEN and TCP_CLOSE, <net/tcp_states.h>; the latter is what an unconnected UDP socket shows.
    let wanted = if protocol == "tcp" { "0A" } else { "07" };
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (address, number) = words.get(1)?.rsplit_once(':')?;
            if *words.get(3)? != wanted || is_loopback(address)? {
                return None;
            }
            let number = u16::from_str_radix(number, 16).ok()?;
            let inode = words.get(9)?.parse().ok()?;
            Some((OpenPort { protocol: protocol.to_owned(), number, program: None }, inode))
        })
        .collect()
}

/// The kernel prints addresses as 32-bit words in the machine's byte order.
fn is_loopback(hex: &str) -> Option<bool> {
    let mut bytes = Vec::new();
    for start in (0..hex.len()).step_by(8) {
        let word = u32::from_str_radix(hex.get(start..start + 8)?, 16).ok()?;
        bytes.extend_from_slice(&word.to_ne_bytes());
    }
    let v6: Result<[u8; 16], _> = bytes.as_slice().try_into();
    let v4: Result<[u8; 4], _> = bytes.as_slice().try_into();
    match (v4, v6) {
        (Ok(v4), _) => Some(Ipv4Addr::from(v4).is_loopback()),
        (_, Ok(v6)) => Some(Ipv6Addr::from(v6).to_canonical().is_loopback()),
        _ => None,
    }
}

/// Reads proxies of the system's settings, and tries each.
pub(super) async fn proxy(context: &Arc<CollectContext>) -> Fact<ProxySettings> {
    let mut proxy = ProxySettings::default();
    // The agent's own environment and the files that set everybody's; values are cut down to host and port.
    let own = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    let file = context.root.text("/etc/environment").unwrap_or_default();
    let mut found: Vec<(String, String)> =
        own.map(|(name, value)| (format!("environment {name}"), value)).collect();
    found.extend(proxy_lines(&file).map(|(name, value)| (format!("/etc/environment {name}"), value)));
    for file in context.root.names("/etc/apt/apt.conf.d").unwrap_or_default() {
        let text = context.root.text(&format!("/etc/apt/apt.conf.d/{file}")).unwrap_or_default();
        found.extend(apt_proxies(&text).map(|value| (format!("apt {file}"), value)));
    }
    for (place, value) in found {
        if value.to_ascii_lowercase().ends_with(".pac") {
            proxy.automatic = true;
        }
        let Some(host) = host_and_port(&value) else { continue };
        if !proxy.settings.iter().any(|(_, known)| *known == host)
            && !probe::connects(&host, context.patience).await
        {
            proxy.unreachable.push(host.clone());
        }
        proxy.settings.push((place, host));
    }
    Ok(proxy)
}

fn proxy_lines(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.trim().trim_start_matches("export ").split_once('=')?;
        let is_proxy =
            name.to_ascii_lowercase().ends_with("_proxy") && !name.eq_ignore_ascii_case("no_proxy");
        is_proxy.then(|| (name.to_owned(), value.trim_matches(['"', '\'']).to_owned()))
    })
}

/// The proxies that apt is configured with, in lines such as `Acquire::http::Proxy "http://proxy:3128/";`.
fn apt_proxies(text: &str) -> impl Iterator<Item = String> {
    text.lines().map(str::trim).filter(|line| !line.starts_with("//") && !line.starts_with('#')).filter_map(
        |line| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            let value = value.trim().trim_end_matches(';').trim_matches('"');
            (name.ends_with("::Proxy") && value != "DIRECT").then(|| value.to_owned())
        },
    )
}

/// Host and port of a proxy URL, without scheme, credentials and path.
fn host_and_port(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let port = if scheme.starts_with("socks") { 1080 } else { 80 };
    match (host.is_empty(), has_port) {
        (true, _) => None,
        (_, true) => Some(host.to_owned()),
        (_, false) => Some(format!("{host}:{port}")),
    }
}

/// Asks the gateway for an echo, and the neighbour table whether it is there.
pub(super) async fn gateway(context: &Arc<CollectContext>) -> Fact<GatewayReach> {
    let routes = require_route(&context.root)?;
    let Some(route) = routes.v4.iter().find(|route| !route.gateway.is_empty()) else {
        return Err(MissingFact::NotApplicable(
            "the default route has no gateway (point-to-point link)".to_owned(),
        ));
    };
    let address: IpAddr =
        route.gateway.parse().map_err(|error| MissingFact::failed("/proc/net/route", error))?;
    let times = echo::series(address, 2, context.patience.min(echo::PATIENCE), &context.programs).await;
    let neighbour = context.root.text("/proc/net/arp").is_ok_and(|text| is_neighbour(&text, &route.gateway));
    match times {
        // Without the right to send echoes the neighbour table alone decides.
        Err(why) if !neighbour => Err(why),
        times => Ok(GatewayReach {
            address: route.gateway.clone(),
            answer_ms: times.unwrap_or_default().into_iter().min_by(f64::total_cmp),
            neighbour,
        }),
    }
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

/// Asks each name server, and those behind a local one.
pub(super) async fn dns(context: &Arc<CollectContext>) -> Fact<Vec<DnsServer>> {
    let resolver = resolver(&context.root)?;
    let servers: Vec<String> =
        resolver.servers.into_iter().chain(resolver.upstream).take(SERVER_LIMIT).collect();
    if servers.is_empty() {
        return Err(MissingFact::NotApplicable("no name server is configured".to_owned()));
    }
    let offline = require_route(&context.root).is_err();
    let mut asked = tokio::task::JoinSet::new();
    for server in servers {
        // `fe80::1%eth0`: the zone isn't part of the address.
        let Ok(address) = server.split('%').next().unwrap_or(&server).parse::<IpAddr>() else { continue };
        if offline && !address.is_loopback() {
            continue;
        }
        let (name, patience) = (context.targets.dns_name.clone(), context.patience);
        asked.spawn(async move { dns::ask(SocketAddr::new(address, DNS_PORT), &name, patience).await });
    }
    if asked.is_empty() {
        require_route(&context.root)?;
        return Err(MissingFact::failed(
            "/etc/resolv.conf",
            "no name server has an address that can be asked",
        ));
    }
    let mut answers = asked.join_all().await;
    answers.sort_by(|a, b| a.address.cmp(&b.address));
    Ok(answers)
}

/// Tries a connection over IPv6, where there is a way to.
pub(super) async fn ipv6(context: &Arc<CollectContext>) -> Fact<Ipv6Reach> {
    let text = context.root.text("/proc/net/if_inet6").map_err(|why| match why {
        MissingFact::Absent(_) => MissingFact::NotApplicable("IPv6 is switched off in the kernel".to_owned()),
        other => other,
    })?;
    let global_address = has_global_address(&text);
    let routed = routes(&context.root).is_ok_and(|routes| !routes.v6.is_empty());
    let target = context.targets.ipv6.clone();
    if !global_address || !routed {
        return Ok(Ipv6Reach { global_address, target, connect_ms: None });
    }
    let connect_ms = probe::connect_time(&target, context.patience).await.ok();
    Ok(Ipv6Reach { global_address, target, connect_ms })
}

/// Scope 00 of `/proc/net/if_inet6` is global; unique local addresses (fc00::/7) don't reach the internet.
fn has_global_address(text: &str) -> bool {
    text.lines().any(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"00")
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
    fn hosts_file_blocking_is_a_choice_and_redirecting_is_not() {
        let (redirected, localhost) = parse_hosts(
            "127.0.0.1 localhost\n0.0.0.0 ads.google.com\n203.0.113.9 www.paypal.com # x\n#203.0.113.9 google.com\n",
        );
        assert_eq!(redirected, ["www.paypal.com"]);
        assert!(localhost);
    }

    #[test]
    fn nameservers_are_listed_once() {
        let text =
            "# comment\nnameserver 192.0.2.1\nsearch lan\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n";
        assert_eq!(nameservers(text), ["192.0.2.1", "fe80::1%eth0"]);
    }

    #[test]
    fn snmp_counters_are_found_by_name() {
        let text = "Ip: A B\nIp: 1 2\nTcp: RtoAlgorithm OutSegs RetransSegs InErrs\nTcp: 1 1000 25 0\n";
        assert_eq!(parse_snmp(text), Some((1000, 25)));
        assert_eq!(parse_snmp("Tcp: OutSegs\n"), None);
    }

    #[test]
    fn only_ports_open_to_others_count() {
        let text = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0CEA 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 11 1 0\n\
            1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 12 1 0\n\
            2: 0A0200C0:0016 0B0200C0:D431 01 00000000:00000000 00:00000000 00000000 0 0 13 1 0\n";
        let ports = parse_sockets("tcp", text);
        assert_eq!(ports.len(), 1);
        assert_eq!((ports[0].0.number, ports[0].1), (22, 12));
        assert_eq!(is_loopback("00000000000000000000000001000000"), Some(true));
        assert_eq!(is_loopback("00000000000000000000000000000000"), Some(false));
        assert_eq!(is_loopback("zz"), None);
    }

    #[test]
    fn proxies_lose_their_credentials() {
        assert_eq!(host_and_port("http://me:secret@proxy.lan:3128/x").as_deref(), Some("proxy.lan:3128"));
        assert_eq!(host_and_port("socks5://proxy.lan").as_deref(), Some("proxy.lan:1080"));
        assert_eq!(host_and_port("http:///"), None);
        let apt: Vec<_> =
            apt_proxies("// Acquire::http::Proxy \"x\";\nAcquire::http::Proxy \"http://p:1/\";\n").collect();
        assert_eq!(apt, ["http://p:1/"]);
        assert_eq!(proxy_lines("no_proxy=a\nhttp_proxy=\"http://p:1\"\n").count(), 1);
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
        assert!(!has_global_address("fe800000000000000000000000000001 02 40 20 80     eth0\n"));
    }
}
