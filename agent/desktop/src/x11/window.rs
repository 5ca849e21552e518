//! One window instead of the screen: followed as it moves, changes its size, is minimised and closed, with its menus.
//!
//! What of it may be shown is decided in [`crate::window_layout`]; its pixels come from [`super::layer`].

use std::collections::VecDeque;

use nearhand_proto::message::screen::{FIRST_MONITOR, Monitor};
use nearhand_screen::{Picture, Rect};
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConfigureNotifyEvent, ConnectionExt as _, EventMask, MapState, Window,
    WindowClass,
};

use super::connection::{XConnection, ended, unless_refused};
use super::layer::{NoLayer, WindowLayer};
use super::list;
use super::screen::ScreenCapture;
use crate::protocol::OpenWindow;
use crate::source::DisplayError;
use crate::window_layout::{PopupWindow, ScreenArea, WindowLayout, belongs};

/// Most menus shown at once.
const MOST_POPUPS: usize = 16;
/// Most windows around a window.
const MOST_AROUND: usize = 16;

/// A window that is shown.
pub(super) struct ShownWindow {
    link: XConnection,
    open: OpenWindow,
    /// The window; `None` while it is out of sight.
    base: Option<WindowLayer>,
    popups: Vec<WindowLayer>,
    layout: Option<WindowLayout>,
    /// What the window is in: the last one is the screen's own.
    around: Vec<Window>,
    monitor: Vec<Monitor>,
    /// Why nothing is to be seen.
    why: &'static str,
}

/// What an event has brought.
#[derive(Default)]
pub(super) struct WindowNews {
    /// The picture is made up in another way.
    pub(super) changed: bool,
    /// The window is closed.
    pub(super) closed: bool,
}

impl ShownWindow {
    /// Begins to follow it.
    pub(super) fn open(link: &XConnection, open: OpenWindow) -> Result<Self, DisplayError> {
        let mut shown = Self {
            link: link.clone(),
            open,
            base: None,
            popups: Vec::new(),
            layout: None,
            around: Vec::new(),
            monitor: Vec::new(),
            why: "",
        };
        link.listen_to_windows(true)?;
        shown.start_over()?;
        Ok(shown)
    }

    /// Whether it is this window.
    pub(super) fn is(&self, open: &OpenWindow) -> bool {
        (self.open.id, self.open.process) == (open.id, open.process)
    }

    /// The window as the only monitor.
    pub(super) fn monitors(&self) -> &[Monitor] {
        &self.monitor
    }

    pub(super) fn out_of_sight(&self) -> Option<String> {
        self.base.is_none().then(|| self.why.to_owned())
    }

    /// The picture's place on the screen.
    pub(super) fn place(&self) -> Option<ScreenArea> {
        self.layout.as_ref().map(|layout| layout.all)
    }

    /// Redirects the window again: its memory may have changed.
    fn start_over(&mut self) -> Result<WindowNews, DisplayError> {
        self.popups.clear();
        self.base = None;
        self.look_around()?;
        let mut news = WindowNews { changed: true, closed: false };
        match WindowLayer::open(&self.link, self.open.id)? {
            Ok(layer) => self.base = Some(layer),
            Err(NoLayer::Hidden) => self.why = "the window is minimised or on another workspace",
            Err(NoLayer::Strange) => self.why = "this window's pixels can't be shown: it has fewer colours",
            Err(NoLayer::Closed) => news.closed = true,
        }
        if self.base.is_some() {
            self.find_popups()?;
        }
        self.arrange()?;
        Ok(news)
    }

    /// The windows that it is in; one of them can be hidden with it and without a word about it.
    fn look_around(&mut self) -> Result<(), DisplayError> {
        let conn = &self.link.conn;
        self.around.clear();
        let mut at = self.open.id;
        while self.around.len() < MOST_AROUND {
            let Some(tree) = unless_refused(conn.query_tree(at).map_err(ended)?.reply())? else { break };
            if tree.parent == x11rb::NONE || tree.parent == self.link.root {
                break;
            }
            at = tree.parent;
            let news = ChangeWindowAttributesAux::new().event_mask(EventMask::STRUCTURE_NOTIFY);
            conn.change_window_attributes(at, &news).map_err(ended)?;
            self.around.push(at);
        }
        Ok(())
    }

    fn find_popups(&mut self) -> Result<(), DisplayError> {
        let tree = unless_refused(self.link.conn.query_tree(self.link.root).map_err(ended)?.reply())?;
        for window in tree.into_iter().flat_map(|tree| tree.children) {
            self.consider(window)?;
        }
        Ok(())
    }

