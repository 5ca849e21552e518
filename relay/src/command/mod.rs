//! The commands of `nearhand-relay`. Each prints for a person; everything else in this crate only logs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people")]

mod arguments;
mod audit;
mod backup;
mod init;
mod inputs;
mod pages;
mod receivers;
mod reload;
mod restore;
mod run;
mod status;
mod token;

use std::path::Path;

pub use self::arguments::Arguments;
use self::arguments::{ConfigLocation, ReceiversCommand, RelayAuditCommand, RelayCommand, TokenCommand};
use crate::config::{ConfigError, RelayConfig};
use crate::data::{self, DataDir};
use crate::notify::config::ReceiverError;
use crate::store::StoreError;

/// Does what the arguments say.
///
/// # Errors
/// What went wrong, for a person.
pub fn main(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        RelayCommand::Init(arguments) => {
            block_on(init::init(&arguments)).map_err(|error| about_damage(error, &arguments.data))
        }
        RelayCommand::Run(location) => with(&location, run::run),
        RelayCommand::CheckConfig { file } => {
            let config = RelayConfig::load(&file)?;
            inputs::senders(&config)?;
            println!("{} is valid.", file.display());
            Ok(())
        }
        RelayCommand::Audit(RelayAuditCommand::Show { json, location }) => {
            with(&location, |config| block_on(audit::show(config, json)))
        }
        RelayCommand::Audit(RelayAuditCommand::Verify { json, location }) => {
            with(&location, |config| block_on(audit::verify(config, json)))
        }
        RelayCommand::Backup { file, location } => {
            with(&location, |config| block_on(backup::backup(config, &file)))
        }
        RelayCommand::Restore { file, check: true, .. } => restore::check(&file),
        RelayCommand::Restore { file, data: Some(data), outside, .. } => {
            block_on(restore::restore(&file, &data, outside))
        }
        RelayCommand::Restore { data: None, .. } => {
            anyhow::bail!("say where the relay is to be: --data DIR (or --check, to verify the backup alone)")
        }
        RelayCommand::Status { json, location } => with(&location, |config| status::status(config, json)),
        RelayCommand::Receivers(command) => match command {
            ReceiversCommand::List { json, location } => {
                with(&location, |config| block_on(receivers::list(config, json)))
            }
            ReceiversCommand::Test { name, location } => {
                with(&location, |config| block_on(receivers::test(config, &name)))
            }
            ReceiversCommand::Dead { json, location } => {
                with(&location, |config| block_on(receivers::dead(config, json)))
            }
            ReceiversCommand::Replay { name, number, location } => {
                with(&location, |config| block_on(receivers::replay(config, &name, number)))
            }
            ReceiversCommand::Enable { name, location } => {
                with(&location, |config| block_on(receivers::enable(config, &name)))
            }
        },
        RelayCommand::Token(command) => match command {
            TokenCommand::Add { name, may, days, location } => {
                with(&location, |config| block_on(token::add(config, &name, may, days)))
            }
            TokenCommand::List { json, location } => {
                with(&location, |config| block_on(token::list(config, json)))
            }
            TokenCommand::Remove { name, location } => {
                with(&location, |config| block_on(token::remove(config, &name)))
            }
        },
        RelayCommand::Completions { shell } => pages::completions(shell),
        RelayCommand::Man { dir } => pages::man(dir.as_deref()),
    }
}

/// The exit code of an error where starting again can't help: somebody has to put the database or the configuration right
/// first. The systemd unit names it, so that the service then fails once instead of again and again. It is `EX_CONFIG` of
/// sysexits.h.
const NEEDS_SOMEBODY: u8 = 78;

/// The exit code that an error of [`main`] leads to.
pub fn exit_code(error: &anyhow::Error) -> u8 {
    let needs_somebody = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref().is_some_and(StoreError::needs_somebody)
            || cause.is::<ConfigError>()
            || cause.is::<ReceiverError>()
    };
    if error.chain().any(needs_somebody) { NEEDS_SOMEBODY } else { 1 }
}

/// Runs a command with the configuration.
fn with(
    location: &ConfigLocation,
    command: impl FnOnce(&RelayConfig) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let config = location.config()?;
    command(&config).map_err(|error| about_damage(error, config.data()))
}

fn block_on(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// The error, and for a damaged database which file it is and what to do.
fn about_damage(error: anyhow::Error, data: &Path) -> anyhow::Error {
    let damaged = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(StoreError::Damaged(_)))
    };
    if !error.chain().any(damaged) {
        return error;
    }
    let file = DataDir::new(data).database_file();
    error.context(format!("{} can't be used: keep a copy of it, then {}", file.display(), data::RESTORE))
}
