//! The layout and the state of the keyboard by XKB, injection by XTEST, and which input is the local person's.

use std::collections::{BTreeMap, BTreeSet};

use x11rb::connection::Connection;
use x11rb::protocol::xinput::{self, ConnectionExt as _, DeviceType, XIEventMask};
use x11rb::protocol::xkb::{self, ConnectionExt as _};
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, KEY_PRESS_EVENT, KEY_RELEASE_EVENT,
    MOTION_NOTIFY_EVENT, ModMask,
};
use x11rb::protocol::xtest::ConnectionExt as _;

use super::connection::{XConnection, ended, needed, signed, unless_refused};
use crate::buttons::ButtonMap;
use crate::input::InputAction;
use crate::keys::spare::SpareKeys;
use crate::keys::{GroupOverflow, KeyAction, KeyGroup, KeyState, KeyType, KeyboardMap, Keycode, MappedKey};
use crate::source::DisplayError;

/// The device that XTEST's events come from and the server's own name for all of its kind.
const INJECTED: &str = "XTEST";

/// What is injected, and what it has to know for that.
pub(super) struct XtestInjector {
    link: XConnection,
    map: KeyboardMap,
    stale: bool,
    /// XTEST's devices: what they send is nobody's at the device.
    injecting: BTreeSet<xinput::DeviceId>,
    /// XTEST's pointer, opened so that its buttons can be asked for.
    pointer: Option<u8>,
}

fn core_keyboard() -> xkb::DeviceSpec {
    u16::from(xkb::ID::USE_CORE_KBD)
}

impl XtestInjector {
    pub(super) fn new(link: XConnection) -> Result<Self, DisplayError> {
        let conn = &link.conn;
        needed("XKB", conn.xkb_use_extension(1, 0).map_err(ended)?.reply())?;
        needed("XTEST", conn.xtest_get_version(2, 2).map_err(ended)?.reply())?;
        needed("XInput 2", conn.xinput_xi_query_version(2, 2).map_err(ended)?.reply())?;
        let changes = xkb::EventType::MAP_NOTIFY | xkb::EventType::NEW_KEYBOARD_NOTIFY;
        let details = xkb::SelectEventsAux::new();
        let parts = map_parts();
        conn.xkb_select_events(core_keyboard(), xkb::EventType::from(0_u8), changes, parts, parts, &details)
            .map_err(ended)?;
        let mut injector = Self {
            link,
            map: KeyboardMap::default(),
            stale: true,
            injecting: BTreeSet::new(),
            pointer: None,
        };
        injector.find_devices()?;
        Ok(injector)
    }

    /// Whether input of that device is the local person's.
    pub(super) fn is_local(&self, device: xinput::DeviceId) -> bool {
        !self.injecting.contains(&device)
    }

    /// Looks which devices are XTEST's.
    pub(super) fn find_devices(&mut self) -> Result<(), DisplayError> {
        let all = u16::from(xinput::Device::ALL);
        let reply = needed("devices", self.link.conn.xinput_xi_query_device(all).map_err(ended)?.reply())?;
        let ours = reply.infos.iter().filter(|info| {
            // Masters only pass on what their slaves send.
            let master = matches!(info.type_, DeviceType::MASTER_POINTER | DeviceType::MASTER_KEYBOARD);
            master || String::from_utf8_lossy(&info.name).contains(INJECTED)
        });
        self.injecting = ours.map(|info| info.deviceid).collect();
        let is_ours = |info: &&xinput::XIDeviceInfo| {
            info.type_ == DeviceType::SLAVE_POINTER && String::from_utf8_lossy(&info.name).contains(INJECTED)
        };
        let pointer = reply.infos.iter().find(is_ours).and_then(|info| u8::try_from(info.deviceid).ok());
        if pointer != self.pointer {
            self.pointer = pointer;
            if let Some(id) = pointer
                && unless_refused(self.link.conn.xinput_open_device(id).map_err(ended)?.reply())?.is_none()
            {
                self.pointer = None;
            }
        }
        Ok(())
    }

    /// What becomes of the buttons of XTEST's pointer.
    pub(super) fn buttons(&self) -> Result<ButtonMap, DisplayError> {
        let conn = &self.link.conn;
        let shared = conn.get_pointer_mapping().map_err(ended)?;
        let device = self.pointer.map(|id| conn.xinput_get_device_button_mapping(id).map_err(ended));
        let device = device.transpose()?.map(|cookie| unless_refused(cookie.reply())).transpose()?.flatten();
        Ok(ButtonMap {
            device: device.map(|reply| reply.map).unwrap_or_default(),
            shared: unless_refused(shared.reply())?.map(|reply| reply.map).unwrap_or_default(),
        })
    }

    /// Begins or ends telling of movements, and of the local person's keys and buttons.
    pub(super) fn select(&self, movements: bool, people: bool) -> Result<(), DisplayError> {
        let mut mask = XIEventMask::from(0_u8);
        if movements || people {
            mask |= XIEventMask::RAW_MOTION;
        }
        if people {
            mask |= XIEventMask::RAW_KEY_PRESS | XIEventMask::RAW_BUTTON_PRESS;
        }
        let masters = xinput::EventMask { deviceid: xinput::Device::ALL_MASTER.into(), mask: vec![mask] };
        let devices = xinput::EventMask {
            deviceid: xinput::Device::ALL.into(),
            mask: vec![if people { XIEventMask::HIERARCHY } else { XIEventMask::from(0_u8) }],
        };
        let conn = &self.link.conn;
        conn.xinput_xi_select_events(self.link.root, &[masters, devices]).map_err(ended)?;
        Ok(())
    }

    pub(super) fn layout_changed(&mut self) {
        self.stale = true;
    }

