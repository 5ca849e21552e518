//! The services that a desktop has on its message bus, as small as they can be and speaking the real protocols: what
//! shows notifications, what keeps the tray's icons, what knows whether people like it dark. Lives here: being those,
//! and using an icon as a tray does. Must not live here: what a test expects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use zbus::blocking::connection::Builder;
use zbus::blocking::{Connection, Proxy};
use zbus::interface;
use zbus::message::Header;
use zbus::zvariant::{OwnedObjectPath, OwnedValue, Structure, Value};

use crate::deployment::LIMIT;
use crate::program::until;
use crate::screen_reader::DesktopSession;

/// What a notification said.
#[derive(Clone, Debug)]
pub struct ShownNotification {
    /// Which program says that it is from it.
    pub program: String,
    /// The title it was shown with.
    pub title: String,
    /// Its text, with markup.
    pub body: String,
    /// 0 low, 1 normal, 2 critical.
    pub urgency: Option<u8>,
}

type Told = Arc<Mutex<Vec<ShownNotification>>>;

/// What shows notifications (Desktop Notifications Specification 1.2).
pub struct NotificationService {
    told: Told,
    _bus: Connection,
}

struct NotificationInterface {
    told: Told,
}

#[interface(name = "org.freedesktop.Notifications")]
impl NotificationInterface {
    #[allow(clippy::too_many_arguments, clippy::needless_pass_by_value, reason = "the specification's own")]
    fn notify(
        &self,
        app_name: String,
        _replaces_id: u32,
        _app_icon: String,
        summary: String,
        body: String,
        _actions: Vec<String>,
        hints: HashMap<String, OwnedValue>,
        _expire_timeout: i32,
    ) -> u32 {
        let urgency = hints.get("urgency").and_then(|value| u8::try_from(value).ok());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(ShownNotification { program: app_name, title: summary, body, urgency });
        u32::try_from(told.len()).unwrap_or(u32::MAX)
    }

    #[allow(clippy::unused_self, reason = "the interface's form")]
    fn get_capabilities(&self) -> Vec<String> {
        vec!["body".to_owned(), "body-markup".to_owned()]
    }
}

impl NotificationService {
    /// On that desktop.
    ///
    /// # Errors
    /// Another program does it already.
    pub fn on(session: &DesktopSession) -> Result<Self> {
        let told = Told::default();
        let bus = Builder::address(session.address.as_str())?
            .serve_at("/org/freedesktop/Notifications", NotificationInterface { told: told.clone() })?
            .name("org.freedesktop.Notifications")?
            .build()?;
        Ok(Self { told, _bus: bus })
    }

    /// All that were shown so far.
    #[must_use]
    pub fn all(&self) -> Vec<ShownNotification> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The first that is shown, as soon as it is.
    ///
    /// # Errors
    /// No notification came within the limit.
    pub fn first(&self) -> Result<ShownNotification> {
        until(LIMIT, "a notification", || Ok(!self.all().is_empty()))?;
        self.all().into_iter().next().context("none")
    }
}

type Items = Arc<Mutex<Vec<String>>>;

/// What keeps the tray's icons (StatusNotifierWatcher), and a tray that shows them.
pub struct TrayService {
    items: Items,
    bus: Connection,
}

struct TrayWatcher {
    items: Items,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl TrayWatcher {
    #[allow(clippy::needless_pass_by_value, reason = "the interface's form")]
    fn register_status_notifier_item(&self, service: String, #[zbus(header)] header: Header<'_>) {
        // A name on the bus, or a path of the caller.
        let item = match service.starts_with('/') {
            true => header.sender().map(ToString::to_string).unwrap_or_default(),
            false => service,
        };
        self.items.lock().unwrap_or_else(PoisonError::into_inner).push(item);
    }

    #[allow(clippy::unused_self, clippy::needless_pass_by_value, reason = "the interface's form")]
    fn register_status_notifier_host(&self, _service: String) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[zbus(property)]
    #[allow(clippy::unused_self, reason = "the interface's form")]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    #[allow(clippy::unused_self, reason = "the interface's form")]
    fn protocol_version(&self) -> i32 {
        0
    }
}

/// One line of an icon's menu.
#[derive(Clone, Debug)]
pub struct MenuLine {
    number: i32,
    /// What it says; empty for a separator.
    pub label: String,
    /// Whether it can be chosen.
    pub enabled: bool,
}

/// The answer of `com.canonical.dbusmenu.GetLayout`: revision, and number, properties and children of the root.
type Layout = (u32, (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>));

impl TrayService {
    /// On that desktop.
    ///
    /// # Errors
    /// Another program does it already.
    pub fn on(session: &DesktopSession) -> Result<Self> {
        let items = Items::default();
        let bus = Builder::address(session.address.as_str())?
            .serve_at("/StatusNotifierWatcher", TrayWatcher { items: items.clone() })?
            .name("org.kde.StatusNotifierWatcher")?
            .build()?;
        Ok(Self { items, bus })
    }

