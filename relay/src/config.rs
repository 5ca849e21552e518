//! The configuration file: what the operator may set, its defaults, and what is wrong with it.
//!
//! Unknown keys are errors: a misspelt limit must not be silently no limit.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use nearhand_proto::forward::RateLimits;
use nearhand_relay_core::admission::AdmissionRules;
use nearhand_relay_core::alarm::damping::DampingLimit;
use serde::Deserialize;

use crate::control::{ControlLimits, SilenceLimits};
use crate::host_name::parse_host;
use crate::notify::config::{self as receivers, ReceiverError, ReceiverSection, ReceiverSettings};

/// The relay's UDP port when nothing else is said.
pub const PORT: u16 = 7443;
/// Name of the file in the data directory.
pub const FILE: &str = "relay.toml";
/// Bytes of a full datagram: turns a rate in bits into one in packets, generously.
const SMALL_PACKET: u64 = 300;

/// The whole file. See [`template`] for what each key means.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// The file itself.
    #[serde(skip)]
    pub file: PathBuf,
    /// Where to listen, UDP.
    #[serde(default = "listen")]
    pub listen: SocketAddr,
    /// The name or address that agents and clients reach this relay by.
    pub public_host: String,
    /// The port that they reach it by.
    #[serde(default = "port")]
    pub public_port: u16,
    /// Where metrics and health are served over plain HTTP, or `"off"`.
    #[serde(default = "metrics_listen")]
    pub metrics_listen: ListenAddress,
    /// Where the HTTP interface for programs is served, on this machine alone, or `"off"`.
    #[serde(default = "off")]
    pub api_listen: ListenAddress,
    /// Names by which metrics and health may be asked, besides addresses and `localhost`.
    #[serde(default)]
    pub allowed_hosts: Vec<String>,
    /// The data directory; the one of the file itself if it isn't given.
    #[serde(default)]
    pub data: Option<PathBuf>,
    /// PostgreSQL instead of the file in the data directory.
    #[serde(default)]
    pub database_url: Option<String>,
    /// Whether machines that aren't enrolled may ask for help.
    #[serde(default = "yes")]
    pub allow_guests: bool,
    /// The `[limits]` section.
    #[serde(default)]
    pub limits: LimitsSection,
    /// Days for which ended sessions are listed; the audit log is kept for ever.
    #[serde(default = "session_days")]
    pub keep_sessions_days: u32,
    /// Days for which alarms are kept that are over, with their history.
    #[serde(default = "session_days")]
    pub keep_alarms_days: u32,
    /// Who is told of alarms.
    #[serde(default)]
    pub receivers: Vec<ReceiverSection>,
    /// The `[log]` section.
    #[serde(default)]
    pub log: LogSection,
}

/// The `[limits]` section: how much the relay takes on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Most enrolled devices.
    pub max_devices: usize,
    /// Most guests connected at once.
    pub max_guests: usize,
    /// Most running sessions.
    pub max_sessions: usize,
    /// Most connections that have not been welcomed yet.
    pub max_handshakes_pending: usize,
    /// What each side of a session may send, in Mbit/s.
    pub session_mbit_per_s: u32,
    /// Changes of one alarm that receivers hear of within ten minutes; 0: all.
    pub max_alarm_changes_told: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            max_devices: 10_000,
            max_guests: 500,
            max_sessions: 1_000,
            max_handshakes_pending: 1_024,
            session_mbit_per_s: 200,
            max_alarm_changes_told: DampingLimit::default().0,
        }
    }
}

/// The `[log]` section: what is logged, and in which form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    /// Lines for people or for machines.
    pub format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: LogLevel,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: LogLevel::Info }
    }
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for each event, for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// From which severity on something is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What needs somebody now.
    Error,
    /// What somebody should look at.
    Warn,
    /// Also what happened in normal operation.
    Info,
    /// How it happened.
    Debug,
    /// Each step, for the search of a fault.
    Trace,
}

/// An address to listen on, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ListenAddress {
    /// Listen on this address.
    On(SocketAddr),
    /// Do not listen.
    Off,
}

impl TryFrom<String> for ListenAddress {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.as_str() {
            "off" => Ok(Self::Off),
            address => address
                .parse()
                .map(Self::On)
                .map_err(|_| format!("{address:?} is neither an address with a port nor \"off\"")),
        }
    }
}

fn listen() -> SocketAddr {
    SocketAddr::from(([0_u16; 8], PORT))
}

fn port() -> u16 {
    PORT
}

fn metrics_listen() -> ListenAddress {
    ListenAddress::On(SocketAddr::from(([127, 0, 0, 1], 9464)))
}

