//! Pictures that a screen could show, made by arithmetic.

use nearhand_screen::{Picture, Rect, Size};

/// A picture by its name; `step` moves what moves in it.
pub(crate) fn draw(name: &str, size: Size, step: u32) -> Picture {
    let mut picture = Picture::black(size);
    match name {
        "text" => text(&mut picture, step),
        "photo" => photo(&mut picture, step),
        "mixed" => {
            text(&mut picture, step);
            photo_in(
                &mut picture,
                Rect::new(size.width / 2, size.height / 4, size.width / 3, size.height / 2),
                step,
            );
        }
        _ => panic!("no picture is called {name}"),
    }
    picture
}

/// Lines of small glyphs that scroll up by 16 pixels a step.
fn text(picture: &mut Picture, step: u32) {
    let size = picture.size();
    for y in 0..size.height {
        let line = u32::from(y / 16) + step;
        for (x, pixel) in (0_u32..).zip(picture.row_mut(0, y, size.width)) {
            let (glyph, column) = (x / 8, x % 8);
            let hash =
                (glyph.wrapping_mul(2_654_435_761) ^ line.wrapping_mul(40_503)).wrapping_mul(2_246_822_519);
            let row = u32::from(y) % 16;
            let ink = row > 2
                && row < 13
                && column < 6
                && hash.rotate_left(row * 3 + column * 5) & 3 == 0
                && hash & 7 > 1;
            *pixel = if ink { 0x20_20_60 + (line % 5) * 0x10 } else { 0xf8_f8_f0 };
        }
    }
}

fn photo(picture: &mut Picture, step: u32) {
    let whole = picture.size().rect();
    photo_in(picture, whole, step);
}

/// Soft gradients with grain, as a photograph has.
fn photo_in(picture: &mut Picture, rect: Rect, step: u32) {
    for y in rect.y..rect.y + rect.height {
        let row = picture.row_mut(rect.x, y, rect.width);
        for (x, pixel) in (0_u32..).zip(row) {
            let (fx, fy) = (f64::from(x + step * 3) / 37.0, f64::from(y) / 29.0);
            let grain = f64::from((x ^ u32::from(y)).wrapping_mul(2_654_435_761) >> 28);
            let channel =
                |phase: f64| (120.0 + 90.0 * (fx + phase).sin() * (fy - phase).cos() + grain) as u32 & 0xff;
            *pixel = channel(0.0) << 16 | channel(1.1) << 8 | channel(2.3);
        }
    }
}

/// FNV-1a over red, green, blue of all pixels: the page computes the same of its canvas.
pub(crate) fn hash(picture: &Picture) -> u32 {
    picture
        .pixels()
        .iter()
        .flat_map(|pixel| pixel.to_be_bytes().into_iter().skip(1))
        .fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
