//! Which window is meant, what belongs to it, and how it and its menus make one picture. Pure.

use nearhand_screen::{Rect, Size};

use super::protocol::{OpenWindow, WindowTarget};

/// The window that is aimed at, of those that there are (the uppermost first).
pub(crate) fn find<'a>(aim: &WindowTarget, windows: &'a [OpenWindow]) -> Option<&'a OpenWindow> {
    windows.iter().find(|window| match aim {
        WindowTarget::Window(chosen) => is_same(chosen, window),
        WindowTarget::Application(names) => names.contains(&window.application),
    })
}

/// Whether it is still the window that was chosen: displays give ids out again. Its title may have changed.
fn is_same(chosen: &OpenWindow, now: &OpenWindow) -> bool {
    (chosen.id, chosen.process, &chosen.application) == (now.id, now.process, &now.application)
}

/// What is known of a menu or another window without a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PopupWindow {
    /// It was made by the program to which the chosen window belongs, as the display knows it.
    pub same_program: bool,
    /// The window that it says it belongs to.
    pub owner: Option<u32>,
}

/// Whether it is shown with the window. The display vouches for the program; to which of a program's windows a menu
/// belongs only the program says, so without its word it is shown only where there is no other one.
pub(crate) fn belongs(popup: &PopupWindow, window: u32, shown: &[u32], only_window: bool) -> bool {
    let by_its_word = popup.owner.map(|owner| owner == window || shown.contains(&owner));
    popup.same_program && by_its_word.unwrap_or(only_window)
}

/// A rectangle on the screen, which may reach beyond it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct ScreenArea {
    /// Left edge in pixels of the screen.
    pub x: i32,
    /// Upper edge in pixels of the screen.
    pub y: i32,
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

impl ScreenArea {
    fn right(self) -> i32 {
        self.x.saturating_add(self.width.into())
    }

    fn bottom(self) -> i32 {
        self.y.saturating_add(self.height.into())
    }

    fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let length = |from: i32, to: i32| u16::try_from(to.saturating_sub(from)).unwrap_or(u16::MAX);
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: length(x, right), height: length(y, bottom) }
    }

    /// Whether that point of the screen is in it.
    pub(crate) fn holds(self, x: i32, y: i32) -> bool {
        (self.x..self.right()).contains(&x) && (self.y..self.bottom()).contains(&y)
    }

    /// The part of it that is on a screen of that size.
    pub(crate) fn on_screen(self, screen: Size) -> Option<Rect> {
        let clip = |at: i32, end: i32, most: u16| {
            let (from, to) = (at.clamp(0, most.into()), end.clamp(0, most.into()));
            Some((u16::try_from(from).ok()?, u16::try_from(to.checked_sub(from)?).ok()?))
        };
        let (x, width) = clip(self.x, self.right(), screen.width)?;
        let (y, height) = clip(self.y, self.bottom(), screen.height)?;
        Some(Rect::new(x, y, width, height)).filter(|rect| !rect.is_empty())
    }

    /// What of `rect`, which counts from this place's corner, lies in `layer`; counted from the layer's corner.
    pub(crate) fn within(self, rect: Rect, layer: Self) -> Option<Rect> {
        let shift = |rect: Rect, dx: i32, dy: i32| Self {
            x: i32::from(rect.x).saturating_add(dx),
            y: i32::from(rect.y).saturating_add(dy),
            width: rect.width,
            height: rect.height,
        };
        let inside = shift(rect, self.x.saturating_sub(layer.x), self.y.saturating_sub(layer.y));
        inside.on_screen(Size { width: layer.width, height: layer.height })
    }
}

/// The window and what belongs to it, as one picture.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct WindowLayout {
    /// The picture's place on the screen.
    pub all: ScreenArea,
    /// The window, then the rest in the order in which they lie over one another.
    pub layers: Vec<ScreenArea>,
}

