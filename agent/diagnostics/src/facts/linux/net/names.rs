//! Names: configured servers, who answers for which domains, the hosts file.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;

use super::routes::{interface_index, require_route};
use crate::facts::child::SystemPrograms;
use crate::facts::network::{DnsServer, ResolverConfig};
use crate::facts::probe::dns;
use crate::facts::root::SystemRoot;
use crate::facts::{CollectContext, Fact, MissingFact};

/// DNS has one well-known port.
const DNS_PORT: u16 = 53;

/// Most name servers that are asked.
const SERVER_LIMIT: usize = 6;

/// Domains that malware and pranks send elsewhere in the hosts file: logins, money, updates.
const REDIRECT_TARGETS: [&str; 24] = [
    "googleapis.com",
    "gstatic.com",
    "youtube.com",
    "microsoft.com",
    "microsoftonline.com",
    "windowsupdate.com",
    "windows.com",
    "office.com",
    "live.com",
    "outlook.com",
    "facebook.com",
    "instagram.com",
    "whatsapp.com",
    "paypal.com",
    "apple.com",
    "icloud.com",
    "github.com",
    "debian.org",
    "ubuntu.com",
    "fedoraproject.org",
    "archlinux.org",
    "opensuse.org",
    "redhat.com",
    "mozilla.org",
];

/// Companies that have the same name in each country's domain.
const COUNTRY_TARGETS: [&str; 4] = ["google", "amazon", "ebay", "yahoo"];

/// Google's own addresses for filtered search (forcesafesearch.google.com, restrict.youtube.com), which schools and
/// families enter on purpose: <https://support.google.com/websearch/answer/186669>.
const SAFE_SEARCH: [Ipv4Addr; 3] =
    [Ipv4Addr::new(216, 239, 38, 119), Ipv4Addr::new(216, 239, 38, 120), Ipv4Addr::new(216, 239, 38, 121)];

/// Addresses of systemd-resolved's own listener.
const RESOLVED_STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];

/// Reads name servers and oddities of the hosts file.
pub(in crate::facts::linux) fn resolver(root: &SystemRoot) -> Fact<ResolverConfig> {
    let servers = nameservers(&root.text("/etc/resolv.conf")?);
    // systemd-resolved's own list: whom the local stub asks.
    let upstream =
        root.text("/run/systemd/resolve/resolv.conf").map(|text| nameservers(&text)).unwrap_or_default();
    let hosts = root.text("/etc/hosts").unwrap_or_default();
    let (redirected, in_hosts) = parse_hosts(&hosts);
    let switch = root.text("/etc/nsswitch.conf").or_else(|_| root.text("/usr/etc/nsswitch.conf"));
    let made_up = switch.is_ok_and(|text| makes_up_localhost(&text))
        || servers.iter().any(|server| RESOLVED_STUBS.contains(&server.as_str()));
    let hosts_lines = hosts.lines().filter(|line| host_entry(line).is_some()).count();
    let upstream = upstream.into_iter().filter(|server| !servers.contains(server)).collect();
    Ok(ResolverConfig { servers, upstream, redirected, has_localhost: in_hosts || made_up, hosts_lines })
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

/// Whether `hosts:` of nsswitch.conf names a module that knows `localhost` by itself: nss-myhostname(8), nss-resolve(8).
fn makes_up_localhost(text: &str) -> bool {
    text.lines()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix("hosts:"))
        .flat_map(str::split_whitespace)
        .any(|word| matches!(word, "myhostname" | "resolve"))
}

fn host_entry(line: &str) -> Option<(&str, Vec<&str>)> {
    let mut words = line.split('#').next()?.split_whitespace();
    Some((words.next()?, words.collect()))
}

fn parse_hosts(text: &str) -> (Vec<String>, bool) {
    let mut redirected = BTreeSet::new();
    let mut has_localhost = false;
    for (address, names) in text.lines().filter_map(host_entry) {
        // `fe80::1%lo0`: the zone isn't part of the address.
        let Ok(address) = address.split('%').next().unwrap_or(address).parse::<IpAddr>() else { continue };
        // Blocking by 0.0.0.0 or loopback is a choice; another machine's address is a redirection.
        if address.is_loopback() {
            has_localhost |= names.iter().any(|name| name.eq_ignore_ascii_case("localhost"));
        } else if !address.is_unspecified() && !SAFE_SEARCH.iter().any(|own| IpAddr::from(*own) == address) {
            let known = names.iter().filter(|name| is_well_known(name));
            redirected.extend(known.map(|name| (*name).to_owned()));
        }
    }
    (redirected.into_iter().collect(), has_localhost)
}

