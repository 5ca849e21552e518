//! Whether a press was made by a device or by a program that imitates one.
//!
//! X names the device of each raw event. With the XTEST extension, every program on the display can imitate keyboard and
//! pointer, and so does the agent's remote control; such events come from separate devices. A press counts as the
//! person's only if the newest press or release came from a real device and was of the same kind, and if nothing was
//! imitated shortly before or after. An event that was merely sent to the window (`XSendEvent`) has no raw event and so
//! never counts.

use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use x11rb::connection::Connection as _;
use x11rb::protocol::Event;
use x11rb::protocol::xinput::{ConnectionExt as _, Device, DeviceType, EventMask as Select, XIEventMask};
use x11rb::protocol::xproto::{
    Atom, AtomEnum, ConnectionExt as _, CreateWindowAux, EventMask, PropMode, Window, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// How long a device's press counts, and how long an imitated one makes others doubtful, in the server's milliseconds.
const NEAR_MILLIS: u32 = 1_000;
/// How long to wait for the X server. If it doesn't answer, events may be missing, and no press counts.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1_000);

/// What kind of press the window got last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PressKind {
    /// A pointer's button.
    Pointer,
    /// A key, by the server's number.
    Key(u32),
}

/// The newest presses and imitations.
#[derive(Default)]
struct PressLog {
    /// The real devices. Events of any other device are imitated.
    real: BTreeSet<u16>,
    /// The last press or release of a real device.
    pressed: Option<(u32, PressKind)>,
    /// When an event was imitated last.
    imitated: Option<u32>,
    /// The server's time at its last answer.
    now: u32,
    /// How many answers there were.
    answers: u64,
    /// The connection to the server has ended.
    lost: bool,
}

impl PressLog {
    fn add_raw_event(&mut self, device: u16, time: u32, kind: Option<PressKind>) {
        if !self.real.contains(&device) {
            self.imitated = Some(time);
        } else if let Some(kind) = kind {
            self.pressed = Some((time, kind));
        }
    }

    /// Whether a press of this kind, which the window just got, was made by a device.
    fn is_persons(&self, kind: PressKind) -> bool {
        let near = |time: u32| self.now.wrapping_sub(time) <= NEAR_MILLIS;
        let pressed = self.pressed.is_some_and(|(time, of)| near(time) && of == kind);
        pressed && !self.imitated.is_some_and(near)
    }
}

type SharedLog = Arc<(Mutex<PressLog>, Condvar)>;

fn lock(shared: &SharedLog) -> MutexGuard<'_, PressLog> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches the devices while a page is shown on which only the person may press.
pub(crate) struct PressWatcher {
    connection: Arc<RustConnection>,
    root: Window,
    /// A window that is never shown. The server reports its time when a property of it changes.
    own: Window,
    shared: SharedLog,
    asked: std::cell::Cell<u64>,
    selected: std::cell::Cell<(bool, bool)>,
}

impl PressWatcher {
    /// Connects to the display; `None` where there is no X server.
    pub(crate) fn new() -> Option<Self> {
        // Input that a program imitates on X doesn't reach a window on Wayland.
        let (connection, screen) = x11rb::connect(None).ok()?;
        connection.xinput_xi_query_version(2, 2).ok()?.reply().ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let own = connection.generate_id().ok()?;
        let told = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection.create_window(0, own, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &told).ok()?;
        let shared = SharedLog::default();
        lock(&shared).real = real_devices(&connection)?;
        let connection = Arc::new(connection);
        let (reads, knows) = (connection.clone(), shared.clone());
        std::thread::Builder::new()
            .name("presses".to_owned())
            .spawn(move || follow(&reads, own, &knows))
            .ok()?;
        let (asked, selected) = (0.into(), (false, false).into());
        Some(Self { connection, root, own, shared, asked, selected })
    }

    /// Chooses what to watch: presses, and whether a program moves the pointer.
    pub(crate) fn watch(&self, presses: bool, motion: bool) {
        if self.selected.replace((presses, motion)) == (presses, motion) {
            return;
        }
        let mut what = XIEventMask::from(0_u32);
        if presses {
            what = what
                | XIEventMask::RAW_BUTTON_PRESS
                | XIEventMask::RAW_BUTTON_RELEASE
                | XIEventMask::RAW_KEY_PRESS
                | XIEventMask::RAW_KEY_RELEASE
                | XIEventMask::RAW_TOUCH_BEGIN
                | XIEventMask::RAW_TOUCH_END;
        }
        if motion {
            what |= XIEventMask::RAW_MOTION;
        }
        // The server reports hierarchy changes for "all devices", and raw events for "all master devices".
        let of = |device: Device, mask: XIEventMask| Select { deviceid: device.into(), mask: vec![mask] };
        let wanted = [of(Device::ALL, XIEventMask::HIERARCHY), of(Device::ALL_MASTER, what)];
        let _ = self.connection.xinput_xi_select_events(self.root, &wanted);
        let _ = self.connection.flush();
    }

