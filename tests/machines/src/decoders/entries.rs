//! What the table's decoders do with hostile bytes, and what must hold of those they take.

use core::fmt::Debug;
use core::str::FromStr;
use std::borrow::Cow;
use std::fs;

use data_encoding::BASE64URL_NOPAD;
use nearhand_proto::audit::{AuditRow, LogVerifier};
use nearhand_proto::chat::{ChatChange, ChatLog, ChatStream, SessionSide};
use nearhand_proto::credential::{Credential, MAX_LINKS, Retirement, RevocationList, Revocations};
use nearhand_proto::forward::BindKey;
use nearhand_proto::forward::packet::{PACKET_LEN, SealedPacket, is_bind_family, is_unbound, unbound};
use nearhand_proto::grant::Capabilities;
use nearhand_proto::id::SessionId;
use nearhand_proto::identity::{PublicKey, Signed, Statement};
use nearhand_proto::message::control::CloseCode;
use nearhand_proto::message::session::{ChatFrame, MAX_CHAT};
use nearhand_proto::pake::{self, ChannelBinding, CodeProof};
use nearhand_proto::runbook::Manifest;
use nearhand_proto::support_code::SupportCode;
use nearhand_proto::{audit, text, wire};
use nearhand_report::{compare, html, markdown, parse, text_view};
use nearhand_transport::key_file;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::golden::{AT, BIND_KEY, KeyOwner};

/// Length of a valid message of the support code's proof.
const PROOF_LEN: usize = 33;

/// A message: what decodes must encode, and that must decode to the same again. Compared as bytes, because a
/// number may be a NaN, and because the codec reads more than one form of an integer but writes one.
pub(super) fn message<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    let Ok(message) = wire::decode::<T>(bytes) else { return };
    let Ok(once) = wire::encode(&message) else { return };
    let again = wire::decode::<T>(&once).and_then(|message| wire::encode(&message));
    assert_eq!(again.ok().as_ref(), Some(&once), "what was encoded decodes to something else");
}

/// A frame: the length claimed, and what follows.
pub(super) fn frame(bytes: &[u8]) {
    let Some((prefix, body)) = bytes.split_first_chunk() else { return };
    for limit in [0, 1, 65_536, usize::MAX] {
        if let Ok(len) = wire::frame_len(*prefix, limit) {
            assert!(len <= limit.min(wire::MAX_MESSAGE), "{len} is over the limit of {limit}");
            message::<(String, u64)>(body.get(..len).unwrap_or(body));
        }
    }
}

/// A signed statement, unverified and verified. No change of one that was signed may verify, so what verifies
/// says what was signed.
pub(super) fn signed<T: Statement>(bytes: &[u8]) {
    message::<Signed<T>>(bytes);
    let Ok(signed) = wire::decode::<Signed<T>>(bytes) else { return };
    let _claimed = signed.peek();
    let signer = match T::CONTEXT {
        "invite" | "revocations" | "runbook" => KeyOwner::Organisation,
        "endorsement" => KeyOwner::OneTime,
        "retirement" | "runbook order" => KeyOwner::Technician,
        _ => KeyOwner::Device,
    };
    if let Ok(statement) = signed.open(&signer.public()) {
        assert!(signer.secret().sign(&statement).is_ok_and(|again| again == signed), "a forgery");
    }
}

/// A signed runbook, as a device judges one: a sound one binds to what its acts take, with any values.
pub(super) fn runbook(bytes: &[u8]) {
    signed::<Manifest>(bytes);
    let Ok(manifest) = wire::decode::<Signed<Manifest>>(bytes).map(|signed| signed.peek()) else { return };
    let Ok(manifest) = manifest else { return };
    if manifest.check().is_empty() {
        binds(&manifest);
    }
}

fn binds(manifest: &Manifest) {
    let Ok(bound) = manifest.bind(&[]) else { return };
    for (act, values) in &bound {
        for argument in act.arguments() {
            assert!(values.get(argument.name).is_none_or(|value| argument.kind.check(value).is_ok()));
        }
    }
    assert!(manifest.class_of(&bound) <= manifest.class);
}

/// A key's own retirement.
pub(super) fn retirement(bytes: &[u8]) {
    signed::<Retirement>(bytes);
    if let Ok(signed) = wire::decode::<Signed<Retirement>>(bytes) {
        let mut known = Revocations::default();
        let news = known.retire(&signed).is_ok_and(|news| news);
        assert_eq!(news, known != Revocations::default());
    }
}

