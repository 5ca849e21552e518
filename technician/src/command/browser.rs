//! Opens the page in the technician's browser.
//!
//! The page's address holds a token that gives the session to the first who uses it, and the arguments of a program can
//! be read by every user of the machine. So the browser is given a file instead that only its owner can read, and that
//! leads to the address. The file is gone once the page is there.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use nearhand_transport::platform::{create_private, create_private_dir};
use rand_core::{OsRng, RngCore};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::context::CommandContext;
use crate::output::TerminalOutput;
use crate::viewer::PageServer;
use crate::viewer::server::PageEntered;

/// A browser that starts cold takes some seconds to show a page.
const SLOW: Duration = Duration::from_secs(20);
/// How long the file may wait for the browser to be done with its own questions.
const WAIT: Duration = Duration::from_secs(600);

/// The file that leads the browser to the page. Dropping it takes the file away.
#[derive(Debug)]
pub(super) struct BrowserHandOver {
    waiting: JoinHandle<()>,
}

impl Drop for BrowserHandOver {
    fn drop(&mut self) {
        self.waiting.abort();
    }
}

/// Opens the page; `None` where no browser can be opened.
pub(super) async fn open(ctx: &CommandContext, server: &PageServer) -> Option<BrowserHandOver> {
    let (program, arguments) = crate::platform::browser()?;
    let file = match LeadingFile::write(&crate::platform::hand_over_dir()?, server.url()) {
        Ok(file) => file,
        Err(error) => {
            ctx.output.warn(&format!("the file that leads a browser to the page can't be written: {error}"));
            return None;
        }
    };
    let mut command = tokio::process::Command::new(program);
    command.args(arguments).arg(file.address());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    // Some openers stay as long as the browser does: they have succeeded.
    let opened = match timeout(Duration::from_secs(5), child.wait()).await {
        Ok(status) => status.is_ok_and(|status| status.success()),
        Err(_) => true,
    };
    let waiting =
        opened.then(|| tokio::spawn(wait(ctx.output, file, server.entered(), server.url().to_owned())));
    waiting.map(|waiting| BrowserHandOver { waiting })
}

/// Takes the file away once the page is there. A browser that can't read it has shown an error by then; its person is
/// told the address.
async fn wait(output: TerminalOutput, file: LeadingFile, entered: PageEntered, url: String) {
    if timeout(SLOW, entered.clone().wait()).await.is_err() {
        output.note(&format!(
            "The browser has not shown the page yet. If it can't open {} (browsers from snap or flatpak can't read every \
             directory), open this address in it; it works once: {url}",
            file.path.display()
        ));
        // Either it comes, or the file has waited long enough.
        let _ = timeout(WAIT, entered.wait()).await;
    }
    drop(file);
}

/// A page of one line that leads to the address, in a directory of its own. Dropping it removes both.
#[derive(Debug)]
struct LeadingFile {
    dir: PathBuf,
    path: PathBuf,
}

impl LeadingFile {
    fn write(base: &Path, url: &str) -> std::io::Result<Self> {
        let dir = base.join(format!("nearhand-{:016x}", OsRng.next_u64()));
        create_private_dir(&dir)?;
        let file = Self { path: dir.join("open.html"), dir };
        // The address is this program's own: host, port and hexadecimal digits.
        let page = format!(
            "<!doctype html>\n<meta charset=\"utf-8\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
             <meta http-equiv=\"refresh\" content=\"0; url={url}\">\n<title>Nearhand</title>\n\
             <p><a href=\"{url}\">Open Nearhand</a></p>\n"
        );
        create_private(&file.path)?.write_all(page.as_bytes())?;
        Ok(file)
    }

    fn address(&self) -> String {
        crate::platform::file_address(&self.path)
    }
}

impl Drop for LeadingFile {
    fn drop(&mut self) {
        // A file that is gone already leads nowhere, as it should.
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_dir(&self.dir);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_file_is_for_its_owner_alone_and_goes() {
        let base = tempfile::tempdir().unwrap();
        let file = LeadingFile::write(base.path(), "http://127.0.0.1:4000/#00ff").unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&file.dir), mode(&file.path)), (0o700, 0o600));
        let page = std::fs::read_to_string(&file.path).unwrap();
        assert!(page.contains("url=http://127.0.0.1:4000/#00ff\""), "{page}");
        assert!(file.address().starts_with("file:///") && !file.address().contains("00ff"));
        drop(file);
        assert_eq!(std::fs::read_dir(base.path()).unwrap().count(), 0);
    }
}
