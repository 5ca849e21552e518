//! The banner: a separate window at the top of the screen while a session is under way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use slint::winit_030::WinitWindowAccessor as _;
use slint::winit_030::winit::dpi::{LogicalSize, PhysicalPosition};
use slint::winit_030::winit::raw_window_handle::HasWindowHandle as _;
use slint::{CloseRequestResponse, ComponentHandle as _, Global as _};

use crate::markup::{SessionBanner, Shown};
use crate::model::StopKey;
use crate::model::view::SessionPage;
use crate::platform::{BannerGuard, x_window_id};

/// The banner's width where the screen is wide enough, and its height; as in `ui/window.slint`.
pub(super) const BANNER_SIZE: (f32, f32) = (720.0, 64.0);

/// The banner, and what keeps it visible.
pub(super) struct BannerHost {
    banner: RefCell<Option<SessionBanner>>,
    guard: RefCell<Option<BannerGuard>>,
    /// The system window that Slint creates next is the banner's.
    creating: Rc<Cell<bool>>,
}

impl BannerHost {
    pub(super) fn new(creating: Rc<Cell<bool>>) -> Self {
        Self { banner: RefCell::default(), guard: RefCell::default(), creating }
    }

    pub(super) fn is_shown(&self) -> bool {
        self.banner.borrow().is_some()
    }

    /// Hides the banner and gives the Stop key back.
    pub(super) fn hide(&self) {
        let Some(banner) = self.banner.take() else { return };
        if let Some(guard) = self.guard.borrow().as_ref() {
            guard.protect(None);
            guard.release_key();
        }
        let _ = banner.hide();
    }

    /// Shows the banner. `connect` ties its markup to the program first. False where no window can be created.
    pub(super) fn show(&self, connect: impl FnOnce(&SessionBanner)) -> bool {
        self.creating.set(true);
        let created = SessionBanner::new();
        if let Ok(banner) = &created {
            // Slint asks for the window's attributes now, while the mark is set.
            let _ = banner.window();
        }
        self.creating.set(false);
        let Ok(banner) = created else { return false };
        connect(&banner);
        banner.window().on_close_requested(|| CloseRequestResponse::KeepWindowShown);
        let _ = banner.show();
        *self.banner.borrow_mut() = Some(banner);
        true
    }

    /// Updates the texts.
    pub(super) fn update(&self, session: &SessionPage) {
        if let Some(banner) = self.banner.borrow().as_ref() {
            let shown = Shown::get(banner);
            shown.set_banner_who((&session.banner_who).into());
            shown.set_banner_can((&session.banner_can).into());
            shown.set_session_left((&session.left).into());
            shown.set_stop_key((&session.stop_key).into());
            shown.set_paused(session.paused);
        }
    }

    /// Puts the banner at the top of the screen, in the middle. Its X window, where it has one.
    pub(super) fn place(&self) -> Option<u32> {
        let held = self.banner.borrow();
        let banner = held.as_ref()?;
        // The markup's scale: SLINT_SCALE_FACTOR changes it without the system window knowing.
        let scale = banner.window().scale_factor();
        banner.window().with_winit_window(|window| {
            if let Some(monitor) = window.primary_monitor().or_else(|| window.available_monitors().next()) {
                let (corner, room) =
                    (monitor.position(), monitor.size().to_logical::<f32>(scale.into()).width);
                banner.set_room(room);
                let width = room.min(BANNER_SIZE.0);
                let size = LogicalSize::new(width, BANNER_SIZE.1).to_physical::<u32>(scale.into());
                banner.window().set_size(slint::PhysicalSize::new(size.width, size.height));
                let left = f64::from((room - width) / 2.0 * scale);
                let corner = corner.cast::<f64>();
                window.set_outer_position(PhysicalPosition::new(corner.x + left, corner.y));
            }
            window.window_handle().ok().and_then(|handle| x_window_id(handle.as_raw()))
        })?
    }

    /// Keeps the banner's X window visible, and takes the Stop key; `on_stop` is called when the key is pressed.
    pub(super) fn protect(&self, window: u32, on_stop: impl Fn() + Send + 'static) -> StopKey {
        if self.guard.borrow().is_none() {
            *self.guard.borrow_mut() = BannerGuard::new(on_stop);
        }
        match self.guard.borrow().as_ref() {
            Some(guard) => {
                guard.protect(Some(window));
                guard.grab_key()
            }
            None => StopKey::Taken,
        }
    }
}
