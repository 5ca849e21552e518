//! stub
use nearhand_shared::report::model::{CheckSet, Finding, Report};
pub(crate) enum RunEvent {
    Started { total: usize },
    Checking { id: &'static str },
    Finding(Finding),
    Finished(Box<Report>),
}
pub(crate) struct RunOptions {}
impl RunOptions {
    pub(crate) fn new(_s: CheckSet, _d: String) -> Self {
        Self {}
    }
}
pub(crate) struct Handle;
pub(crate) fn run(_o: RunOptions) -> (Handle, tokio::sync::mpsc::Receiver<RunEvent>) {
    (Handle, tokio::sync::mpsc::channel(1).1)
}
