//! Which code may do what. Every line is a decision with its reason; everything not listed here may do nothing.

use crate::source::matches;

/// What a driver may do and a core may not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ability {
    /// Know quinn and tokio: sockets, tasks, timers.
    Async,
    /// Read a clock.
    Clock,
    /// Draw random bytes.
    Random,
}

use Ability::{Async, Clock, Random};

/// Code at an edge of the program.
#[derive(Debug)]
pub struct Driver {
    /// Which files: see [`fn@matches`].
    pub at: &'static str,
    /// What they may do.
    pub may: &'static [Ability],
    /// Why that is their business.
    pub because: &'static str,
}

const ALL: &[Ability] = &[Async, Clock, Random];

/// The edges. A module that isn't here takes time and randomness as arguments and opens nothing.
pub const DRIVERS: &[Driver] = &[
    Driver { at: "shared/transport/src/**", may: ALL, because: "the QUIC transport both ends share" },
    Driver { at: "agent/src/main.rs", may: ALL, because: "starts the program" },
    Driver {
        at: "agent/src/command/**",
        may: ALL,
        because: "the agent's subcommands, each with its event loop",
    },
    Driver {
        at: "agent/src/service.rs",
        may: ALL,
        because: "starts the agent's tasks and ends them on a signal",
    },
    Driver {
        at: "agent/src/hub/**",
        may: ALL,
        because: "joins the sessions' state with clock, timers and the tasks that wait for it",
    },
    Driver {
        at: "agent/src/home.rs",
        may: &[Random],
        because: "the device's keys are born where they are kept",
    },
    Driver {
        at: "agent/src/audit.rs",
        may: &[Clock],
        because: "the record's writer, which notes when rows were lost",
    },
    Driver {
        at: "agent/src/off_loop.rs",
        may: &[Async],
        because: "moves work that waits for a disk to a thread",
    },
    Driver { at: "agent/src/restart.rs", may: &[Async], because: "asks systemd why the agent stops" },
    Driver { at: "agent/src/control/**", may: ALL, because: "the connection to the relay" },
    Driver {
        at: "agent/src/alarm/mod.rs",
        may: &[Async],
        because: "starts the alarms' thread and tasks, and asks them",
    },
    Driver { at: "agent/src/alarm/response.rs", may: ALL, because: "diagnoses and repairs after an alarm" },
    Driver { at: "agent/src/alarm/handle.rs", may: &[Async], because: "asks the alarms' thread" },
    Driver {
        at: "agent/src/alarm/orders.rs",
        may: &[Async],
        because: "the questions to the alarms' thread carry the way of their answers",
    },
    Driver {
        at: "agent/src/alarm/worker.rs",
        may: &[Async, Random],
        because: "the alarms' own thread; the spool's stream is born here",
    },
    Driver {
        at: "agent/src/alarm/clock.rs",
        may: &[Clock],
        because: "the one place where alarms read clocks",
    },
    Driver {
        at: "agent/src/alarm/probes.rs",
        may: &[Async, Clock],
        because: "follows systemd and the journal, asks disks and gateway",
    },
    Driver {
        at: "agent/src/alarm/deliver.rs",
        may: ALL,
        because: "sends what waits to the relay, again after random waits",
    },
    Driver {
        at: "agent/src/alarm/shutdown.rs",
        may: &[Async, Clock],
        because: "listens to logind and tells the relay",
    },
    Driver {
        at: "agent/src/runbook/mod.rs",
        may: &[Async, Random],
        because: "starts runs and follows them; the ids of those that a rule starts are born here",
    },
    Driver {
        at: "agent/src/runbook/carry.rs",
        may: &[Async],
        because: "a run's task, which tells whoever follows it",
    },
    Driver { at: "agent/src/runbook/exec.rs", may: &[Async], because: "carries a run out within its time" },
    Driver { at: "agent/src/runbook/acts/**", may: ALL, because: "does what runbooks are made of" },
    Driver { at: "agent/src/session/**", may: ALL, because: "the session's connection and its streams" },
    Driver { at: "agent/src/local/**", may: ALL, because: "the socket to the person at the device" },
    Driver {
        at: "agent/desktop/src/child.rs",
        may: &[Clock],
        because: "the desktop process's loop, which waits for its display and its agent",
    },
    Driver { at: "agent/desktop/src/view.rs", may: &[Clock], because: "measures captures and paces them" },
    Driver { at: "agent/desktop/src/coder.rs", may: &[Clock], because: "the thread that codes frames" },
    Driver { at: "agent/desktop/src/process.rs", may: &[Async], because: "starts the desktop process" },
    Driver {
        at: "agent/desktop/src/user_process/**",
        may: &[Async, Clock],
        because: "starts programs as users, by systemd or itself, under names that are new",
    },
    Driver {
        at: "agent/desktop/src/user_process.rs",
        may: &[Async],
        because: "starts programs as users, by systemd or itself",
    },
    Driver {
        at: "agent/desktop/src/windows.rs",
        may: &[Async],
        because: "asks a desktop process for the windows",
    },
    Driver {
        at: "agent/desktop/src/picture.rs",
        may: &[Async],
        because: "asks a desktop process for one picture",
    },
    Driver { at: "agent/desktop/src/find/mod.rs", may: &[Async], because: "looks for the display" },
    Driver {
        at: "agent/desktop/src/find/logind.rs",
        may: &[Async, Clock],
        because: "asks logind over D-Bus",
    },
    Driver { at: "agent/src/platform/**", may: ALL, because: "the operating system" },
    Driver {
        at: "agent/diagnostics/src/facts/**",
        may: ALL,
        because: "reads the machine, runs programs, asks the network with numbers that can't be guessed",
    },
    Driver {
        at: "agent/diagnostics/src/runner/**",
        may: &[Async, Clock],
        because: "runs the collectors with limits",
    },
    Driver { at: "agent/window/src/main.rs", may: ALL, because: "starts the window's threads" },
    Driver {
        at: "agent/window/src/record_file.rs",
        may: &[Clock],
        because: "names a record's file after the time",
    },
    Driver {
        at: "agent/window/src/agent_client.rs",
        may: &[Async],
        because: "the agent's socket and the desktop's bus",
    },
    Driver { at: "agent/window/src/tray.rs", may: &[Async], because: "the icon on the desktop's bus" },
    Driver {
        at: "agent/window/src/notification.rs",
        may: &[Async],
        because: "notifications on the desktop's bus",
    },
    Driver {
        at: "agent/window/src/ui/**",
        may: &[Async, Clock],
        because: "the toolkit's loop and its timer; requests to the agent client",
    },
    Driver { at: "agent/window/src/platform/**", may: &[Clock], because: "the X server" },
    Driver { at: "relay/src/main.rs", may: ALL, because: "starts the runtime" },
    Driver {
        at: "relay/src/command/**",
        may: ALL,
        because: "the relay's subcommands, each with its event loop",
    },
    Driver { at: "relay/src/control/**", may: ALL, because: "the connections of agents and clients" },
    Driver { at: "relay/src/forward/driver/**", may: ALL, because: "the UDP socket" },
    Driver { at: "relay/src/platform/**", may: &[Async], because: "the operating system" },
    Driver { at: "relay/src/http/**", may: ALL, because: "the HTTP listener" },
    Driver { at: "relay/src/serve/**", may: &[Async], because: "starts the relay's parts and stops them" },
    Driver {
        at: "relay/src/store/**",
        may: ALL,
        because: "the database; the relay's own alarm stream is born when it is opened",
    },
    Driver { at: "relay/src/notify/worker.rs", may: ALL, because: "the workers that deliver notices" },
    Driver {
        at: "relay/src/notify/sender.rs",
        may: ALL,
        because: "one try at a receiver, stamped with the time",
    },
    Driver { at: "relay/src/notify/http.rs", may: ALL, because: "requests to receivers" },
    Driver { at: "relay/src/notify/stream.rs", may: ALL, because: "connections to receivers" },
    Driver { at: "relay/src/notify/mqtt.rs", may: &[Async], because: "talks to a broker" },
    Driver { at: "relay/src/notify/mail.rs", may: &[Async], because: "hands mail to its server" },
    Driver { at: "technician/src/program.rs", may: ALL, because: "starts the runtime" },
    Driver {
        at: "technician/src/command/**",
        may: ALL,
        because: "the client's subcommands, each with its event loop",
    },
    Driver {
        at: "technician/src/relay/mod.rs",
        may: ALL,
        because: "the connection to the relay, made again with random waits",
    },
    Driver { at: "technician/src/relay/pushes.rs", may: &[Async], because: "listens on that connection" },
    Driver {
        at: "technician/src/clock.rs",
        may: &[Clock],
        because: "the one place where the client reads its clock",
    },
    Driver {
        at: "technician/src/home/directory.rs",
        may: &[Random],
        because: "the key of the pseudonyms is born where it is kept",
    },
    Driver { at: "technician/src/session/**", may: ALL, because: "the session's connection and its streams" },
    Driver {
        at: "technician/src/recording/recorder.rs",
        may: &[Async],
        because: "writes a recording's file in a thread, fed by the session's tasks",
    },
    Driver {
        at: "technician/src/recording/recorded_session.rs",
        may: &[Async, Clock],
        because: "reads the screen's conversation and waits for the device's last word",
    },
    Driver {
        at: "technician/src/recording/paint_process.rs",
        may: &[Async],
        because: "starts the painting process and gives it up when it hangs",
    },
    Driver { at: "technician/src/recording/export.rs", may: &[Async], because: "starts ffmpeg and feeds it" },
    Driver {
        at: "technician/src/recording/player.rs",
        may: &[Async, Clock],
        because: "plays by the clock, for a page",
    },
    Driver {
        at: "technician/src/viewer/server.rs",
        may: ALL,
        because: "the web server of the viewer's page",
    },
    Driver {
        at: "technician/src/viewer/event_loop/**",
        may: &[Async, Clock],
        because: "the viewer's event loop: session, page, and what is open between them",
    },
    Driver {
        at: "technician/src/viewer/screen_stream.rs",
        may: &[Async, Clock],
        because: "the conversation about the screen, which notes when a frame came",
    },
    Driver {
        at: "technician/src/viewer/input_streams.rs",
        may: &[Async],
        because: "the conversations of pointer, keyboard and clipboard",
    },
    Driver {
        at: "technician/src/viewer/device_stream.rs",
        may: &[Async],
        because: "what those conversations have in common",
    },
    Driver {
        at: "technician/src/viewer/decoder_process.rs",
        may: &[Async],
        because: "starts, feeds and ends the decode process",
    },
    Driver {
        at: "technician/src/viewer/decode.rs",
        may: &[Clock],
        because: "the decode process, which says how long it took",
    },
    Driver {
        at: "technician/examples/**",
        may: ALL,
        because: "the stage of the viewer's page, for its tests",
    },
    Driver { at: "tests/**", may: ALL, because: "runs the programs from outside" },
];

