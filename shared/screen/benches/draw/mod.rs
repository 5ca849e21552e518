//! Pictures like those on a screen: smoothed letters, windows, wallpaper, photographs with grain.

use nearhand_screen::{Canvas as _, Picture, Point, Rect};

/// What is written on the screens: letters as often as in a program.
pub(crate) const TEXT: &str = include_str!("../../src/encode/mod.rs");

/// A cell of a letter, in pixels.
const CELL: (u16, u16) = (9, 18);

fn hash(a: u32, b: u32) -> u32 {
    let h = a.wrapping_mul(0x9e37_79b1) ^ b.wrapping_mul(0x85eb_ca6b).rotate_left(13);
    let h = (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d);
    (h ^ h >> 12).wrapping_mul(0x297a_2d39) ^ h >> 15
}

fn blend(front: u32, back: u32, share: [u32; 3]) -> u32 {
    let part = |shift: u32, share: u32| {
        let (f, b) = (front >> shift & 0xff, back >> shift & 0xff);
        ((f * share + b * (255 - share)) / 255) << shift
    };
    part(16, share[0]) | part(8, share[1]) | part(0, share[2])
}

/// How much of a third of a pixel a letter covers: strokes that the letter's number chooses, smoothed.
fn cover(letter: u8, x: f32, y: f32) -> f32 {
    let mut most = 0.0_f32;
    for stroke in 0..3 {
        let h = hash(u32::from(letter), stroke);
        let end = |bits: u32, span: f32| ((h >> bits & 3) as f32) / 3.0 * span;
        let (x0, y0) = (1.5 + end(0, 5.5), 3.5 + end(2, 10.0));
        let (x1, y1) = (1.5 + end(4, 5.5), 3.5 + end(6, 10.0));
        let (dx, dy) = (x1 - x0, y1 - y0);
        let along = (((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy).max(0.01)).clamp(0.0, 1.0);
        let (ex, ey) = (x - x0 - along * dx, y - y0 - along * dy);
        most = most.max((1.3 - (ex * ex + ey * ey).sqrt()).clamp(0.0, 1.0));
    }
    most
}

/// The shapes of all letters, drawn once.
fn shapes() -> &'static [[[u32; 3]; 162]; 128] {
    static SHAPES: std::sync::OnceLock<Box<[[[u32; 3]; 162]; 128]>> = std::sync::OnceLock::new();
    SHAPES.get_or_init(|| {
        let mut all = Box::new([[[0; 3]; 162]; 128]);
        for letter in 33..127_u8 {
            for (i, place) in all[usize::from(letter)].iter_mut().enumerate() {
                let (x, y) = ((i % 9) as f32, (i / 9) as f32);
                *place =
                    [0.17, 0.5, 0.83].map(|third| (cover(letter, x + third, y + 0.5) * 15.0) as u32 * 17);
            }
        }
        all
    })
}

pub(crate) trait DrawText {
    /// A smoothed letter; with colours at its edges as on flat screens if so wished.
    fn letter(&mut self, at: Point, letter: u8, front: u32, back: u32, coloured: bool);
    fn text(&mut self, at: Point, text: &str, front: u32, back: u32, coloured: bool);
}

impl DrawText for Picture {
    fn letter(&mut self, at: Point, letter: u8, front: u32, back: u32, coloured: bool) {
        if letter <= b' ' {
            return;
        }
        let shape = &shapes()[usize::from(letter & 127)];
        let mut pixels = [0; 162];
        for (pixel, share) in pixels.iter_mut().zip(shape) {
            let share = if coloured { *share } else { [(share[0] + share[1] + share[2]) / 3; 3] };
            *pixel = blend(front, back, share);
        }
        self.put(Rect::new(at.x, at.y, CELL.0, CELL.1), &pixels);
    }

    fn text(&mut self, at: Point, text: &str, front: u32, back: u32, coloured: bool) {
        for (n, letter) in text.bytes().enumerate() {
            let x = at.x + n as u16 * CELL.0;
            if x + CELL.0 > self.size().width || at.y + CELL.1 > self.size().height {
                break;
            }
            self.letter(Point { x, y: at.y }, letter, front, back, coloured);
        }
    }
}

fn line(number: usize) -> &'static str {
    static LINES: std::sync::OnceLock<Vec<&str>> = std::sync::OnceLock::new();
    let lines = LINES.get_or_init(|| TEXT.lines().collect());
    // A text longer than the file: its lines in another order each time.
    lines[(number * 7 + number / lines.len() * 13) % lines.len()]
}

