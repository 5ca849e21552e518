//! What a browser shows: the viewer's page, which other pages and users of the technician's machine can reach too, and
//! reports, whose every word is a device's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::peer_text::PeerText;
use nearhand_report::parse;
use serde_json::Value;

use super::{AttackTrial, number};
use crate::deployment::TestDeployment;
use crate::hostile_device::{HostileDevice, HostilePayload};
use crate::program::until;
use crate::wire_client::WireEndpoint;
use nearhand_machines::golden;

/// Markup for every place that text could stand in: between tags, in an attribute, in Markdown.
const MARKUP: &str = "x\"'><script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>\
                      [y](javascript:alert(1))</style><!--";
/// What must not stand in a page as it is.
const LIVE: &[&str] = &["<script>alert", "<img src=x", "<svg/onload", "\"'><", "</style><!--"];
/// How long a step of the desktop may take.
const LIMIT: Duration = Duration::from_secs(30);
/// A WebSocket's key, any (RFC 6455, section 1.3).
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// The head of an HTTP answer.
fn ask(host: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 10_000 {
        if stream.read(&mut byte)? == 0 {
            break;
        }
        head.extend_from_slice(&byte);
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}

pub(super) fn other_origins(trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    let mut client = site.admin().start(&["connect", "pc-1", "--no-open", "--ask", "diagnostics"])?;
    let event = client.event("viewer")?;
    let url = event.get("url").and_then(Value::as_str).context("no address")?;
    let (host, token) =
        url.strip_prefix("http://").and_then(|rest| rest.split_once("/#")).context("no token")?;
    let own = format!("http://{host}");
    let enter = |origin: &str, token: &str| ask(host, &entering(host, origin, token));
    ensure!(enter("http://evil.example", token)?.contains(" 403 "));
    ensure!(enter(&own, &"0".repeat(token.len()))?.contains(" 403 "));
    let entered = whole(host, &entering(host, &own, token))?;
    ensure!(entered.contains(" 200 ") && !entered.to_lowercase().contains("set-cookie"), "{entered}");
    ensure!(enter(&own, token)?.contains(" 403 "), "the token is good twice");
    let pass = entered.split("\r\n\r\n").nth(1).context("no pass")?.to_owned();
    let socket = |at: &str, origin: Option<&str>| {
        let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        ask(host, &upgrading(at, &origin))
    };
    let evil = [
        (host, Some("http://evil.example")),
        (host, Some("null")),
        (host, None),
        (host, Some("http://127.0.0.1:1")),
        ("evil.example", Some("http://evil.example")),
        ("localhost", Some(&own)),
    ];
    let mut let_in = Vec::new();
    for (at, origin) in evil {
        let answer = socket(at, origin)?;
        if !answer.contains(" 403 ") {
            let_in.push(format!("{at} {origin:?}: {answer}"));
        }
    }
    trial.at_most("of 6 upgrades from elsewhere let in", number(let_in.len()), "", 0.0)?;
    // The one who doesn't know the pass hears nothing over the socket, not even with the token.
    let zeros = "0".repeat(pass.len());
    for wrong in ["", zeros.as_str(), token] {
        ensure!(introduced(host, &own, wrong)?.is_none(), "{wrong:?} is let in");
    }
    let right = introduced(host, &own, &pass)?;
    ensure!(right.is_some(), "the technician's own page is not let in");
    Ok(())
}

/// The request that exchanges the token.
fn entering(host: &str, origin: &str, token: &str) -> String {
    format!(
        "POST /enter HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{token}",
        token.len()
    )
}

fn upgrading(host: &str, origin: &str) -> String {
    format!(
        "GET /socket HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
    )
}

/// The whole answer to a request that ends its connection.
fn whole(host: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The first byte of what a page that says this pass is told; `None`: it is cut off.
fn introduced(host: &str, origin: &str, pass: &str) -> Result<Option<u8>> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(upgrading(host, &format!("Origin: {origin}\r\n")).as_bytes())?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    ensure!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    // A masked text frame (RFC 6455, section 5.2), by zeros.
    let length = u8::try_from(pass.len()).ok().filter(|length| *length < 126).context("a short pass")?;
    stream.write_all(&[&[0x81, 0x80 | length, 0, 0, 0, 0][..], pass.as_bytes()].concat())?;
    let mut first = [0];
    match stream.read(&mut first) {
        Ok(1) if first != [0x88] => Ok(Some(u8::from_be_bytes(first))),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What another user of the technician's machine can see and reach.
pub(super) fn another_user_of_the_machine(_trial: &AttackTrial) -> Result<()> {
    let site = TestDeployment::new()?;
    let agent = site.device("pc-1")?;
    agent.allow("\"diagnostics\"", true)?;
    // A browser's opener that shows its arguments, as `ps` would.
    let desk = site.directory("desk")?;
    let seen = desk.join("arguments");
    let opener = desk.join("xdg-open");
    fs::write(
        &opener,
        format!("#!/bin/sh\nprintf '%s\\n' \"$@\" > '{0}.new'\nmv '{0}.new' '{0}'\n", seen.display()),
    )?;
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755))?;
    let path = format!("{}:{}", desk.display(), std::env::var("PATH").unwrap_or_default());
    let variables = [
        ("PATH", path.as_str()),
        ("DISPLAY", ":1"),
        ("HOME", desk.to_str().context("a path that is no text")?),
        ("XDG_RUNTIME_DIR", desk.to_str().context("a path that is no text")?),
    ];
    let words = ["connect", "pc-1", "--view-only", "--ask", "diagnostics"];
    let _client = site.admin().start_with(&words, &variables)?;
    until(LIMIT, "the opener was started", || Ok(seen.exists()))?;
    let arguments = fs::read_to_string(&seen)?;
    let file = arguments.trim().strip_prefix("file://").context("no file was opened")?;
    let page = fs::read_to_string(file)?;
    let (host, rest) =
        page.split_once("url=http://").and_then(|(_, rest)| rest.split_once("/#")).context("no address")?;
    let token = rest.split('"').next().context("no token")?;
    ensure!(token.len() == 64, "{page}");
    ensure!(!arguments.contains(token) && !arguments.contains("http"), "{arguments}");
    for (place, most) in
        [(Path::new(file), 0o600), (Path::new(file).parent().context("no directory")?, 0o700)]
    {
        let mode = fs::metadata(place)?.permissions().mode() & 0o777;
        ensure!(mode & !most == 0, "{}: {mode:o}", place.display());
    }
    // Even with the token, a program of another user gets nothing.
    let request = entering(host, &format!("http://{host}"), token).replace("\r\n", "\\r\\n");
    let (name, port) = host.split_once(':').context("no port")?;
    let script = format!("exec 3<>/dev/tcp/{name}/{port}; printf '{request}' >&3; cat <&3");
    let answer = std::process::Command::new("bash")
        .args(["-c", &script])
        .uid(65_534)
        .gid(65_534)
        .current_dir("/")
        .output()?;
    let answer = String::from_utf8_lossy(&answer.stdout).into_owned();
    ensure!(answer.contains(" 403 "), "{answer:?}");
    ensure!(
        whole(host, &entering(host, &format!("http://{host}"), token))?.contains(" 200 "),
        "the token is gone"
    );
    until(LIMIT, "the file is gone", || Ok(!Path::new(file).exists()))?;
    Ok(())
}

pub(super) fn markup_in_every_field(trial: &AttackTrial) -> Result<()> {
    let reports = golden::read("report")?;
    let report = reports.iter().find_map(|vector| serde_json::from_slice::<Value>(&vector.bytes).ok());
    let report = report.context("no golden report is JSON")?;
    let whole = everywhere(&report)?;
    trial.tried("texts of the report that take markup", number(whole.replaced));
    ensure!(whole.replaced > 10, "markup was taken in {} places only", whole.replaced);
    // To a real client, from a device of the organisation.
    let (site, wire) = (TestDeployment::new()?, WireEndpoint::new()?);
    let facts = DeviceFacts { hostname: PeerText::forged(MARKUP), os: PeerText::forged(MARKUP) };
    let device = wire.enrol_as(&site.enrolment("marked")?, facts.clone())?;
    let _hostile = HostileDevice::start(
        &wire,
        &device,
        facts,
        HostilePayload::Report(serde_json::to_vec(&whole.report)?),
    )?;
    let out = site.directory("report")?;
    site.admin().run(&["diagnose", "marked", "--quick", "--out", &out.to_string_lossy()])?.ok()?;
    let page = fs::read_to_string(out.join("report.html"))?;
    let live: Vec<_> = LIVE.iter().filter(|text| page.contains(**text)).collect();
    ensure!(live.is_empty(), "{live:?} stand in the page as they are");
    ensure!(page.contains("alert(1)"), "nothing of the markup is in the page, so nothing was tried");
    ensure!(page.contains("default-src 'none'"), "the page doesn't forbid itself scripts");
    let scripts = page.to_lowercase().matches("<script").count();
    trial.at_most("scripts in the page", number(scripts), "", 0.0)?;
    // Markdown that somebody pastes into a ticket.
    let document = fs::read_to_string(out.join("report.md"))?;
    let live: Vec<_> =
        ["<script>", "<img src", "[y](javascript:"].iter().filter(|t| document.contains(**t)).collect();
    ensure!(live.is_empty(), "{live:?} stand in the document as they are");
    Ok(())
}

/// A report with markup in every text that may be one.
struct MarkupReport {
    report: Value,
    replaced: usize,
}

/// Puts the markup into each text in turn; where a client still reads the report, it stays.
fn everywhere(report: &Value) -> Result<MarkupReport> {
    let mut marked = MarkupReport { report: report.clone(), replaced: 0 };
    for pointer in texts(report) {
        let mut tried = marked.report.clone();
        let Some(place) = tried.pointer_mut(&pointer) else { bail!("{pointer} is gone") };
        *place = Value::from(MARKUP);
        if parse::parse(&serde_json::to_vec(&tried)?).is_ok() {
            marked = MarkupReport { report: tried, replaced: marked.replaced + 1 };
        }
    }
    Ok(marked)
}

/// Where a document has texts, as JSON pointers (RFC 6901).
fn texts(document: &Value) -> Vec<String> {
    let below = |name: &str, value: &Value| -> Vec<String> {
        let name = name.replace('~', "~0").replace('/', "~1");
        texts(value).into_iter().map(|rest| format!("/{name}{rest}")).collect()
    };
    match document {
        Value::String(_) => vec![String::new()],
        Value::Array(list) => list.iter().enumerate().flat_map(|(n, v)| below(&n.to_string(), v)).collect(),
        Value::Object(fields) => fields.iter().flat_map(|(name, v)| below(name, v)).collect(),
        _ => Vec::new(),
    }
}
