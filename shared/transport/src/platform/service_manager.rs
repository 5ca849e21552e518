//! What systemd is told of the program that it started: that it serves, that it stops, and that it is alive. The protocol
//! is sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names. Started by anything else, nobody is told.

use std::time::Duration;

/// The service manager that waits for this program's word, if one does.
#[derive(Debug, Default)]
pub struct ReadinessNotifier {
    #[cfg(target_os = "linux")]
    socket: Option<std::os::unix::net::UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ReadinessNotifier {
    /// As the environment says.
    #[cfg(target_os = "linux")]
    pub fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        let address = std::env::var_os("NOTIFY_SOCKET");
        let watchdog = watchdog(
            variable("WATCHDOG_USEC").as_deref(),
            variable("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        let socket = address.and_then(|address| match connect(&address) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, ?address, "the service manager can't be told that this program runs");
                None
            }
        });
        // A watchdog that can't be fed is none of ours.
        Self { watchdog: watchdog.filter(|_| socket.is_some()), socket }
    }

    /// There is none on this system.
    #[cfg(not(target_os = "linux"))]
    pub fn of_environment() -> Self {
        Self::default()
    }

    /// The program serves: units that come after it may start.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// It is about to end in order.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// What `systemctl status` shows, on one line.
    pub fn status(&self, text: &str) {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.tell(&format!("STATUS={text}"));
    }

    /// How often [`ReadinessNotifier::alive`] must be said; `None`: nobody listens. Half of what the unit allows.
    pub const fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// The program's loop goes round. Said by that loop alone: a timer of its own would vouch for a program that hangs.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    #[cfg(target_os = "linux")]
    fn tell(&self, message: &str) {
        // A manager that doesn't read is one that can't act on it either.
        let _ = self.socket.as_ref().map(|socket| socket.send(message.as_bytes()));
    }

    #[cfg(not(target_os = "linux"))]
    fn tell(&self, _message: &str) {}
}

#[cfg(target_os = "linux")]
fn connect(address: &std::ffi::OsStr) -> std::io::Result<std::os::unix::net::UnixDatagram> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};
    let address = match address.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(address)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that is stuck must not hold up the loop.
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// How often to say so, from `WATCHDOG_USEC` and `WATCHDOG_PID`.
#[cfg(any(target_os = "linux", test))]
fn watchdog(microseconds: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    // Inherited from a parent: its watchdog, not ours.
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let microseconds = microseconds?.parse().ok().filter(|given| *given >= 2)?;
    Some(Duration::from_micros(microseconds) / 2)
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    fn manager(address: &OsStr) -> ReadinessNotifier {
        ReadinessNotifier { socket: Some(connect(address).unwrap()), watchdog: None }
    }

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let read = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..read]).into_owned()
    }

    #[test]
    fn both_forms_of_address_are_reached() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let by_path = UnixDatagram::bind(&path).unwrap();
        manager(path.as_os_str()).ready();
        assert_eq!(heard(&by_path), "READY=1");

        let name = format!("nearhand-test-{}", std::process::id());
        let abstract_name = SocketAddr::from_abstract_name(&name).unwrap();
        let by_name = UnixDatagram::bind_addr(&abstract_name).unwrap();
        let told = manager(&OsString::from(format!("@{name}")));
        told.alive();
        told.status("a copy\nREADY=1");
        assert_eq!(heard(&by_name), "WATCHDOG=1");
        assert_eq!(heard(&by_name), "STATUS=a copy READY=1", "a text can't add a line");
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let nobody = ReadinessNotifier::default();
        nobody.ready();
        nobody.stopping();
        assert_eq!(nobody.watchdog(), None);
    }

    #[test]
    fn the_watchdog_is_fed_twice_in_its_time_and_only_by_its_own_process() {
        assert_eq!(watchdog(Some("60000000"), Some("7"), 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("60000000"), None, 7), Some(Duration::from_secs(30)));
        assert_eq!(watchdog(Some("60000000"), Some("8"), 7), None);
        assert_eq!(watchdog(None, Some("7"), 7), None);
        for wrong in ["0", "1", "-1", "1.5", ""] {
            assert_eq!(watchdog(Some(wrong), None, 7), None, "{wrong}");
        }
    }
}