/// An organisation's revocation list.
pub(super) fn revocations(bytes: &[u8]) {
    signed::<RevocationList>(bytes);
    if let Ok(signed) = wire::decode::<Signed<RevocationList>>(bytes) {
        let mut known = Revocations::default();
        let news = known.apply(&signed, &KeyOwner::Organisation.public()).is_ok_and(|news| news);
        assert_eq!(news, known.list().is_some());
    }
}

/// A credential, as everybody judges it who gets one.
pub(super) fn credential(bytes: &[u8]) {
    message::<Credential>(bytes);
    let Ok(credential) = wire::decode::<Credential>(bytes) else { return };
    if let Ok(who) = credential.verify(&KeyOwner::Organisation.public(), AT) {
        assert!(!who.keys().is_empty() && who.keys().len() <= MAX_LINKS);
        assert!(who.device_id().is_some() != who.technician_id().is_some());
        shows_safely(&who.invite.name);
        let _still_counts = Revocations::default().check(&who);
    }
}

/// The number of a QUIC close frame.
pub(super) fn close_code(bytes: &[u8]) {
    if let Ok(number) = wire::decode::<u64>(bytes)
        && let Some(code) = CloseCode::from_number(number)
    {
        assert_eq!(u64::from(code.number()), number);
    }
}

/// A frame of the chat, taken by either end.
pub(super) fn chat(bytes: &[u8]) {
    message::<ChatFrame>(bytes);
    let Ok(frame) = wire::decode::<ChatFrame>(bytes) else { return };
    for side in [SessionSide::Technician, SessionSide::Device] {
        let mut log = ChatLog::new(side);
        log.say("hello", AT);
        if let Ok(ChatChange::New(line)) = log.take(frame.clone()) {
            assert!(line.text.chars().count() <= MAX_CHAT);
            shows_safely(&line.text);
        }
        let mut link = ChatStream::default();
        while link.next_frame(&log).is_some() {}
    }
}

/// A set of capabilities, which may hold bits that this version doesn't know.
pub(super) fn capabilities(bytes: &[u8]) {
    message::<Capabilities>(bytes);
    if let Ok(set) = wire::decode::<Capabilities>(bytes) {
        assert_eq!(set.is_empty(), set.iter().count() == 0);
        let known: Capabilities = set.iter().collect();
        assert!(known.without(set).is_empty() && set.without(known).is_empty());
    }
}

/// The other end's first message of the support code's proof.
pub(super) fn proof(bytes: &[u8]) {
    // Starting a proof is slow, and a message of a wrong length is refused without reading it.
    if bytes.len().abs_diff(PROOF_LEN) > 1 && bytes.len() != pake::MAX_MESSAGE + 1 {
        return;
    }
    let channel = ChannelBinding {
        session: SessionId::from_bytes([1; 16]),
        exporter: [9; 32],
        technician: KeyOwner::Technician.public(),
        device: KeyOwner::Device.public(),
    };
    let (agent, _) = CodeProof::agent("1234567", &mut rand_core::OsRng);
    if let Ok(keys) = agent.finish(bytes, &channel) {
        assert_eq!(bytes.len(), PROOF_LEN);
        assert!(keys.check_technician(&[0; 32]).is_err(), "a guess was right");
    }
}

/// A string of an invitation. Its checksum keeps out what is damaged, so its body is also tried without.
pub(super) fn invitation<T: FromStr + DeserializeOwned + Serialize>(bytes: &[u8]) {
    let text = lossy(bytes);
    let parsed = text.parse::<T>();
    drop(parsed);
    let body = text.splitn(3, '-').nth(2).and_then(|rest| BASE64URL_NOPAD.decode(rest.as_bytes()).ok());
    match body.as_deref().and_then(|body| body.split_last_chunk::<4>()) {
        Some((body, _checksum)) => message::<T>(body),
        None => message::<T>(bytes),
    }
}

/// A support code as it is typed.
pub(super) fn support_code(bytes: &[u8]) {
    if let Ok(code) = lossy(bytes).parse::<SupportCode>() {
        assert_eq!(code.spoken().parse().as_ref(), Ok(&code));
    }
}