    /// Whether the press that is being handled was made by a device. Waits until all earlier events have been read.
    pub(crate) fn is_persons(&self, kind: PressKind) -> bool {
        let number = self.asked.get() + 1;
        self.asked.set(number);
        let atom: Atom = AtomEnum::WM_NAME.into();
        let asked =
            self.connection.change_property8(PropMode::REPLACE, self.own, atom, AtomEnum::STRING, b"");
        if asked.is_err() || self.connection.flush().is_err() {
            return false;
        }
        let known = lock(&self.shared);
        let (known, timeout) = self
            .shared
            .1
            .wait_timeout_while(known, ANSWER_TIMEOUT, |known| known.answers < number && !known.lost)
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out() && !known.lost && known.is_persons(kind)
    }
}

/// The real devices. XTEST's have its name, and a property that no client can remove.
fn real_devices(connection: &RustConnection) -> Option<BTreeSet<u16>> {
    let mark = connection.intern_atom(false, b"XTEST Device").ok()?.reply().ok()?.atom;
    let devices = connection.xinput_xi_query_device(Device::ALL).ok()?.reply().ok()?.infos;
    let mut real = BTreeSet::new();
    for device in devices {
        let slave = matches!(
            device.type_,
            DeviceType::SLAVE_POINTER | DeviceType::SLAVE_KEYBOARD | DeviceType::FLOATING_SLAVE
        );
        let property = connection
            .xinput_xi_get_property(device.deviceid, false, mark, AtomEnum::ANY.into(), 0, 1)
            .ok()
            .and_then(|cookie| cookie.reply().ok());
        let imitates = property.is_none_or(|property| property.num_items > 0);
        let named = String::from_utf8_lossy(&device.name).contains("XTEST");
        if slave && !imitates && !named {
            real.insert(device.deviceid);
        }
    }
    Some(real)
}

/// Reads the server's events until the connection ends.
fn follow(connection: &RustConnection, own: Window, shared: &SharedLog) {
    while let Ok(event) = connection.wait_for_event() {
        let mut known = lock(shared);
        match event {
            Event::XinputRawButtonPress(e) | Event::XinputRawButtonRelease(e) => {
                known.add_raw_event(e.sourceid, e.time, Some(PressKind::Pointer));
            }
            Event::XinputRawKeyPress(e) | Event::XinputRawKeyRelease(e) => {
                known.add_raw_event(e.sourceid, e.time, Some(PressKind::Key(e.detail)));
            }
            Event::XinputRawTouchBegin(e) | Event::XinputRawTouchEnd(e) => {
                known.add_raw_event(e.sourceid, e.time, Some(PressKind::Pointer));
            }
            Event::XinputRawMotion(e) => known.add_raw_event(e.sourceid, e.time, None),
            Event::XinputHierarchy(_) => {
                drop(known);
                let real = real_devices(connection).unwrap_or_default();
                lock(shared).real = real;
            }
            Event::PropertyNotify(e) if e.window == own => {
                known.now = e.time;
                known.answers += 1;
                shared.1.notify_all();
            }
            _ => {}
        }
    }
    lock(shared).lost = true;
    shared.1.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> PressLog {
        PressLog { real: [7, 8].into(), now: 10_000, ..PressLog::default() }
    }

    #[test]
    fn only_a_near_press_of_the_same_kind_from_a_device_is_the_persons() {
        let mut k = known();
        assert!(!k.is_persons(PressKind::Pointer), "an event that was only sent");
        k.add_raw_event(7, 9_500, Some(PressKind::Pointer));
        assert!(k.is_persons(PressKind::Pointer));
        assert!(!k.is_persons(PressKind::Key(36)));
        k.add_raw_event(8, 9_900, Some(PressKind::Key(36)));
        assert!(k.is_persons(PressKind::Key(36)));
        assert!(!k.is_persons(PressKind::Key(65)));
        k.now = 11_000;
        assert!(!k.is_persons(PressKind::Key(36)), "long ago");
    }

    #[test]
    fn what_is_imitated_spoils_what_is_near_it() {
        let mut k = known();
        k.add_raw_event(4, 9_400, None);
        k.add_raw_event(7, 9_900, Some(PressKind::Pointer));
        assert!(!k.is_persons(PressKind::Pointer), "the pointer was moved by a program");
        k.now = 10_500;
        assert!(k.is_persons(PressKind::Pointer));
        k.add_raw_event(99, 10_450, Some(PressKind::Pointer));
        assert!(!k.is_persons(PressKind::Pointer), "from a device that isn't known");
    }

    #[test]
    fn the_servers_clock_may_turn_over() {
        let mut k = known();
        k.now = 100;
        k.add_raw_event(7, u32::MAX - 100, Some(PressKind::Pointer));
        assert!(k.is_persons(PressKind::Pointer));
    }
}
