//! The desktop process itself: one loop that owns the display, and a thread that codes frames.
//!
//! It waits on four descriptors at once: the agent's messages, the pipe to the agent while something is unwritten, the
//! display, and the coding thread. On a still screen none of them stirs and no timer is set. Input is carried out
//! before anything else. At the end, however it comes, keys and buttons are let go of and lent keycodes given back.

use std::io;
use std::time::{Duration, Instant};

use nearhand_proto::message::screen::{
    FIRST_MONITOR, FromScreen, InputEvent, InputNotice, MonitorNumber, ScreenPoint, ScreenQuality,
};
use nearhand_screen::{Point, Rect};

use super::drawing::ScreenDrawing;
use super::error::ChildError;
use super::input::{InputAction, InputInjector};
use super::monitor_choice::{self, NotShown};
use super::outgoing::OutgoingMessages;
use super::precedence::LocalPrecedence;
use super::protocol::{FromDesktop, IncomingMessages, ToDesktop};
use super::snapshot::ScreenSnapshot;
use super::source::{DesktopDisplay, DisplayError, DisplayEvent};
use super::view::ScreenView;
use super::x11::X11Display;
use crate::platform::{self, PipesReady};

/// Serves the agent at the other end of standard input and output until it closes them.
///
/// # Errors
/// [`ChildError`]; the agent has been told.
pub fn run() -> Result<(), ChildError> {
    let mut out = OutgoingMessages::default();
    let outcome = X11Display::open().map_err(ChildError::from).and_then(|display| serve(display, &mut out));
    if let Err(error) = &outcome {
        out.push(&FromDesktop::Failed(error.to_string()));
        platform::standard_output_waits(true)?;
        out.write()?;
    }
    outcome
}

fn serve<D: DesktopDisplay>(display: D, out: &mut OutgoingMessages) -> Result<(), ChildError> {
    platform::standard_output_waits(false)?;
    out.push(&FromDesktop::Ready { monitors: display.monitors().to_vec() });
    let mut child = DesktopChild::new(display)?;
    let outcome = child.run(out);
    // The display may be what has failed.
    let released = child.release_everything();
    outcome?;
    Ok(released?)
}

struct DesktopChild<D: DesktopDisplay> {
    display: D,
    view: ScreenView,
    still: ScreenSnapshot,
    hands: InputInjector,
    /// Input has come: the local person is listened for.
    guarding: bool,
    precedence: LocalPrecedence,
    drawing: ScreenDrawing,
    redraw: bool,
    monitor: Option<MonitorNumber>,
    /// Where the pointer is as far as the technician knows.
    pointer: Option<(u16, u16)>,
    pointer_moved: bool,
    cursor_changed: bool,
}

impl<D: DesktopDisplay> DesktopChild<D> {
    fn new(display: D) -> Result<Self, ChildError> {
        Ok(Self {
            display,
            view: ScreenView::new()?,
            still: ScreenSnapshot::default(),
            hands: InputInjector::default(),
            guarding: false,
            precedence: LocalPrecedence::default(),
            drawing: ScreenDrawing::default(),
            redraw: false,
            monitor: None,
            pointer: None,
            pointer_moved: false,
            cursor_changed: false,
        })
    }

    fn run(&mut self, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        let mut incoming = IncomingMessages::default();
        loop {
            let now = Instant::now();
            while let Some(message) = incoming.next_message()? {
                self.told(message, now, out)?;
            }
            self.work_hands(now, out)?;
            for happened in self.display.happened(now)? {
                self.noticed(&happened, now, out)?;
            }
            self.be_punctual(now, out)?;
            self.produce(now, out)?;
            out.write()?;
            let at_once = self.display.settle()? || self.hands.is_busy(now);
            let wake = if at_once { Some(now) } else { self.wake(now, out) };
            let ready = self.wait(wake, out)?;
            if ready.input && !read(&mut incoming)? {
                return Ok(());
            }
        }
    }

    fn wait(&self, wake: Option<Instant>, out: &OutgoingMessages) -> Result<PipesReady, ChildError> {
        let timeout = wake.map(|wake| wake.saturating_duration_since(Instant::now()));
        let others = [self.display.descriptor(), self.view.descriptor()];
        Ok(platform::wait(&others, !out.is_empty(), timeout)?)
    }

    /// When there is something to do although nothing happens; `now` is the time by which it was last looked for.
    fn wake(&self, now: Instant, out: &OutgoingMessages) -> Option<Instant> {
        let frames = out.has_room().then(|| self.view.wake(now)).flatten();
        let all = [
            frames,
            self.still.wake(),
            self.hands.wake(),
            self.precedence.wake(),
            self.drawing.wake(),
            self.display.wake(),
        ];
        all.into_iter().flatten().min()
    }

