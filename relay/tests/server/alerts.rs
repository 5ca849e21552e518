//! The alert rules that are shipped: they fire when they should, and go on until it is over.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::TestRelay;

fn rules() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../packaging/prometheus")
}

fn promtool(arguments: &[&str]) -> Option<(bool, String)> {
    let output = match Command::new("promtool").args(arguments).current_dir(rules()).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("skipped: promtool can't be run here: {error}");
            return None;
        }
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8(text).unwrap()))
}

#[test]
fn the_alert_rules_hold() {
    let Some((ok, text)) = promtool(&["check", "rules", "nearhand-relay.rules.yml"]) else { return };
    assert!(ok, "{text}");
    let Some((ok, text)) = promtool(&["test", "rules", "nearhand-relay.test.yml"]) else { return };
    assert!(ok, "{text}");
}

#[tokio::test]
async fn each_metric_of_the_alert_rules_exists() {
    let dir = tempfile::tempdir().unwrap();
    let mut relay = TestRelay::start(dir.path()).await;
    let address = relay.relay.serve_http("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (_, metrics) = crate::api::plain(address, "/metrics").await;
    let text = std::fs::read_to_string(rules().join("nearhand-relay.rules.yml")).unwrap();
    let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let names: BTreeSet<&str> = text.split(word).filter(|name| name.starts_with("nearhand_")).collect();
    assert!(names.len() > 7, "{names:?}");
    for name in names {
        assert!(metrics.contains(&format!("# TYPE {name} ")), "{name} is no metric of the relay");
    }
    relay.relay.stop().await;
}
