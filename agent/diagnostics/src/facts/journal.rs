//! Entries of systemd's journal as `journalctl -o json` writes them, one a line.
//!
//! The format (systemd.journal-fields(7), <https://systemd.io/JOURNAL_EXPORT_FORMATS>): a field is a text; bytes that are no
//! UTF-8 are an array of numbers; a field that was set several times is an array of those; and a field that journalctl
//! finds too long is null, unless it is called with `--all`. Pure: who runs journalctl is elsewhere.

use serde_json::{Map, Value};

/// Longest line that is kept, in bytes. journald cuts what programs print at 48 KiB, which are 192 KiB as numbers; of what is
/// longer the beginning is read.
pub const LONGEST_LINE: usize = 256 * 1024;

/// One entry, with the fields that somebody here asks for.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct JournalEntry {
    /// What it says; several messages of one entry are lines. `None` where journalctl left it out.
    pub message: Option<String>,
    /// The name that the writer gave itself.
    pub identifier: Option<String>,
    /// `kernel`, `syslog`, `stdout`, …
    pub transport: Option<String>,
    /// The unit that wrote it.
    pub unit: Option<String>,
    /// Its place in the journal.
    pub cursor: Option<String>,
    /// Microseconds since 1970.
    pub timestamp: Option<String>,
    /// The start of the system that it belongs to.
    pub boot: Option<String>,
}

impl JournalEntry {
    /// Reads a line, also one that was cut. `None` if it is no entry.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let whole: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
        let fields = whole.or_else(|| serde_json::from_slice(&completed(line)?).ok())?;
        let all = |key: &str| fields.get(key).and_then(|value| text(value, "\n"));
        let first = |key: &str| all(key).map(|text| text.lines().next().unwrap_or_default().to_owned());
        Some(Self {
            message: all("MESSAGE"),
            identifier: first("SYSLOG_IDENTIFIER"),
            transport: first("_TRANSPORT"),
            unit: first("_SYSTEMD_UNIT"),
            cursor: first("__CURSOR"),
            timestamp: first("__REALTIME_TIMESTAMP"),
            boot: first("_BOOT_ID"),
        })
    }
}

/// A field's text in any of its forms.
fn text(value: &Value, between: &str) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.iter().all(Value::is_number) => {
            let bytes: Vec<u8> = items.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        Value::Array(items) => {
            // Values of one field; arrays in them are bytes again and hold nothing deeper.
            let texts: Vec<String> =
                items.iter().filter(|item| !is_nested(item)).filter_map(|item| text(item, between)).collect();
            (!texts.is_empty()).then(|| texts.join(between))
        }
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Object(_) => None,
    }
}

fn is_nested(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(|item| item.is_array() || item.is_object()))
}

/// The beginning of a JSON object as a whole one: what was begun and not ended is ended, or left out where it has no value.
/// `None` if it is no beginning of an object.
fn completed(line: &[u8]) -> Option<Vec<u8>> {
    let line = match core::str::from_utf8(line) {
        Ok(text) => text.as_bytes(),
        // A character may have been cut in two.
        Err(error) => line.get(..error.valid_up_to())?,
    };
    if line.first() != Some(&b'{') {
        return None;
    }
    // Ends of what is open; and where the last value ended, with what was open there.
    let mut open: Vec<u8> = Vec::new();
    let mut whole: (usize, Vec<u8>) = (1, vec![b'}']);
    let (mut in_text, mut is_escaped, mut is_value) = (false, false, false);
    let mut escape_at = 0;
    for (at, byte) in line.iter().enumerate() {
        if in_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => (is_escaped, escape_at) = (true, at),
                b'"' => {
                    in_text = false;
                    if is_value {
                        whole = (at + 1, open.clone());
                    }
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'{' => open.push(b'}'),
            b'[' => open.push(b']'),
            b'}' | b']' => {
                open.pop();
                whole = (at + 1, open.clone());
            }
            b',' => whole = (at, open.clone()),
            _ => {}
        }
        match byte {
            b':' | b'[' => is_value = true,
            b',' => is_value = open.last() == Some(&b']'),
            b'{' => is_value = false,
            _ => {}
        }
    }
    let mut bytes;
    if in_text && is_value {
        // `\u12` takes six characters; what is left of one goes.
        let is_cut_escape = line.len().saturating_sub(escape_at) < 6
            && line.get(escape_at) == Some(&b'\\')
            && (is_escaped || line.get(escape_at + 1) == Some(&b'u'));
        let end = if is_cut_escape { escape_at } else { line.len() };
        bytes = line.get(..end)?.to_vec();
        bytes.push(b'"');
    } else {
        bytes = line.get(..whole.0)?.to_vec();
        open = whole.1;
    }
    bytes.extend(open.iter().rev());
    Some(bytes)
}

