//! The captive-portal test: one plain HTTP request whose answer is known beforehand.
//!
//! An HTTP library would follow redirects and speak TLS; here the first status line is the whole point.

use core::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{ProbeError, connected, within};
use crate::facts::network::PortalAnswer;
use crate::facts::{Fact, MissingFact};

/// Most of the answer that is read: status line and headers.
const HEAD_LIMIT: u64 = 16 * 1024;

/// Asks for `page` (`http://host[:port]/path`), where `expected` is the status of a free internet.
pub(super) async fn portal(page: &str, expected: u16, patience: Duration) -> Fact<PortalAnswer> {
    let (host, target, path) = parts(page)
        .ok_or_else(|| MissingFact::failed("captive-portal page", "not a plain http:// address"))?;
    let mut portal = PortalAnswer { target: page.to_owned(), expected, ..PortalAnswer::default() };
    match within(patience, fetch(&host, &target, &path)).await {
        Ok(head) => {
            portal.status = status(&head);
            portal.redirect_host = redirect_host(&head);
            if portal.status.is_none() {
                portal.problem = Some("the answer is not HTTP".to_owned());
            }
        }
        Err(problem) => portal.problem = Some(problem.to_string()),
    }
    Ok(portal)
}

/// Host, host with port, path.
fn parts(page: &str) -> Option<(String, String, String)> {
    let rest = page.strip_prefix("http://")?;
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let target = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    (!authority.is_empty()).then(|| (authority.to_owned(), target, format!("/{path}")))
}

async fn fetch(host: &str, target: &str, path: &str) -> Result<String, ProbeError> {
    let mut stream = connected(target).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nUser-Agent: nearhand\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    let mut stream = stream.take(HEAD_LIMIT);
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// `HTTP/1.1 204 No Content`
fn status(head: &str) -> Option<u16> {
    head.lines().next()?.strip_prefix("HTTP/")?.split_whitespace().nth(1)?.parse().ok()
}

/// Host of the `Location` header: where a portal sends; its path may hold personal data.
fn redirect_host(head: &str) -> Option<String> {
    let location = head.lines().skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim())
    })?;
    let (_, rest) = location.split_once("://")?;
    Some(rest.split(['/', '?', '#']).next()?.rsplit('@').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn server(answer: &'static [u8]) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let page = format!("http://{}/generate_204", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 1024];
                let length = stream.read(&mut request).await.unwrap();
                assert!(request[..length].starts_with(b"GET /generate_204 HTTP/1.1\r\nHost: 127.0.0.1:"));
                let _ = stream.write_all(answer).await;
            }
        });
        page
    }

    async fn ask(answer: &'static [u8]) -> PortalAnswer {
        portal(&server(answer).await, 204, Duration::from_secs(10)).await.unwrap()
    }

    #[tokio::test]
    async fn a_free_internet_and_a_portal_are_told_apart() {
        assert_eq!(ask(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").await.status, Some(204));
        let portal =
            ask(b"HTTP/1.1 302 Found\r\nLOCATION: http://u@login.hotel.example/a?mac=1\r\n\r\n").await;
        assert_eq!(
            (portal.status, portal.redirect_host.as_deref()),
            (Some(302), Some("login.hotel.example"))
        );
    }

    #[tokio::test]
    async fn hostile_answers_are_survived() {
        assert_eq!(ask(b"\x1b[2J\xff\xfe\r\n\r\n").await.problem.as_deref(), Some("the answer is not HTTP"));
        assert_eq!(ask(&[b'x'; 100_000]).await.status, None);
        assert_eq!(ask(b"").await.status, None);
        assert!(portal("https://x/", 204, Duration::from_secs(1)).await.is_err());
    }
}
