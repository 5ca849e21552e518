//! The device's audit log on disk: `audit.jsonl`, one row a line, synced before anything it allows happens.
//!
//! Beside it `audit.head` witnesses the newest row, so that a log whose end was cut off shows. The chain
//! itself is `nearhand_proto::audit`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};

use nearhand_proto::audit::{Broken, Event, Head, Row, Verifier, next_row};
use nearhand_proto::identity::{PublicKey, SecretKey, Signed};
use nearhand_proto::time::UnixMillis;
use nearhand_proto::{text, wire};
use nearhand_transport::platform::{open_private_append, write_private};

use crate::home::Home;

/// Longest line read back, in bytes: a row of the longest detail fits several times.
const MAX_LINE: u64 = 64 * 1024;

/// The log, open for appending.
#[derive(Debug)]
pub(crate) struct AuditLog {
    file: File,
    home: Home,
    head: Head,
    signed: Signed<Head>,
    length: u64,
}

impl AuditLog {
    /// Opens the log and finds its end. A last line that a crash cut short is removed: its act was not
    /// allowed yet.
    pub(crate) fn open(home: &Home, key: &SecretKey) -> io::Result<Self> {
        let mut file = open_private_append(&home.audit_log())?;
        let (mut head, mut length) = (Head::EMPTY, 0_u64);
        let mut signed = key.sign(&Head::EMPTY).map_err(io::Error::other)?;
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        while read_line(&mut reader, &mut line)? {
            let whole = line.last() == Some(&b'\n');
            match serde_json::from_slice::<Row>(&line) {
                Ok(row) if whole => {
                    head = Head { number: row.number, hash: row.hash };
                    signed = row.head;
                }
                _ if !whole => break,
                // A damaged row in the middle stays for `audit verify` to name; appending goes on after it.
                _ => {}
            }
            length += line.len() as u64;
        }
        if file.metadata()?.len() > length {
            file.set_len(length)?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(Self { file, home: home.clone(), head, signed, length })
    }

    /// Writes a row and syncs it. If this fails, what it would have allowed must not happen.
    pub(crate) fn append(&mut self, at: UnixMillis, event: Event, key: &SecretKey) -> io::Result<()> {
        let detail = text::one_line(&event.detail, nearhand_proto::audit::MAX_DETAIL);
        let row = next_row(self.head, at, Event { detail, ..event }, key).map_err(io::Error::other)?;
        let mut line = serde_json::to_vec(&row).map_err(io::Error::other)?;
        line.push(b'\n');
        if let Err(error) = self.file.write_all(&line).and_then(|()| self.file.sync_data()) {
            // Half a row must not stand before the next one.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += line.len() as u64;
        self.head = Head { number: row.number, hash: row.hash };
        self.signed = row.head;
        // The witness may lag behind by a crash; it never claims a row that isn't synced.
        write_private(&self.home.audit_head(), &wire::encode(&self.signed).map_err(io::Error::other)?)
    }

    /// Witness of all rows so far.
    pub(crate) fn head(&self) -> Signed<Head> {
        self.signed.clone()
    }
}

fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    Ok(io::Read::take(&mut *reader, MAX_LINE).read_until(b'\n', line)? > 0)
}

/// Goes through the log row by row; `None` for a line that can't be read.
pub(crate) fn read(home: &Home, mut each: impl FnMut(Option<Row>)) -> io::Result<()> {
    let file = match File::open(home.audit_log()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    let (mut reader, mut line) = (BufReader::new(file), Vec::new());
    while read_line(&mut reader, &mut line)? {
        each(serde_json::from_slice(&line).ok());
    }
    Ok(())
}

/// What became of a verification.
pub(crate) enum Verdict {
    /// Whole, up to this head.
    Whole(Head),
    /// Broken from this row on.
    Broken(Broken),
}

/// Verifies the log with the device's keys, its own witness and those that others gave.
pub(crate) fn verify(home: &Home, keys: Vec<PublicKey>, mut witnesses: Vec<Head>) -> io::Result<Verdict> {
    let own = nearhand_transport::platform::read_private(&home.audit_head());
    if let Some(signed) = own.ok().and_then(|bytes| wire::decode::<Signed<Head>>(&bytes).ok()) {
        witnesses.extend(keys.iter().find_map(|key| signed.open(key).ok()));
    }
    let mut verifier = Verifier::new(keys, witnesses);
    let mut broken = None;
    read(home, |row| {
        if broken.is_none() {
            broken = verifier.row(row.as_ref()).err();
        }
    })?;
    Ok(match broken {
        Some(broken) => Verdict::Broken(broken),
        None => match verifier.finish() {
            Ok(head) => Verdict::Whole(head),
            Err(broken) => Verdict::Broken(broken),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearhand_proto::audit::Why;
    use rand_core::OsRng;

    fn event(detail: &str) -> Event {
        Event { actor: "test".into(), action: "test".into(), session: None, detail: detail.into() }
    }

    fn filled(rows: u64) -> (tempfile::TempDir, Home, SecretKey) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path().join("home")).unwrap();
        let key = SecretKey::generate(&mut OsRng);
        let mut log = AuditLog::open(&home, &key).unwrap();
        for i in 0..rows {
            log.append(UnixMillis(i), event(&format!("row {i}")), &key).unwrap();
        }
        (dir, home, key)
    }

    fn verdict(home: &Home, key: &SecretKey) -> Result<u64, (u64, Why)> {
        match verify(home, vec![key.public()], vec![]).unwrap() {
            Verdict::Whole(head) => Ok(head.number),
            Verdict::Broken(broken) => Err((broken.row, broken.why)),
        }
    }

    #[test]
    fn the_log_goes_on_after_a_restart_and_a_torn_last_line() {
        let (_dir, home, key) = filled(3);
        let mut log = std::fs::OpenOptions::new().append(true).open(home.audit_log()).unwrap();
        log.write_all(b"{\"number\":4,\"at\":").unwrap();
        AuditLog::open(&home, &key).unwrap().append(UnixMillis(9), event("after"), &key).unwrap();
        assert_eq!(verdict(&home, &key), Ok(4));
    }

    #[test]
    fn edits_and_cuts_are_named() {
        let (_dir, home, key) = filled(4);
        let text = std::fs::read_to_string(home.audit_log()).unwrap();
        std::fs::write(home.audit_log(), text.replace("row 1", "row x")).unwrap();
        assert_eq!(verdict(&home, &key), Err((2, Why::Content)));
        std::fs::write(home.audit_log(), text.replacen("row 2", "\u{1}", 1)).unwrap();
        assert_eq!(verdict(&home, &key), Err((3, Why::Unreadable)));
        let cut: Vec<_> = text.lines().take(3).map(|l| format!("{l}\n")).collect();
        std::fs::write(home.audit_log(), cut.concat()).unwrap();
        assert_eq!(verdict(&home, &key), Err((4, Why::Witness)));
        std::fs::remove_file(home.audit_log()).unwrap();
        assert_eq!(verdict(&home, &key), Err((1, Why::Witness)));
    }
}