    pub(super) fn layout(&mut self, spares: &mut SpareKeys) -> Result<&KeyboardMap, DisplayError> {
        if std::mem::take(&mut self.stale) {
            self.map = read_map(&self.link)?;
            let setup = self.link.conn.setup();
            spares.refresh(&self.map, setup.min_keycode, setup.max_keycode);
        }
        Ok(&self.map)
    }

    pub(super) fn state(&self) -> Result<KeyState, DisplayError> {
        let state = self.link.conn.xkb_get_state(core_keyboard()).map_err(ended)?.reply();
        let state = needed("a keyboard", state)?;
        Ok(KeyState {
            base: mods(state.base_mods),
            latched: mods(state.latched_mods),
            locked: mods(state.locked_mods),
            group: u8::from(state.group),
        })
    }

    /// Does everything in order; the server learns of it when the connection is next flushed.
    pub(super) fn perform(&self, deeds: &[InputAction]) -> Result<(), DisplayError> {
        for deed in deeds {
            match *deed {
                InputAction::Move(x, y) => self.fake(MOTION_NOTIFY_EVENT, 0, x, y)?,
                InputAction::Button(button, true) => self.fake(BUTTON_PRESS_EVENT, button, 0, 0)?,
                InputAction::Button(button, false) => self.fake(BUTTON_RELEASE_EVENT, button, 0, 0)?,
                InputAction::Key(KeyAction::Press(keycode)) => self.fake(KEY_PRESS_EVENT, keycode, 0, 0)?,
                InputAction::Key(KeyAction::Release(keycode)) => {
                    self.fake(KEY_RELEASE_EVENT, keycode, 0, 0)?;
                }
                InputAction::Key(KeyAction::Lock { affect, locked }) => self.lock(affect, locked, None)?,
                InputAction::Key(KeyAction::Group(group)) => self.lock(0, 0, Some(group))?,
                // The same with Shift as without, so that no modifier changes it.
                InputAction::Key(KeyAction::Remap(keycode, symbol)) => {
                    let conn = &self.link.conn;
                    conn.change_keyboard_mapping(1, keycode, 2, &[symbol, symbol]).map_err(ended)?;
                }
            }
        }
        self.link.conn.flush().map_err(ended)
    }

    fn fake(&self, kind: u8, detail: u8, x: u16, y: u16) -> Result<(), DisplayError> {
        let now = x11rb::CURRENT_TIME;
        let conn = &self.link.conn;
        conn.xtest_fake_input(kind, detail, now, self.link.root, signed(x), signed(y), 0).map_err(ended)?;
        Ok(())
    }

    fn lock(&self, affect: u8, locked: u8, group: Option<u8>) -> Result<(), DisplayError> {
        let (affect, locked, none) = (ModMask::from(affect), ModMask::from(locked), ModMask::from(0_u8));
        let to = xkb::Group::from(group.unwrap_or(0));
        let conn = &self.link.conn;
        conn.xkb_latch_lock_state(core_keyboard(), affect, locked, group.is_some(), to, none, false, 0)
            .map_err(ended)?;
        Ok(())
    }
}

fn map_parts() -> xkb::MapPart {
    xkb::MapPart::KEY_TYPES | xkb::MapPart::KEY_SYMS | xkb::MapPart::MODIFIER_MAP
}

fn mods(mask: ModMask) -> u8 {
    u8::try_from(u16::from(mask) & 0xff).unwrap_or(0)
}

fn read_map(link: &XConnection) -> Result<KeyboardMap, DisplayError> {
    let nothing = xkb::MapPart::from(0_u8);
    let no_virtual = xkb::VMod::from(0_u8);
    let asked = link.conn.xkb_get_map(
        core_keyboard(),
        map_parts(),
        nothing,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        0,
        no_virtual,
        0,
        0,
        0,
        0,
        0,
        0,
    );
    let reply = needed("a keyboard", asked.map_err(ended)?.reply())?;
    let types: Vec<KeyType> = reply.map.types_rtrn.iter().flatten().map(key_type).collect();
    let keycodes = reply.first_key_sym..=Keycode::MAX;
    let symbols = reply.map.syms_rtrn.iter().flatten();
    let keys: BTreeMap<Keycode, MappedKey> =
        keycodes.zip(symbols).map(|(keycode, symbols)| (keycode, key(symbols))).collect();
    let modifiers = reply.map.modmap_rtrn.iter().flatten();
    let modifiers = modifiers.map(|m| (m.keycode, mods(m.mods))).filter(|(_, mods)| *mods != 0).collect();
    Ok(KeyboardMap::new(keys, types, modifiers))
}

fn key_type(reply: &xkb::KeyType) -> KeyType {
    let active = reply.map.iter().filter(|entry| entry.active);
    KeyType {
        mods: mods(reply.mods_mask),
        levels: active.map(|entry| (mods(entry.mods_mask), entry.level)).collect(),
    }
}

/// A key from XKB's packed form: as many groups as its lower four bits say, each `width` symbols.
fn key(reply: &xkb::KeySymMap) -> MappedKey {
    let groups = usize::from(reply.group_info & 0x0f);
    let rows = reply.syms.chunks(usize::from(reply.width).max(1)).zip(reply.kt_index).take(groups);
    let rows =
        rows.map(|(symbols, kind)| KeyGroup { kind: usize::from(kind), symbols: symbols.to_vec() }).collect();
    let beyond = match reply.group_info >> 6 {
        1 => GroupOverflow::Clamp,
        2 => GroupOverflow::Redirect((reply.group_info >> 4) & 0x03),
        _ => GroupOverflow::Wrap,
    };
    MappedKey { rows, beyond }
}
