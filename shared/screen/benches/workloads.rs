//! What a screen shows at work, drawn in memory and coded: bytes and time of each step. `cargo bench -p
//! nearhand-screen [NAME…]`. A table to compare one change of the coder with the last; not a test, it can't fail
//! but where a picture comes out wrong. `workloads` is longer than 100 lines because it is a table.
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::print_stdout,
    clippy::panic,
    reason = "draws pictures of known sizes and prints a table"
)]

use std::time::{Duration, Instant};

use nearhand_screen::{
    Canvas as _, FrameSettings, PhotoQuality, Picture, Point, Rect, ScreenDecoder, ScreenEncoder, Size,
};

mod draw;

use draw::{DrawText, TEXT};

const SCREEN: Size = Size { width: 1920, height: 1080 };

/// Draws one step and says what it damaged.
type DrawStep = Box<dyn FnMut(&mut Picture, usize) -> Vec<Rect>>;

struct BenchWorkload {
    name: &'static str,
    steps: usize,
    start: fn(&mut Picture),
    step: DrawStep,
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    println!(
        "{:<10} {:>5} {:>12} {:>12} {:>10} {:>10}",
        "workload", "steps", "first B", "B/step", "encode ms", "decode ms"
    );
    for workload in workloads() {
        if wanted.is_empty() || wanted.iter().any(|name| name == workload.name) {
            run(workload);
        }
    }
}

fn run(mut workload: BenchWorkload) {
    let mut now = Picture::black(SCREEN);
    (workload.start)(&mut now);
    let mut viewer = Picture::black(Size { width: 1, height: 1 });
    let (mut encoder, mut decoder) = (ScreenEncoder::new(SCREEN), ScreenDecoder::new());
    let settings = FrameSettings {
        budget: usize::MAX,
        pixels: usize::MAX,
        photos: PhotoQuality::Lossy { quality: 80 },
        refine: false,
        focus: None,
    };
    let mut turn = |now: &Picture, damage: &[Rect], settings: FrameSettings| {
        let begin = Instant::now();
        let coded = encoder.encode(now, damage, settings);
        let encode = begin.elapsed();
        let begin = Instant::now();
        let bytes = coded.as_ref().map_or(0, |coded| {
            decoder.decode(&coded.bytes, &mut viewer).unwrap_or_else(|error| panic!("{error}"));
            coded.bytes.len()
        });
        (bytes, encode, begin.elapsed(), encoder.pending())
    };
    let (first, first_encode, first_decode, _) = turn(&now, &[], settings);
    let (mut total, mut encode, mut decode) = (0, Vec::new(), Vec::new());
    for number in 0..workload.steps {
        let damage = (workload.step)(&mut now, number);
        let (bytes, one, other, _) = turn(&now, &damage, settings);
        total += bytes;
        encode.push(one);
        decode.push(other);
    }
    let steps = workload.steps.max(1);
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    println!(
        "{:<10} {:>5} {:>12} {:>12} {:>10.3} {:>10.3}   first {:.1} / {:.1} ms",
        workload.name,
        workload.steps,
        first,
        total / steps,
        millis(median(&mut encode)),
        millis(median(&mut decode)),
        millis(first_encode),
        millis(first_decode),
    );
    let (bytes, one, other, owes) = turn(&now, &[], FrameSettings { refine: true, ..settings });
    if bytes > 0 {
        println!(
            "{:<10} {:>5} {:>12} {:>12} {:>10.3} {:>10.3}",
            "  refined",
            "",
            "",
            bytes,
            millis(one),
            millis(other)
        );
    }
    assert!(!owes.lossy && viewer == now, "{} came out wrong", workload.name);
}

/// The machine may be doing other things: those are no part of the table.
fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn workloads() -> Vec<BenchWorkload> {
    let list = |name, steps, start, step: DrawStep| BenchWorkload { name, steps, start, step };
    vec![
        list("desktop", 0, draw::desktop, Box::new(|_, _| Vec::new())),
        list("typing", 96, |now| draw::editor(now, 0), Box::new(typing)),
        list(
            "scroll",
            40,
            |now| draw::editor(now, 0),
            Box::new(|now, n| {
                draw::editor(now, (n + 1) * 3);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "pages",
            40,
            |now| draw::editor(now, 0),
            Box::new(|now, n| {
                draw::editor(now, (n + 1) * 80);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "flood",
            40,
            |now| draw::terminal(now, 0),
            Box::new(|now, n| {
                draw::terminal(now, (n + 1) * 7);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "browser",
            40,
            |now| draw::page(now, 0),
            Box::new(|now, n| {
                draw::page(now, (n + 1) * 60);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "drag",
            60,
            |now| draw::drag(now, 0),
            Box::new(|now, n| {
                draw::drag(now, n + 1);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "photos",
            10,
            |now| draw::photos(now, 0),
            Box::new(|now, n| {
                draw::photos(now, n + 1);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "video",
            40,
            draw::desktop,
            Box::new(|now, n| {
                let area = Rect::new(500, 300, 640, 360);
                draw::photo(now, area, 1, n as f32 * 0.4);
                vec![area]
            }),
        ),
        list(
            "files",
            40,
            |now| draw::files(now, 0, 0),
            Box::new(|now, n| {
                draw::files(now, n / 8 % 3, n % 8);
                vec![SCREEN.rect()]
            }),
        ),
        list(
            "menu",
            20,
            |now| draw::editor(now, 0),
            Box::new(|now, n| {
                if n % 2 == 0 {
                    draw::menu(now, Rect::new(300, 200, 260, 420));
                } else {
                    draw::editor(now, 0);
                }
                vec![Rect::new(300, 200, 260, 420)]
            }),
        ),
        list(
            "noise",
            4,
            |_| {},
            Box::new(|now, n| {
                draw::noise(now, SCREEN.rect(), n as u32);
                vec![SCREEN.rect()]
            }),
        ),
    ]
}

fn typing(now: &mut Picture, n: usize) -> Vec<Rect> {
    let letter = TEXT.as_bytes()[n * 3 % TEXT.len()].max(b'!');
    let at = Point { x: 120 + (n % 80) as u16 * 9, y: 400 + (n / 80) as u16 * 18 };
    now.fill(Rect::new(at.x, at.y, 9, 18), 0xff_ffff);
    now.letter(at, letter, 0x20_2020, 0xff_ffff, false);
    now.fill(Rect::new(at.x + 9, at.y, 1, 18), 0);
    vec![Rect::new(at.x, at.y, 400, 18)]
}
