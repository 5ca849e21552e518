//! A session whose other end is the stage's device, in the same process; its messages still cross as bytes.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use nearhand_client::session::{
    DiagnosticsError, DiagnosticsProgress, SessionDevice, SessionUpdate, StreamError,
};
use nearhand_client::viewer::session_link::{MessageReceiver, MessageSender, SessionLink};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, DeliveryMark};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{FRAME_LIMIT, SessionRefusal, StreamOpen};
use nearhand_proto::time::UnixMillis;
use nearhand_report::model::{Area, Evidence, Finding, FindingStatus, Report, ReportSubject};
use nearhand_transport::framed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;

use crate::device::{GrantState, ScriptedDevice};
use crate::tell;

pub(crate) struct ScriptedSession {
    device: Arc<ScriptedDevice>,
    updates: mpsc::Sender<SessionUpdate>,
    chat: Mutex<Vec<ChatLine>>,
}

impl ScriptedSession {
    pub(crate) fn new(device: Arc<ScriptedDevice>, updates: mpsc::Sender<SessionUpdate>) -> Self {
        Self { device, updates, chat: Mutex::default() }
    }
}

pub(crate) struct ScriptedSender(WriteHalf<DuplexStream>, Arc<ScriptedDevice>, Capability);
pub(crate) struct ScriptedReceiver(ReadHalf<DuplexStream>, Arc<ScriptedDevice>, Capability);

fn broken(device: &ScriptedDevice, capability: Capability) -> StreamError {
    match device.state(capability) {
        GrantState::Granted | GrantState::Interrupted => StreamError::Lost,
        GrantState::NotGranted => StreamError::NotGranted,
    }
}

impl MessageSender for ScriptedSender {
    async fn send<T: Serialize + Sync>(&mut self, message: &T) -> Result<(), StreamError> {
        framed::write(&mut self.0, message, FRAME_LIMIT).await.map_err(|_| broken(&self.1, self.2))
    }
}

impl MessageReceiver for ScriptedReceiver {
    async fn next<T: DeserializeOwned + Send>(&mut self) -> Result<T, StreamError> {
        framed::read(&mut self.0, FRAME_LIMIT).await.map_err(|_| broken(&self.1, self.2))
    }
}

impl SessionLink for ScriptedSession {
    type Sender = ScriptedSender;
    type Receiver = ScriptedReceiver;

    fn id(&self) -> String {
        "00112233445566778899aabbccddeeff".to_owned()
    }

    fn device(&self) -> SessionDevice {
        SessionDevice {
            name: "till 3 <b>bold</b>".to_owned(),
            os: "Debian GNU/Linux 13".to_owned(),
            offers: Capability::ALL.into_iter().collect(),
            enrolled: true,
        }
    }

    async fn ask(&self, capabilities: Capabilities, duration: Duration) {
        tell(&serde_json::json!({"ask": capabilities.to_string(), "seconds": duration.as_secs()}));
    }

    async fn give_up(&self, capabilities: Capabilities) {
        tell(&serde_json::json!({"drop": capabilities.to_string()}));
    }

    async fn end(&self) {
        tell(&serde_json::json!({"end": true}));
        let _ = self.updates.send(SessionUpdate::Ended(nearhand_client::session::SessionEnd::Here)).await;
    }

    fn send_chat(&self, text: &str) -> Option<ChatLine> {
        let mut chat = self.chat.lock().unwrap();
        let number = u64::try_from(chat.len()).unwrap() + 1;
        let at = UnixMillis(1_700_000_000_000);
        let line =
            ChatLine { from_technician: true, number, at, text: text.to_owned(), mark: DeliveryMark::Sent };
        chat.push(line.clone());
        self.device.said(line.clone());
        tell(&serde_json::json!({"say": text}));
        Some(line)
    }

    fn mark_chat_seen(&self, number: u64) {
        tell(&serde_json::json!({"saw": number}));
    }

    fn chat_lines(&self) -> Vec<ChatLine> {
        self.chat.lock().unwrap().clone()
    }

    fn round_trip(&self) -> Option<Duration> {
        Some(Duration::from_millis(23))
    }

    async fn open_stream(
        &self,
        open: &StreamOpen,
        _: i32,
    ) -> Result<(ScriptedSender, ScriptedReceiver), StreamError> {
        let capability = open.needs().unwrap();
        match self.device.state(capability) {
            GrantState::Granted => {}
            GrantState::Interrupted => return Err(StreamError::Lost),
            GrantState::NotGranted => {
                return Err(StreamError::Refused(SessionRefusal::NotGranted(capability)));
            }
        }
        let (here, there) = duplex(256 * 1024);
        self.device.clone().open(open, there);
        let (read, write) = split(here);
        let device = || self.device.clone();
        Ok((ScriptedSender(write, device(), capability), ScriptedReceiver(read, device(), capability)))
    }

    async fn diagnose(
        &self,
        set: CheckSet,
        mut progress: impl FnMut(DiagnosticsProgress) + Send,
    ) -> Result<Report, DiagnosticsError> {
        progress(DiagnosticsProgress::Started(3));
        let subject = ReportSubject {
            device: String::new(),
            hostname: "till-3".into(),
            os: "Debian".into(),
            kernel: "6".into(),
            model: String::new(),
        };
        let at = UnixMillis(1_700_000_000_000).to_string();
        let mut report = Report::new("stage".to_owned(), subject, at, set);
        for (id, status, title) in [
            ("disks.space", FindingStatus::Fail, "The disk is 98 % full <img src=x onerror=alert(1)>"),
            ("time.sync", FindingStatus::Warn, "The clock is 40 s off"),
            ("memory.free", FindingStatus::Ok, "Enough memory is free"),
        ] {
            progress(DiagnosticsProgress::Checking(id.to_owned()));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let finding = finding(id, status, title);
            progress(DiagnosticsProgress::Finding(Box::new(finding.clone())));
            report.findings.push(finding);
        }
        report.sort_and_count();
        Ok(report)
    }
}

fn finding(id: &str, status: FindingStatus, title: &str) -> Finding {
    Finding {
        id: id.into(),
        instance: "/home".into(),
        area: Area::Disks,
        status,
        title: title.into(),
        evidence: vec![Evidence { label: "used".into(), value: "98 %".into() }],
        explanation: "Programs fail when nothing can be written.".into(),
        fix: "Remove what isn't needed.".into(),
        reason: None,
        runbook: None,
        article: None,
        ms: 12,
    }
}
