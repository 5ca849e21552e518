//! A stage for the viewer's page, for its tests (tests/page) and for looking at it: the real server, decode process
//! and coder, and at the other end a device that does what it is told.
//!
//! Each line of the standard input is a JSON document that says what happens at the device; each line of the standard
//! output one that says what the device was told. `stage record FILE` writes a recording instead, for the playback
//! page.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a program of the tests"
)]

mod device;
mod pictures;
mod recording;
mod session_link;

use std::sync::Arc;
use std::time::Duration;

use nearhand_client::session::{SessionEnd, SessionUpdate};
use nearhand_client::viewer::decode;
use nearhand_client::viewer::decoder_process::DecoderProgram;
use nearhand_client::viewer::{PageServer, ViewerSettings, serve};
use nearhand_proto::grant::Capability;
use nearhand_proto::message::local::{ChatLine, DeliveryMark};
use nearhand_proto::message::session::{GrantedCapability, SessionEndReason, SessionRefusal};
use nearhand_proto::time::UnixMillis;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::sync::mpsc;

use device::ScriptedDevice;
use session_link::ScriptedSession;

/// A line of the standard input: what happens at the device.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
enum DeviceCue {
    Asking(u32),
    Deny,
    Grant { what: Vec<String>, seconds: u32, why: String },
    Chat { number: u64, text: String },
    Read(u64),
    Interrupt,
    Resume,
    Path(bool),
    Picture { name: String, width: u16, height: u16, step: u32 },
    Gone(String),
    Garbage,
    Cursor,
    CursorAt(Option<(u16, u16)>),
    HeldBack(bool),
    Untypable(String),
    Copied(String),
    End,
}

pub(crate) fn tell(what: &serde_json::Value) {
    println!("{what}");
}

fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("decode") {
        return decode::run(decode::DecoderOutput::Operations);
    }
    if first.as_deref() == Some("record") {
        recording::record(arguments.next().unwrap().as_ref());
        return std::process::ExitCode::SUCCESS;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(play(first.as_deref() == Some("view-only")));
    std::process::ExitCode::SUCCESS
}

async fn play(view_only: bool) {
    let server = PageServer::start().await.unwrap();
    tell(&serde_json::json!({"url": server.url()}));
    let (updates, receiver) = mpsc::channel(64);
    let device = Arc::new(ScriptedDevice::default());
    let link = Arc::new(ScriptedSession::new(device.clone(), updates.clone()));
    let settings = ViewerSettings {
        view_only,
        duration: Duration::from_secs(900),
        decoder: DecoderProgram::this().unwrap(),
        keep: Box::new(|edition| Ok(format!("/tmp/{} findings", edition.report.findings.len()))),
    };
    let cues = tokio::spawn(cues(device, updates));
    let end = serve(link, receiver, server, settings, |_| {}, core::future::pending()).await;
    tell(&serde_json::json!({"ended": format!("{end:?}")}));
    cues.abort();
}

async fn cues(device: Arc<ScriptedDevice>, updates: mpsc::Sender<SessionUpdate>) {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let cue: DeviceCue = serde_json::from_str(&line).unwrap();
        let update = match cue {
            DeviceCue::Asking(seconds) => Some(SessionUpdate::Asking(seconds)),
            DeviceCue::Deny => Some(SessionUpdate::Decided(1, Err(SessionRefusal::Denied))),
            DeviceCue::Grant { what, seconds, why } => {
                let granted: Vec<GrantedCapability> = what
                    .iter()
                    .map(|name| GrantedCapability {
                        capability: name.parse::<Capability>().unwrap(),
                        seconds_left: seconds,
                    })
                    .collect();
                device.grant(granted.iter().map(|granted| granted.capability).collect());
                Some(SessionUpdate::Grants(granted, why))
            }
            DeviceCue::Chat { number, text } => Some(SessionUpdate::Chat(ChatLine {
                from_technician: false,
                number,
                at: UnixMillis(1_700_000_000_000),
                text,
                mark: DeliveryMark::Received,
            })),
            DeviceCue::Read(number) => device.marked(number).map(SessionUpdate::Chat),
            DeviceCue::Interrupt => {
                device.interrupt();
                Some(SessionUpdate::Interrupted)
            }
            DeviceCue::Resume => {
                device.resume();
                Some(SessionUpdate::Resumed)
            }
            DeviceCue::Path(true) => Some(SessionUpdate::PathRestored),
            DeviceCue::Path(false) => Some(SessionUpdate::PathStalled),
            DeviceCue::End => Some(SessionUpdate::Ended(SessionEnd::ByAgent(SessionEndReason::Stopped))),
            DeviceCue::Picture { name, width, height, step } => {
                let hash = device.picture(&name, width, height, step);
                tell(&serde_json::json!({"picture": hash}));
                None
            }
            other => {
                device.cue(&other);
                None
            }
        };
        if let Some(update) = update
            && updates.send(update).await.is_err()
        {
            return;
        }
    }
    // The test that wrote the cues has ended.
    std::process::exit(0);
}
