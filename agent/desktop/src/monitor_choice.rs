//! Which part of the screen is shown: one monitor or all of them, if that isn't larger than a picture may be. Pure.

use std::fmt;

use nearhand_proto::message::screen::{Monitor, MonitorNumber};
use nearhand_screen::geometry::{MAX_PIXELS, MAX_SIDE};
use nearhand_screen::{Rect, Size};

/// Why the chosen part isn't shown. For the technician.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotShown {
    /// There is no such monitor.
    #[error("this monitor is no longer there; choose another one")]
    NoSuchMonitor,
    /// It is out of sight, and why.
    #[error("{0}")]
    OutOfSight(String),
    /// It is larger than a picture may be.
    #[error(
        "{what} is larger than can be shown at once ({} × {}; at most {} million pixels, {} on a side): {}",
        .size.width, .size.height, MAX_PIXELS / 1_000_000, MAX_SIDE, advice(.instead)
    )]
    TooLarge {
        /// What was chosen.
        what: ScreenPart,
        /// Its width and height.
        size: Size,
        /// The monitors that can be shown.
        instead: Vec<MonitorNumber>,
    },
}

/// What is to be shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ScreenPart {
    /// All monitors together.
    Whole,
    /// One of them.
    Monitor(MonitorNumber),
}

impl fmt::Display for ScreenPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("the whole screen"),
            Self::Monitor(number) => write!(f, "monitor {number}"),
        }
    }
}

fn advice(instead: &[MonitorNumber]) -> String {
    let numbers: Vec<String> = instead.iter().map(ToString::to_string).collect();
    match numbers.as_slice() {
        [] => "no monitor of it is small enough; a lower resolution would help".to_owned(),
        [one] => format!("choose monitor {one}"),
        several => format!("choose one of the monitors {}", several.join(", ")),
    }
}

/// The part of the screen for that choice.
pub(crate) fn choose(
    size: Size,
    monitors: &[Monitor],
    choice: Option<MonitorNumber>,
) -> Result<Rect, NotShown> {
    let rect = match choice {
        None => size.rect(),
        Some(number) => {
            let monitor = monitors.iter().find(|monitor| monitor.number == number);
            area(monitor.ok_or(NotShown::NoSuchMonitor)?)
        }
    };
    if fits(rect) {
        return Ok(rect);
    }
    let instead = monitors.iter().filter(|monitor| fits(area(monitor))).map(|monitor| monitor.number);
    let size = Size { width: rect.width, height: rect.height };
    let what = choice.map_or(ScreenPart::Whole, ScreenPart::Monitor);
    Err(NotShown::TooLarge { what, size, instead: instead.collect() })
}

/// The place of a monitor on the screen.
pub(crate) fn area(monitor: &Monitor) -> Rect {
    Rect::new(monitor.x, monitor.y, monitor.width, monitor.height)
}

fn fits(rect: Rect) -> bool {
    Size::checked(rect.width, rect.height).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Monitors of that size next to each other.
    fn row(count: u8, width: u16, height: u16) -> (Size, Vec<Monitor>) {
        let monitor = |number: u8| Monitor {
            number,
            name: format!("DP-{number}"),
            x: (u16::from(number) - 1) * width,
            y: 0,
            width,
            height,
            primary: number == 1,
        };
        (Size { width: width * u16::from(count), height }, (1..=count).map(monitor).collect())
    }

    #[test]
    fn what_is_too_large_is_shown_monitor_by_monitor() {
        let (size, monitors) = row(3, 5120, 2880);
        let why = choose(size, &monitors, None).unwrap_err().to_string();
        assert!(why.contains("15360 × 2880") && why.contains("monitors 1, 2, 3"), "{why}");
        assert_eq!(choose(size, &monitors, Some(2)), Ok(Rect::new(5120, 0, 5120, 2880)));
        assert_eq!(choose(size, &monitors, Some(4)), Err(NotShown::NoSuchMonitor));
        let (size, monitors) = row(2, 1920, 1080);
        assert_eq!(choose(size, &monitors, None), Ok(size.rect()));
    }

    #[test]
    fn a_monitor_that_is_too_large_says_so() {
        let (size, mut monitors) = row(1, 7680, 8640);
        for choice in [None, Some(1)] {
            let why = choose(size, &monitors, choice).unwrap_err().to_string();
            assert!(why.contains("7680 × 8640") && why.contains("lower resolution"), "{why}");
        }
        monitors.push(Monitor { number: 2, width: 1920, height: 1080, ..monitors[0].clone() });
        let why = choose(size, &monitors, Some(1)).unwrap_err().to_string();
        assert!(why.ends_with("choose monitor 2"), "{why}");
        let (size, monitors) = row(1, 20_000, 100);
        assert!(choose(size, &monitors, None).is_err());
    }
}
