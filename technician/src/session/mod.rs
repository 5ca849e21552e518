//! A session with a device, end to end: opened, served, resumed, ended.
//!
//! A driver. [`TechnicianSession`] is what commands hold; behind it one task ([`task`]) keeps the connection, finds a
//! new one when it is lost, and passes on what the agent says as [`SessionUpdate`]s. What came from the device is
//! checked and neutralised before it leaves this module.

mod diagnostics;
mod error;
mod evidence;
mod handle;
mod path;
mod runbook;
mod stream;
mod task;
mod update;

pub use diagnostics::{DiagnosticsError, DiagnosticsProgress};
pub use error::SessionError;
pub use handle::TechnicianSession;
pub use runbook::{RunbookError, RunbookStream};
pub use stream::{StreamError, StreamReceiver, StreamSender};
pub use update::{SessionDevice, SessionEnd, SessionUpdate};