/// Lines of journalctl's output, which comes in pieces. Of a line that is too long, the beginning is kept.
#[derive(Debug, Default)]
pub struct JournalLines {
    line: Vec<u8>,
}

impl JournalLines {
    /// Takes the next piece, and hands on each entry that is whole with it.
    pub fn push(&mut self, mut bytes: &[u8], mut entry: impl FnMut(JournalEntry)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.append(bytes.get(..end).unwrap_or_default());
            if let Some(parsed) = JournalEntry::parse(&core::mem::take(&mut self.line)) {
                entry(parsed);
            }
            bytes = bytes.get(end + 1..).unwrap_or_default();
        }
        self.append(bytes);
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LONGEST_LINE.saturating_sub(self.line.len());
        self.line.extend(bytes.iter().take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(line: &str) -> Option<String> {
        JournalEntry::parse(line.as_bytes()).unwrap().message
    }

    #[test]
    fn fields_have_four_forms() {
        assert_eq!(message(r#"{"MESSAGE":"text"}"#).as_deref(), Some("text"));
        assert_eq!(message(r#"{"MESSAGE":[79,111,109,255]}"#).as_deref(), Some("Oom\u{fffd}"));
        assert_eq!(message(r#"{"MESSAGE":["one","two"]}"#).as_deref(), Some("one\ntwo"));
        assert_eq!(message(r#"{"MESSAGE":["one",[79,111,109],null]}"#).as_deref(), Some("one\nOom"));
        assert_eq!(message(r#"{"MESSAGE":null}"#), None);
        assert_eq!(message(r#"{"MESSAGE":[null]}"#), None);
        assert_eq!(message(r#"{"MESSAGE":[]}"#).as_deref(), Some(""));
        assert_eq!(message(r#"{"MESSAGE":[[[1]],"x",{"a":1}]}"#).as_deref(), Some("x"));
        assert_eq!(message(r#"{"OTHER":"x"}"#), None);
        // Any field, not only the message.
        let entry = r#"{"SYSLOG_IDENTIFIER":["cron","cron"],"_SYSTEMD_UNIT":[97,46,115],"__CURSOR":"s=1","MESSAGE":"x"}"#;
        let entry = JournalEntry::parse(entry.as_bytes()).unwrap();
        assert_eq!((entry.identifier.as_deref(), entry.unit.as_deref()), (Some("cron"), Some("a.s")));
        assert_eq!(entry.cursor.as_deref(), Some("s=1"));
        assert_eq!(JournalEntry::parse(b"not json"), None);
        assert_eq!(JournalEntry::parse(b"-- No entries --"), None);
        assert_eq!(JournalEntry::parse(b"[1]"), None);
    }

    #[test]
    fn a_line_that_was_cut_keeps_its_beginning() {
        let whole = r#"{"__CURSOR":"s=1","_X":[1,2],"MESSAGE":"OutOfMemoryError \" \u001b[1m ü in","SYSLOG_IDENTIFIER":"shop"}"#;
        for end in 0..whole.len() {
            let cut = &whole.as_bytes()[..end];
            let Some(entry) = JournalEntry::parse(cut) else {
                assert_eq!(end, 0, "{}", String::from_utf8_lossy(cut));
                continue;
            };
            if end > 60 {
                assert!(entry.message.unwrap().starts_with("OutOfMemoryError"), "{end}");
            }
            if end > 18 {
                assert_eq!(entry.cursor.as_deref(), Some("s=1"), "{end}");
            }
        }
        let numbers = br#"{"__CURSOR":"s=1","MESSAGE":[79,111,109,10"#;
        assert_eq!(
            JournalEntry::parse(numbers).unwrap().message.as_deref(),
            Some("Oom"),
            "10 may be the beginning of 105"
        );
    }

    #[test]
    fn lines_come_in_pieces_and_are_bounded() {
        let mut lines = JournalLines::default();
        let mut seen = Vec::new();
        let long = format!(
            "{{\"MESSAGE\":\"first words {}\"}}\n{{\"MESSAGE\":\"next\"}}\n",
            "x".repeat(LONGEST_LINE)
        );
        for piece in long.as_bytes().chunks(1000) {
            lines.push(piece, |entry| seen.push(entry.message.unwrap()));
        }
        assert_eq!(seen.len(), 2);
        assert!(seen[0].starts_with("first words x") && seen[0].len() < LONGEST_LINE);
        assert_eq!(seen[1], "next");
    }
}
