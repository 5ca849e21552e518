//! The desktop's notifications (`org.freedesktop.Notifications`). Where the desktop has none, nothing is lost: the window
//! comes to the front anyway.

use std::collections::HashMap;

use zbus::zvariant::Value;

/// How long a notification is shown, in milliseconds: as long as the agent waits for an answer.
const SHOWN_MILLIS: i32 = 60_000;

/// Shows a notification.
pub(crate) async fn show(title: &str, body: &str) {
    let Ok(bus) = zbus::Connection::session().await else { return };
    let actions: [&str; 0] = [];
    let urgent = HashMap::from([("urgency", Value::U8(2))]);
    // Some servers read markup in the body.
    let body = body.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let call = ("Nearhand", 0_u32, "nearhand", title, body.as_str(), &actions[..], urgent, SHOWN_MILLIS);
    let to = "org.freedesktop.Notifications";
    let _ = bus.call_method(Some(to), "/org/freedesktop/Notifications", Some(to), "Notify", &call).await;
}
