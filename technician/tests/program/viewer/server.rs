//! Requests by hand, as a browser would never send them.

use std::time::Duration;

use nearhand_client::viewer::PageServer;
use nearhand_client::viewer::page_messages::{FromPage, ToPage};
use nearhand_client::viewer::server::{PageConnection, PageMessage, PageOutput};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(20);

struct TestPageServer {
    server: PageServer,
    host: String,
    token: String,
}

impl TestPageServer {
    async fn start() -> Self {
        let server = PageServer::start().await.unwrap();
        let url = server.url().strip_prefix("http://").unwrap().to_owned();
        let (host, token) = url.split_once("/#").unwrap();
        Self { host: host.to_owned(), token: token.to_owned(), server }
    }

    async fn raw(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.host).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    /// The whole answer to a request that closes its connection.
    async fn answer(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> String {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = self.raw(&format!("{request}\r\n{body}")).await;
        let mut answer = Vec::new();
        timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn origin(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Exchanges the token; the pass.
    async fn enter(&self) -> String {
        let origin = self.origin();
        let answer =
            self.answer("POST", "/enter", &[("Host", &self.host), ("Origin", &origin)], &self.token).await;
        assert!(answer.starts_with("HTTP/1.1 200") && header(&answer, "set-cookie").is_none(), "{answer}");
        answer.split("\r\n\r\n").nth(1).unwrap().to_owned()
    }

    /// Asks for the WebSocket and says the pass; the connection and the answer's head.
    async fn socket(&self, origin: &str, pass: &str) -> (TcpStream, String) {
        let mut stream = self
            .raw(&format!(
                "GET /socket HTTP/1.1\r\nHost: {}\r\nOrigin: {origin}\r\nConnection: Upgrade\r\n\
                 Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                self.host
            ))
            .await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(LIMIT, stream.read_u8()).await.unwrap().unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        if head.starts_with("HTTP/1.1 101") {
            stream.write_all(&[text_frame(pass.len()).as_slice(), pass.as_bytes()].concat()).await.unwrap();
        }
        (stream, head)
    }

    async fn page(&mut self) -> PageConnection {
        timeout(LIMIT, self.server.next_page()).await.unwrap().unwrap()
    }
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    let head = answer.split("\r\n\r\n").next()?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// A WebSocket frame as a browser sends it: masked, here by zeros.
fn text_frame(length: usize) -> Vec<u8> {
    let mut frame = vec![0x81, 0x80 | 127];
    frame.extend_from_slice(&u64::try_from(length).unwrap().to_be_bytes());
    frame.extend_from_slice(&[0; 4]);
    frame
}

#[tokio::test]
async fn every_answer_has_the_headers_that_confine_the_page() {
    let site = TestPageServer::start().await;
    let host = ("Host", site.host.as_str());
    for path in ["/", "/main.js", "/style.css", "/nothing", "/report/0", "/socket", "/../Cargo.toml"] {
        let answer = site.answer("GET", path, &[host], "").await;
        let policy = header(&answer, "content-security-policy").unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"),
            "{path}: {policy}"
        );
        assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(header(&answer, "cache-control"), Some("no-store"), "{path}");
    }
    let page = site.answer("GET", "/", &[host], "").await;
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("text/html"));
    assert!(
        !page.contains("<style") && !page.contains(" style=") && !page.contains("onclick"),
        "nothing inline"
    );
    assert!(!page.contains(&site.token));
}

#[tokio::test]
async fn other_hosts_and_origins_get_nothing_whatever_they_ask_for() {
    let site = TestPageServer::start().await;
    let (origin, pass) = (site.origin(), site.enter().await);
    for path in ["/", "/main.js", "/socket", "/report/0", "/enter"] {
        for host in ["localhost", "evil.example", "127.0.0.1", "[::1]"] {
            let asked = [("Host", host), ("Origin", &origin)];
            let answer = site.answer("GET", path, &asked, "").await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{host} {path}: {answer}");
        }
        let twice = [("Host", site.host.as_str()), ("Origin", &origin), ("Origin", "http://evil.example")];
        assert!(site.answer("GET", path, &twice, "").await.starts_with("HTTP/1.1 403"), "{path}");
    }
    for other in ["http://evil.example", "null", "http://localhost:1"] {
        let (_stream, head) = site.socket(other, &pass).await;
        assert!(head.starts_with("HTTP/1.1 403"), "{other}: {head}");
    }
}

#[tokio::test]
async fn the_token_opens_once_and_the_socket_needs_the_pass() {
    let mut site = TestPageServer::start().await;
    let origin = site.origin();
    let asked = [("Host", site.host.as_str()), ("Origin", origin.as_str())];
    for wrong in ["", "0", &"0".repeat(64), &"0".repeat(300)] {
        let answer = site.answer("POST", "/enter", &asked, wrong).await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{wrong}: {answer}");
    }
    for wrong in ["", "0", site.token.as_str()] {
        let (stream, head) = site.socket(&origin, wrong).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert_eq!(said(stream).await, 0, "{wrong:?} is let in");
    }
    let pass = site.enter().await;
    let again = site.answer("POST", "/enter", &asked, &site.token).await;
    assert!(again.starts_with("HTTP/1.1 403"), "{again}");
    let (_stream, head) = site.socket(&origin, &pass).await;
    assert!(head.starts_with("HTTP/1.1 101"), "{head}");
    site.page().await;
}

/// Bytes of messages that a WebSocket gets before it is closed.
async fn said(mut stream: TcpStream) -> usize {
    let mut heard = Vec::new();
    // A connection that is reset has ended, too.
    let _ = timeout(LIMIT, stream.read_to_end(&mut heard)).await.unwrap();
    heard.iter().filter(|byte| matches!(byte, 0x81 | 0x82)).count()
}

#[tokio::test]
async fn pages_that_never_say_the_pass_take_no_place_of_one_that_does() {
    let mut site = TestPageServer::start().await;
    let (origin, pass) = (site.origin(), site.enter().await);
    let mut silent = Vec::new();
    for _ in 0..50 {
        silent.push(site.socket(&origin, "0").await);
    }
    let (_stream, _) = site.socket(&origin, &pass).await;
    site.page().await;
}

/// Needs root, to be another user.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn another_user_of_the_machine_gets_nothing() {
    use std::os::unix::process::CommandExt;
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can be another user");
        return;
    }
    let site = TestPageServer::start().await;
    let (host, port) = site.host.split_once(':').unwrap();
    let script = format!(
        "exec 3<>/dev/tcp/{host}/{port}; \
         printf 'POST /enter HTTP/1.1\\r\\nHost: {host}:{port}\\r\\nOrigin: http://{host}:{port}\\r\\n\
         Connection: close\\r\\nContent-Length: 64\\r\\n\\r\\n{}' >&3; cat <&3",
        site.token
    );
    let ask = |user: u32| {
        let mut command = std::process::Command::new("bash");
        command.args(["-c", &script]).uid(user).gid(user).current_dir("/");
        tokio::task::spawn_blocking(move || String::from_utf8(command.output().unwrap().stdout).unwrap())
    };
    let refused = ask(65_534).await.unwrap();
    assert!(refused.starts_with("HTTP/1.1 403") && refused.contains("for the user who started"), "{refused}");
    let taken = ask(0).await.unwrap();
    assert!(taken.starts_with("HTTP/1.1 200"), "the token still works for its own user: {taken}");
}

