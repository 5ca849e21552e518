//! Rules as firewalls, libvirt, fail2ban and Docker set them.

use super::*;

fn iptables(text: &str) -> bool {
    iptables_rules(text).stop_strangers()
}

const UFW: &str = "*filter\n:INPUT DROP [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:ufw-before-input - [0:0]\n\
    :ufw-user-input - [0:0]\n:ufw-after-input - [0:0]\n-A INPUT -j ufw-before-input\n-A INPUT -j ufw-after-input\n\
    -A ufw-before-input -i lo -j ACCEPT\n-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
    -A ufw-before-input -m conntrack --ctstate INVALID -j DROP\n-A ufw-before-input -p icmp -m icmp --icmp-type 8 -j ACCEPT\n\
    -A ufw-before-input -j ufw-user-input\n-A ufw-user-input -p tcp -m tcp --dport 22 -j ACCEPT\nCOMMIT\n";

#[test]
fn what_stops_strangers_is_a_firewall() {
    assert!(iptables(UFW));
    // RHEL's old default: everything is accepted by policy, and the last rule refuses.
    let rhel = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT\n-A INPUT -p icmp -j ACCEPT\n\
        -A INPUT -i lo -j ACCEPT\n-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT\n\
        -A INPUT -j REJECT --reject-with icmp-host-prohibited\nCOMMIT\n";
    assert!(iptables(rhel));
    assert!(iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ! -i lo -m comment --comment \"not us, -j ACCEPT\" -j DROP\n"
    ));
    assert!(iptables("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp ! --dport 22 -j DROP\n"));
    assert!(iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP\n"
    ));
    assert!(iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n:in - [0:0]\n-A INPUT -i eth0 -g in\n-A in -m conntrack --ctstate NEW -j DROP\n"
    ));
}

#[test]
fn what_bans_counts_or_serves_guests_is_none() {
    assert!(!iptables("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"));
    let libvirt = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:LIBVIRT_INP - [0:0]\n-A INPUT -j LIBVIRT_INP\n\
        -A LIBVIRT_INP -i virbr0 -p udp -m udp --dport 53 -j ACCEPT\n-A LIBVIRT_INP -i virbr0 -p tcp -m tcp --dport 67 -j ACCEPT\n";
    assert!(!iptables(libvirt));
    let fail2ban = "*filter\n:INPUT ACCEPT [0:0]\n:f2b-sshd - [0:0]\n-A INPUT -p tcp -m multiport --dports 22 -j f2b-sshd\n\
        -A f2b-sshd -s 203.0.113.9/32 -j REJECT --reject-with icmp-port-unreachable\n-A f2b-sshd -j RETURN\n";
    assert!(!iptables(fail2ban));
    let docker = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n-A FORWARD -j DOCKER\n\
        -A DOCKER ! -i docker0 -o docker0 -j DROP\n";
    assert!(!iptables(docker));
    assert!(!iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m conntrack --ctstate INVALID -j DROP\n-A INPUT -j LOG\n"
    ));
    assert!(!iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set bad src -j DROP\n-A INPUT\n"
    ));
    assert!(!iptables(
        "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m connlimit --connlimit-above 50 --connlimit-mask 32 -j REJECT\n"
    ));
    // `ufw disable` leaves its empty chains; what comes before the drop lets everybody in.
    let disabled = "*filter\n:INPUT ACCEPT [0:0]\n:ufw-before-input - [0:0]\n-A INPUT -j ufw-before-input\n";
    assert!(!iptables(disabled));
    assert!(!iptables(&UFW.replace("-A ufw-before-input -i lo -j ACCEPT", "-A ufw-before-input -j ACCEPT")));
    // Another table's chain of the same name.
    assert!(!iptables("*nat\n:INPUT DROP [0:0]\n-A INPUT -j DROP\n*filter\n:INPUT ACCEPT [0:0]\n"));
    // Chains that call each other end.
    let circle = "*filter\n:INPUT ACCEPT [0:0]\n:a - [0:0]\n:b - [0:0]\n-A INPUT -j a\n-A a -j b\n-A a -j b\n-A b -j a\n-A b -j a\n";
    assert!(!iptables(circle));
}

/// A list of `nft -j list ruleset` with these objects.
fn nft(items: &[&str]) -> bool {
    let text = format!(r#"{{"nftables":[{{"metainfo":{{"version":"1.0.6"}}}},{}]}}"#, items.join(","));
    nft_rules(&text).unwrap().stop_strangers()
}

fn base(family: &str, hook: &str, policy: &str) -> String {
    format!(
        r#"{{"chain":{{"family":"{family}","table":"t","name":"input","type":"filter","hook":"{hook}","prio":0,"policy":"{policy}"}}}}"#
    )
}

fn rule(chain: &str, statements: &str) -> String {
    format!(
        r#"{{"rule":{{"family":"inet","table":"t","chain":"{chain}","handle":4,"expr":[{statements}]}}}}"#
    )
}

const ESTABLISHED: &str = r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}"#;
const COUNTER: &str = r#"{"counter":{"packets":0,"bytes":0}}"#;

