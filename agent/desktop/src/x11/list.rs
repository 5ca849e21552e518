//! Which windows there are, by EWMH where a window manager speaks it, and whose they are, by the X-Resource extension.

use nearhand_proto::message::local::{MAX_TITLE, MAX_WINDOWS};
use nearhand_proto::text;
use x11rb::connection::{Connection, RequestConnection};
use x11rb::protocol::res::{ClientIdMask, ClientIdSpec, ConnectionExt as _};
use x11rb::protocol::xproto::{Atom, AtomEnum, ConnectionExt as _, MapState, Window, WindowClass};

use super::connection::{XConnection, ended, unless_refused};
use crate::protocol::OpenWindow;
use crate::source::DisplayError;
use crate::x_text;

/// Begins what only compound text has.
const ESCAPE: u8 = 0x1b;
/// Most of a text or a list that is read, in units of 32 bits.
const MOST: u32 = 1_024;

/// The windows that a person would know, the uppermost first.
pub(super) fn windows(link: &XConnection) -> Result<Vec<OpenWindow>, DisplayError> {
    let mut all = Vec::new();
    for window in ids(link)? {
        if all.len() == MAX_WINDOWS {
            break;
        }
        if let Some(window) = describe(link, window)? {
            all.push(window);
        }
    }
    Ok(all)
}

/// Their ids, the uppermost first.
pub(super) fn ids(link: &XConnection) -> Result<Vec<Window>, DisplayError> {
    for list in [link.atoms._NET_CLIENT_LIST_STACKING, link.atoms._NET_CLIENT_LIST] {
        let listed = words(link, link.root, list, AtomEnum::WINDOW.into())?;
        if !listed.is_empty() {
            return Ok(listed.into_iter().rev().collect());
        }
    }
    // Without a window manager: what is there and has none of the ways of a menu.
    let tree = unless_refused(link.conn.query_tree(link.root).map_err(ended)?.reply())?;
    let mut shown = Vec::new();
    for window in tree.into_iter().flat_map(|tree| tree.children).rev() {
        let attributes = unless_refused(link.conn.get_window_attributes(window).map_err(ended)?.reply())?;
        let plain = |a: &x11rb::protocol::xproto::GetWindowAttributesReply| {
            a.map_state == MapState::VIEWABLE && a.class == WindowClass::INPUT_OUTPUT && !a.override_redirect
        };
        if attributes.as_ref().is_some_and(plain) {
            shown.push(window);
        }
    }
    Ok(shown)
}

/// What is known of a window; `None` if it is gone, or part of the desktop itself.
fn describe(link: &XConnection, window: Window) -> Result<Option<OpenWindow>, DisplayError> {
    let atoms = &link.atoms;
    if unless_refused(link.conn.get_geometry(window).map_err(ended)?.reply())?.is_none() {
        return Ok(None);
    }
    let kinds = words(link, window, atoms._NET_WM_WINDOW_TYPE, AtomEnum::ATOM.into())?;
    let desktop = [atoms._NET_WM_WINDOW_TYPE_DESKTOP, atoms._NET_WM_WINDOW_TYPE_DOCK];
    if kinds.iter().any(|kind| desktop.contains(kind)) {
        return Ok(None);
    }
    let class = text_property(link, window, AtomEnum::WM_CLASS.into())?;
    let (kind, class) = class.unwrap_or_default();
    // The name of the program, then of its class; one that has no class is known by its name.
    let mut names = class.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let name = names.next();
    let application = decode(link, kind, names.next().or(name).unwrap_or_default());
    Ok(Some(OpenWindow {
        id: window,
        process: process(link, window)?,
        application: text::one_line(&application, MAX_TITLE),
        title: title(link, window)?,
    }))
}

/// A window's title, in whichever of ICCCM's encodings it is.
pub(super) fn title(link: &XConnection, window: Window) -> Result<String, DisplayError> {
    for name in [link.atoms._NET_WM_NAME, AtomEnum::WM_NAME.into()] {
        if let Some((kind, bytes)) = text_property(link, window, name)? {
            let title = text::one_line(&decode(link, kind, &bytes), MAX_TITLE);
            if !title.trim().is_empty() {
                return Ok(title);
            }
        }
    }
    Ok(String::new())
}

/// A text, by the type of its property. Many programs write UTF-8 as STRING, which ICCCM has for Latin-1.
fn decode(link: &XConnection, kind: Atom, bytes: &[u8]) -> String {
    match kind {
        kind if kind == link.atoms.UTF8_STRING => x_text::from_utf8(bytes),
        kind if kind == link.atoms.COMPOUND_TEXT => x_text::from_compound(bytes),
        _ if bytes.contains(&ESCAPE) => x_text::from_compound(bytes),
        _ => x_text::from_utf8_or_latin1(bytes),
    }
}

/// The window that this one says it belongs to.
pub(super) fn owner(link: &XConnection, window: Window) -> Result<Option<Window>, DisplayError> {
    let owner = words(link, window, AtomEnum::WM_TRANSIENT_FOR.into(), AtomEnum::WINDOW.into())?;
    Ok(owner.first().copied().filter(|owner| *owner != x11rb::NONE && *owner != link.root))
}

/// The process that made a window, as the server knows it from its socket; 0 where it doesn't.
fn process(link: &XConnection, window: Window) -> Result<u32, DisplayError> {
    let name = x11rb::protocol::res::X11_EXTENSION_NAME;
    if link.conn.extension_information(name).map_err(ended)?.is_none() {
        return Ok(0);
    }
    let spec = ClientIdSpec { client: window, mask: ClientIdMask::LOCAL_CLIENT_PID };
    let reply = unless_refused(link.conn.res_query_client_ids(&[spec]).map_err(ended)?.reply())?;
    let process = reply.and_then(|reply| reply.ids.first().and_then(|id| id.value.first().copied()));
    Ok(process.unwrap_or(0))
}

/// Whether one program, that is, one connection to the display, made both windows.
pub(super) fn same_program(link: &XConnection, one: Window, other: Window) -> bool {
    let mask = !link.conn.setup().resource_id_mask;
    one & mask == other & mask
}

fn words(link: &XConnection, window: Window, name: Atom, kind: Atom) -> Result<Vec<u32>, DisplayError> {
    let asked = link.conn.get_property(false, window, name, kind, 0, MOST).map_err(ended)?;
    let reply = unless_refused(asked.reply())?;
    Ok(reply.and_then(|reply| Some(reply.value32()?.collect())).unwrap_or_default())
}

/// A property of bytes and its type; `None` if there is none.
fn text_property(
    link: &XConnection,
    window: Window,
    name: Atom,
) -> Result<Option<(Atom, Vec<u8>)>, DisplayError> {
    let asked = link.conn.get_property(false, window, name, AtomEnum::ANY, 0, MOST).map_err(ended)?;
    let reply = unless_refused(asked.reply())?.filter(|reply| reply.format == 8);
    Ok(reply.map(|reply| (reply.type_, reply.value)))
}
