//! Network.

use nearhand_report::model::FindingStatus::{self, Fail, Info, Ok as Good, Skipped, Warn};

use super::worst;
use crate::facts::network::{
    DefaultRoute, DefaultRoutes, DnsServer, EchoRun, GatewayReach, Ipv6Reach, LinkShape, NetworkInterface,
    PortalAnswer, ProxySettings, ResolverConfig, TcpCounters, TlsPeer, UdpTarget,
};

fn wire() -> NetworkInterface {
    NetworkInterface {
        name: "eth0".into(),
        physical: true,
        state: "up".into(),
        enabled: true,
        mtu: 1500,
        speed: Some(1000),
        packets: 10_000,
        ..NetworkInterface::default()
    }
}

fn of(id: &str, link: NetworkInterface) -> FindingStatus {
    worst(id, |f| f.links = Ok(vec![link]))
}

#[test]
fn links_are_up_fast_and_clean() {
    assert_eq!(of("network.link", wire()), Good);
    assert_eq!(of("network.link", NetworkInterface { state: "down".into(), ..wire() }), Fail);
    assert_eq!(of("network.speed", NetworkInterface { speed: Some(100), ..wire() }), Good);
    assert_eq!(of("network.speed", NetworkInterface { speed: Some(10), ..wire() }), Warn);
    assert_eq!(of("network.speed", NetworkInterface { duplex: Some("half".into()), ..wire() }), Warn);
    assert_eq!(of("network.speed", NetworkInterface { speed: None, ..wire() }), Skipped);
    let errors = [9, 10, 100].map(|errors| of("network.errors", NetworkInterface { errors, ..wire() }));
    assert_eq!(errors, [Good, Warn, Fail]);
    let lost = [499, 500].map(|lost| of("network.errors", NetworkInterface { lost, ..wire() }));
    assert_eq!(lost, [Good, Warn]);
    assert_eq!(of("network.errors", NetworkInterface { unwanted: 6000, ..wire() }), Good);
    assert_eq!(
        [1400, 1399, 1279].map(|mtu| of("network.mtu", NetworkInterface { mtu, ..wire() })),
        [Good, Warn, Fail]
    );
}

#[test]
fn what_is_up_with_the_cable_out_does_not_connect() {
    let down = || NetworkInterface { state: "down".into(), carrier: Some(false), ..wire() };
    let virtual_link = |name: &str, shape, lower: &[&str]| NetworkInterface {
        name: name.into(),
        physical: false,
        shape,
        lower: lower.iter().map(|name| (*name).to_owned()).collect(),
        ..wire()
    };
    let bridge = |lower: &[&str]| virtual_link("virbr0", LinkShape::Bridge, lower);
    let veth = || virtual_link("veth1", LinkShape::Adapter, &[]);
    let tunnel =
        || NetworkInterface { state: "unknown".into(), ..virtual_link("wg0", LinkShape::Tunnel, &[]) };
    let of = |links: Vec<NetworkInterface>| worst("network.link", |f| f.links = Ok(links));
    assert_eq!(of(vec![down(), bridge(&["veth1"]), veth(), tunnel()]), Fail);
    assert_eq!(of(vec![down(), bridge(&["eth0"])]), Fail);
    assert_eq!(of(vec![wire(), bridge(&["eth0"])]), Good);
    assert_eq!(of(vec![down(), virtual_link("bond0", LinkShape::Bond, &["eth0"])]), Fail);
    assert_eq!(of(vec![down(), virtual_link("ppp0", LinkShape::DialUp, &[])]), Good);
    // A container has no real adapter.
    assert_eq!([of(vec![veth()]), of(vec![tunnel()]), of(vec![bridge(&[])])], [Good, Good, Fail]);
    // A container with its cable out and guests of its own, on a bridge that is up.
    let port = || NetworkInterface { master: Some("virbr0".into()), ..veth() };
    let out = || NetworkInterface { name: "eth0".into(), state: "lowerlayerdown".into(), ..veth() };
    assert_eq!(of(vec![out(), bridge(&["veth1"]), port()]), Fail);
    let by_bridge = worst("network.link", |f| {
        f.links = Ok(vec![bridge(&["veth1"]), port()]);
        let route = DefaultRoute { interface: "virbr0".into(), ..DefaultRoute::default() };
        f.routes = Ok(DefaultRoutes { v4: vec![route], v6: vec![] });
    });
    assert_eq!(by_bridge, Good);
    let unplugged = NetworkInterface { state: "unknown".into(), carrier: Some(false), ..wire() };
    assert_eq!(of(vec![unplugged]), Fail);
    // Interfaces that lie on each other in a circle end.
    let circle = |name: &str, lower: &str| virtual_link(name, LinkShape::Bridge, &[lower]);
    assert_eq!(of(vec![circle("a", "b"), circle("b", "a")]), Fail);
    // What a tunnel drops, nobody wanted to read.
    let dropping = NetworkInterface { lost: 9000, ..tunnel() };
    assert_eq!(worst("network.errors", |f| f.links = Ok(vec![dropping])), Skipped);
}

