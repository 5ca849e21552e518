//! Whether packet rules filter what comes in, or only count, log, ban single addresses or serve virtual machines.
//!
//! The rules are walked with one question: what happens to a TCP connection that a stranger opens from outside to a port
//! which no rule names? A rule that asks for anything particular (a port, an address, a set, an interface of virtual
//! machines, packets of known connections) doesn't concern it. If it gets through, the rules are no firewall.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Rules that are walked; ends circles of chains and bounds the work.
const STEP_LIMIT: usize = 10_000;

/// How deep chains call chains.
const DEPTH_LIMIT: usize = 32;

/// Beginnings of names of interfaces on which no stranger from outside comes in.
const INNER_INTERFACES: [&str; 16] = [
    "lo",
    "virbr",
    "docker",
    "br-",
    "veth",
    "vnet",
    "lxc",
    "lxdbr",
    "incusbr",
    "cni",
    "podman",
    "tun",
    "tap",
    "wg",
    "tailscale",
    "waydroid",
];

/// What a rule does with the packet.
#[derive(Clone, PartialEq, Eq, Debug)]
enum PacketVerdict {
    /// This chain lets it in.
    Accept,
    /// It is dropped, refused, or handed to a program that decides.
    Stop,
    /// Back to the calling chain.
    Return,
    /// Through another chain, then on.
    Jump(String),
    /// Through another chain, and not back.
    Goto(String),
}

/// Chains of one family of addresses: those that the kernel calls for what comes in, and all others by name.
#[derive(Default, Debug)]
pub(super) struct FilterRules {
    /// Name, and whether its policy stops what no rule decides.
    input: Vec<(String, bool)>,
    /// Verdicts of the rules that concern the packet, in order.
    chains: BTreeMap<String, Vec<PacketVerdict>>,
    /// Chains with any rule.
    ruled: BTreeSet<String>,
}

impl FilterRules {
    /// `true` where the stranger's packet is stopped: one chain suffices.
    pub(super) fn stop_strangers(&self) -> bool {
        let mut steps = 0;
        self.input.iter().any(|(chain, policy_stops)| match self.walk(chain, 0, &mut steps) {
            Some(PacketVerdict::Accept) => false,
            Some(PacketVerdict::Stop) => true,
            _ => *policy_stops,
        })
    }

    /// `true` where something is hooked to what comes in.
    pub(super) fn has_rules(&self) -> bool {
        self.input.iter().any(|(chain, _)| self.ruled.contains(chain))
    }

    /// `Accept`, `Stop`, or `None` where the chain comes to its end.
    fn walk(&self, chain: &str, depth: usize, steps: &mut usize) -> Option<PacketVerdict> {
        if depth > DEPTH_LIMIT {
            return None;
        }
        for verdict in self.chains.get(chain).into_iter().flatten() {
            *steps += 1;
            if *steps > STEP_LIMIT {
                return None;
            }
            match verdict {
                PacketVerdict::Accept | PacketVerdict::Stop => return Some(verdict.clone()),
                PacketVerdict::Return => return None,
                PacketVerdict::Goto(other) => return self.walk(other, depth + 1, steps),
                PacketVerdict::Jump(other) => {
                    if let decided @ Some(_) = self.walk(other, depth + 1, steps) {
                        return decided;
                    }
                }
            }
        }
        None
    }
}

fn is_outer_interface(name: &str) -> bool {
    !INNER_INTERFACES.iter().any(|inner| name.starts_with(inner))
}

/// The rules of `nft -j list ruleset` for IPv4. `None` if the text is no list of rules.
pub(super) fn nft_rules(text: &str) -> Option<FilterRules> {
    let json: Value = serde_json::from_str(text).ok()?;
    let mut rules = FilterRules::default();
    for item in json.get("nftables")?.as_array()? {
        let (object, is_chain) = match (item.get("chain"), item.get("rule")) {
            (Some(chain), _) => (chain, true),
            (_, Some(rule)) => (rule, false),
            _ => continue,
        };
        let word = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
        if !matches!(word("family"), "ip" | "inet") {
            continue;
        }
        // A chain's name is unique in its table only.
        let path = |chain: &str| format!("{} {} {chain}", word("family"), word("table"));
        if is_chain {
            let is_input = word("hook") == "input" && matches!(word("type"), "filter" | "");
            rules.input.extend(is_input.then(|| (path(word("name")), word("policy") == "drop")));
            continue;
        }
        rules.ruled.insert(path(word("chain")));
        let statements = object.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        if let Some(verdict) = nft_verdict(statements, &path) {
            rules.chains.entry(path(word("chain"))).or_default().push(verdict);
        }
    }
    Some(rules)
}

