//! Keeps the banner visible, and listens to the Stop key.
//!
//! The banner is an override-redirect window, so that no window manager can minimise, cover or close it. If another
//! program hides it or puts a window above it, the guard undoes that. The key is grabbed while a session is under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConfigureWindowAux, ConnectionExt as _, EventMask, GrabMode, MapState,
    ModMask, StackMode, Window,
};
use x11rb::rust_connection::RustConnection;

use crate::model::StopKey;

/// The shortest time between two raises: another program may want to stay on top too.
const RAISE_INTERVAL: Duration = Duration::from_millis(250);
/// The Stop key without its modifiers: `XK_End` in X11/keysymdef.h.
const STOP_KEY_SYMBOL: u32 = 0xff57;

/// Keeps the banner visible and holds the Stop key.
pub(crate) struct BannerGuard {
    connection: Arc<RustConnection>,
    root: Window,
    banner: Arc<AtomicU32>,
    key: Option<u8>,
}

impl BannerGuard {
    /// Starts watching. `pressed` is called when the key is pressed. `None` where there is no X server.
    pub(crate) fn new(pressed: impl Fn() + Send + 'static) -> Option<Self> {
        let (connection, screen) = x11rb::connect(None).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let key = keycode(&connection, STOP_KEY_SYMBOL);
        let (connection, banner) = (Arc::new(connection), Arc::new(AtomicU32::new(0)));
        let (reads, kept) = (connection.clone(), banner.clone());
        let run = move || follow(&reads, root, &kept, &pressed);
        std::thread::Builder::new().name("banner_guard".to_owned()).spawn(run).ok()?;
        Some(Self { connection, root, banner, key })
    }

    /// Takes the key, with and without Caps Lock and Num Lock.
    pub(crate) fn grab_key(&self) -> StopKey {
        let Some(key) = self.key else { return StopKey::Taken };
        let wanted = ModMask::CONTROL | ModMask::M1;
        let locks = [ModMask::from(0_u16), ModMask::LOCK, ModMask::M2, ModMask::LOCK | ModMask::M2];
        let taken = locks.into_iter().any(|lock| {
            let grab = self.connection.grab_key(
                false,
                self.root,
                wanted | lock,
                key,
                GrabMode::ASYNC,
                GrabMode::ASYNC,
            );
            !grab.is_ok_and(|grab| grab.check().is_ok())
        });
        if taken { StopKey::Taken } else { StopKey::Ours }
    }

    /// Gives the key back.
    pub(crate) fn release_key(&self) {
        if let Some(key) = self.key {
            let _ = self.connection.ungrab_key(key, self.root, ModMask::ANY);
            let _ = self.connection.flush();
        }
    }

    /// Keeps this window visible; `None` ends that.
    pub(crate) fn protect(&self, banner: Option<Window>) {
        self.banner.store(banner.unwrap_or(0), Ordering::Relaxed);
        // Only while there is a banner: other windows come and go all day.
        let mask = if banner.is_some() { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
        let attributes = ChangeWindowAttributesAux::new().event_mask(mask);
        let _ = self.connection.change_window_attributes(self.root, &attributes);
        if let Some(window) = banner {
            raise(&self.connection, window);
        }
        let _ = self.connection.flush();
    }
}

fn keycode(connection: &RustConnection, symbol: u32) -> Option<u8> {
    let setup = connection.setup();
    let (first, last) = (setup.min_keycode, setup.max_keycode);
    let count = last.checked_sub(first)?.checked_add(1)?;
    let mapping = connection.get_keyboard_mapping(first, count).ok()?.reply().ok()?;
    let each = usize::from(mapping.keysyms_per_keycode);
    let index = mapping.keysyms.chunks(each.max(1)).position(|symbols| symbols.contains(&symbol))?;
    first.checked_add(u8::try_from(index).ok()?)
}

fn raise(connection: &RustConnection, window: Window) {
    let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
    let _ = connection.configure_window(window, &above);
    let _ = connection.flush();
}

/// Shows the banner again, above all other windows.
fn restore(connection: &RustConnection, root: Window, window: Window) {
    let attributes = connection.get_window_attributes(window).ok().and_then(|cookie| cookie.reply().ok());
    if attributes.is_some_and(|attributes| attributes.map_state == MapState::UNMAPPED) {
        let _ = connection.map_window(window);
    }
    let tree = connection.query_tree(root).ok().and_then(|cookie| cookie.reply().ok());
    if tree.is_some_and(|tree| tree.children.last() != Some(&window)) {
        raise(connection, window);
    }
    let _ = connection.flush();
}

fn follow(connection: &RustConnection, root: Window, banner: &AtomicU32, pressed: &dyn Fn()) {
    let mut last: Option<Instant> = None;
    while let Ok(event) = connection.wait_for_event() {
        match event {
            Event::KeyPress(_) => pressed(),
            Event::ConfigureNotify(_)
            | Event::MapNotify(_)
            | Event::UnmapNotify(_)
            | Event::CirculateNotify(_)
            | Event::ReparentNotify(_) => {
                let window = banner.load(Ordering::Relaxed);
                if window == 0 {
                    continue;
                }
                if let Some(early) = last.and_then(|last| RAISE_INTERVAL.checked_sub(last.elapsed())) {
                    std::thread::park_timeout(early);
                }
                last = Some(Instant::now());
                restore(connection, root, banner.load(Ordering::Relaxed));
            }
            _ => {}
        }
    }
}