#[test]
fn wifi_signals_fade() {
    let signal = |dbm| of("network.wifi", NetworkInterface { wireless: true, signal_dbm: dbm, ..wire() });
    assert_eq!([-75, -76, -85, -86].map(|dbm| signal(Some(dbm))), [Good, Warn, Warn, Fail]);
    assert_eq!([signal(None), of("network.wifi", wire())], [Info, Skipped]);
}

#[test]
fn there_is_one_way_out() {
    let route = |interface: &str, metric| DefaultRoute {
        interface: interface.into(),
        metric,
        ..DefaultRoute::default()
    };
    let of = |v4| worst("network.default_route", |f| f.routes = Ok(DefaultRoutes { v4, v6: vec![] }));
    assert_eq!(of(vec![]), Fail);
    assert_eq!(of(vec![route("eth0", 100), route("wlan0", 600)]), Good);
    assert_eq!(of(vec![route("eth0", 100), route("wlan0", 100)]), Info);
}

#[test]
fn gateways_answer_or_are_known() {
    let of = |answer_ms, neighbour| {
        worst("network.gateway", |f| {
            f.gateway = Ok(GatewayReach { address: "192.0.2.1".into(), answer_ms, neighbour });
        })
    };
    assert_eq!([of(Some(99.0), Some(true)), of(Some(100.0), None)], [Good, Warn]);
    assert_eq!([of(None, Some(true)), of(None, Some(false)), of(None, None)], [Good, Fail, Info]);
}

#[test]
fn each_name_server_counts() {
    let server =
        |ms, code| DnsServer { address: "x".into(), answer_ms: ms, code, answers: 1, only_for: None };
    let of = |servers| worst("network.dns", |f| f.dns = Ok(servers));
    let good = || server(Some(20.0), Some(0));
    assert_eq!(of(vec![good(), server(Some(20.0), Some(3))]), Warn);
    assert_eq!(of(vec![server(Some(20.0), Some(3))]), Warn, "perhaps meant to be without internet");
    assert_eq!(of(vec![good(), server(None, None)]), Warn);
    assert_eq!(of(vec![good(), server(Some(20.0), Some(2))]), Warn);
    assert_eq!(of(vec![server(None, None), server(Some(5.0), Some(5))]), Fail);
    assert_eq!(of(vec![server(Some(500.0), Some(0))]), Warn);
    // A server for a VPN's own names refuses others, and is no substitute for one that answers for all.
    let vpn = |ms, code| DnsServer { only_for: Some("corp.example".into()), ..server(ms, code) };
    assert_eq!(of(vec![good(), vpn(Some(9.0), Some(5))]), Good);
    assert_eq!(of(vec![good(), vpn(Some(9.0), Some(3))]), Good);
    assert_eq!(of(vec![good(), vpn(None, None)]), Warn);
    assert_eq!(of(vec![server(None, None), vpn(Some(9.0), Some(0))]), Fail);
}

#[test]
fn resolver_and_hosts_file() {
    let of = |id, resolver: ResolverConfig| worst(id, |f| f.resolver = Ok(resolver));
    let good = || ResolverConfig {
        servers: vec!["192.0.2.1".into()],
        has_localhost: true,
        ..ResolverConfig::default()
    };
    assert_eq!(of("network.resolver", good()), Good);
    assert_eq!(of("network.resolver", ResolverConfig { servers: vec![], ..good() }), Fail);
    assert_eq!(of("network.hosts_file", good()), Good);
    assert_eq!(of("network.hosts_file", ResolverConfig { has_localhost: false, ..good() }), Warn);
    assert_eq!(of("network.hosts_file", ResolverConfig { redirected: vec!["x".into()], ..good() }), Warn);
    assert_eq!(of("network.hosts_file", ResolverConfig { hosts_lines: 500, ..good() }), Info);
}