/// What a rule's statements do with the packet; `None` where it is of no concern or goes on.
fn nft_verdict(statements: &[Value], path: &impl Fn(&str) -> String) -> Option<PacketVerdict> {
    for statement in statements {
        if let Some(condition) = statement.get("match") {
            if !nft_concerns(condition) {
                return None;
            }
        } else if let Some(map) = statement.get("vmap") {
            return nft_mapped(map, path);
        } else if statement.get("limit").is_some() || statement.get("quota").is_some() {
            // Only what is over, or below, a rate: nothing that holds for a first packet.
            return None;
        } else if let Some(verdict) = nft_statement(statement, path) {
            return Some(verdict);
        } else if let Some(compat) = statement.get("xt") {
            // A match or target of iptables. Matches ask for something particular.
            match (compat.get("type").and_then(Value::as_str), compat.get("name").and_then(Value::as_str)) {
                (Some("target"), Some(name)) => return target(name),
                (Some("match"), Some("comment")) => {}
                _ => return None,
            }
        }
    }
    None
}

fn nft_statement(statement: &Value, path: &impl Fn(&str) -> String) -> Option<PacketVerdict> {
    let target = |key: &str| statement.get(key)?.get("target")?.as_str().map(path);
    let has = |key: &str| statement.get(key).is_some();
    if has("accept") {
        Some(PacketVerdict::Accept)
    } else if has("drop") || has("reject") || has("queue") || has("tproxy") || has("synproxy") {
        Some(PacketVerdict::Stop)
    } else if has("return") {
        Some(PacketVerdict::Return)
    } else if let Some(chain) = target("jump") {
        Some(PacketVerdict::Jump(chain))
    } else {
        target("goto").map(PacketVerdict::Goto)
    }
}

/// `iifname vmap { lo : accept, eth0 : jump world }`, `ct state vmap { established : accept, new : jump inbound }`
fn nft_mapped(map: &Value, path: &impl Fn(&str) -> String) -> Option<PacketVerdict> {
    let key = map.get("key")?;
    let elements = map.get("data")?.get("set")?.as_array()?;
    let concerns = |value: &Value| match key_name(key) {
        Some("iif" | "iifname") => value.as_str().is_some_and(is_outer_interface),
        Some("ct state") => value.as_str() == Some("new"),
        Some("protocol") => is_tcp(value),
        _ => false,
    };
    elements.iter().find_map(|element| {
        let (value, verdict) = (element.get(0)?, element.get(1)?);
        if concerns(value) { nft_statement(verdict, path) } else { None }
    })
}

/// The name of what is compared, for those whose value is known of the packet.
fn key_name(left: &Value) -> Option<&'static str> {
    let of =
        |kind: &str, field: &str| left.get(kind).and_then(|value| value.get(field)).and_then(Value::as_str);
    match (of("meta", "key"), of("ct", "key")) {
        (Some("iif"), _) => Some("iif"),
        (Some("iifname"), _) => Some("iifname"),
        (Some("l4proto"), _) => Some("protocol"),
        (Some("nfproto" | "protocol"), _) => Some("family"),
        (Some("pkttype"), _) => Some("pkttype"),
        (_, Some("state")) => Some("ct state"),
        _ => match (of("payload", "protocol"), of("payload", "field"), of("fib", "result")) {
            (Some("ip"), Some("protocol"), _) => Some("protocol"),
            (_, _, Some("type")) => Some("fib type"),
            _ => None,
        },
    }
}

fn is_tcp(value: &Value) -> bool {
    value.as_str() == Some("tcp") || value.as_u64() == Some(6)
}

/// Whether a condition holds for the packet. One that isn't known asks for something particular, so it doesn't, and its
/// opposite does.
fn nft_concerns(condition: &Value) -> bool {
    let (Some(left), Some(right)) = (condition.get("left"), condition.get("right")) else { return false };
    let fits = |value: &Value| match key_name(left) {
        Some("iif" | "iifname") => value.as_str().is_some_and(is_outer_interface),
        Some("protocol") => is_tcp(value),
        Some("family") => value.as_str().is_some_and(|family| matches!(family, "ipv4" | "ip")),
        Some("pkttype") => matches!(value.as_str(), Some("host" | "unicast")),
        Some("ct state") => matches!(value.as_str(), Some("new" | "untracked")),
        Some("fib type") => value.as_str() == Some("local"),
        _ => false,
    };
    let listed = right.get("set").and_then(Value::as_array).or_else(|| right.as_array());
    let holds = match listed {
        Some(values) => values.iter().any(fits),
        None => fits(right),
    };
    match condition.get("op").and_then(Value::as_str) {
        Some("!=") => !holds,
        Some("<" | ">" | "<=" | ">=") => false,
        _ => holds,
    }
}

