//! The program that started the window, at the standard streams: `nearhand-agent help`, which starts an agent once the
//! person has named a support team.

use std::path::PathBuf;

use nearhand_transport::lines;

/// Where the agent's socket is: as given, else as the standard input says once the agent runs (`socket PATH`). `None`
/// where the input ends.
pub(crate) async fn agent_socket(given: Option<PathBuf>) -> Option<PathBuf> {
    if given.is_some() {
        return given;
    }
    let mut input = lines::standard_input();
    loop {
        let line = input.recv().await?;
        if let Some(path) = line.text.strip_prefix("socket ") {
            return Some(PathBuf::from(path));
        }
    }
}

/// Tells which support team the person named.
#[allow(clippy::print_stdout, reason = "the answer of --ask-site")]
pub(crate) fn report_site(site: &str) {
    println!("site {site}");
}