#[test]
fn loss_delay_and_jitter() {
    let run = |times_ms: Vec<f64>| EchoRun { target: "192.0.2.1".into(), sent: 20, times_ms };
    let of = |runs| worst("network.loss", |f| f.echo = Ok(runs));
    let statuses = [20, 19, 16].map(|answers| of(vec![run(vec![10.0; answers])]));
    assert_eq!(statuses, [Good, Warn, Fail]);
    assert_eq!([of(vec![run(vec![299.0; 20])]), of(vec![run(vec![300.0; 20])])], [Good, Warn]);
    let uneven = |step: f64| (0..20).map(|n| 10.0 + f64::from(n % 2) * step).collect();
    assert_eq!([of(vec![run(uneven(29.0))]), of(vec![run(uneven(30.0))])], [Good, Warn]);
    // One silent host next to one that answers is filtered, not lost; all silent is lost.
    assert_eq!(of(vec![run(vec![10.0; 20]), run(vec![])]), Info);
    assert_eq!(of(vec![run(vec![])]), Fail);
}

#[test]
fn counters_of_tcp() {
    let of = |id, tcp: TcpCounters| worst(id, |f| f.tcp = Ok(tcp));
    let sent = |sent, resent| TcpCounters { sent, resent, tracked: None };
    assert_eq!(of("network.retransmissions", sent(10_000, 499)), Good);
    assert_eq!(of("network.retransmissions", sent(10_000, 500)), Warn);
    assert_eq!(of("network.retransmissions", sent(100, 90)), Good);
    let tracked = |count| TcpCounters { tracked: Some((count, 1000)), ..TcpCounters::default() };
    assert_eq!([899, 900].map(|count| of("network.connections", tracked(count))), [Good, Warn]);
    assert_eq!(of("network.connections", sent(0, 0)), Skipped);
}

#[test]
fn proxies_answer() {
    let set = || ProxySettings { settings: vec![("apt".into(), "p:1".into())], ..ProxySettings::default() };
    let of = |proxy| worst("network.proxy", |f| f.proxy = Ok(proxy));
    assert_eq!([of(ProxySettings::default()), of(set())], [Good, Info]);
    assert_eq!(of(ProxySettings { unreachable: vec!["p:1".into()], ..set() }), Fail);
}

#[test]
fn portals_are_told_from_outages() {
    let of = |status| {
        worst("network.captive_portal", |f| {
            f.portal = Ok(PortalAnswer { expected: 204, status, ..PortalAnswer::default() });
        })
    };
    assert_eq!([of(Some(204)), of(Some(302)), of(None)], [Good, Fail, Warn]);
}

#[test]
fn interception_is_a_certificate_of_nobody_public() {
    let of = |issuer: Option<&str>, public| {
        worst("network.tls_interception", |f| {
            f.tls = Ok(vec![TlsPeer { issuer: issuer.map(Into::into), public, ..TlsPeer::default() }]);
        })
    };
    assert_eq!(
        [of(Some("Let's Encrypt"), true), of(Some("Corp Proxy"), false), of(None, false)],
        [Good, Warn, Info]
    );
}

#[test]
fn half_working_ipv6_is_worse_than_none() {
    let of = |global_address, routed, connect_ms| {
        worst("network.ipv6", |f| {
            f.ipv6 = Ok(Ipv6Reach { global_address, routed, target: String::new(), connect_ms });
        })
    };
    assert_eq!([of(true, true, Some(9.0)), of(false, false, None)], [Good, Info]);
    assert_eq!([of(true, true, None), of(true, false, None)], [Warn, Info]);
}

#[test]
fn udp_is_blocked_only_if_somebody_could_be_asked() {
    let target = |answer_ms, found| UdpTarget { target: "s:1".into(), answer_ms, found, problem: None };
    let of = |targets| worst("network.udp", |f| f.udp = Ok(targets));
    assert_eq!(of(vec![target(None, true), target(Some(9.0), true)]), Good);
    assert_eq!(of(vec![target(None, true), target(None, true)]), Warn);
    assert_eq!(of(vec![target(None, false)]), Skipped);
}
