//! Which names this machine is asked by. A page in a browser on this machine can reach its loopback addresses under a name
//! that leads there (DNS rebinding), and would read what it gets. So only names that are meant are answered.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Names that are answered, besides addresses and `localhost`.
pub type AllowedHosts = Arc<Vec<String>>;

/// The name in a `Host` header, without its port.
fn name_of(host: &str) -> &str {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(name, _)| name);
    bracketed.unwrap_or_else(|| host.rsplit_once(':').map_or(host, |(name, _)| name))
}

/// Whether a request was meant for this machine. An address can't be another's name; a request of HTTP/1.0 needn't say any.
fn is_meant(headers: &HeaderMap, allowed: &[String]) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(host), None) => {
            let Ok(host) = host.to_str() else { return false };
            let name = name_of(host).trim_end_matches('.');
            name.parse::<IpAddr>().is_ok()
                || host.parse::<Ipv6Addr>().is_ok()
                || name.eq_ignore_ascii_case("localhost")
                || allowed.iter().any(|known| name.eq_ignore_ascii_case(known.trim_end_matches('.')))
        }
    }
}

/// Answers only what was meant for this machine.
pub(super) async fn only_meant(
    State(allowed): State<AllowedHosts>,
    request: Request,
    next: Next,
) -> Response {
    if is_meant(request.headers(), &allowed) {
        return next.run(request).await;
    }
    let words = "this name is none of mine: ask by address, or add it to allowed_hosts in relay.toml\n";
    (StatusCode::MISDIRECTED_REQUEST, words).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_what_is_allowed_is_answered_and_no_other_name() {
        let allowed = ["metrics.example".to_owned()];
        let says = |hosts: &[&str]| {
            let mut headers = HeaderMap::new();
            for host in hosts {
                headers.append(header::HOST, host.parse().unwrap());
            }
            is_meant(&headers, &allowed)
        };
        for host in [
            "127.0.0.1:9464",
            "127.0.0.1",
            "[::1]:9464",
            "[::1]",
            "localhost:9464",
            "LOCALHOST",
            "10.1.2.3:80",
            "Metrics.Example:9464",
            "metrics.example.",
        ] {
            assert!(says(&[host]), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9464",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "127.0.0.1@evil",
            "",
            ":9464",
            "metrics.example.evil",
        ] {
            assert!(!says(&[host]), "{host}");
        }
        assert!(says(&[]), "HTTP/1.0");
        assert!(!says(&["localhost", "evil.example"]), "which one is meant?");
    }
}
