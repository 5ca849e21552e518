//! What notices are sent to in tests: programs of the distribution, started on separate ports and in separate
//! directories, and an HTTP sink that answers as it is told.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "each test uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;

/// A program that is killed when it is dropped.
pub struct PeerProcess(pub Child);

impl Drop for PeerProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl PeerProcess {
    pub fn start(program: &str, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Self(child),
            Err(error) => {
                panic!("{program} can't be started ({error}): `scripts/setup` installs what tests need")
            }
        }
    }

    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }
}

/// A TCP port that is free now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub fn alertmanager(dir: &Path, port: u16) -> PeerProcess {
    let config = dir.join("alertmanager.yml");
    std::fs::write(&config, "route:\n  receiver: none\nreceivers:\n  - name: none\n").unwrap();
    // Empty at each start.
    let data = tempfile::Builder::new().prefix("data").tempdir_in(dir).unwrap().keep();
    PeerProcess::start(
        "prometheus-alertmanager",
        &[
            &format!("--config.file={}", config.display()),
            &format!("--storage.path={}", data.display()),
            &format!("--web.listen-address=127.0.0.1:{port}"),
            "--cluster.listen-address=",
            "--log.level=error",
        ],
    )
}

pub fn prometheus(dir: &Path, port: u16, target: &str) -> PeerProcess {
    let config = dir.join("prometheus.yml");
    let text = format!(
        "global:\n  scrape_interval: 1s\nscrape_configs:\n  - job_name: relay\n    static_configs:\n      - targets: ['{target}']\n"
    );
    std::fs::write(&config, text).unwrap();
    PeerProcess::start(
        "prometheus",
        &[
            &format!("--config.file={}", config.display()),
            &format!("--storage.tsdb.path={}", dir.join("tsdb").display()),
            &format!("--web.listen-address=127.0.0.1:{port}"),
            "--log.level=error",
        ],
    )
}

pub fn rsyslog(dir: &Path, port: u16) -> PeerProcess {
    let config = dir.join("rsyslog.conf");
    let text = format!(
        "global(workDirectory=\"{dir}\")\nmodule(load=\"imtcp\")\ninput(type=\"imtcp\" port=\"{port}\" address=\"127.0.0.1\")\n\
         template(name=\"all\" type=\"string\" string=\"%pri% %hostname% %app-name% %msgid% %structured-data% %msg%\\n\")\n\
         action(type=\"omfile\" file=\"{dir}/log\" template=\"all\" fileCreateMode=\"0600\")\n",
        dir = dir.display()
    );
    std::fs::write(&config, text).unwrap();
    PeerProcess::start(
        "rsyslogd",
        &["-n", "-f", &config.display().to_string(), "-i", &dir.join("pid").display().to_string()],
    )
}

/// A broker that accepts each client with the password.
pub fn mosquitto(dir: &Path, port: u16, user: &str, password: &str) -> PeerProcess {
    let (config, passwords) = (dir.join("mosquitto.conf"), dir.join("mosquitto.passwords"));
    let made =
        Command::new("mosquitto_passwd").args(["-c", "-b"]).arg(&passwords).args([user, password]).status();
    assert!(
        made.is_ok_and(|status| status.success()),
        "mosquitto_passwd: `scripts/setup` installs what tests need"
    );
    let (cert, key) = (dir.join("broker.pem"), dir.join("broker.key"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .args([
            std::ffi::OsStr::new("-keyout"),
            key.as_os_str(),
            std::ffi::OsStr::new("-out"),
            cert.as_os_str(),
        ])
        .stderr(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "openssl makes a certificate");
    let text = format!(
        "listener {port} 127.0.0.1\nallow_anonymous false\npassword_file {}\ncertfile {}\nkeyfile {}\nuser root\n\
         log_type none\n",
        passwords.display(),
        cert.display(),
        key.display()
    );
    std::fs::write(&config, text).unwrap();
    PeerProcess::start("mosquitto", &["-c", &config.display().to_string()])
}

/// Writes each message's text into `mail`, one file for each.
pub fn smtp(dir: &Path, port: u16) -> PeerProcess {
    let script = dir.join("sink.py");
    let text = "import sys, time\nfrom aiosmtpd.controller import Controller\nclass Keep:\n  n = 0\n  async def handle_DATA(self, server, session, envelope):\n    Keep.n += 1\n    open('%s/mail.%d' % (sys.argv[1], Keep.n), 'wb').write(envelope.content)\n    return '250 kept'\nc = Controller(Keep(), hostname='127.0.0.1', port=int(sys.argv[2]))\nc.start()\nwhile True: time.sleep(60)\n";
    std::fs::write(&script, text).unwrap();
    PeerProcess::start(
        "/usr/bin/python3",
        &[&script.display().to_string(), &dir.display().to_string(), &port.to_string()],
    )
}

/// Waits until a port takes connections.
pub async fn listening(port: u16) {
    let until = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(
            std::time::Instant::now() < until,
            "nothing listens on port {port}: is its Debian package installed?"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// GETs JSON over plain HTTP.
pub async fn get(port: u16, path: &str) -> Option<Value> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    serde_json::from_str(body).ok()
}

/// One request that a sink was sent.
#[derive(Clone, Debug)]
pub struct HttpHit {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl HttpHit {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|v| v.to_str().unwrap()).unwrap_or_default()
    }
}

#[derive(Default)]
pub struct PeerInput {
    pub hits: Vec<HttpHit>,
    /// What to answer next; then `otherwise`.
    pub next: VecDeque<(u16, &'static str)>,
    pub otherwise: (u16, &'static str),
    /// How long each answer takes.
    pub slow: std::time::Duration,
}

/// An HTTP server that keeps what it is sent.
#[derive(Clone)]
pub struct ReceiverStub {
    pub port: u16,
    pub heard: Arc<Mutex<PeerInput>>,
}

impl ReceiverStub {
    pub async fn start(otherwise: (u16, &'static str)) -> Self {
        Self::start_on(0, otherwise).await
    }

    pub async fn start_on(port: u16, otherwise: (u16, &'static str)) -> Self {
        let heard = Arc::new(Mutex::new(PeerInput { otherwise, ..PeerInput::default() }));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new().fallback(hear).with_state(Arc::clone(&heard));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, heard }
    }

    pub fn hits(&self) -> Vec<HttpHit> {
        self.heard.lock().unwrap().hits.clone()
    }

    pub fn answer(&self, status: u16, body: &'static str) {
        self.heard.lock().unwrap().next.push_back((status, body));
    }
}

async fn hear(
    State(heard): State<Arc<Mutex<PeerInput>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, [(&'static str, &'static str); 1], &'static str) {
    let slow = heard.lock().unwrap().slow;
    if !slow.is_zero() {
        tokio::time::sleep(slow).await;
    }
    let mut heard = heard.lock().unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    heard.hits.push(HttpHit { path: uri.to_string(), headers, body });
    let otherwise = heard.otherwise;
    let (status, body) = heard.next.pop_front().unwrap_or(otherwise);
    (StatusCode::from_u16(status).unwrap(), [("location", "http://127.0.0.1:1/elsewhere")], body)
}