/// What must stay pure, even if [`DRIVERS`] changes.
pub const CORES: &[&str] = &[
    "shared/proto/**",
    "shared/report/**",
    "shared/screen/**",
    "agent/core/**",
    "agent/rules/**",
    "agent/window/src/catalog/**",
    "agent/window/src/model/**",
    "agent/src/alarm/readings/**",
    "agent/desktop/src/damage/**",
    "agent/desktop/src/drawing/**",
    "agent/desktop/src/find/access.rs",
    "agent/desktop/src/find/decide.rs",
    "agent/desktop/src/find/seen.rs",
    "agent/desktop/src/input/**",
    "agent/desktop/src/keys/**",
    "agent/desktop/src/precedence/**",
    "agent/desktop/src/protocol/**",
    "agent/diagnostics/src/diagnosis/**",
    "relay/core/**",
    "technician/src/fleet_schedule/**",
    "technician/src/recording/format/**",
    "technician/src/recording/pointer/**",
    "technician/src/recording/proof/**",
    "technician/src/recording/timeline/**",
    "technician/src/relay/target/**",
    "technician/src/viewer/request_guard/**",
    "technician/src/viewer/operations/**",
    "technician/src/viewer/outbox/**",
    "technician/src/viewer/epoch/**",
    "technician/src/viewer/page_messages/**",
    "technician/src/runbook_toml/**",
];

