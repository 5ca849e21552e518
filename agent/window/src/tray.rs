//! The icon in the desktop's tray (StatusNotifierItem): whether somebody is connected, and "I need help". A desktop
//! without a tray has none; everything works without.

use ksni::menu::{MenuItem, StandardItem};
use ksni::{Handle, Tray, TrayMethods};

/// What the icon shows.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Icon {
    pub(crate) words: String,
    pub(crate) busy: bool,
}

/// What can be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Chosen {
    Help,
    Open,
    Stop,
}

/// The words of its menu, and who is told what was chosen.
pub(crate) struct Labels {
    pub(crate) help: String,
    pub(crate) open: String,
    pub(crate) stop: String,
    pub(crate) chosen: Box<dyn Fn(Chosen) + Send + Sync>,
}

/// An icon in the tray.
pub(crate) struct Nearhand {
    icon: Icon,
    labels: Labels,
}

pub(crate) type Shown = Handle<Nearhand>;

/// Puts it there; none without a tray.
pub(crate) async fn show(labels: Labels) -> Option<Shown> {
    let icon = Icon { words: "Nearhand".to_owned(), busy: false };
    Nearhand { icon, labels }.disable_dbus_name(false).assume_sni_available(true).spawn().await.ok()
}

/// Changes it.
pub(crate) async fn change(shown: &Shown, icon: Icon) {
    shown.update(|tray| tray.icon = icon).await;
}

/// Side of the picture, in pixels.
const SIDE: i32 = 22;

impl Tray for Nearhand {
    fn id(&self) -> String {
        "nearhand".to_owned()
    }

    fn title(&self) -> String {
        self.icon.words.clone()
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        vec![disc(self.icon.busy)]
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        ksni::ToolTip { title: self.icon.words.clone(), ..ksni::ToolTip::default() }
    }

    fn activate(&mut self, _: i32, _: i32) {
        (self.labels.chosen)(Chosen::Open);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let item = |label: &str, enabled: bool, chosen: Chosen| {
            MenuItem::Standard(StandardItem {
                label: label.to_owned(),
                enabled,
                activate: Box::new(move |tray: &mut Self| (tray.labels.chosen)(chosen)),
                ..StandardItem::default()
            })
        };
        vec![
            item(&self.icon.words, false, Chosen::Open),
            MenuItem::Separator,
            item(&self.labels.help, true, Chosen::Help),
            item(&self.labels.open, true, Chosen::Open),
            item(&self.labels.stop, self.icon.busy, Chosen::Stop),
        ]
    }
}

/// A disc: blue, and red with a white centre while somebody is connected.
fn disc(busy: bool) -> ksni::Icon {
    let (red, blue) = ([255, 0xb3, 0x26, 0x1e], [255, 0x1a, 0x56, 0xb8]);
    let mut data = Vec::new();
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (dx, dy) = (2 * x - SIDE + 1, 2 * y - SIDE + 1);
            let square = dx * dx + dy * dy;
            let pixel: [u8; 4] = match square {
                0..=100 if busy => [255; 4],
                0..=400 if busy => red,
                0..=400 => blue,
                _ => [0; 4],
            };
            data.extend(pixel);
        }
    }
    ksni::Icon { width: SIDE, height: SIDE, data }
}