    fn told(
        &mut self,
        message: ToDesktop,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), ChildError> {
        match message {
            ToDesktop::View { monitor, quality } => {
                self.display.aim(None)?;
                self.begin(monitor, quality, now, out)?;
            }
            ToDesktop::ViewWindow { aim, quality } => match self.display.aim(Some(&aim))? {
                None => self.begin(Some(FIRST_MONITOR), quality, now, out)?,
                Some(why) => self.window_gone(why, out)?,
            },
            // It would be of the window.
            ToDesktop::Picture if self.display.is_aimed() => {}
            ToDesktop::Picture => self.still.want(now),
            ToDesktop::Windows => out.push(&FromDesktop::Windows(self.display.windows()?)),
            ToDesktop::Painted { frame, decode, paint } => {
                let viewer = Duration::from_micros(u64::from(decode) + u64::from(paint));
                self.view.painted(frame, viewer, now);
            }
            ToDesktop::Quality(quality) => self.view.set_quality(quality),
            ToDesktop::Hidden(hidden) => self.view.set_hidden(hidden),
            ToDesktop::StopView => {
                self.view.stop();
                self.display.watch(false)?;
                self.display.aim(None)?;
            }
            // What is clicked there may be another window, which is not seen.
            ToDesktop::Input(_) if self.display.is_aimed() => {}
            ToDesktop::Input(input) => self.input(input, now, out)?,
            ToDesktop::StopInput => self.stop_input()?,
            ToDesktop::Clipboard(message) => self.display.told(message, now)?,
            ToDesktop::StartClipboard => self.display.share(true, now)?,
            ToDesktop::StopClipboard => self.display.share(false, now)?,
            ToDesktop::Laser(at) => {
                if let Some(area) = self.display.on_screen(self.area()) {
                    self.drawing.point(at, area, now);
                    self.redraw = true;
                }
            }
            ToDesktop::Stroke { number, points } => {
                if let Some(area) = self.display.on_screen(self.area()) {
                    self.drawing.stroke(number, &points, area);
                    self.redraw = true;
                }
            }
            ToDesktop::Wipe => {
                self.drawing.wipe();
                self.redraw = true;
            }
        }
        Ok(())
    }

    fn begin(
        &mut self,
        monitor: Option<MonitorNumber>,
        quality: ScreenQuality,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), ChildError> {
        self.monitor = monitor;
        self.display.watch(true)?;
        self.view.start(quality, now);
        self.look_anew(now, out);
        Ok(())
    }

    fn window_gone(&mut self, why: String, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        self.view.stop();
        self.display.watch(false)?;
        self.display.aim(None)?;
        out.push(&FromDesktop::WindowGone(why));
        Ok(())
    }

    /// The part of the screen that is shown, and that positions count in; the whole screen if the chosen monitor is
    /// not there.
    fn area(&self) -> Rect {
        self.chosen().unwrap_or_else(|_| self.display.size().rect())
    }

    fn chosen(&self) -> Result<Rect, NotShown> {
        match self.display.out_of_sight() {
            Some(why) => Err(NotShown::OutOfSight(why)),
            None => monitor_choice::choose(self.display.size(), self.display.monitors(), self.monitor),
        }
    }

    /// The viewer begins, or the monitors have changed.
    fn look_anew(&mut self, now: Instant, out: &mut OutgoingMessages) {
        out.push(&FromDesktop::Screen(FromScreen::Monitors(self.display.monitors().to_vec())));
        let area = match self.chosen() {
            Ok(area) => Some(area),
            Err(why) => {
                out.push(&FromDesktop::Screen(FromScreen::Gone(why.to_string())));
                None
            }
        };
        self.view.look_at(area, now);
        self.pointer = None;
        self.pointer_moved = true;
        self.cursor_changed = true;
    }

    fn input(
        &mut self,
        input: InputEvent,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), ChildError> {
        if !self.guarding {
            self.guarding = true;
            self.display.watch_people(true)?;
        }
        if self.precedence.holds() {
            return Ok(());
        }
        // A pointer that moves is drawn where it is by the technician's own end.
        if !matches!(input, InputEvent::Move(_)) {
            self.view.urge(now);
        }
        if let Some(what) = self.hands.take(input) {
            out.push(&FromDesktop::Input(InputNotice::Untypable(what)));
        }
        self.work_hands(now, out)
    }