/// A window full of text with coloured words; numbers at the left.
pub(crate) fn editor(now: &mut Picture, top: usize) {
    let size = now.size();
    now.fill(size.rect(), 0xff_ffff);
    now.fill(Rect::new(0, 0, size.width, 40), 0xe8_e8ea);
    now.text(Point { x: 12, y: 11 }, "File  Edit  View  Search  Tools  Help", 0x20_2020, 0xe8_e8ea, true);
    now.fill(Rect::new(0, 40, 60, size.height - 40), 0xf3_f3f3);
    for row in 0..56 {
        let y = 50 + row * 18;
        let number = top + usize::from(row);
        now.text(Point { x: 8, y }, &format!("{:>5}", number + 1), 0x99_9999, 0xf3_f3f3, true);
        let mut x = 68;
        for (n, word) in line(number).split_inclusive(' ').enumerate() {
            let colour =
                [0x20_2020, 0x20_2020, 0x00_5cc5, 0xd7_3a49][hash(word.len() as u32, n as u32) as usize % 4];
            now.text(Point { x, y }, word, colour, 0xff_ffff, true);
            x += word.len() as u16 * CELL.0;
        }
    }
}

/// Light letters on dark ground, no smoothing by colours.
pub(crate) fn terminal(now: &mut Picture, top: usize) {
    now.fill(now.size().rect(), 0x1e_1e2e);
    for row in 0..60 {
        let number = top + usize::from(row);
        let text =
            format!("[{:>9}.{:06}] {}", number / 9, hash(number as u32, 1) % 1_000_000, line(number).trim());
        now.text(Point { x: 2, y: row * 18 }, &text, 0xcd_d6f4, 0x1e_1e2e, false);
    }
}

/// A photograph: soft shapes, edges and grain. `phase` moves it.
pub(crate) fn photo(now: &mut Picture, area: Rect, seed: u32, phase: f32) {
    let area = area.intersect(now.size().rect());
    let mut pixels = Vec::with_capacity(area.pixels());
    let s = seed as f32;
    for y in 0..u32::from(area.height) {
        let fy = y as f32;
        let row = ((fy / 61.0 + s).sin(), (fy / 23.0 - s + phase).cos());
        for x in 0..u32::from(area.width) {
            let fx = x as f32;
            let light = (fx / 97.0 + row.0 * 2.0 + phase).sin() * 50.0;
            let detail = (fx / 11.0 + row.1 * 3.0).sin() * 18.0;
            let edge = if (fx / 140.0 + row.0 + s).fract() > 0.6 { 35.0 } else { 0.0 };
            let grain = (hash(x ^ seed << 11, y ^ (phase * 1000.0) as u32) & 7) as f32;
            let base = 120.0 + light + detail + edge + grain;
            let r = (base + row.0 * 20.0).clamp(0.0, 255.0) as u32;
            let g = base.clamp(0.0, 255.0) as u32;
            let b = (base - light * 0.5 + 10.0).clamp(0.0, 255.0) as u32;
            pixels.push(r << 16 | g << 8 | b);
        }
    }
    now.put(area, &pixels);
}

fn wallpaper(now: &mut Picture) {
    let size = now.size();
    for y in 0..size.height {
        let row: Vec<u32> = (0..size.width)
            .map(|x| {
                let shade = (u32::from(x) + 2 * u32::from(y)) / 24;
                (0x20 + shade / 4) << 16 | (0x40 + shade / 2) << 8 | (0x70 + shade / 2).min(255)
            })
            .collect();
        now.put(Rect::new(0, y, size.width, 1), &row);
    }
}

fn window(now: &mut Picture, area: Rect, title: &str) {
    now.fill(area, 0x50_5050);
    let inner = Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2);
    now.fill(inner, 0xfa_fafa);
    for line in 0..30 {
        let shade = 0xf0 - u32::from(line);
        now.fill(Rect::new(inner.x, inner.y + line, inner.width, 1), shade * 0x01_0101);
    }
    now.text(Point { x: inner.x + 10, y: inner.y + 6 }, title, 0x30_3030, 0xe8_e8e8, false);
}

