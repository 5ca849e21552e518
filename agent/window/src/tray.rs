//! The icon in the desktop's tray (StatusNotifierItem): whether somebody is connected, and "I need help". Where the
//! desktop has no tray, everything works without the icon.

use ksni::menu::{MenuItem, StandardItem};
use ksni::{Handle, Tray, TrayMethods};

use crate::model::view::TrayStatus;

/// A choice in the icon's menu.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TrayChoice {
    Help,
    Open,
    Stop,
}

/// The texts of the menu, and who is told of a choice.
pub(crate) struct TrayLabels {
    pub(crate) help: String,
    pub(crate) open: String,
    pub(crate) stop: String,
    pub(crate) on_choice: Box<dyn Fn(TrayChoice) + Send + Sync>,
}

/// The agent's icon in the desktop's tray, with its menu.
pub(crate) struct TrayIcon {
    status: TrayStatus,
    labels: TrayLabels,
}

/// An icon that is shown.
pub(crate) type TrayHandle = Handle<TrayIcon>;

/// Shows the icon; `None` where the desktop has no tray.
pub(crate) async fn show(labels: TrayLabels) -> Option<TrayHandle> {
    let status = TrayStatus { text: "Nearhand".to_owned(), busy: false };
    TrayIcon { status, labels }.disable_dbus_name(false).assume_sni_available(true).spawn().await.ok()
}

/// Changes what the icon shows.
pub(crate) async fn change(icon: &TrayHandle, status: TrayStatus) {
    icon.update(|icon| icon.status = status).await;
}

/// Width and height of the picture, in pixels.
const SIDE: i32 = 22;

impl Tray for TrayIcon {
    fn id(&self) -> String {
        "nearhand".to_owned()
    }

    fn title(&self) -> String {
        self.status.text.clone()
    }

    fn icon_pixmap(&self) -> Vec<ksni::Icon> {
        vec![disc(self.status.busy)]
    }

    fn tool_tip(&self) -> ksni::ToolTip {
        ksni::ToolTip { title: self.status.text.clone(), ..ksni::ToolTip::default() }
    }

    fn activate(&mut self, _: i32, _: i32) {
        (self.labels.on_choice)(TrayChoice::Open);
    }

    fn menu(&self) -> Vec<MenuItem<Self>> {
        let item = |label: &str, enabled: bool, choice: TrayChoice| {
            MenuItem::Standard(StandardItem {
                label: label.to_owned(),
                enabled,
                activate: Box::new(move |tray: &mut Self| (tray.labels.on_choice)(choice)),
                ..StandardItem::default()
            })
        };
        vec![
            item(&self.status.text, false, TrayChoice::Open),
            MenuItem::Separator,
            item(&self.labels.help, true, TrayChoice::Help),
            item(&self.labels.open, true, TrayChoice::Open),
            item(&self.labels.stop, self.status.busy, TrayChoice::Stop),
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
