//! Which crates are pure, held by what cargo resolves for them and not by their word: they can open no socket, start no task,
//! ask no database and draw no randomness, because nothing that could is among their dependencies.

/// Crates that must stay pure, each with what it decides or describes.
pub const PURE_CRATES: &[(&str, &str)] = &[
    ("nearhand-proto", "what goes over the wire: ids, messages, grants, signatures"),
    ("nearhand-report", "reports: model, redaction, comparison, renderings"),
    ("nearhand-screen", "coding and decoding of pictures"),
    ("nearhand-rules", "when something is an alarm"),
    ("nearhand-agent-core", "consent, codes, policy, gate, sessions, schedule"),
    ("nearhand-relay-core", "admission, registry, forwarding, alarms, who is notified when"),
];

/// What none of them may depend on, however far down. A name that ends with `*` stands for all that begin so.
pub const IMPURE_DEPENDENCIES: &[&str] = &[
    "tokio*",
    "async-io",
    "mio",
    "socket2",
    "quinn*",
    "rustls*",
    "hyper*",
    "axum",
    "sqlx*",
    "rusqlite",
    "libsqlite3-sys",
    "getrandom",
    "rand",
    "zbus",
    "x11rb",
    "nearhand-transport",
];

/// What of [`IMPURE_DEPENDENCIES`] stands in the output of `cargo tree --prefix none`.
pub fn impure_dependencies(tree: &str) -> Vec<&str> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    let is_impure = |name: &&str| {
        IMPURE_DEPENDENCIES.iter().any(|impure| match impure.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == impure,
        })
    };
    let mut found: Vec<&str> = names.filter(is_impure).collect();
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn an_impure_dependency_is_found_however_far_down() {
    let tree = "nearhand-proto v0.1.0 (/a/b)\nserde v1.0.1\nquinn-proto v0.11.1\nquinn-proto v0.11.1 (*)\nrandom-things v1.0.0\n";
    assert_eq!(impure_dependencies(tree), ["quinn-proto"]);
    assert_eq!(impure_dependencies("rand_core v0.6.4\ngetrandom v0.2.1\n"), ["getrandom"]);
}