/// Where `cfg(target_os)` and its kin may stand, and why.
pub const PLATFORM: &[(&str, &str)] = &[
    ("**/platform/**", "the one home of what differs between systems"),
    ("shared/transport/src/**", "socket options and segmentation offload differ between systems"),
    (
        "agent/diagnostics/src/facts/**",
        "which facts there are, and where they are read, differs between systems",
    ),
    ("technician/src/home/tests.rs", "rights of files are those of Unix"),
    ("technician/tests/**", "some of what is tested exists on one system only"),
    ("tests/**", "some of what is tested exists on one system only"),
];

/// Where `unsafe` may stand, and why.
pub const UNSAFE: &[(&str, &str)] = &[
    ("**/platform/**", "calls the operating system"),
    ("shared/transport/src/**", "sends and receives batches of datagrams"),
    ("tests/src/heap.rs", "counts allocations, which takes a global allocator"),
];

/// Where a type that holds a secret may be declared: those types must not print themselves.
pub const SECRET_FILES: &[&str] = &[
    "shared/proto/src/credential/**",
    "shared/proto/src/pake/**",
    "shared/proto/src/support_code/**",
    "shared/proto/src/identity/**",
    "agent/src/enrolment/**",
    "relay/core/src/notify/webhook.rs",
    "relay/src/notify/secret.rs",
    "technician/src/identity/**",
];