    /// Shows a menu if it belongs to the window. `true` if it is shown.
    fn consider(&mut self, window: Window) -> Result<bool, DisplayError> {
        let known = window == self.open.id || self.popups.iter().any(|popup| popup.window == window);
        let same_program = list::same_program(&self.link, window, self.open.id);
        if known || !same_program || self.popups.len() >= MOST_POPUPS {
            return Ok(false);
        }
        let asked = self.link.conn.get_window_attributes(window).map_err(ended)?;
        let Some(attributes) = unless_refused(asked.reply())? else { return Ok(false) };
        if attributes.map_state != MapState::VIEWABLE
            || attributes.class != WindowClass::INPUT_OUTPUT
            || !attributes.override_redirect
        {
            return Ok(false);
        }
        let popup = PopupWindow { same_program, owner: list::owner(&self.link, window)? };
        let shown: Vec<Window> = self.popups.iter().map(|popup| popup.window).collect();
        let others = list::ids(&self.link)?;
        let only = !others
            .iter()
            .any(|other| *other != self.open.id && list::same_program(&self.link, *other, self.open.id));
        if !belongs(&popup, self.open.id, &shown, only) {
            return Ok(false);
        }
        if let Ok(layer) = WindowLayer::open(&self.link, window)? {
            self.popups.push(layer);
            return Ok(true);
        }
        Ok(false)
    }

    /// Puts the layers together. `true` if the picture is made up in another way than before.
    fn arrange(&mut self) -> Result<bool, DisplayError> {
        let Some(base) = &self.base else {
            let changed = self.layout.take().is_some();
            self.monitor.clear();
            return Ok(changed);
        };
        let all = [base].into_iter().chain(&self.popups).map(|layer| layer.place).collect();
        // Menus that make it too large are left out.
        let layout = WindowLayout::around(all).or_else(|| WindowLayout::around(vec![base.place]));
        let same = match (&layout, &self.layout) {
            (Some(now), Some(before)) => now.looks_like(before),
            (now, before) => now.is_none() && before.is_none(),
        };
        self.monitor.clear();
        if let Some(layout) = &layout {
            let ScreenArea { width, height, .. } = layout.all;
            let name = list::title(&self.link, self.open.id)?;
            self.monitor.push(Monitor {
                number: FIRST_MONITOR,
                name,
                x: 0,
                y: 0,
                width,
                height,
                primary: true,
            });
        }
        self.layout = layout;
        Ok(!same)
    }

    /// Whether an event says that a layer's memory may be another one, or its place.
    fn is_about_memory(&self, event: &Event) -> bool {
        let ours = |window: Window| {
            window == self.open.id
                || self.around.contains(&window)
                || self.popups.iter().any(|popup| popup.window == window)
        };
        match event {
            Event::MapNotify(event) => ours(event.window),
            Event::UnmapNotify(event) => ours(event.window),
            Event::ReparentNotify(event) => ours(event.window),
            Event::DestroyNotify(event) => ours(event.window),
            Event::ConfigureNotify(event) => ours(event.window),
            _ => false,
        }
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: &Event) -> Result<WindowNews, DisplayError> {
        match event {
            Event::DestroyNotify(event) if event.window == self.open.id => {
                Ok(WindowNews { changed: true, closed: true })
            }
            Event::ConfigureNotify(event) if self.keeps_its_memory(event) => self.moved(),
            event if self.is_about_popup(event) => {
                self.popups.clear();
                if self.base.is_some() {
                    self.find_popups()?;
                }
                Ok(WindowNews { changed: self.arrange()?, closed: false })
            }
            event if self.is_about_memory(event) => self.start_over(),
            // Some window managers minimise without hiding the window, or show it again so.
            Event::PropertyNotify(event)
                if event.window == self.open.id && event.atom == self.link.atoms.WM_STATE =>
            {
                if self.base.is_none() { self.start_over() } else { Ok(WindowNews::default()) }
            }
            Event::MapNotify(event) if self.base.is_some() => {
                let shown = self.consider(event.window)?;
                Ok(WindowNews { changed: shown && self.arrange()?, closed: false })
            }
            _ => Ok(WindowNews::default()),
        }
    }