fn off() -> ListenAddress {
    ListenAddress::Off
}

fn yes() -> bool {
    true
}

fn session_days() -> u32 {
    365
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("can't read {0}")]
    Read(PathBuf, #[source] std::io::Error),
    /// It is no valid TOML, has an unknown key or a value of the wrong kind; the text names line and column.
    #[error("{path} is not valid: {problem}")]
    Parse {
        /// The file that was read.
        path: PathBuf,
        /// Where and what.
        problem: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: {key} {problem}")]
    Value {
        /// The file that was read.
        path: PathBuf,
        /// Of which key.
        key: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
}

impl RelayConfig {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`]: the file can't be read, is no valid TOML, or sets a key to a value that isn't allowed.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|e| ConfigError::Read(path.to_owned(), e))?;
        Self::parse(&text, path)
    }

    /// Checks a file's text.
    ///
    /// # Errors
    /// [`ConfigError`]: the text is no valid TOML, or sets a key to a value that isn't allowed; it names the key.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text)
            .map_err(|e| ConfigError::Parse { path: path.to_owned(), problem: Box::new(e) })?;
        config.file = path.to_owned();
        let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        config.data = Some(match config.data {
            // Relative to the file, so that it doesn't depend on where the program was started.
            Some(data) => directory.join(data),
            None => directory.to_owned(),
        });
        let wrong = |(key, problem)| ConfigError::Value { path: path.to_owned(), key, problem };
        let host =
            parse_host(&config.public_host).map_err(|problem| wrong(("public_host", problem.to_string())))?;
        config.public_host = host.to_owned();
        config.check().map_err(wrong)?;
        Ok(config)
    }

    fn check(&self) -> Result<(), (&'static str, String)> {
        if self.public_port == 0 {
            return Err(("public_port", "can't be 0: agents must know the port".into()));
        }
        if self.allowed_hosts.len() > 50 {
            return Err(("allowed_hosts", "can have 50 names".into()));
        }
        for name in &self.allowed_hosts {
            parse_host(name).map_err(|problem| ("allowed_hosts", format!("{name:?} {problem}")))?;
        }
        if let ListenAddress::On(address) = self.api_listen
            && !address.ip().is_loopback()
        {
            let problem = "must be a loopback address: tokens would cross the network in the clear. Put a proxy with TLS \
                           in front of it (docs/relay.md)";
            return Err(("api_listen", problem.into()));
        }
        if let Some(url) = &self.database_url
            && !url.starts_with("postgres://")
            && !url.starts_with("postgresql://")
        {
            let problem = "must begin with postgres:// (leave it out for the embedded database)";
            return Err(("database_url", problem.into()));
        }
        let limits = &self.limits;
        let range = |key, value: usize, low: usize, high: usize| {
            let problem = format!("is {value}; it can be {low} to {high}");
            if (low..=high).contains(&value) { Ok(()) } else { Err((key, problem)) }
        };
        range("limits.max_devices", limits.max_devices, 1, 1_000_000)?;
        range("limits.max_guests", limits.max_guests, 0, 10_000)?;
        range("limits.max_sessions", limits.max_sessions, 1, 20_000)?;
        range("limits.max_handshakes_pending", limits.max_handshakes_pending, 16, 65_536)?;
        let mbit = usize::try_from(limits.session_mbit_per_s).unwrap_or(usize::MAX);
        range("limits.session_mbit_per_s", mbit, 1, 10_000)?;
        let days = usize::try_from(self.keep_sessions_days).unwrap_or(usize::MAX);
        range("keep_sessions_days", days, 1, 36_500)?;
        let days = usize::try_from(self.keep_alarms_days).unwrap_or(usize::MAX);
        range("keep_alarms_days", days, 1, 36_500)
    }

    /// The data directory.
    pub fn data(&self) -> &Path {
        self.data.as_deref().unwrap_or(Path::new("."))
    }

    /// Files that receivers need, as the configuration names them: relative to the data directory.
    pub fn named_files(&self) -> Vec<PathBuf> {
        let all: std::collections::BTreeSet<&PathBuf> =
            self.receivers.iter().flat_map(ReceiverSection::files).collect();
        all.into_iter().cloned().collect()
    }

    /// Who is told of alarms, with their secrets. Files are relative to the data directory.
    ///
    /// # Errors
    /// [`ReceiverError`]: a receiver's section is wrong, its secret can't be read, or two receivers have one name.
    pub fn receivers(&self) -> Result<Vec<ReceiverSettings>, ReceiverError> {
        receivers::receivers(&self.receivers, self.data())
    }

    /// What the control plane needs of it.
    pub fn control_limits(&self) -> ControlLimits {
        let bytes_per_s = u64::from(self.limits.session_mbit_per_s) * 1_000_000 / 8;
        let packets = (bytes_per_s / SMALL_PACKET).max(1_000);
        ControlLimits {
            rules: AdmissionRules { allow_guests: self.allow_guests, max_devices: self.limits.max_devices },
            max_guests: self.limits.max_guests,
            max_sessions: self.limits.max_sessions,
            max_handshakes_pending: self.limits.max_handshakes_pending,
            rate: RateLimits { bytes_per_s, packets_per_s: u32::try_from(packets).unwrap_or(u32::MAX) },
            session_days: self.keep_sessions_days,
            alarm_days: self.keep_alarms_days,
            patience: SilenceLimits::default(),
            damping: DampingLimit(self.limits.max_alarm_changes_told),
        }
    }
}

/// The file that `init` writes: every key with its meaning; those with a `#` show their default.
pub fn template(host: &str, port: u16, database_url: Option<&str>) -> String {
    let listen_line = if port == PORT {
        format!("# listen = \"[::]:{PORT}\"")
    } else {
        format!("listen = \"[::]:{port}\"")
    };
    let port_line =
        if port == PORT { format!("# public_port = {PORT}") } else { format!("public_port = {port}") };
    let database_line = match database_url {
        Some(url) => format!("database_url = {}", toml::Value::from(url)),
        None => "# database_url = \"postgres://nearhand:PASSWORD@db.example/nearhand\"".to_owned(),
    };
    let host = toml::Value::from(host);
    include_str!("relay.toml.in")
        .replace("@HOST@", &host.to_string())
        .replace("@LISTEN@", &listen_line)
        .replace("@PORT@", &port_line)
        .replace("@DATABASE@", &database_line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<RelayConfig, String> {
        RelayConfig::parse(text, Path::new("/etc/nearhand/relay.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_generated_file_is_valid_and_shows_the_defaults() {
        let text = template("relay.example", PORT, None);
        let config = parse(&text).unwrap();
        assert_eq!(config.data(), Path::new("/etc/nearhand"));
        assert!(
            parse(&template("relay.example", 443, Some("postgres://a:b@c/d")))
                .unwrap()
                .database_url
                .is_some()
        );
        // Every commented-out key, switched on, changes nothing.
        let all: String = text
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest
                        .split_once(" = ")
                        .is_some_and(|(k, _)| k.chars().all(|c| c.is_ascii_lowercase() || c == '_')) =>
                {
                    rest
                }
                _ => line,
            })
            .filter(|line| !line.starts_with("database_url") && !line.starts_with("data ="))
            .map(|line| format!("{line}\n"))
            .collect();
        let full = parse(&all).unwrap();
        assert_eq!(format!("{full:?}"), format!("{config:?}"));
        for key in [
            "listen",
            "public_port",
            "metrics_listen",
            "api_listen",
            "allowed_hosts",
            "allow_guests",
            "max_devices",
            "max_guests",
            "max_sessions",
            "max_handshakes_pending",
            "session_mbit_per_s",
            "keep_sessions_days",
            "keep_alarms_days",
            "format",
            "level",
        ] {
            assert!(all.contains(&format!("\n{key} = ")), "{key} is missing in the generated file");
        }
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let error = parse("public_host = \"a\"\n\nallow_gests = true\n").unwrap_err();
        assert!(error.contains("line 3") && error.contains("allow_gests"), "{error}");
        let error = parse("public_host = \"a\"\n[limits]\nmax_devices = 0\n").unwrap_err();
        assert!(error.contains("limits.max_devices is 0; it can be 1 to 1000000"), "{error}");
        assert!(parse("public_host = \"https://a\"\n").unwrap_err().contains("public_host"));
        assert!(parse("public_host = \"a\"\nmetrics_listen = \"on\"\n").unwrap_err().contains("line 2"));
        assert!(
            parse("public_host = \"a\"\ndatabase_url = \"mysql://x\"\n").unwrap_err().contains("postgres://")
        );
        let open = parse("public_host = \"a\"\napi_listen = \"0.0.0.0:9465\"\n").unwrap_err();
        assert!(open.contains("api_listen must be a loopback address"), "{open}");
        assert!(parse("").unwrap_err().contains("public_host"));
        assert_eq!(parse("public_host = \"[::1]\"\n").unwrap().public_host, "::1");
        assert_eq!(
            parse("public_host = \"::1\"\nmetrics_listen = \"off\"").unwrap().metrics_listen,
            ListenAddress::Off
        );
    }
}