/// `true` for names of well-known sites. Whole labels from the right count: `ubuntu.company.lan` and `notgoogle.lan` are
/// somebody's own.
fn is_well_known(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = name.split('.').collect();
    let ends_with = |domain: &str| {
        let wanted: Vec<&str> = domain.split('.').collect();
        labels.ends_with(&wanted)
    };
    REDIRECT_TARGETS.iter().any(|domain| ends_with(domain)) || is_country_site(&labels)
}

/// `google.com`, `www.google.de`, `google.co.uk`, `google.com.au`.
fn is_country_site(labels: &[&str]) -> bool {
    let is_country = |label: &str| label.len() == 2 && label.bytes().all(|b| b.is_ascii_lowercase());
    let company = match labels {
        [.., company, "co" | "com", country] if is_country(country) => company,
        [.., company, "com" | "net" | "org"] => company,
        [.., company, country] if is_country(country) => company,
        _ => return false,
    };
    COUNTRY_TARGETS.contains(company)
}

/// Asks each name server, and those behind a local one.
pub(in crate::facts::linux) async fn dns(context: &Arc<CollectContext>) -> Fact<Vec<DnsServer>> {
    let resolver = resolver(&context.root)?;
    let is_split = !resolver.upstream.is_empty();
    let servers: Vec<String> =
        resolver.servers.into_iter().chain(resolver.upstream).take(SERVER_LIMIT).collect();
    if servers.is_empty() {
        return Err(MissingFact::NotApplicable("no name server is configured".to_owned()));
    }
    let only_for = if is_split { split_servers(&context.programs).await } else { BTreeMap::new() };
    let offline = require_route(&context.root).is_err();
    let mut asked = tokio::task::JoinSet::new();
    for server in servers {
        let Some(address) = server_address(&context.root, &server) else { continue };
        if offline && !address.ip().is_loopback() {
            continue;
        }
        let (name, patience) = (context.targets.dns_name.clone(), context.patience);
        let only_for = only_for.get(&address.ip()).cloned();
        asked.spawn(async move { DnsServer { only_for, ..dns::ask(address, &name, patience).await } });
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

/// `192.0.2.1`, `fe80::1%eth0`, `fe80::1%2`: resolv.conf(5) takes the interface by name and by number.
fn server_address(root: &SystemRoot, server: &str) -> Option<SocketAddr> {
    let (address, zone) = server.split_once('%').map_or((server, None), |(a, zone)| (a, Some(zone)));
    match address.parse().ok()? {
        IpAddr::V6(address) => {
            let index = zone.and_then(|zone| zone.parse().ok().or_else(|| interface_index(root, zone)));
            Some(SocketAddrV6::new(address, DNS_PORT, 0, index.unwrap_or(0)).into())
        }
        address => Some(SocketAddr::new(address, DNS_PORT)),
    }
}

/// Servers that systemd-resolved asks for some domains only, as VPNs set them up. Empty where it can't be asked.
async fn split_servers(programs: &SystemPrograms) -> BTreeMap<IpAddr, String> {
    let told = |what: &'static str| async move {
        let output = programs.run("resolvectl", &["--no-pager", what]).await.ok()?;
        (output.code == Some(0)).then_some(output.text)
    };
    let (servers, domains, defaults) = tokio::join!(told("dns"), told("domain"), told("default-route"));
    match (servers, domains, defaults) {
        (Some(servers), Some(domains), Some(defaults)) => split_by_link(&servers, &domains, &defaults),
        _ => BTreeMap::new(),
    }
}

/// From three lists of `Link 3 (wg0): VALUE VALUE` (resolvectl(1)). A server that another link, or all, ask for every name
/// isn't limited.
fn split_by_link(servers: &str, domains: &str, defaults: &str) -> BTreeMap<IpAddr, String> {
    let (domains, defaults) = (by_link(domains), by_link(defaults));
    let mut limited = BTreeMap::new();
    let mut for_all = BTreeSet::new();
    for (link, values) in by_link(servers) {
        let is_limited = defaults.get(link).is_some_and(|values| values.first() == Some(&"no"));
        let names: Vec<&str> =
            domains.get(link).into_iter().flatten().map(|d| d.trim_start_matches('~')).collect();
        for server in values {
            // `1.1.1.1:53%eth0#cloudflare-dns.com`
            let address = server.split(['#', '%']).next().unwrap_or(server);
            let address = address.parse().ok().or_else(|| Some(address.parse::<SocketAddr>().ok()?.ip()));
            let Some(address) = address else { continue };
            match is_limited {
                true => drop(limited.insert(address, names.join(", "))),
                false => drop(for_all.insert(address)),
            }
        }
    }
    limited.retain(|address: &IpAddr, _| !for_all.contains(address));
    limited
}

fn by_link(text: &str) -> BTreeMap<&str, Vec<&str>> {
    text.lines()
        .filter_map(|line| {
            line.trim().split_once(": ").or_else(|| line.trim().strip_suffix(':').map(|l| (l, "")))
        })
        .map(|(link, values)| (link, values.split_whitespace().collect()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::root::tree;

    #[test]
    fn hosts_file_blocking_is_a_choice_and_redirecting_is_not() {
        let (redirected, localhost) = parse_hosts(
            "127.0.0.1 localhost\n0.0.0.0 ads.google.com\n203.0.113.9 www.paypal.com # x\n#203.0.113.9 google.com\n\
             127.0.0.1 www.facebook.com\n216.239.38.120 www.google.com\n",
        );
        assert_eq!(redirected, ["www.paypal.com"]);
        assert!(localhost);
        assert!(!parse_hosts("10.0.0.5 localhost\n").1, "another machine is not this one");
        assert!(parse_hosts("::1 LOCALHOST\n").1);
    }

    #[test]
    fn well_known_sites_are_told_by_whole_labels() {
        for name in [
            "google.com",
            "www.google.de",
            "accounts.google.co.uk",
            "google.com.au",
            "www.Google.com.",
            "login.microsoftonline.com",
            "archive.ubuntu.com",
            "deb.debian.org",
            "paypal.com",
        ] {
            assert!(is_well_known(name), "{name}");
        }
        for name in [
            "ubuntu.company.lan",
            "notgoogle.lan",
            "notgoogle.com",
            "google.company.lan",
            "google.lan",
            "google",
            "mygoogle.de",
            "microsoft.com.evil.lan",
            "debian.org.lan",
            "paypal.community",
            "",
        ] {
            assert!(!is_well_known(name), "{name}");
        }
    }

    #[test]
    fn localhost_may_be_made_up_by_the_resolver() {
        let of = |files: &[(&str, &str)]| {
            let (_dir, root) = tree(files);
            resolver(&root).unwrap().has_localhost
        };
        let (hosts, plain) = (("/etc/hosts", "# nothing\n"), ("/etc/resolv.conf", "nameserver 192.0.2.1\n"));
        assert!(!of(&[hosts, plain]));
        let arch = "hosts: mymachines resolve [!UNAVAIL=return] files myhostname dns\n";
        assert!(of(&[hosts, plain, ("/etc/nsswitch.conf", arch)]));
        assert!(of(&[hosts, plain, ("/usr/etc/nsswitch.conf", "hosts:\tfiles myhostname dns\n")]));
        assert!(!of(&[
            hosts,
            plain,
            ("/etc/nsswitch.conf", "#hosts: myhostname\nhosts: files dns # myhostname\n")
        ]));
        assert!(of(&[hosts, ("/etc/resolv.conf", "nameserver 127.0.0.53\n")]));
        assert!(of(&[("/etc/hosts", "127.0.0.1 localhost\n"), plain]));
    }

    #[test]
    fn nameservers_are_listed_once() {
        let text =
            "# comment\nnameserver 192.0.2.1\nsearch lan\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n";
        assert_eq!(nameservers(text), ["192.0.2.1", "fe80::1%eth0"]);
    }

    #[test]
    fn link_local_servers_keep_their_interface() {
        let (_dir, root) = tree(&[("/sys/class/net/eth0/ifindex", "3\n")]);
        let of = |server: &str| server_address(&root, server).map(|address| address.to_string());
        assert_eq!(of("fe80::1%eth0").as_deref(), Some("[fe80::1%3]:53"));
        assert_eq!(of("fe80::1%7").as_deref(), Some("[fe80::1%7]:53"));
        assert_eq!(of("192.0.2.1").as_deref(), Some("192.0.2.1:53"));
        assert_eq!(of("router"), None);
    }

    #[test]
    fn servers_of_a_vpn_are_for_its_own_names() {
        let servers = "Global:\nLink 2 (eth0): 192.0.2.1 2001:db8::1\nLink 3 (wg0): 10.8.0.1 10.8.0.2#dns.corp.example\n\
            Link 4 (tun1): 192.0.2.1\n";
        let domains =
            "Global:\nLink 2 (eth0): fritz.box\nLink 3 (wg0): ~corp.example lab.example\nLink 4 (tun1): ~x\n";
        let defaults = "Link 2 (eth0): yes\nLink 3 (wg0): no\nLink 4 (tun1): no\n";
        let split = split_by_link(servers, domains, defaults);
        let told: Vec<_> = split.iter().map(|(ip, names)| (ip.to_string(), names.as_str())).collect();
        assert_eq!(
            told,
            [
                ("10.8.0.1".to_owned(), "corp.example, lab.example"),
                ("10.8.0.2".to_owned(), "corp.example, lab.example")
            ]
        );
        assert!(split_by_link("Global: 9.9.9.9\n", "", "").is_empty());
    }
}
