//! What every command is given: the technician's directory, where results go, and the way to the relay.
//!
//! Stands below the commands, so that none of them needs their list. Must not live here: arguments of one command.

use std::path::PathBuf;

use crate::home::{ClientHome, ClientHomeError};
use crate::output::TerminalOutput;
use crate::relay::{RelayClient, RelayClientError};

/// What every command is given.
#[derive(Clone, Debug)]
pub struct CommandContext {
    home: Option<PathBuf>,
    /// Where results go.
    pub output: TerminalOutput,
}

impl CommandContext {
    /// `home` is the directory that `--home` names.
    pub fn new(home: Option<PathBuf>, output: TerminalOutput) -> Self {
        Self { home, output }
    }

    /// The same with an output that shows nothing: results of several sessions at once would run into each other.
    pub fn silenced(&self) -> Self {
        Self { home: self.home.clone(), output: TerminalOutput::silent() }
    }

    /// The technician's directory.
    ///
    /// # Errors
    /// [`ClientHomeError`]: there is no place for the directory, others have access to it, or it can't be made.
    pub fn home(&self) -> Result<ClientHome, ClientHomeError> {
        ClientHome::open(match &self.home {
            Some(dir) => dir.clone(),
            None => ClientHome::default_dir()?,
        })
    }

    /// Connects to the technician's relay, and shows meanwhile that it does.
    ///
    /// # Errors
    /// [`RelayClientError`]: the directory can't be used or has no profile, or the relay can't be reached or
    /// refuses.
    pub async fn connect(&self) -> Result<RelayClient, RelayClientError> {
        let home = self.home()?;
        let busy = self.output.busy("connecting to the relay");
        let connection = RelayClient::connect(&home).await;
        busy.finish_and_clear();
        connection
    }
}
