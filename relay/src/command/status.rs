//! `nearhand-relay status`: what the running relay says through its metrics.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::config::{ListenAddress, RelayConfig};

/// How long the relay may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer taken, in bytes.
const MAX_ANSWER: u64 = 1 << 20;

pub(super) fn status(config: &RelayConfig, json: bool) -> anyhow::Result<()> {
    let ListenAddress::On(address) = config.metrics_listen else {
        bail!("metrics_listen is \"off\", so the relay can't be asked");
    };
    let (health_code, health) = get(address, "/healthz")?;
    let (_, text) = get(address, "/metrics")?;
    let metrics = parse(&text);
    if json {
        let health: serde_json::Value = serde_json::from_str(&health).unwrap_or_default();
        println!("{}", serde_json::json!({ "ok": health_code == 200, "health": health, "metrics": metrics }));
    } else {
        print_for_people(health_code == 200, &metrics);
    }
    if health_code != 200 {
        bail!("the relay runs, but its database can't be written: look at its log");
    }
    Ok(())
}

fn print_for_people(ok: bool, metrics: &BTreeMap<String, f64>) {
    let show = |label: &str, name: &str| {
        println!("{label:<22} {}", metrics.get(name).copied().unwrap_or_default());
    };
    println!("{:<22} {}", "health", if ok { "ok" } else { "failing" });
    show("uptime, s", "nearhand_uptime_seconds");
    show("claimed", "nearhand_claimed");
    show("devices enrolled", "nearhand_devices_enrolled");
    show("devices connected", "nearhand_connected{kind=\"device\"}");
    show("guests connected", "nearhand_connected{kind=\"guest\"}");
    show("people connected", "nearhand_connected{kind=\"person\"}");
    show("sessions", "nearhand_sessions_active");
    show("bytes forwarded", "nearhand_forwarded_bytes_total");
    show("storage errors", "nearhand_storage_errors_total");
    show("memory, bytes", "process_resident_memory_bytes");
}

/// Samples by name and labels.
fn parse(text: &str) -> BTreeMap<String, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

/// One HTTP/1.0 request: status code and body.
fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)
        .with_context(|| format!("no relay answers on {address}: is it running?"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.take(MAX_ANSWER).read_to_string(&mut answer).context("the relay did not answer in time")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("what answers there is no relay")?;
    let code = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((code.context("what answers there is no relay")?, body.to_owned()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_are_found_by_name_and_labels() {
        let parsed = super::parse("# HELP a b\na 1\nb{c=\"d e\"} 2.5\n");
        assert_eq!(parsed.get("a"), Some(&1.0));
        assert_eq!(parsed.get("b{c=\"d e\"}"), Some(&2.5));
    }
}