/// The only file that knows bincode.
pub const CODEC: &str = "shared/proto/src/wire.rs";

/// `true` where the file may do that.
pub fn may(path: &str, ability: Ability) -> bool {
    DRIVERS.iter().any(|driver| driver.may.contains(&ability) && matches(driver.at, path))
}

/// What a crate of the workspace may depend on of the others.
const CRATES: &[(&str, &[&str])] = &[
    ("nearhand-proto", &[]),
    ("nearhand-transport", &["nearhand-proto"]),
    ("nearhand-report", &["nearhand-proto"]),
    ("nearhand-screen", &[]),
    ("nearhand-rules", &["nearhand-proto"]),
    ("nearhand-agent-core", &["nearhand-proto", "nearhand-rules"]),
    ("nearhand-spool", &["nearhand-proto", "nearhand-rules"]),
    ("nearhand-diagnostics", &["nearhand-proto", "nearhand-report"]),
    ("nearhand-desktop", &["nearhand-proto", "nearhand-screen", "nearhand-agent-core"]),
    (
        "nearhand-agent",
        &[
            "nearhand-proto",
            "nearhand-transport",
            "nearhand-report",
            "nearhand-screen",
            "nearhand-rules",
            "nearhand-agent-core",
            "nearhand-spool",
            "nearhand-diagnostics",
            "nearhand-desktop",
        ],
    ),
    ("nearhand-relay-core", &["nearhand-proto"]),
    ("nearhand-relay", &["nearhand-proto", "nearhand-transport", "nearhand-relay-core"]),
    ("nearhand-technician", &["nearhand-proto", "nearhand-transport", "nearhand-report", "nearhand-screen"]),
    ("nearhand-test-programs", &[]),
    ("nearhand-system-tests", &["nearhand-test-programs"]),
    (
        "nearhand-machines",
        &[
            "nearhand-proto",
            "nearhand-transport",
            "nearhand-report",
            "nearhand-screen",
            "nearhand-rules",
            "nearhand-agent-core",
            "nearhand-spool",
            "nearhand-relay-core",
        ],
    ),
    (
        "nearhand-tests",
        &[
            "nearhand-proto",
            "nearhand-transport",
            "nearhand-report",
            "nearhand-screen",
            "nearhand-rules",
            "nearhand-agent",
            "nearhand-agent-core",
            "nearhand-spool",
            "nearhand-machines",
            "nearhand-relay",
            "nearhand-technician",
            "nearhand-test-programs",
        ],
    ),
];

/// Crate and dependency, for each dependency of one crate of ours on another, of any kind.
pub fn edges(metadata: &serde_json::Value) -> Vec<(String, String)> {
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap_or_default().to_owned();
    let list = |value: &serde_json::Value| value.as_array().cloned().unwrap_or_default();
    list(&metadata["packages"])
        .iter()
        .flat_map(|package| {
            list(&package["dependencies"])
                .iter()
                .map(|dependency| (name(package), name(dependency)))
                .collect::<Vec<_>>()
        })
        .filter(|(_, dependency)| dependency.starts_with("nearhand-"))
        .collect()
}

/// Those of the edges that [`CRATES`] doesn't allow, in words.
pub fn forbidden_edges(edges: &[(String, String)]) -> Vec<String> {
    let allowed = |from: &str, to: &str| CRATES.iter().any(|(name, may)| *name == from && may.contains(&to));
    edges
        .iter()
        .filter(|(from, to)| !allowed(from, to))
        .map(|(from, to)| {
            format!("{from} must not depend on {to} (or add it to CRATES in tests/tidy/src/layers.rs)")
        })
        .collect()
}

#[test]
fn every_decision_has_a_reason() {
    assert!(DRIVERS.iter().all(|driver| !driver.because.is_empty() && !driver.may.is_empty()));
    assert!(PLATFORM.iter().chain(UNSAFE).all(|(_, because)| !because.is_empty()));
}