/// Text that names something: its own text form must name the same.
pub(super) fn parsed<T: FromStr + ToString + PartialEq + Debug>(bytes: &[u8]) {
    if let Ok(value) = lossy(bytes).parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value));
    }
}

/// A key of a handshake. Bytes that are no point on the curve are a key that nothing verifies under.
pub(super) fn spki(bytes: &[u8]) {
    if let Some(key) = PublicKey::from_spki(bytes) {
        assert_eq!(key.to_spki(), bytes);
        let signed = KeyOwner::Device.secret().sign(&audit::AuditHead::EMPTY);
        let opens = signed.is_ok_and(|signed| signed.open(&key).is_ok());
        assert_eq!(opens, key == KeyOwner::Device.public());
    }
}

/// A key file, damaged or another's.
pub(super) fn key_file(bytes: &[u8]) {
    thread_local! {
        // The name is kept for the thread: a file for each input would take longer than reading it.
        static FILE: Option<tempfile::NamedTempFile> = tempfile::NamedTempFile::new().ok();
    }
    FILE.with(|file| {
        let Some(path) = file.as_ref().map(tempfile::NamedTempFile::path) else { return };
        if fs::write(path, bytes).is_ok()
            && let Ok(key) = key_file::load_key(path)
        {
            assert!(bytes.len() >= 64, "{key:?} out of {} bytes", bytes.len());
        }
    });
}

/// Text put on one line.
pub(super) fn one_line(bytes: &[u8]) {
    for max_chars in [0, 1, 80] {
        let shown = text::one_line(&lossy(bytes), max_chars);
        assert!(shown.chars().count() <= max_chars);
        assert!(!shown.chars().any(char::is_control), "{shown:?} could steer a terminal");
    }
}

/// Text of several lines.
pub(super) fn multi_line(bytes: &[u8]) {
    let shown = text::multi_line(&lossy(bytes), 200);
    assert!(shown.chars().count() <= 200);
    shows_safely(&shown);
}

/// JSON: what is read can be written, and read again.
pub(super) fn json<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return };
    let again = serde_json::to_vec(&value).and_then(|json| serde_json::from_slice::<T>(&json));
    assert_eq!(again.ok().as_ref(), Some(&value));
}

/// A report from a device: read, and shown in every way.
pub(super) fn report(bytes: &[u8]) {
    let Ok(report) = parse::parse(bytes) else { return };
    let json = serde_json::to_vec(&report).unwrap_or_default();
    assert_eq!(parse::parse(&json).as_ref(), Ok(&report), "what was admitted is not admitted again");
    let change = compare::compare(&report, &report);
    let page = html::page(&report, Some(&change), None);
    assert!(!page.contains("<script"), "a report put a script into its page");
    let _document = markdown::document(&report, Some(&change), None);
    shows_safely(&text_view::render(&report, Some(&change), text_view::TextStyle::default()));
}

/// A datagram at the forwarding path.
pub(super) fn bind_packet(bytes: &[u8]) {
    let key = BindKey::from_bytes(BIND_KEY);
    assert!(unbound(bytes.len()).len() <= bytes.len().min(PACKET_LEN));
    let Some(sealed) = SealedPacket::parse(bytes) else { return };
    assert!(bytes.first().is_some_and(|first| is_bind_family(*first)) && !is_unbound(bytes));
    if let Some(packet) = sealed.open(&key) {
        assert_eq!(
            packet.seal(sealed.token, sealed.nonce, &key).as_slice(),
            bytes,
            "another form of {packet:?}"
        );
    }
}

/// A whole log, a row of JSON on each line, as the agent keeps it and an administrator checks it.
pub(super) fn audit_log(bytes: &[u8]) {
    let mut verifier = LogVerifier::new(vec![KeyOwner::Device.public()], vec![]);
    for line in bytes.split(|byte| *byte == b'\n') {
        let row = serde_json::from_slice::<AuditRow>(line).ok();
        if let Err(broken) = verifier.row(row.as_ref()) {
            assert!(broken.row >= 1);
            return;
        }
    }
    let _head = verifier.finish();
}

fn shows_safely(shown: &str) {
    let steers = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    assert!(!shown.chars().any(steers), "{shown:?} could steer a terminal");
}

fn lossy(bytes: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
