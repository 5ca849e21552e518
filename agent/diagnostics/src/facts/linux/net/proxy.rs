//! Proxies of the system's settings.

use std::sync::Arc;

use crate::facts::network::ProxySettings;
use crate::facts::probe;
use crate::facts::{CollectContext, Fact};

/// Reads proxies of the system's settings, and tries each.
pub(in crate::facts::linux) async fn proxy(context: &Arc<CollectContext>) -> Fact<ProxySettings> {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
