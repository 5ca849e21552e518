//! A transient unit of systemd: asked for over D-Bus, with our pipes as its standard input, output and error, and followed
//! to its end.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use tokio::time::timeout;
use zbus::zvariant::{Fd, OwnedObjectPath, OwnedValue, Value};
use zbus::{Connection, MatchRule, MessageStream};

use super::program::{ProgramEnds, UserProgram};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// How long systemd may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a program that is told to stop may take, in microseconds.
const STOP: u64 = 1_000_000;
/// `CLD_EXITED` of wait(2): the program ended by itself.
const EXITED: i32 = 1;
/// From here on, exit codes of systemd's own: it could not start the program.
const SYSTEMDS_OWN: i32 = 200;

/// A unit that lasts as long as its program.
#[derive(Debug)]
pub struct TransientUnit {
    bus: Connection,
    name: String,
    path: OwnedObjectPath,
    changes: MessageStream,
}

/// The bus with systemd on it, or why there is none.
pub(super) async fn reach() -> Result<Connection, String> {
    let reached = timeout(PATIENCE, async {
        let bus = Connection::system().await?;
        // Without this, changes of units aren't told.
        bus.call_method(Some(SYSTEMD), PATH, Some(MANAGER), "Subscribe", &()).await?;
        zbus::Result::Ok(bus)
    });
    match reached.await {
        Ok(Ok(bus)) => Ok(bus),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("it doesn't answer".to_owned()),
    }
}

