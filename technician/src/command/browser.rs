//! Opens an address in the technician's browser.

use std::process::Stdio;
use std::time::Duration;

/// `true` where a browser took the address.
pub(super) async fn open(url: &str) -> bool {
    let Some((program, arguments)) = crate::platform::browser() else { return false };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).arg(url);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // Some openers stay as long as the browser does: they have succeeded.
    match tokio::time::timeout(Duration::from_secs(5), child.wait()).await {
        Ok(status) => status.is_ok_and(|status| status.success()),
        Err(_) => true,
    }
}