    fn is_about_popup(&self, event: &Event) -> bool {
        let popup = |window| self.popups.iter().any(|popup| popup.window == window);
        match event {
            Event::MapNotify(event) => popup(event.window),
            Event::UnmapNotify(event) => popup(event.window),
            Event::DestroyNotify(event) => popup(event.window),
            Event::ConfigureNotify(event) => popup(event.window),
            _ => false,
        }
    }

    /// Whether a window, or what it is in, was only moved.
    fn keeps_its_memory(&self, event: &ConfigureNotifyEvent) -> bool {
        let size = (event.width, event.height, event.border_width);
        let mut layers = self.base.iter().chain(&self.popups);
        self.around.contains(&event.window)
            || layers.any(|layer| {
                layer.window == event.window && (layer.place.width, layer.place.height, layer.border) == size
            })
    }

    fn moved(&mut self) -> Result<WindowNews, DisplayError> {
        for layer in self.base.iter_mut().chain(&mut self.popups) {
            layer.find_place()?;
        }
        Ok(WindowNews { changed: self.arrange()?, closed: false })
    }

    /// What was drawn since it was last believed, for each layer with its place ([`WindowLayer::fresh`]).
    pub(super) fn fresh(&self) -> Result<Vec<(ScreenArea, Vec<Rect>)>, DisplayError> {
        let layers = self.base.iter().chain(&self.popups);
        layers.map(|layer| Ok((layer.place, layer.fresh()?))).collect()
    }

    /// What is fresh counts, unless one of these events says that it may be another memory's: `None`, ask again after
    /// it was taken.
    pub(super) fn believe(
        &self,
        fresh: Vec<(ScreenArea, Vec<Rect>)>,
        pending: &VecDeque<Event>,
    ) -> Result<Option<Vec<Rect>>, DisplayError> {
        let Some(layout) = &self.layout else { return Ok(Some(Vec::new())) };
        if pending.iter().any(|event| self.is_about_memory(event)) {
            return Ok(None);
        }
        for layer in self.base.iter().chain(&self.popups) {
            layer.believe()?;
        }
        let all =
            fresh.into_iter().flat_map(|(place, rects)| rects.into_iter().map(move |rect| (place, rect)));
        Ok(Some(all.filter_map(|(place, rect)| place.within(rect, layout.all)).collect()))
    }

    /// Copies rectangles of the picture.
    pub(super) fn copy(
        &self,
        capture: &mut ScreenCapture,
        rects: &[Rect],
        picture: &mut Picture,
    ) -> Result<bool, DisplayError> {
        let Some(layout) = &self.layout else { return Ok(false) };
        let layers: Vec<&WindowLayer> =
            self.base.iter().chain(&self.popups).take(layout.layers.len()).collect();
        for rect in rects {
            for layer in &layers {
                let Some(inside) = layout.all.within(*rect, layer.place) else { continue };
                let at = |corner: i32, all: i32, inside: u16| {
                    u16::try_from(corner.saturating_sub(all).saturating_add(inside.into()))
                        .unwrap_or(u16::MAX)
                };
                let to =
                    (at(layer.place.x, layout.all.x, inside.x), at(layer.place.y, layout.all.y, inside.y));
                if !layer.copy(capture, inside, to, picture)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Where the pointer is in the picture, if nothing else lies over the window there.
    pub(super) fn pointer(&self) -> Result<Option<(u16, u16)>, DisplayError> {
        let asked = self.link.conn.query_pointer(self.link.root).map_err(ended)?;
        let (Some(at), Some(layout)) = (unless_refused(asked.reply())?, &self.layout) else {
            return Ok(None);
        };
        let (x, y) = (i32::from(at.root_x), i32::from(at.root_y));
        let uppermost = self.around.last().copied().unwrap_or(self.open.id);
        let over = self.base.as_ref().is_some_and(|base| at.child == uppermost && base.place.holds(x, y))
            || self.popups.iter().any(|popup| at.child == popup.window && popup.place.holds(x, y));
        let inside = |at: i32, all: i32| u16::try_from(at.saturating_sub(all)).ok();
        let spot = inside(x, layout.all.x).zip(inside(y, layout.all.y));
        Ok(spot.filter(|_| over && at.same_screen))
    }
}

impl Drop for ShownWindow {
    fn drop(&mut self) {
        // A broken connection is noticed elsewhere.
        let _ = self.link.listen_to_windows(false);
        let quiet = ChangeWindowAttributesAux::new().event_mask(EventMask::NO_EVENT);
        for window in &self.around {
            let _ = self.link.conn.change_window_attributes(*window, &quiet);
        }
    }
}
