//! A session whose other end is the stage's device, in the same process; its messages still cross as bytes.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use nearhand_client::session::{Device as Facts, DiagnosticsError, Progress, StreamError, Update};
use nearhand_client::viewer::session_link::{Hears, Link, Says};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::local::{ChatLine, Mark};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::message::session::{FRAME_LIMIT, Open, Refusal};
use nearhand_proto::time::UnixMillis;
use nearhand_report::model::{Area, Evidence, Finding, Report, Status, Subject};
use nearhand_transport::framed;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::sync::mpsc;

use crate::device::{Device, State};
use crate::tell;

pub(crate) struct StageLink {
    device: Arc<Device>,
    updates: mpsc::Sender<Update>,
    chat: Mutex<Vec<ChatLine>>,
}

impl StageLink {
    pub(crate) fn new(device: Arc<Device>, updates: mpsc::Sender<Update>) -> Self {
        Self { device, updates, chat: Mutex::default() }
    }
}

pub(crate) struct Sender(WriteHalf<DuplexStream>, Arc<Device>, Capability);
pub(crate) struct Receiver(ReadHalf<DuplexStream>, Arc<Device>, Capability);

fn broken(device: &Device, capability: Capability) -> StreamError {
    match device.state(capability) {
        State::Granted | State::Interrupted => StreamError::Lost,
        State::NotGranted => StreamError::NotGranted,
    }
}

impl Says for Sender {
    async fn send<T: Serialize + Sync>(&mut self, message: &T) -> Result<(), StreamError> {
        framed::write(&mut self.0, message, FRAME_LIMIT).await.map_err(|_| broken(&self.1, self.2))
    }
}

impl Hears for Receiver {
    async fn next<T: DeserializeOwned + Send>(&mut self) -> Result<T, StreamError> {
        framed::read(&mut self.0, FRAME_LIMIT).await.map_err(|_| broken(&self.1, self.2))
    }
}

impl Link for StageLink {
    type Sender = Sender;
    type Receiver = Receiver;

    fn id(&self) -> String {
        "00112233445566778899aabbccddeeff".to_owned()
    }

    fn device(&self) -> Facts {
        Facts {
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
        let _ = self.updates.send(Update::Ended(nearhand_client::session::SessionEnd::Here)).await;
    }

    fn say(&self, text: &str) -> Option<ChatLine> {
        let mut chat = self.chat.lock().unwrap();
        let number = u64::try_from(chat.len()).unwrap() + 1;
        let at = UnixMillis(1_700_000_000_000);
        let line = ChatLine { from_technician: true, number, at, text: text.to_owned(), mark: Mark::Sent };
        chat.push(line.clone());
        self.device.said(line.clone());
        tell(&serde_json::json!({"say": text}));
        Some(line)
    }

    fn saw(&self, number: u64) {
        tell(&serde_json::json!({"saw": number}));
    }

    fn chat_lines(&self) -> Vec<ChatLine> {
        self.chat.lock().unwrap().clone()
    }

    fn round_trip(&self) -> Option<Duration> {
        Some(Duration::from_millis(23))
    }

    async fn open_stream(&self, open: &Open, _: i32) -> Result<(Sender, Receiver), StreamError> {
        let capability = open.needs().unwrap();
        match self.device.state(capability) {
            State::Granted => {}
            State::Interrupted => return Err(StreamError::Lost),
            State::NotGranted => return Err(StreamError::Refused(Refusal::NotGranted(capability))),
        }
        let (here, there) = duplex(256 * 1024);
        self.device.clone().open(open, there);
        let (read, write) = split(here);
        let device = || self.device.clone();
        Ok((Sender(write, device(), capability), Receiver(read, device(), capability)))
    }

    async fn diagnose(
        &self,
        set: CheckSet,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Result<Report, DiagnosticsError> {
        progress(Progress::Started(3));
        let subject = Subject {
            device: String::new(),
            hostname: "till-3".into(),
            os: "Debian".into(),
            kernel: "6".into(),
            model: String::new(),
        };
        let at = UnixMillis(1_700_000_000_000).to_string();
        let mut report = Report::new("stage".to_owned(), subject, at, set);
        for (id, status, title) in [
            ("disks.space", Status::Fail, "The disk is 98 % full <img src=x onerror=alert(1)>"),
            ("time.sync", Status::Warn, "The clock is 40 s off"),
            ("memory.free", Status::Ok, "Enough memory is free"),
        ] {
            progress(Progress::Checking(id.to_owned()));
            tokio::time::sleep(Duration::from_millis(300)).await;
            let finding = finding(id, status, title);
            progress(Progress::Finding(Box::new(finding.clone())));
            report.findings.push(finding);
        }
        report.sort_and_count();
        Ok(report)
    }
}

fn finding(id: &str, status: Status, title: &str) -> Finding {
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
