//! Messages to the page. The device's texts are neutralised here. Pure.

use nearhand_proto::grant::Capability;
use nearhand_proto::message::local::{ChatLine, DeliveryMark};
use nearhand_proto::message::screen::{CursorPicture, Monitor};
use nearhand_proto::message::session::{GrantedCapability, MAX_CHAT};
use nearhand_proto::text;
use nearhand_report::model::{Finding, FindingCounts, FindingStatus};
use serde::Serialize;

use super::PageClipboardForm;

/// A message to the page.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "t", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ToPage {
    /// The session and its device; the first message.
    Session {
        /// The device's name.
        device: String,
        /// Its operating system.
        os: String,
        /// Whether its enrolled key was proved, else the support code.
        enrolled: bool,
        /// The session's id.
        id: String,
        /// What the device offers.
        offers: Vec<PageCapability>,
        /// Pointer and keyboard stay here.
        view_only: bool,
        /// For how many minutes things are asked.
        minutes: u64,
        /// For how many seconds it has lasted.
        since: u64,
    },
    /// All that is granted now.
    Granted {
        /// What, and for how long still.
        granted: Vec<PageGrant>,
        /// What changed the grants.
        why: String,
    },
    /// The person is being asked.
    Asking {
        /// Seconds until the question expires.
        seconds: u32,
    },
    /// The person, the policy or the device has refused a request.
    Denied {
        /// The reason, as a sentence.
        why: String,
    },
    /// The state of the connection to the device.
    Link {
        /// The state of the connection.
        state: LinkState,
    },
    /// A line of the chat, new or with a new mark.
    Chat {
        /// From the technician.
        mine: bool,
        /// Its number in its direction.
        number: u64,
        /// When, in milliseconds since 1970.
        at: u64,
        /// The message's text.
        text: String,
        /// How far it has come.
        mark: &'static str,
    },
    /// How the screen is.
    Screen {
        /// The state of the screen's stream.
        state: ScreenState,
        /// The reason, or what is being done about it.
        why: String,
        /// The present epoch.
        epoch: u32,
    },
    /// The monitors of the device.
    Monitors {
        /// All monitors that the device has.
        monitors: Vec<PageMonitor>,
        /// The one that is shown; `None`: all.
        shown: Option<u8>,
    },
    /// The pointer's looks.
    Cursor {
        /// Width in pixels.
        width: u16,
        /// Height in pixels.
        height: u16,
        /// The point that points.
        hot: (u16, u16),
        /// Rows of red, green, blue, alpha in base64.
        rgba: String,
    },
    /// The pointer was moved at the device.
    CursorAt {
        /// Where; `None`: nowhere on this monitor.
        at: Option<(u16, u16)>,
    },
    /// Whether pointer and keyboard are connected.
    Control {
        /// The state of the input stream.
        state: StreamState,
        /// Why it is not connected.
        why: String,
    },
    /// The person is using mouse or keyboard: the technician's input is dropped.
    HeldBack {
        /// `true` while input is dropped.
        held: bool,
    },
    /// Whether the clipboard is connected.
    Clipboard {
        /// The state of the clipboard's stream.
        state: StreamState,
        /// Why it is not connected.
        why: String,
    },
    /// The device's clipboard has something.
    Copied {
        /// The number of the content.
        serial: u32,
        /// Its forms and sizes in bytes.
        forms: Vec<(PageClipboardForm, Option<u64>)>,
    },
    /// The device knows of the content that was offered.
    Offered,
    /// The device has fetched the content that was offered.
    Taken,
    /// The clipboard content that was asked for can't be had.
    NoCopy {
        /// The number of the content.
        serial: u32,
        /// Why it can't be had.
        why: String,
    },
    /// The checks are running.
    Running {
        /// Checks in all, once that is known.
        total: u32,
        /// Checks that have come out.
        done: u32,
        /// The check that is running.
        checking: String,
    },
    /// A check has come out badly.
    Finding {
        /// Which and how.
        finding: PageFinding,
    },
    /// The report is there.
    Report {
        /// The path of its address, which only this page knows.
        path: String,
        /// How many checks came out how.
        counts: FindingCounts,
        /// The findings, failures first.
        findings: Vec<PageFinding>,
        /// Where it was written to.
        file: String,
    },
    /// The checks ended without a report.
    NoReport {
        /// Why there is none.
        why: String,
    },
    /// Round-trip time to the device, in milliseconds.
    Trip {
        /// The round-trip time.
        ms: u32,
    },
    /// A remark for the technician.
    Notice {
        /// The remark, as a sentence.
        text: String,
    },
    /// The recording that is played.
    Recording {
        /// The device's name.
        device: String,
        /// The technician who recorded.
        technician: String,
        /// The technician's organisation.
        organisation: String,
        /// When, in milliseconds since 1970.
        began: u64,
        /// Playing time, in milliseconds.
        millis: u64,
        /// What the recording proves, as a sentence.
        verdict: String,
        /// Nothing is missing.
        whole: bool,
    },
    /// Where the player is.
    Playing {
        /// The moment, in milliseconds.
        at: u64,
        /// It stands still.
        paused: bool,
        /// The speed of the playback, as a multiple of real time.
        speed: u8,
        /// Stretches in which nothing happens are cut short.
        skips: bool,
    },
    /// Another tab shows this session now.
    Elsewhere,
    /// The session is over.
    Ended {
        /// How it ended, as a sentence.
        why: String,
    },
}

