//! A diagnostics run whose report stays on the device for later.

use nearhand_proto::message::session::CheckSet;
use nearhand_report::redact;
use nearhand_transport::platform::{create_private_dir, write_private};

use super::context::{ActContext, ActError, ActResult};
use nearhand_diagnostics::{self as diagnostics, RunEvent, RunOptions};

/// The report's file in its directory; the newest replaces the one before.
const FILE: &str = "report.json";

pub(super) async fn apply(ground: &ActContext) -> ActResult {
    let options = RunOptions { device_id: ground.device.clone(), ..RunOptions::new(CheckSet::Full) };
    let (_run, mut events) = diagnostics::run(options);
    while let Some(event) = events.recv().await {
        if let RunEvent::Finished(mut report) = event {
            let counts = report.counts;
            let dir = ground.reports.clone();
            let kept = tokio::task::spawn_blocking(move || {
                redact::redact(&mut report);
                let json = serde_json::to_vec(&report).map_err(std::io::Error::other)?;
                create_private_dir(&dir)?;
                write_private(&dir.join(FILE), &json)
            });
            let kept = kept.await.map_err(|_| ActError::Failed("the report could not be made".to_owned()))?;
            kept.map_err(|error| ActError::Failed(format!("the report could not be kept: {error}")))?;
            redact::forget_rules();
            crate::platform::give_back_memory_soon();
            return Ok(format!("{} checks failed, {} warn", counts.fail, counts.warn));
        }
    }
    Err(ActError::Failed("the checks ended without a report".to_owned()))
}

pub(super) async fn verify(ground: &ActContext) -> ActResult {
    let path = ground.reports.join(FILE);
    match std::fs::metadata(&path) {
        Ok(meta) => Ok(format!("{} holds {} bytes", path.display(), meta.len())),
        Err(error) => Err(ActError::Failed(format!("{}: {error}", path.display()))),
    }
}
