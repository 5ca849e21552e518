//! What the technician draws over the screen, as rectangles: a pointer of light, and lines. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{MAX_STROKE, ScreenPoint};
use nearhand_screen::{Rect, Size};

/// How long the pointer of light stays after it was last moved.
const LASER: Duration = Duration::from_secs(1);
/// Its radius, in pixels.
const RADIUS: i32 = 7;
/// Half the thickness of a line, in pixels.
const HALF: i32 = 2;
/// Most rectangles of the whole drawing; beyond that the oldest lines go.
const MOST: usize = 20_000;
/// Most points of a line.
const MOST_POINTS: usize = 8_192;

/// What the technician has drawn on the screen, and where they point.
#[derive(Debug, Default)]
pub(crate) struct ScreenDrawing {
    laser: Option<(i32, i32, Instant)>,
    lines: BTreeMap<u32, Vec<(i32, i32)>>,
}

impl ScreenDrawing {
    /// Points there; coordinates count from `area`'s corner.
    pub(crate) fn point(&mut self, at: ScreenPoint, area: Rect, now: Instant) {
        let (x, y) = place(at, area);
        self.laser = Some((x, y, now + LASER));
    }

    /// Draws a line on.
    pub(crate) fn stroke(&mut self, number: u32, points: &[ScreenPoint], area: Rect) {
        let line = self.lines.entry(number).or_default();
        let room = MOST_POINTS.saturating_sub(line.len()).min(MAX_STROKE);
        line.extend(points.iter().take(room).map(|point| place(*point, area)));
    }

    /// Removes all strokes and the laser point.
    pub(crate) fn wipe(&mut self) {
        *self = Self::default();
    }

    /// When [`ScreenDrawing::fade`] is to be called.
    pub(crate) fn wake(&self) -> Option<Instant> {
        self.laser.map(|(_, _, until)| until)
    }

    /// `true` if the pointer of light has gone out.
    pub(crate) fn fade(&mut self, now: Instant) -> bool {
        self.laser.take_if(|(_, _, until)| *until <= now).is_some()
    }

    /// The drawing, on a screen of that size.
    pub(crate) fn rects(&mut self, size: Size) -> Vec<Rect> {
        let mut rects = Vec::new();
        if let Some((x, y, _)) = self.laser {
            rects.extend((-RADIUS..=RADIUS).map(|dy| {
                let half = (-RADIUS..=0).find(|dx| dx * dx + dy * dy <= RADIUS * RADIUS).unwrap_or(0).abs();
                (x - half, y + dy, 2 * half + 1, 1)
            }));
        }
        let mut kept = 0;
        for line in self.lines.values().rev() {
            let before = rects.len();
            draw(line, &mut rects);
            if rects.len() > MOST {
                rects.truncate(before);
                break;
            }
            kept += 1;
        }
        while self.lines.len() > kept {
            self.lines.pop_first();
        }
        rects.into_iter().filter_map(|(x, y, w, h)| clipped(x, y, w, h, size)).collect()
    }
}

fn place(at: ScreenPoint, area: Rect) -> (i32, i32) {
    let within = |at: u16, start: u16, length: u16| i32::from(start) + i32::from(at.min(length));
    (within(at.x, area.x, area.width), within(at.y, area.y, area.height))
}

/// A line as rectangles: one for each straight run.
fn draw(line: &[(i32, i32)], rects: &mut Vec<(i32, i32, i32, i32)>) {
    let ends = line.iter().zip(line.iter().skip(1).chain(line.last()));
    for (&(x0, y0), &(x1, y1)) in ends {
        let (dx, dy) = (x1 - x0, y1 - y0);
        let steps = dx.abs().max(dy.abs()).max(1);
        let mut run: Option<(i32, i32, i32, i32)> = None;
        for step in 0..=steps {
            let (x, y) = (x0 + dx * step / steps, y0 + dy * step / steps);
            let dot = (x - HALF, y - HALF, 2 * HALF + 1, 2 * HALF + 1);
            run = match run {
                Some(r) if r.0 == dot.0 && dx.abs() <= dy.abs() => {
                    let top = r.1.min(dot.1);
                    Some((r.0, top, r.2, (r.1 + r.3).max(dot.1 + dot.3) - top))
                }
                Some(r) if r.1 == dot.1 && dx.abs() > dy.abs() => {
                    let left = r.0.min(dot.0);
                    Some((left, r.1, (r.0 + r.2).max(dot.0 + dot.2) - left, r.3))
                }
                Some(r) => {
                    rects.push(r);
                    Some(dot)
                }
                None => Some(dot),
            };
        }
        rects.extend(run);
        if rects.len() > MOST {
            return;
        }
    }
}

fn clipped(x: i32, y: i32, width: i32, height: i32, size: Size) -> Option<Rect> {
    let (left, top) = (x.max(0), y.max(0));
    let (right, bottom) = ((x + width).min(size.width.into()), (y + height).min(size.height.into()));
    let rect = Rect {
        x: u16::try_from(left).ok()?,
        y: u16::try_from(top).ok()?,
        width: u16::try_from(right - left).ok()?,
        height: u16::try_from(bottom - top).ok()?,
    };
    (!rect.is_empty()).then_some(rect)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 400, height: 300 };

    #[test]
    fn a_line_covers_its_points_and_stays_on_the_screen() {
        let mut drawing = ScreenDrawing::default();
        let points = [(0, 0), (100, 40), (399, 299), (399, 299)].map(|(x, y)| ScreenPoint { x, y });
        drawing.stroke(1, &points, SIZE.rect());
        let rects = drawing.rects(SIZE);
        assert!(rects.iter().all(|rect| rect.within(SIZE).is_some()));
        for (x, y) in [(0, 0), (50, 20), (100, 40), (250, 170), (399, 299)] {
            assert!(rects.iter().any(|rect| rect.contains(Rect::new(x, y, 1, 1))), "{x} {y}");
        }
        drawing.wipe();
        assert!(drawing.rects(SIZE).is_empty());
    }

    #[test]
    fn light_goes_out_and_too_much_goes_from_its_beginning() {
        let now = Instant::now();
        let mut drawing = ScreenDrawing::default();
        drawing.point(ScreenPoint { x: 9, y: 9 }, SIZE.rect(), now);
        assert!(!drawing.rects(SIZE).is_empty() && !drawing.fade(now));
        assert!(drawing.fade(now + LASER) && drawing.rects(SIZE).is_empty());
        let zigzag: Vec<ScreenPoint> =
            (0..256).map(|i| ScreenPoint { x: if i % 2 == 0 { 0 } else { 399 }, y: i }).collect();
        for number in 0..200 {
            drawing.stroke(number, &zigzag, SIZE.rect());
        }
        assert!(drawing.rects(SIZE).len() <= MOST && drawing.lines.contains_key(&199));
    }
}