/// A capability and its meaning.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PageCapability {
    name: &'static str,
    meaning: &'static str,
}

impl From<Capability> for PageCapability {
    fn from(capability: Capability) -> Self {
        Self { name: capability.name(), meaning: capability.in_plain_words() }
    }
}

/// A granted capability.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct PageGrant {
    name: &'static str,
    seconds: u32,
}

impl From<&GrantedCapability> for PageGrant {
    fn from(granted: &GrantedCapability) -> Self {
        Self { name: granted.capability.name(), seconds: granted.seconds_left }
    }
}

/// How the connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum LinkState {
    Up,
    Stalled,
    Interrupted,
}

/// How the screen is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ScreenState {
    /// The screen is not granted.
    Off,
    /// The stream is being opened, or opened again.
    Opening,
    /// Frames may come.
    On,
    /// The device has nothing to show; frames may come later.
    Gone,
    /// It can't be had.
    Failed,
}

/// State of the input stream or the clipboard's stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[allow(missing_docs, reason = "each name says it")]
pub enum StreamState {
    Off,
    On,
    Failed,
}

/// A monitor as the page shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "as Monitor's")]
pub struct PageMonitor {
    pub number: u8,
    pub name: String,
    pub x: u16,
    pub y: u16,
    pub width: u16,
    pub height: u16,
    pub primary: bool,
}

impl From<&Monitor> for PageMonitor {
    fn from(monitor: &Monitor) -> Self {
        let Monitor { number, x, y, width, height, primary, .. } = *monitor;
        Self { number, name: text::one_line(&monitor.name, 40), x, y, width, height, primary }
    }
}

/// A finding as the page shows it; all of it is in the report.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[allow(missing_docs, reason = "as Finding's")]
pub struct PageFinding {
    pub status: FindingStatus,
    pub title: String,
    pub instance: String,
    pub explanation: String,
    pub fix: String,
}

impl From<&Finding> for PageFinding {
    fn from(finding: &Finding) -> Self {
        Self {
            status: finding.status,
            title: text::one_line(&finding.title, 200),
            instance: text::one_line(&finding.instance, 80),
            explanation: text::multi_line(&finding.explanation, 1000),
            fix: text::multi_line(&finding.fix, 1000),
        }
    }
}

impl From<&ChatLine> for ToPage {
    fn from(line: &ChatLine) -> Self {
        Self::Chat {
            mine: line.from_technician,
            number: line.number,
            at: line.at.0,
            text: text::multi_line(&line.text, MAX_CHAT),
            mark: match line.mark {
                DeliveryMark::Sent => "sent",
                DeliveryMark::Received => "received",
                DeliveryMark::Shown => "shown",
            },
        }
    }
}

impl From<&CursorPicture> for ToPage {
    fn from(cursor: &CursorPicture) -> Self {
        Self::Cursor {
            width: cursor.width,
            height: cursor.height,
            hot: (cursor.hot.x, cursor.hot.y),
            rgba: data_encoding::BASE64.encode(&cursor.rgba),
        }
    }
}

impl ToPage {
    /// The message as the JSON text that the page reads.
    pub fn json(&self) -> String {
        // Every part of it is text and numbers.
        serde_json::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_words_of_the_device_are_tamed() {
        let monitor = Monitor { name: "a\u{202e}\n<b>".to_owned(), ..monitor() };
        let told = ToPage::Monitors { monitors: vec![(&monitor).into()], shown: None }.json();
        assert!(told.contains("a\u{fffd} <b>") && told.starts_with(r#"{"t":"monitors""#), "{told}");
    }

    fn monitor() -> Monitor {
        Monitor { number: 1, name: String::new(), x: 0, y: 0, width: 1, height: 1, primary: true }
    }
}
