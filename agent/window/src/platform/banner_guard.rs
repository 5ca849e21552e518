//! Keeps the banner in sight, and listens to the key for Stop.
//!
//! The banner belongs to no window manager (override-redirect), so that none can minimise, cover or close it; what
//! another program puts above it or does to it is undone here. The key is grabbed while a session is under way.

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

/// Two that both want to be above don't take turns more often than this.
const PAUSE: Duration = Duration::from_millis(250);
/// X11/keysymdef.h: `XK_End`.
const KEY_SYMBOL: u32 = 0xff57;

/// Watches over banner and key.
pub(crate) struct Keeper {
    connection: Arc<RustConnection>,
    root: Window,
    banner: Arc<AtomicU32>,
    key: Option<u8>,
}

impl Keeper {
    /// Calls `pressed` when the key is pressed; none where there is no X server.
    pub(crate) fn new(pressed: impl Fn() + Send + 'static) -> Option<Self> {
        let (connection, screen) = x11rb::connect(None).ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let key = keycode(&connection, KEY_SYMBOL);
        let (connection, banner) = (Arc::new(connection), Arc::new(AtomicU32::new(0)));
        let (reads, kept) = (connection.clone(), banner.clone());
        let run = move || follow(&reads, root, &kept, &pressed);
        std::thread::Builder::new().name("keeper".to_owned()).spawn(run).ok()?;
        Some(Self { connection, root, banner, key })
    }

    /// Takes the key, with every state of the locks; whether another program has it.
    pub(crate) fn grab(&self) -> bool {
        let Some(key) = self.key else { return true };
        let wanted = ModMask::CONTROL | ModMask::M1;
        let locks = [ModMask::from(0_u16), ModMask::LOCK, ModMask::M2, ModMask::LOCK | ModMask::M2];
        locks.into_iter().any(|lock| {
            let grab = self.connection.grab_key(
                false,
                self.root,
                wanted | lock,
                key,
                GrabMode::ASYNC,
                GrabMode::ASYNC,
            );
            !grab.is_ok_and(|grab| grab.check().is_ok())
        })
    }

    /// Gives the key back.
    pub(crate) fn release(&self) {
        if let Some(key) = self.key {
            let _ = self.connection.ungrab_key(key, self.root, ModMask::ANY);
            let _ = self.connection.flush();
        }
    }

    /// The banner that is kept in sight; none from now on.
    pub(crate) fn keep(&self, banner: Option<Window>) {
        self.banner.store(banner.unwrap_or(0), Ordering::Relaxed);
        // Told only while there is something to keep: other windows come and go all day.
        let mask = if banner.is_some() { EventMask::SUBSTRUCTURE_NOTIFY } else { EventMask::NO_EVENT };
        let told = ChangeWindowAttributesAux::new().event_mask(mask);
        let _ = self.connection.change_window_attributes(self.root, &told);
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
    let place = mapping.keysyms.chunks(each.max(1)).position(|symbols| symbols.contains(&symbol))?;
    first.checked_add(u8::try_from(place).ok()?)
}

fn raise(connection: &RustConnection, window: Window) {
    let above = ConfigureWindowAux::new().stack_mode(StackMode::ABOVE);
    let _ = connection.configure_window(window, &above);
    let _ = connection.flush();
}

/// Undoes what was done to the banner: it is shown, and nothing lies above it.
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
                if let Some(early) = last.and_then(|last| PAUSE.checked_sub(last.elapsed())) {
                    std::thread::park_timeout(early);
                }
                last = Some(Instant::now());
                restore(connection, root, banner.load(Ordering::Relaxed));
            }
            _ => {}
        }
    }
}