impl WindowLayout {
    /// Around these; `None` if they make no picture.
    pub(crate) fn around(layers: Vec<ScreenArea>) -> Option<Self> {
        let all = layers.iter().copied().reduce(ScreenArea::union)?;
        Size::checked(all.width, all.height)?;
        Some(Self { all, layers })
    }

    /// Whether the picture is made up as the other one, wherever on the screen it is.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        let inside = |layout: &Self| {
            let at = layout.all;
            let inside = layout.layers.iter().map(|layer| ScreenArea {
                x: layer.x.saturating_sub(at.x),
                y: layer.y.saturating_sub(at.y),
                ..*layer
            });
            inside.collect::<Vec<_>>()
        };
        inside(self) == inside(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(id: u32, process: u32, application: &str) -> OpenWindow {
        OpenWindow { id, process, application: application.into(), title: id.to_string() }
    }

    fn place(x: i32, y: i32, width: u16, height: u16) -> ScreenArea {
        ScreenArea { x, y, width, height }
    }

    #[test]
    fn a_window_is_found_again_and_no_other_one_for_it() {
        let windows = [window(1, 10, "Mail"), window(2, 20, "Ledger"), window(3, 20, "Ledger")];
        let chosen = OpenWindow { title: "before".into(), ..window(3, 20, "Ledger") };
        assert_eq!(find(&WindowTarget::Window(chosen), &windows).unwrap().id, 3);
        for other in [window(3, 21, "Ledger"), window(3, 20, "Mail"), window(4, 20, "Ledger")] {
            assert_eq!(find(&WindowTarget::Window(other), &windows), None);
        }
        assert_eq!(find(&WindowTarget::Application(vec!["Ledger".into()]), &windows).unwrap().id, 2);
        assert_eq!(find(&WindowTarget::Application(vec!["ledger".into()]), &windows), None);
        assert_eq!(find(&WindowTarget::Application(vec![]), &windows), None);
    }

    #[test]
    fn a_menu_is_shown_only_if_it_can_be_no_other_windows() {
        let popup = |same_program, owner| PopupWindow { same_program, owner };
        for (popup, only, shown) in [
            (popup(true, Some(7)), false, true),
            (popup(true, Some(9)), false, true),
            (popup(true, None), true, true),
            (popup(true, None), false, false),
            (popup(true, Some(8)), true, false),
            (popup(false, Some(7)), true, false),
            (popup(false, None), true, false),
        ] {
            assert_eq!(belongs(&popup, 7, &[9], only), shown, "{popup:?} {only}");
        }
    }

    #[test]
    fn a_picture_holds_the_window_and_its_menus_wherever_they_are() {
        let (base, menu) = (place(-10, 20, 100, 50), place(60, 40, 80, 100));
        let layout = WindowLayout::around(vec![base, menu]).unwrap();
        assert_eq!(layout.all, place(-10, 20, 150, 120));
        // A rectangle over both.
        let rect = Rect::new(60, 10, 40, 30);
        assert_eq!(layout.all.within(rect, base), Some(Rect::new(60, 10, 40, 30)));
        assert_eq!(layout.all.within(rect, menu), Some(Rect::new(0, 0, 30, 20)));
        assert_eq!(layout.all.within(Rect::new(0, 60, 10, 10), base), None);
        assert_eq!(base.on_screen(Size { width: 50, height: 30 }), Some(Rect::new(0, 20, 50, 10)));
        assert_eq!(place(60, 0, 9, 9).on_screen(Size { width: 50, height: 30 }), None);
        let moved = WindowLayout::around(vec![place(5, 5, 100, 50), place(75, 25, 80, 100)]).unwrap();
        assert!(layout.looks_like(&moved));
        assert!(!layout.looks_like(&WindowLayout::around(vec![base]).unwrap()));
        assert_eq!(WindowLayout::around(Vec::new()), None);
        assert!(menu.holds(60, 139) && !menu.holds(60, 140) && !menu.holds(59, 50));
    }
}
