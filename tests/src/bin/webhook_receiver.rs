//! A webhook's endpoint that can be killed at any moment: what it was told is on its disk before it says that it has
//! it, one line of JSON for each request.
//!
//!     webhook_receiver FILE PORT      port 0: any; it says which
#![allow(clippy::print_stdout, reason = "says where it listens")]

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Largest body of a request, in bytes.
const MOST: usize = 1 << 20;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [file, port] = words.as_slice() else { anyhow::bail!("webhook_receiver FILE PORT") };
    let file = Arc::new(Mutex::new(open(Path::new(file))?));
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?))?;
    println!("listens on {}", listener.local_addr()?.port());
    for stream in listener.incoming() {
        let (stream, file) = (stream?, Arc::clone(&file));
        // A client that sends nonsense, or leaves in the middle, gets no answer.
        std::thread::spawn(move || answer(&stream, &file));
    }
    Ok(())
}

/// Without a last line that was cut short when this was killed: it was never confirmed.
fn open(path: &Path) -> Result<File> {
    let had = fs::read(path).unwrap_or_default();
    let whole = had.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let file = OpenOptions::new().create(true).append(true).open(path)?;
    file.set_len(u64::try_from(whole)?)?;
    Ok(file)
}

fn answer(stream: &TcpStream, file: &Mutex<File>) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream);
    let (mut id, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "cut short");
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("webhook-id", value)) => value.clone_into(&mut id),
            Some(("content-length", value)) => length = value.parse()?,
            None if line.is_empty() => break,
            _ => {}
        }
    }
    ensure!(length <= MOST, "too large");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).context("no JSON")?;
    let at = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_millis();
    let line = json!({ "id": id, "at": u64::try_from(at)?, "body": body });
    {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(format!("{line}\n").as_bytes())?;
        file.sync_data()?;
    }
    let mut stream = stream;
    Ok(stream.write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")?)
}
