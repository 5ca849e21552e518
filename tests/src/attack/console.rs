//! What a browser shows: the viewer's page, which other pages and users of the technician's machine can reach too, and
//! reports, whose every word is a device's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nearhand_proto::message::control::DeviceFacts;
use nearhand_proto::peer_text::PeerText;
use nearhand_report::parse;
use serde_json::Value;

use super::{AttackTrial, number};
use crate::deployment::TestDeployment;
use crate::hostile_device::{HostileDevice, HostilePayload};
use crate::wire_client::WireEndpoint;
use nearhand_machines::golden;

/// Markup for every place that text could stand in: between tags, in an attribute, in Markdown.
const MARKUP: &str = "x\"'><script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>\
                      [y](javascript:alert(1))</style><!--";
/// What must not stand in a page as it is.
const LIVE: &[&str] = &["<script>alert", "<img src=x", "<svg/onload", "\"'><", "</style><!--"];
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
    let enter = |origin: &str, token: &str| {
        let length = token.len();
        ask(
            host,
            &format!(
                "POST /enter HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nContent-Length: {length}\r\n\r\n{token}"
            ),
        )
    };
    ensure!(enter("http://evil.example", token)?.contains(" 403 "));
    ensure!(enter(&own, &"0".repeat(token.len()))?.contains(" 403 "));
    let entered = enter(&own, token)?;
    ensure!(entered.contains(" 204 "), "{entered}");
    ensure!(enter(&own, token)?.contains(" 403 "), "the token is good twice");
    let cookie = entered.lines().find(|line| line.to_lowercase().starts_with("set-cookie: "));
    let cookie = cookie.and_then(|line| line.get(12..)).context("no cookie")?;
    ensure!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let cookie = cookie.split(';').next().context("no cookie")?.to_owned();
    let socket = |at: &str, origin: Option<&str>, cookie: Option<&str>| {
        let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
        ask(
            host,
            &format!(
                "GET /socket HTTP/1.1\r\nHost: {at}\r\n{origin}{cookie}Connection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            ),
        )
    };
    let evil = [
        (host, Some("http://evil.example"), Some(cookie.as_str())),
        (host, Some("null"), Some(&cookie)),
        (host, None, Some(&cookie)),
        (host, Some("http://127.0.0.1:1"), Some(&cookie)),
        ("evil.example", Some("http://evil.example"), Some(&cookie)),
        ("localhost", Some(&own), Some(&cookie)),
        (host, Some(&own), None),
        (host, Some(&own), Some("nearhand-1=00")),
    ];
    let mut let_in = Vec::new();
    for (at, origin, cookie) in evil {
        let answer = socket(at, origin, cookie)?;
        if !answer.contains(" 403 ") {
            let_in.push(format!("{at} {origin:?}: {answer}"));
        }
    }
    trial.at_most("of 8 upgrades from elsewhere let in", number(let_in.len()), "", 0.0)?;
    let right = socket(host, Some(&own), Some(&cookie))?;
    ensure!(right.contains(" 101 "), "the technician's own page is not let in: {right}");
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