    fn item(&self) -> Option<String> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner).last().cloned()
    }

    /// What the newest icon says when somebody points at it, as soon as it is as wanted.
    ///
    /// # Errors
    /// It doesn't become so.
    pub fn says(&self, wanted: impl Fn(&str) -> bool) -> Result<String> {
        let mut title = String::new();
        until(LIMIT, "what the icon says", || {
            let Some(item) = self.item() else { return Ok(false) };
            let icon = self.proxy(&item, "/StatusNotifierItem", "org.kde.StatusNotifierItem")?;
            title = icon.get_property("Title").unwrap_or_default();
            Ok(wanted(&title))
        })
        .with_context(|| format!("it says {title:?}"))?;
        Ok(title)
    }

    /// The lines of the newest icon's menu.
    ///
    /// # Errors
    /// It has none.
    pub fn menu(&self) -> Result<Vec<MenuLine>> {
        let item = self.item().context("no icon")?;
        let (_, (_, _, children)): Layout =
            self.of_menu(&item)?.call("GetLayout", &(0_i32, -1_i32, Vec::<String>::new()))?;
        children.into_iter().map(line).collect()
    }

    /// Chooses the line of the newest icon's menu that says this.
    ///
    /// # Errors
    /// There is none.
    pub fn choose(&self, label: &str) -> Result<()> {
        let line = self.menu()?.into_iter().find(|line| line.label == label && line.enabled);
        let line = line.with_context(|| format!("{label:?} can't be chosen"))?;
        let item = self.item().context("no icon")?;
        let event = (line.number, "clicked", Value::from(0_i32), 0_u32);
        Ok(self.of_menu(&item)?.call("Event", &event)?)
    }

    fn of_menu<'a>(&'a self, item: &'a str) -> Result<Proxy<'a>> {
        let icon = self.proxy(item, "/StatusNotifierItem", "org.kde.StatusNotifierItem")?;
        let path: OwnedObjectPath = icon.get_property("Menu")?;
        let builder = zbus::blocking::proxy::Builder::<Proxy<'a>>::new(&self.bus)
            .destination(item)?
            .path(path.into_inner())?
            .interface("com.canonical.dbusmenu")?;
        Ok(builder.build()?)
    }

    fn proxy<'a>(&'a self, item: &'a str, path: &'a str, interface: &'a str) -> Result<Proxy<'a>> {
        let builder = zbus::blocking::proxy::Builder::<Proxy<'a>>::new(&self.bus)
            .destination(item)?
            .path(path)?
            .interface(interface)?
            .cache_properties(zbus::proxy::CacheProperties::No);
        Ok(builder.build()?)
    }
}

/// A child of a layout: its number, its properties, and more that has no place here.
fn line(child: OwnedValue) -> Result<MenuLine> {
    let child = Structure::try_from(child)?;
    let (Some(Value::I32(number)), Some(Value::Dict(properties))) =
        (child.fields().first(), child.fields().get(1))
    else {
        anyhow::bail!("not a line of a menu: {child:?}");
    };
    let label: Option<String> = properties.get(&"label").ok().flatten();
    let enabled: Option<bool> = properties.get(&"enabled").ok().flatten();
    Ok(MenuLine { number: *number, label: label.unwrap_or_default(), enabled: enabled.unwrap_or(true) })
}

/// What knows how people want their programs to look (XDG portal `PortalInterface`, version 2).
pub struct SettingsPortal {
    _bus: Connection,
}

struct PortalInterface {
    dark: bool,
}

impl PortalInterface {
    /// Of `org.freedesktop.appearance`, `color-scheme`: 0 no preference, 1 dark.
    fn scheme(&self) -> u32 {
        u32::from(self.dark)
    }
}

#[interface(name = "org.freedesktop.portal.Settings")]
impl PortalInterface {
    fn read_one(&self, namespace: &str, key: &str) -> zbus::fdo::Result<Value<'static>> {
        match (namespace, key) {
            ("org.freedesktop.appearance", "color-scheme") => Ok(Value::from(self.scheme())),
            _ => Err(zbus::fdo::Error::Failed("no such setting".to_owned())),
        }
    }

    fn read(&self, namespace: &str, key: &str) -> zbus::fdo::Result<Value<'static>> {
        Ok(Value::new(self.read_one(namespace, key)?))
    }

    #[allow(clippy::needless_pass_by_value, reason = "the interface's form")]
    fn read_all(&self, _namespaces: Vec<String>) -> HashMap<String, HashMap<String, Value<'static>>> {
        let scheme = HashMap::from([("color-scheme".to_owned(), Value::from(self.scheme()))]);
        HashMap::from([("org.freedesktop.appearance".to_owned(), scheme)])
    }

    #[zbus(property, name = "version")]
    #[allow(clippy::unused_self, reason = "the interface's form")]
    fn version(&self) -> u32 {
        2
    }
}

impl SettingsPortal {
    /// On that desktop, for somebody who likes it dark or doesn't mind.
    ///
    /// # Errors
    /// Another program does it already.
    pub fn on(session: &DesktopSession, dark: bool) -> Result<Self> {
        let bus = Builder::address(session.address.as_str())?
            .serve_at("/org/freedesktop/portal/desktop", PortalInterface { dark })?
            .name("org.freedesktop.portal.Desktop")?
            .build()?;
        Ok(Self { _bus: bus })
    }
}