    /// Carries out what input is waiting, as far as it can be now.
    fn work_hands(&mut self, now: Instant, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        let area = self.area();
        while self.hands.is_busy(now) {
            let step = self.hands.step(&mut self.display, area, now)?;
            self.display.perform(&step.deeds)?;
            if let Some(InputAction::Move(x, y)) = step.deeds.last() {
                // The technician has drawn it there already.
                self.pointer = Some((*x, *y));
            }
            if !step.untypable.is_empty() {
                out.push(&FromDesktop::Input(InputNotice::Untypable(step.untypable)));
            }
            if let Some(button) = step.unclickable {
                out.push(&FromDesktop::Input(InputNotice::Unclickable(button.to_owned())));
            }
        }
        Ok(())
    }

    fn stop_input(&mut self) -> Result<(), DisplayError> {
        let deeds = self.hands.stop();
        self.display.perform(&deeds)?;
        if std::mem::take(&mut self.guarding) {
            self.display.watch_people(false)?;
        }
        self.precedence = LocalPrecedence::default();
        Ok(())
    }

    fn noticed(
        &mut self,
        happened: &DisplayEvent,
        now: Instant,
        out: &mut OutgoingMessages,
    ) -> Result<(), ChildError> {
        match happened {
            DisplayEvent::Damaged => {
                self.view.damaged(now);
                // A program that sets the pointer's place makes no event of it, but mostly draws something, too.
                self.pointer_moved = true;
            }
            DisplayEvent::Monitors => {
                if self.view.is_on() {
                    self.look_anew(now, out);
                }
                self.redraw = true;
            }
            DisplayEvent::WindowGone(why) => self.window_gone(why.clone(), out)?,
            DisplayEvent::CursorShape => self.cursor_changed = true,
            DisplayEvent::PointerMoved => self.pointer_moved = true,
            DisplayEvent::UsedLocally if self.guarding => {
                if self.precedence.used(now) {
                    let deeds = self.hands.stop();
                    self.display.perform(&deeds)?;
                    out.push(&FromDesktop::Input(InputNotice::HeldBack(true)));
                }
            }
            DisplayEvent::UsedLocally => {}
        }
        Ok(())
    }

    fn be_punctual(&mut self, now: Instant, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        if self.precedence.over(now) {
            out.push(&FromDesktop::Input(InputNotice::HeldBack(false)));
        }
        self.redraw |= self.drawing.fade(now);
        if std::mem::take(&mut self.redraw) {
            let rects = self.drawing.rects(self.display.size());
            self.display.show(&rects)?;
        }
        if self.display.wake().is_some_and(|wake| wake <= now) {
            self.display.overdue(now)?;
        }
        Ok(())
    }

    /// What can wait for room: the pointer, the clipboard's content, frames.
    fn produce(&mut self, now: Instant, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        if self.view.is_on() && out.has_room() {
            if std::mem::take(&mut self.cursor_changed) {
                let cursor = self.display.cursor()?;
                out.push(&FromDesktop::Screen(FromScreen::Cursor(cursor)));
            }
            if std::mem::take(&mut self.pointer_moved) {
                self.tell_pointer(out)?;
            }
        }
        while out.has_room()
            && let Some(message) = self.display.tell()
        {
            out.push(&FromDesktop::Clipboard(message));
        }
        self.still.work(&mut self.display, now, out)?;
        let focus = self.pointer.filter(|_| self.view.is_on()).and_then(|(x, y)| {
            let area = self.area();
            Some(Point { x: x.checked_sub(area.x)?, y: y.checked_sub(area.y)? })
        });
        self.view.work(&mut self.display, focus, now, out)
    }

    fn tell_pointer(&mut self, out: &mut OutgoingMessages) -> Result<(), ChildError> {
        let pointer = self.display.pointer()?;
        if pointer == self.pointer {
            return Ok(());
        }
        self.pointer = pointer;
        let area = self.area();
        let here = pointer.filter(|(x, y)| area.contains(Rect::new(*x, *y, 1, 1)));
        let at = here.map(|(x, y)| ScreenPoint { x: x - area.x, y: y - area.y });
        out.push(&FromDesktop::Screen(FromScreen::CursorAt(at)));
        Ok(())
    }

    fn release_everything(&mut self) -> Result<(), DisplayError> {
        let mut deeds = self.hands.stop();
        deeds.extend(self.hands.give_back());
        self.display.perform(&deeds)?;
        self.display.share(false, Instant::now())?;
        self.display.show(&[])?;
        // An answer means that all of it has been done.
        self.display.pointer().map(|_| ())
    }
}

/// Reads what has come; `false` at the end.
fn read(incoming: &mut IncomingMessages) -> io::Result<bool> {
    let mut buffer = [0; 64 * 1024];
    let read = platform::read_standard_input(&mut buffer)?;
    incoming.push(buffer.get(..read).unwrap_or_default());
    Ok(read > 0)
}