#[test]
fn nft_chains_on_the_input_hook_count() {
    let accept = base("inet", "input", "accept");
    assert!(nft(&[&base("inet", "input", "drop")]));
    assert!(!nft(&[&accept]));
    assert!(!nft(&[&base("inet", "forward", "drop")]));
    assert!(!nft(&[&base("ip6", "input", "drop")]), "IPv4 gets in");
    assert!(nft(&[
        &accept,
        &rule("input", ESTABLISHED),
        &rule("input", r#"{"reject":{"type":"icmpx","expr":"admin-prohibited"}}"#)
    ]));
    assert!(!nft(&[&accept, &rule("input", ESTABLISHED), &rule("input", COUNTER)]));
    let counted_drop = format!(r#"{COUNTER},{{"drop":null}}"#);
    assert!(nft(&[&accept, &rule("input", &counted_drop)]));
    // A policy that drops, and a rule before it that lets everything in.
    assert!(!nft(&[&base("inet", "input", "drop"), &rule("input", r#"{"accept":null}"#)]));
    // A second chain can still stop it.
    let second = base("inet", "input", "drop").replace("\"name\":\"input\"", "\"name\":\"other\"");
    assert!(nft(&[&accept, &second]));
    assert!(nft_rules("Operation not permitted").is_none());
}

#[test]
fn nft_rules_of_fail2ban_and_libvirt_are_no_firewall() {
    let accept = base("inet", "input", "accept");
    let banned = r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},
        {"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@addr-set-sshd"}},{"reject":null}"#;
    assert!(!nft(&[&accept, &rule("input", banned)]));
    let jump = rule("input", r#"{"counter":null},{"jump":{"target":"LIBVIRT_INP"}}"#);
    let guest = rule(
        "LIBVIRT_INP",
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"virbr0"}},{"xt":{"type":"match","name":"udp"}},{"accept":null}"#,
    );
    assert!(!nft(&[&accept, &jump, &guest]));
    let invalid = r#"{"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"invalid"}},{"drop":null}"#;
    assert!(!nft(&[&accept, &rule("input", invalid)]));
    let flood = r#"{"limit":{"rate":100,"per":"second","inv":true}},{"drop":null}"#;
    assert!(!nft(&[&accept, &rule("input", flood)]));
    let old_compat = r#"{"xt":null}"#;
    assert!(!nft(&[&accept, &rule("input", old_compat)]), "iptables-save tells what it is");
}

#[test]
fn nft_as_firewalld_and_the_wiki_write_it() {
    let accept = base("inet", "input", "accept");
    let lo = rule(
        "input",
        r#"{"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":"lo"}},{"accept":null}"#,
    );
    let zones = rule("input", r#"{"jump":{"target":"ZONES"}}"#);
    let by_interface = |zone: &str| {
        rule(
            "ZONES",
            &format!(
                r#"{{"match":{{"op":"==","left":{{"meta":{{"key":"iifname"}}}},"right":"eth0"}}}},{{"goto":{{"target":"{zone}"}}}}"#
            ),
        )
    };
    let public = rule(
        "public",
        r#"{"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":22}},{"accept":null}"#,
    );
    let trusted = rule("trusted", r#"{"accept":null}"#);
    let reject = rule("input", r#"{"reject":null}"#);
    let firewalld = |zone: &str| {
        nft(&[
            &accept,
            &rule("input", ESTABLISHED),
            &lo,
            &zones,
            &by_interface(zone),
            &public,
            &trusted,
            &reject,
        ])
    };
    assert!(firewalld("public"));
    assert!(!firewalld("trusted"));
    let map = r#"{"vmap":{"key":{"meta":{"key":"iifname"}},"data":{"set":[["lo",{"accept":null}],["eth0",{"jump":{"target":"world"}}]]}}}"#;
    let world = rule("world", r#"{"drop":null}"#);
    assert!(nft(&[&accept, &rule("input", map), &world]));
    let states = r#"{"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["established",{"accept":null}],["invalid",{"drop":null}]]}}}"#;
    assert!(!nft(&[&accept, &rule("input", states)]));
    // Everything but what comes from us.
    let others = r#"{"match":{"op":"!=","left":{"payload":{"protocol":"ip","field":"saddr"}},"right":"@own"}},{"drop":null}"#;
    assert!(nft(&[&accept, &rule("input", others)]));
}