impl TransientUnit {
    /// Asks for it. The program's ends of the pipes are systemd's from then on.
    pub(super) async fn start(program: &UserProgram, ends: ProgramEnds) -> Result<Self, String> {
        let bus = reach().await?;
        let name = format!("nearhand-user-{}.service", unique());
        let properties = properties(program, &ends)?;
        let asked = timeout(PATIENCE, async {
            let path = object_path(&name);
            // Before it begins: no change is missed.
            let rule = MatchRule::builder()
                .msg_type(zbus::message::Type::Signal)
                .interface(PROPERTIES)?
                .path(path.clone())?
                .build();
            let changes = MessageStream::for_match_rule(rule, &bus, None).await?;
            let auxiliary: Vec<(&str, Vec<(&str, Value<'_>)>)> = Vec::new();
            let arguments = (name.as_str(), "fail", properties, auxiliary);
            bus.call_method(Some(SYSTEMD), PATH, Some(MANAGER), "StartTransientUnit", &arguments).await?;
            zbus::Result::Ok((OwnedObjectPath::try_from(path)?, changes))
        });
        let (path, changes) = match asked.await {
            Ok(asked) => asked.map_err(|error| error.to_string())?,
            Err(_) => return Err("it doesn't answer".to_owned()),
        };
        Ok(Self { bus, name, path, changes })
    }

    /// Waits for its end.
    pub(super) async fn ended(&mut self) -> Result<(), String> {
        loop {
            let state: String =
                self.property("Unit", "ActiveState").await.map_err(|error| error.to_string())?;
            if state == "inactive" || state == "failed" {
                break;
            }
            if next(&mut self.changes).await.is_none() {
                return Err("systemd no longer answers".to_owned());
            }
        }
        let code: i32 = self.property("Service", "ExecMainCode").await.map_err(|error| error.to_string())?;
        let status: i32 =
            self.property("Service", "ExecMainStatus").await.map_err(|error| error.to_string())?;
        // The bus connection held it until now.
        let _ = self.manager("UnrefUnit", &(self.name.as_str(),)).await;
        match (code, status) {
            (EXITED, 0) => Ok(()),
            (EXITED, SYSTEMDS_OWN..) => {
                Err(format!("systemd could not start it, code {status} of systemd.exec(5)"))
            }
            (EXITED, _) => Err(format!("exit status: {status}")),
            _ => Err(format!("signal: {status}")),
        }
    }

    /// Ends it by force.
    pub(super) async fn kill(&self) {
        if let Err(error) = self.manager("StopUnit", &(self.name.as_str(), "replace")).await {
            tracing::warn!(%error, unit = self.name, "systemd doesn't end it");
        }
    }

    async fn manager<B>(&self, method: &str, body: &B) -> zbus::Result<()>
    where
        B: serde::Serialize + zbus::zvariant::DynamicType,
    {
        let call = self.bus.call_method(Some(SYSTEMD), PATH, Some(MANAGER), method, body);
        timeout(PATIENCE, call).await.map_err(|_| zbus::Error::Failure("no answer".to_owned()))?.map(|_| ())
    }

    async fn property<T: TryFrom<OwnedValue>>(&self, of: &str, name: &str) -> zbus::Result<T> {
        let about = (format!("{SYSTEMD}.{of}"), name);
        let call = self.bus.call_method(Some(SYSTEMD), &self.path, Some(PROPERTIES), "Get", &about);
        let reply =
            timeout(PATIENCE, call).await.map_err(|_| zbus::Error::Failure("no answer".to_owned()))??;
        let value: OwnedValue = reply.body().deserialize()?;
        T::try_from(value).map_err(|_| zbus::Error::InvalidReply)
    }
}

async fn next(changes: &mut MessageStream) -> Option<zbus::Result<zbus::Message>> {
    use zbus::export::futures_core::Stream;
    core::future::poll_fn(|context| core::pin::Pin::new(&mut *changes).poll_next(context)).await
}

/// What systemd is asked for.
fn properties<'a>(
    program: &'a UserProgram,
    ends: &'a ProgramEnds,
) -> Result<Vec<(&'static str, Value<'a>)>, String> {
    let text = |given: &OsStr| {
        given
            .to_str()
            .map(str::to_owned)
            .ok_or_else(|| format!("{given:?} is not in UTF-8, which systemd needs"))
    };
    let path = text(program.path.as_os_str())?;
    let mut words = vec![path.clone()];
    for argument in &program.arguments {
        // A dollar sign would begin a variable.
        words.push(text(argument)?.replace('$', "$$"));
    }
    let mut environment = Vec::new();
    for (name, value) in &program.environment {
        environment.push(format!("{}={}", text(name)?, text(value)?));
    }
    // How it ends is ours to judge: a crash of it is no failed service of this machine.
    let ignores_failure = true;
    let pipe = |end: &'a super::ProgramEnd| Value::Fd(Fd::from(end.0.as_fd()));
    Ok(vec![
        ("Description", Value::from(program.description)),
        ("Type", Value::from("exec")),
        ("ExecStart", Value::from(vec![(path, words, ignores_failure)])),
        ("User", Value::from(program.user.to_string())),
        ("Environment", Value::from(environment)),
        ("StandardInputFileDescriptor", pipe(&ends.input)),
        ("StandardOutputFileDescriptor", pipe(&ends.output)),
        ("StandardErrorFileDescriptor", pipe(&ends.errors)),
        ("NoNewPrivileges", Value::from(!program.may_gain_privileges)),
        ("UMask", Value::from(0o077_u32)),
        ("LimitCORE", Value::from(0_u64)),
        ("TimeoutStopUSec", Value::from(STOP)),
        // Kept until we have read how it ended, and then no longer.
        ("AddRef", Value::from(true)),
        ("CollectMode", Value::from("inactive-or-failed")),
    ])
}

/// Different for each program of each agent on a machine.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}-{}-{}", std::process::id(), since.as_nanos(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A unit's path on the bus: bytes other than letters and digits in hexadecimal, as systemd escapes them.
fn object_path(unit: &str) -> String {
    let mut path = format!("{PATH}/unit/");
    for byte in unit.bytes() {
        if byte.is_ascii_alphanumeric() {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("_{byte:02x}"));
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_on_the_bus_are_escaped_as_systemd_does() {
        assert_eq!(object_path("dbus.service"), "/org/freedesktop/systemd1/unit/dbus_2eservice");
        assert_eq!(
            object_path("nearhand-user-1.service"),
            "/org/freedesktop/systemd1/unit/nearhand_2duser_2d1_2eservice"
        );
    }

    #[tokio::test]
    async fn what_systemd_could_not_carry_is_refused_before_it_is_asked() {
        use std::os::unix::ffi::OsStringExt;
        let (_ours, ends) = super::super::Pipes::make().unwrap();
        let mut program = UserProgram {
            description: "a program",
            path: "/bin/true".into(),
            arguments: vec!["$HOME".into()],
            environment: vec![("A".into(), "b c".into())],
            user: 1000,
            may_gain_privileges: false,
        };
        let asked = properties(&program, &ends).unwrap();
        let of = |name: &str| {
            asked.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(of("User"), Value::from("1000"));
        assert_eq!(of("NoNewPrivileges"), Value::from(true));
        assert_eq!(of("Environment"), Value::from(vec!["A=b c".to_owned()]));
        let words = vec!["/bin/true".to_owned(), "$$HOME".to_owned()];
        assert_eq!(of("ExecStart"), Value::from(vec![("/bin/true".to_owned(), words, true)]));
        program.environment.push(("B".into(), std::ffi::OsString::from_vec(vec![0xff])));
        assert!(properties(&program, &ends).unwrap_err().contains("UTF-8"));
    }
}