/// Targets of iptables that end a packet's way, or nothing.
fn target(name: &str) -> Option<PacketVerdict> {
    match name {
        "ACCEPT" => Some(PacketVerdict::Accept),
        "RETURN" => Some(PacketVerdict::Return),
        "DROP" | "REJECT" | "NFQUEUE" | "QUEUE" | "TARPIT" | "DELUDE" | "CHAOS" | "SYNPROXY" => {
            Some(PacketVerdict::Stop)
        }
        _ => None,
    }
}

/// The rules of `iptables-save -t filter`.
pub(super) fn iptables_rules(text: &str) -> FilterRules {
    let mut rules = FilterRules::default();
    let mut is_filter = true;
    for line in text.lines() {
        if let Some(table) = line.strip_prefix('*') {
            is_filter = table.trim() == "filter";
        } else if !is_filter {
            continue;
        } else if let Some(chain) = line.strip_prefix(':') {
            let mut words = chain.split_whitespace();
            let name = words.next().unwrap_or("").to_owned();
            rules.input.extend((name == "INPUT").then(|| (name.clone(), words.next() == Some("DROP"))));
            rules.chains.entry(name).or_default();
        }
    }
    is_filter = true;
    for line in text.lines() {
        if let Some(table) = line.strip_prefix('*') {
            is_filter = table.trim() == "filter";
        }
        let Some(rule) = line.strip_prefix("-A ").filter(|_| is_filter) else { continue };
        let words = words(rule);
        let Some((chain, options)) = words.split_first() else { continue };
        rules.ruled.insert(chain.clone());
        if let Some(verdict) = iptables_verdict(options, |name| rules.chains.contains_key(name)) {
            rules.chains.entry(chain.clone()).or_default().push(verdict);
        }
    }
    rules
}

/// Words, with those in quotes as one.
fn words(rule: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut is_quoted, mut is_escaped) = (String::new(), false, false);
    for c in rule.chars() {
        match c {
            _ if is_escaped => {
                word.push(c);
                is_escaped = false;
            }
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(core::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// What a rule does with the packet; `None` where it is of no concern or goes on.
fn iptables_verdict(options: &[String], is_chain: impl Fn(&str) -> bool) -> Option<PacketVerdict> {
    let mut words = options.iter().map(String::as_str).peekable();
    let mut is_negated = false;
    while let Some(word) = words.next() {
        let holds = match word {
            "!" => {
                is_negated = true;
                continue;
            }
            "-j" | "--jump" => {
                let name = words.next()?;
                return if is_chain(name) {
                    Some(PacketVerdict::Jump(name.to_owned()))
                } else {
                    target(name)
                };
            }
            "-g" | "--goto" => return Some(PacketVerdict::Goto(words.next()?.to_owned())),
            // Loads a match; what it asks for follows.
            "-m" | "--match" | "--comment" => {
                words.next();
                continue;
            }
            "-p" | "--protocol" => matches!(words.next()?, "tcp" | "all" | "6" | "0"),
            "-i" | "--in-interface" => is_outer_interface(words.next()?.trim_end_matches('+')),
            "-s" | "-d" | "--source" | "--destination" => words.next()? == "0.0.0.0/0",
            "--ctstate" | "--state" => {
                words.next()?.split(',').any(|state| matches!(state, "NEW" | "UNTRACKED"))
            }
            "--dst-type" => words.next()? == "LOCAL",
            "--pkt-type" => matches!(words.next()?, "host" | "unicast"),
            "--syn" => true,
            "--tcp-flags" => {
                // Flags looked at, and those of them that are set: a first packet has SYN alone.
                let (mask, set) = (words.next()?, words.next()?);
                mask.split(',').all(|flag| (flag == "SYN") == set.split(',').any(|other| other == flag))
            }
            _ => {
                // Anything particular, with its values.
                while words.peek().is_some_and(|next| !next.starts_with('-') && *next != "!") {
                    words.next();
                }
                false
            }
        };
        if holds == is_negated {
            return None;
        }
        is_negated = false;
    }
    None
}

#[cfg(test)]
mod tests;
