//! Whether a press was made by a device or by a program that imitates one.
//!
//! X gives each raw event the device it came from. Events of the XTEST extension, with which every program on the
//! display (the agent's own remote control among them) can imitate keyboard and pointer, come from devices of their
//! own. A press counts as the person's only if the newest press or release came from a real device, was of the same
//! kind, and nothing was imitated for a while around it. An event that was merely sent to the window (`XSendEvent`) has
//! no raw event at all and so never counts.

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

/// How long a press of a device counts, and how long an imitated one spoils what follows, in the server's
/// milliseconds.
const NEAR: u32 = 1_000;
/// How long the server is waited for. One that doesn't answer can't be trusted to have told everything.
const ANSWER: Duration = Duration::from_millis(1_000);

/// What kind of press the window got last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A pointer's button.
    Pointer,
    /// A key, by the server's number.
    Key(u32),
}

/// What is known of presses.
#[derive(Default)]
struct Known {
    /// Devices that are real: everything else imitates.
    real: BTreeSet<u16>,
    /// The last press or release of a real device.
    pressed: Option<(u32, Kind)>,
    /// When something was imitated last.
    imitated: Option<u32>,
    /// The server's time at the last answer, and how many answers there were.
    now: u32,
    answers: u64,
    over: bool,
}

impl Known {
    fn raw(&mut self, device: u16, time: u32, kind: Option<Kind>) {
        if !self.real.contains(&device) {
            self.imitated = Some(time);
        } else if let Some(kind) = kind {
            self.pressed = Some((time, kind));
        }
    }

    /// Whether a press of this kind that was seen just now is the person's.
    fn is_persons(&self, kind: Kind) -> bool {
        let near = |time: u32| self.now.wrapping_sub(time) <= NEAR;
        let pressed = self.pressed.is_some_and(|(time, of)| near(time) && of == kind);
        pressed && !self.imitated.is_some_and(near)
    }
}

type Shared = Arc<(Mutex<Known>, Condvar)>;

fn lock(shared: &Shared) -> MutexGuard<'_, Known> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at what devices do while something is shown that only the person may press.
pub(crate) struct Presses {
    connection: Arc<RustConnection>,
    root: Window,
    /// A window of ours that is never shown: the server tells its time when it changes.
    own: Window,
    shared: Shared,
    asked: std::cell::Cell<u64>,
    selected: std::cell::Cell<(bool, bool)>,
}

impl Presses {
    /// A look at the display; none where there is no X server.
    pub(crate) fn new() -> Option<Self> {
        // A window on Wayland isn't reached by what X imitates.
        let (connection, screen) = x11rb::connect(None).ok()?;
        connection.xinput_xi_query_version(2, 2).ok()?.reply().ok()?;
        let root = connection.setup().roots.get(screen)?.root;
        let own = connection.generate_id().ok()?;
        let told = CreateWindowAux::new().event_mask(EventMask::PROPERTY_CHANGE);
        connection.create_window(0, own, root, 0, 0, 1, 1, 0, WindowClass::INPUT_ONLY, 0, &told).ok()?;
        let shared = Shared::default();
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

    /// What is looked at from now on: presses, and whether the pointer is moved by a program too.
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
        // Hierarchy changes are told to who asks about all devices, raw events to who asks about the masters.
        let of = |device: Device, mask: XIEventMask| Select { deviceid: device.into(), mask: vec![mask] };
        let wanted = [of(Device::ALL, XIEventMask::HIERARCHY), of(Device::ALL_MASTER, what)];
        let _ = self.connection.xinput_xi_select_events(self.root, &wanted);
        let _ = self.connection.flush();
    }

    /// Whether the press that is being handled was the person's. Everything that the server told before is looked at.
    pub(crate) fn is_persons(&self, kind: Kind) -> bool {
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
            .wait_timeout_while(known, ANSWER, |known| known.answers < number && !known.over)
            .unwrap_or_else(PoisonError::into_inner);
        !timeout.timed_out() && !known.over && known.is_persons(kind)
    }
}

/// Devices that aren't imitations: XTEST's carry a property that no client can remove, and their name.
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

/// Reads what the server tells, until it is gone.
fn follow(connection: &RustConnection, own: Window, shared: &Shared) {
    while let Ok(event) = connection.wait_for_event() {
        let mut known = lock(shared);
        match event {
            Event::XinputRawButtonPress(e) | Event::XinputRawButtonRelease(e) => {
                known.raw(e.sourceid, e.time, Some(Kind::Pointer));
            }
            Event::XinputRawKeyPress(e) | Event::XinputRawKeyRelease(e) => {
                known.raw(e.sourceid, e.time, Some(Kind::Key(e.detail)));
            }
            Event::XinputRawTouchBegin(e) | Event::XinputRawTouchEnd(e) => {
                known.raw(e.sourceid, e.time, Some(Kind::Pointer));
            }
            Event::XinputRawMotion(e) => known.raw(e.sourceid, e.time, None),
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
    lock(shared).over = true;
    shared.1.notify_all();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        Known { real: [7, 8].into(), now: 10_000, ..Known::default() }
    }

    #[test]
    fn only_a_near_press_of_the_same_kind_from_a_device_is_the_persons() {
        let mut k = known();
        assert!(!k.is_persons(Kind::Pointer), "an event that was only sent");
        k.raw(7, 9_500, Some(Kind::Pointer));
        assert!(k.is_persons(Kind::Pointer));
        assert!(!k.is_persons(Kind::Key(36)));
        k.raw(8, 9_900, Some(Kind::Key(36)));
        assert!(k.is_persons(Kind::Key(36)));
        assert!(!k.is_persons(Kind::Key(65)));
        k.now = 11_000;
        assert!(!k.is_persons(Kind::Key(36)), "long ago");
    }

    #[test]
    fn what_is_imitated_spoils_what_is_near_it() {
        let mut k = known();
        k.raw(4, 9_400, None);
        k.raw(7, 9_900, Some(Kind::Pointer));
        assert!(!k.is_persons(Kind::Pointer), "the pointer was moved by a program");
        k.now = 10_500;
        assert!(k.is_persons(Kind::Pointer));
        k.raw(99, 10_450, Some(Kind::Pointer));
        assert!(!k.is_persons(Kind::Pointer), "from a device that isn't known");
    }

    #[test]
    fn the_servers_clock_may_turn_over() {
        let mut k = known();
        k.now = 100;
        k.raw(7, u32::MAX - 100, Some(Kind::Pointer));
        assert!(k.is_persons(Kind::Pointer));
    }
}
