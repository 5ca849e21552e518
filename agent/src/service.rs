//! Starts and stops the agent's tasks in this process: the relay connection, the timers, the local socket.

use std::sync::Arc;
use std::time::Duration;

use nearhand_proto::message::control::DeviceFacts;
use sysinfo::System;
use tokio::task::JoinSet;

use crate::alarm::handle::AlarmsHandle;
use crate::home::{AgentHome, Enrolment};
use crate::hub::Hub;
use crate::local::LocalService;
use crate::local::server::SocketAccess;
use crate::runbook::Runbooks;
use crate::{control, local, restart, session};

/// Time for sessions to say goodbye at the end.
const GOODBYE: Duration = Duration::from_millis(1500);

/// A running agent.
pub(crate) struct AgentService {
    pub(crate) hub: Arc<Hub>,
    /// The alarms, on an enrolled device, once they run.
    pub(crate) alarms: Option<Arc<AlarmsHandle>>,
    doors: Vec<SocketAccess>,
    tasks: JoinSet<()>,
}

impl AgentService {
    /// Starts everything; fails at once if the socket is taken or the home can't be used.
    pub(crate) async fn start(
        home: AgentHome,
        enrolment: Enrolment,
        doors: Vec<SocketAccess>,
    ) -> anyhow::Result<Self> {
        crate::platform::hold_little_memory();
        let mut listeners = Vec::new();
        for door in &doors {
            listeners.push(local::server::listen(door).await?);
        }
        let hub = Hub::open(home, enrolment, facts())?;
        let mut tasks = JoinSet::new();
        tasks.spawn(hub.clone().run());
        hub.record("agent", "agent.start", None, format!("version {}", env!("CARGO_PKG_VERSION"))).await?;
        if let Err(error) = hub.home.policy() {
            tracing::error!(%error, "the policy allows nothing until it is mended");
        }
        let runbooks = Arc::new(Runbooks::open(&hub.home));
        // Before the relay can offer them again.
        session::resume_kept(&hub, &runbooks).await;
        tasks.spawn(control::run(hub.clone(), runbooks.clone()));
        tasks.spawn(runbooks.clone().mend(hub.clone()));
        let mut alarms = None;
        // A machine that only asks for help is nobody's to watch.
        if hub.identity.is_enrolled() {
            match AlarmsHandle::start(&hub, &runbooks, &mut tasks) {
                Ok(started) => alarms = Some(started),
                // Help must still be possible.
                Err(error) => tracing::error!(%error, "no alarms are raised until this is mended"),
            }
        }
        let local = Arc::new(LocalService::new(hub.clone(), runbooks, alarms.clone()));
        for (door, listener) in doors.iter().zip(listeners) {
            tasks.spawn(local::server::serve(local.clone(), door.clone(), listener));
        }
        Ok(Self { hub, alarms, doors, tasks })
    }

    /// Ends sessions in order and stops.
    pub(crate) async fn stop(mut self) {
        if let Some(alarms) = &self.alarms {
            alarms.stop(&self.hub).await;
        }
        if self.hub.keeps_sessions() && restart::is_under_way().await {
            tracing::info!("sessions stay for the agent that is started next");
            self.hub.suspend();
        } else {
            self.hub.stop();
        }
        let _ =
            tokio::time::timeout(GOODBYE, async { while self.tasks.join_next().await.is_some() {} }).await;
        // Sessions close their connections on their own tasks.
        tokio::time::sleep(Duration::from_millis(200)).await;
        self.hub.note("agent", "agent.stop", None, String::new());
        let _ = self.hub.newest_audit_head().await;
        for door in &self.doors {
            let _ = std::fs::remove_file(&door.path);
        }
    }
}

/// What this device tells about itself.
pub(crate) fn facts() -> DeviceFacts {
    let known = |value: Option<String>| value.as_deref().unwrap_or("unknown").into();
    DeviceFacts { hostname: known(System::host_name().ok()), os: known(System::long_os_version().ok()) }
}
