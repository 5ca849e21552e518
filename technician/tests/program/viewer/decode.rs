//! The decode process: what it makes of good frames, and that bad ones end it and nothing else.

use std::path::PathBuf;
use std::time::Duration;

use nearhand_client::viewer::decode::DecoderInput;
use nearhand_client::viewer::decoder_process::{
    DecodedPieces, DecoderFailure, DecoderProcess, DecoderProgram,
};
use nearhand_proto::message::screen::FrameEnd;
use nearhand_screen::{FrameSettings, PhotoQuality, Picture, ScreenEncoder, Size};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(30);
const SIZE: Size = Size { width: 320, height: 200 };

/// All pieces of a frame, or what there is when the process is gone.
struct CollectedPieces {
    bytes: Vec<u8>,
    to: mpsc::Sender<Vec<u8>>,
}

impl DecodedPieces for CollectedPieces {
    async fn piece(&mut self, piece: Vec<u8>) -> bool {
        assert_eq!(piece[0], 1);
        self.bytes.extend_from_slice(&piece[1..]);
        true
    }

    async fn done(&mut self) -> bool {
        self.to.send(core::mem::take(&mut self.bytes)).await.is_ok()
    }
}

fn start(arguments: &[&str]) -> (DecoderProcess, mpsc::Receiver<Vec<u8>>) {
    let program = DecoderProgram::at(PathBuf::from(env!("CARGO_BIN_EXE_nearhand")), arguments);
    let (to, made) = mpsc::channel(8);
    let decoding = DecoderProcess::start(&program, CollectedPieces { bytes: Vec::new(), to }).unwrap();
    (decoding, made)
}

fn picture() -> Picture {
    let mut picture = Picture::black(SIZE);
    let pixels: Vec<u32> =
        (0..).map(|i: u32| i.wrapping_mul(2_654_435_761) >> 29 << 13).take(SIZE.pixels()).collect();
    picture.put(SIZE.rect(), &pixels);
    picture
}

fn coded() -> Vec<u8> {
    let how = FrameSettings {
        budget: usize::MAX,
        pixels: usize::MAX,
        photos: PhotoQuality::Exact,
        refine: true,
        focus: None,
    };
    let frame = ScreenEncoder::new(SIZE).encode(&picture(), &[SIZE.rect()], how).unwrap();
    assert!(frame.exact);
    frame.bytes
}

async fn give(decoding: &DecoderProcess, bytes: &[u8]) {
    let feed = decoding.feed();
    let end = FrameEnd { exact: true, ..FrameEnd::default() };
    let mut parts = bytes.chunks(10_000).peekable();
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none().then_some(end);
        // One that died is what some of these tests are about.
        let _ = feed.send(DecoderInput::Part { frame: 1, bytes: part.to_vec(), last }).await;
    }
}

#[tokio::test]
async fn a_frame_becomes_operations_and_ends_with_its_numbers() {
    let (decoding, mut made) = start(&["decode"]);
    decoding.feed().send(DecoderInput::Begin { epoch: 9 }).await.unwrap();
    give(&decoding, &coded()).await;
    let operations = timeout(LIMIT, made.recv()).await.unwrap().unwrap();
    assert_eq!(operations[..5], [1, 64, 1, 200, 0], "the size comes first");
    let end = &operations[operations.len() - 34..];
    assert_eq!(end[..10], [7, 1, 9, 0, 0, 0, 1, 0, 0, 0]);
}

#[tokio::test]
async fn an_exact_frame_becomes_a_png_of_the_same_pixels() {
    let (decoding, mut made) = start(&["decode", "--png"]);
    give(&decoding, &coded()).await;
    let file = timeout(LIMIT, made.recv()).await.unwrap().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut rgb = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut rgb).unwrap();
    let wanted: Vec<u8> =
        picture().pixels().iter().flat_map(|p| p.to_be_bytes().into_iter().skip(1)).collect();
    assert!(rgb == wanted);
}

#[tokio::test]
async fn hostile_bytes_end_the_process_and_are_called_what_they_are() {
    let good = coded();
    let mut damaged = good.clone();
    damaged.truncate(good.len() / 3);
    let noise: Vec<u8> = (0..50_000_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    for bytes in [vec![0xff; 20_000], noise, damaged, vec![0]] {
        let (mut decoding, _made) = start(&["decode"]);
        give(&decoding, &bytes).await;
        assert_eq!(timeout(LIMIT, decoding.failure()).await.unwrap(), DecoderFailure::NoFrame);
    }
}

#[tokio::test]
async fn a_killed_process_is_noticed_and_another_one_works() {
    let (mut decoding, _made) = start(&["decode"]);
    let id = rustix::process::Pid::from_raw(i32::try_from(decoding.id().unwrap()).unwrap()).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
    assert_eq!(timeout(LIMIT, decoding.failure()).await.unwrap(), DecoderFailure::Crashed);
    drop(decoding);
    let (decoding, mut made) = start(&["decode"]);
    give(&decoding, &coded()).await;
    assert!(!timeout(LIMIT, made.recv()).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_there_or_says_nonsense_is_no_decoder() {
    let (to, _made) = mpsc::channel(1);
    let missing = DecoderProgram::at(PathBuf::from("/nowhere/nearhand"), &[]);
    let pieces = CollectedPieces { bytes: Vec::new(), to };
    assert_eq!(DecoderProcess::start(&missing, pieces).unwrap_err(), DecoderFailure::NotStarted);
    let (mut decoding, _made) = start(&["--version"]);
    assert_eq!(timeout(LIMIT, decoding.failure()).await.unwrap(), DecoderFailure::Crashed);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_process_can_open_nothing_and_has_nothing_open_but_its_pipes() {
    let (decoding, mut made) = start(&["decode"]);
    give(&decoding, &coded()).await;
    timeout(LIMIT, made.recv()).await.unwrap().unwrap();
    let of = |what: &str| format!("/proc/{}/{what}", decoding.id().unwrap());
    let limits = std::fs::read_to_string(of("limits")).unwrap();
    for (name, most) in [
        ("Max open files", "0"),
        ("Max processes", "0"),
        ("Max file size", "0"),
        ("Max address space", "1073741824"),
    ] {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        let numbers: Vec<&str> = line[name.len()..].split_whitespace().collect();
        assert_eq!(numbers[..2], [most, most], "{line}");
    }
    if let Ok(listed) = std::fs::read_dir(of("fd")) {
        let mut open: Vec<String> = listed.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        open.sort();
        assert_eq!(open, ["0", "1", "2"]);
    }
    // As root, who may look: the process isn't dumpable, so its files in /proc are closed to its own user.
    if rustix::process::geteuid().is_root() {
        assert!(std::fs::read(of("environ")).unwrap().is_empty());
    }
    let status = std::fs::read_to_string(of("status")).unwrap();
    for (name, value) in [("NoNewPrivs:", "1"), ("Seccomp:", "2")] {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some(value), "{line}");
    }
}
