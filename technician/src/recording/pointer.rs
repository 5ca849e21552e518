//! The pointer, which the device tells apart from the picture, painted onto one. Pure.

use nearhand_proto::message::screen::{CursorPicture, ScreenPoint};

/// How the pointer looks and where it is.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct PointerOverlay {
    /// The pointer's picture.
    pub cursor: Option<CursorPicture>,
    /// Where it points; `None` when it is not on the screen.
    pub at: Option<ScreenPoint>,
}

impl PointerOverlay {
    /// Paints it onto rows of red, green, blue, where it lies on the picture.
    pub fn paint(&self, width: u16, rgb: &mut [u8]) {
        let (Some(cursor), Some(at)) = (&self.cursor, self.at) else { return };
        let row = usize::from(width) * 3;
        let rows = cursor.rgba.chunks_exact(usize::from(cursor.width).max(1) * 4);
        for (y, line) in (0_i32..).zip(rows).take(cursor.height.into()) {
            let y = i32::from(at.y) - i32::from(cursor.hot.y) + y;
            let Ok(y) = usize::try_from(y) else { continue };
            for (x, pixel) in (0_i32..).zip(line.as_chunks::<4>().0) {
                let x = i32::from(at.x) - i32::from(cursor.hot.x) + x;
                let Some(x) = u16::try_from(x).ok().filter(|x| *x < width) else { continue };
                let place = y * row + usize::from(x) * 3;
                if let Some(under) = rgb.get_mut(place..place + 3) {
                    blend(under, *pixel);
                }
            }
        }
    }
}

fn blend(under: &mut [u8], [red, green, blue, alpha]: [u8; 4]) {
    let alpha = u16::from(alpha);
    for (below, above) in under.iter_mut().zip([red, green, blue]) {
        let mixed = (u16::from(above) * alpha + u16::from(*below) * (255 - alpha) + 127) / 255;
        *below = u8::try_from(mixed).unwrap_or(u8::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_painted_where_it_points_and_cut_at_the_edges() {
        let rgba = [[200, 100, 0, 255], [0, 0, 0, 0], [0, 0, 0, 0], [255, 255, 255, 128]].concat();
        let cursor = CursorPicture { width: 2, height: 2, hot: ScreenPoint { x: 1, y: 1 }, rgba };
        let mut pointer = PointerOverlay { cursor: Some(cursor), at: Some(ScreenPoint { x: 1, y: 1 }) };
        let painted = |pointer: &PointerOverlay| {
            let mut rgb = vec![10; 3 * 3 * 3];
            pointer.paint(3, &mut rgb);
            rgb
        };
        let rgb = painted(&pointer);
        assert_eq!(rgb[..6], [200, 100, 0, 10, 10, 10]);
        assert_eq!(rgb[12..15], [133, 133, 133], "half of white over a dark grey");
        pointer.at = Some(ScreenPoint { x: 0, y: 0 });
        assert_eq!(painted(&pointer)[..3], [133, 133, 133]);
        for at in [ScreenPoint { x: 4, y: 4 }, ScreenPoint { x: u16::MAX, y: u16::MAX }] {
            pointer.at = Some(at);
            assert!(painted(&pointer).iter().all(|byte| *byte == 10));
        }
    }
}