#[tokio::test]
async fn what_the_page_may_not_say_cuts_it_off() {
    let mut site = TestPageServer::start().await;
    let (origin, pass) = (site.origin(), site.enter().await);
    let (mut good, _) = site.socket(&origin, &pass).await;
    let mut page = site.page().await;
    let said = br#"{"say":"hi"}"#;
    good.write_all(&[text_frame(said.len()).as_slice(), said].concat()).await.unwrap();
    let heard = timeout(LIMIT, page.heard.recv()).await.unwrap();
    assert_eq!(heard, Some(PageMessage::Request(FromPage::Say("hi".to_owned()))));
    page.to.send(PageOutput::Message(ToPage::Elsewhere)).await.unwrap();
    let mut answer = [0; 4];
    timeout(LIMIT, good.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer[0], 0x81);

    for (announced, sent) in [(70_000, 100), (usize::MAX >> 1, 100), (12, 12)] {
        let (mut bad, _) = site.socket(&origin, &pass).await;
        let mut page = site.page().await;
        bad.write_all(&text_frame(announced)).await.unwrap();
        bad.write_all(&vec![b'x'; sent]).await.unwrap();
        let heard = timeout(LIMIT, page.heard.recv()).await.unwrap();
        assert_eq!(heard, None, "{announced} bytes");
    }
}

#[tokio::test]
async fn a_report_has_an_address_that_nobody_guesses_and_is_sandboxed() {
    let site = TestPageServer::start().await;
    let path = site.server.keep_report(b"<h1>report</h1>".to_vec());
    assert!(path.len() > 64, "{path}");
    let host = ("Host", site.host.as_str());
    let cross = [host, ("Sec-Fetch-Site", "cross-site")];
    assert!(site.answer("GET", &path, &cross, "").await.starts_with("HTTP/1.1 403"));
    let answer = site.answer("GET", &path, &[host], "").await;
    assert!(answer.ends_with("<h1>report</h1>"), "{answer}");
    assert!(header(&answer, "content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
    for other in ["/report/0", "/report/7", "/report/", &path[..path.len() - 1]] {
        assert!(site.answer("GET", other, &[host], "").await.starts_with("HTTP/1.1 404"), "{other}");
    }
}

#[tokio::test]
async fn the_server_ends_with_its_owner() {
    let site = TestPageServer::start().await;
    let host = site.host.clone();
    drop(site);
    let gone = async {
        while TcpStream::connect(&host).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, gone).await.unwrap();
}