/// Wallpaper, three windows, a bar.
pub(crate) fn desktop(now: &mut Picture) {
    wallpaper(now);
    for (n, area) in
        [Rect::new(80, 60, 900, 620), Rect::new(700, 300, 800, 600), Rect::new(1250, 80, 500, 380)]
            .into_iter()
            .enumerate()
    {
        window(now, area, "Documents - Notes.txt");
        for row in 0..(area.height - 50) / 18 {
            let text = line(usize::from(row) + n * 40);
            let fits = usize::from((area.width - 30) / CELL.0).min(text.len());
            let at = Point { x: area.x + 12, y: area.y + 40 + row * 18 };
            now.text(at, &text[..fits], 0x20_2020, 0xfa_fafa, n == 1);
        }
    }
    photo(now, Rect::new(1300, 500, 420, 300), 3, 0.0);
    let bar = Rect::new(0, 1040, 1920, 40);
    now.fill(bar, 0x22_2426);
    for icon in 0..12_u16 {
        photo(now, Rect::new(10 + icon * 44, 1046, 28, 28), u32::from(icon), 0.0);
    }
    now.text(Point { x: 1780, y: 1051 }, "14:05  Tue 3", 0xff_ffff, 0x22_2426, false);
}

/// A page with headings, text and pictures.
pub(crate) fn page(now: &mut Picture, top: usize) {
    let size = now.size();
    now.fill(size.rect(), 0xff_ffff);
    now.fill(Rect::new(0, 0, size.width, 80), 0xde_e1e6);
    let mut whole = Picture::black(nearhand_screen::Size { width: size.width, height: 1000 });
    for section in 0..4 {
        let number = top / 900 + section;
        let from = (number * 900) as i64 - top as i64 + 80;
        if from > i64::from(size.height) || from + 900 < 80 {
            continue;
        }
        whole.fill(whole.size().rect(), 0xff_ffff);
        photo(&mut whole, Rect::new(210, 130, 640, 400), number as u32, 0.0);
        for row in 0..44 {
            let text = line(number * 50 + usize::from(row)).trim();
            let x = if row < 30 { 900 } else { 210 };
            whole.text(Point { x, y: 60 + row * 18 }, text, 0x30_3030, 0xff_ffff, true);
        }
        for y in 0..900_i64 {
            let to = from + y;
            if (80..i64::from(size.height)).contains(&to) {
                let row = whole.row(0, y as u16, size.width).to_vec();
                now.put(Rect::new(0, to as u16, size.width, 1), &row);
            }
        }
    }
}

/// A window on its way over the wallpaper.
pub(crate) fn drag(now: &mut Picture, step: usize) {
    wallpaper(now);
    photo(now, Rect::new(900, 500, 500, 400), 5, 0.0);
    let area = Rect::new(100 + step as u16 * 11, 80 + step as u16 * 5, 700, 500);
    window(now, area, "Terminal");
    for row in 0..24 {
        let text = line(usize::from(row));
        let fits = 70.min(text.len());
        now.text(
            Point { x: area.x + 12, y: area.y + 40 + row * 18 },
            &text[..fits],
            0x20_2020,
            0xfa_fafa,
            true,
        );
    }
}

/// A slide show: another photograph each time.
pub(crate) fn photos(now: &mut Picture, step: usize) {
    now.fill(now.size().rect(), 0x10_1010);
    photo(now, Rect::new(240, 60, 1440, 960), step as u32 * 17, 0.0);
}

/// A list of files, one of them chosen.
pub(crate) fn files(now: &mut Picture, folder: usize, chosen: usize) {
    wallpaper(now);
    let area = Rect::new(300, 150, 1200, 800);
    window(now, area, "Files");
    for row in 0..36_usize {
        let y = area.y + 40 + row as u16 * 20;
        let back = if row == chosen * 3 { 0x33_99ff } else { 0xfa_fafa };
        now.fill(Rect::new(area.x + 200, y, 990, 20), back);
        photo(now, Rect::new(area.x + 206, y + 2, 16, 16), (row % 4) as u32, 0.0);
        let text = line(folder * 40 + row).trim();
        let fits = 60.min(text.len());
        now.text(Point { x: area.x + 230, y: y + 1 }, &text[..fits], 0x20_2020, back, false);
        now.text(
            Point { x: area.x + 900, y: y + 1 },
            &format!("{} kB", hash(row as u32, folder as u32) % 9000),
            0x60_6060,
            back,
            false,
        );
    }
}

/// A menu that opens.
pub(crate) fn menu(now: &mut Picture, area: Rect) {
    now.fill(area, 0x80_8080);
    now.fill(Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2), 0xfc_fcfc);
    for row in 0..(area.height - 10) / 24 {
        let text = line(usize::from(row) * 5).trim();
        let fits = 25.min(text.len());
        now.text(
            Point { x: area.x + 12, y: area.y + 6 + row * 24 },
            &text[..fits],
            0x20_2020,
            0xfc_fcfc,
            false,
        );
    }
}

pub(crate) fn noise(now: &mut Picture, area: Rect, seed: u32) {
    let pixels: Vec<u32> = (0..area.pixels() as u32).map(|i| hash(i, seed) >> 8).collect();
    now.put(area, &pixels);
}
