//! The commands of `nearhand-relay`. Each prints for a person; everything else in this crate only logs.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "commands talk to people")]

mod audit;
mod backup;
mod init;
mod pages;
mod receivers;
mod run;
mod status;
mod token;

use nearhand_transport::key_file;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{PORT, RelayConfig};
use crate::data::{self, DataDir};
use crate::store::StoreError;
use crate::token::TokenRight;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(name = "nearhand-relay", version, about = "The Nearhand relay: brokers sessions it cannot read.")]
pub struct Arguments {
    #[command(subcommand)]
    command: RelayCommand,
}

#[derive(Debug, Subcommand)]
enum RelayCommand {
    /// Make a relay's data directory and print the string by which an administrator claims it.
    Init(InitArguments),
    /// Run the relay.
    Run(ConfigLocation),
    /// Check a configuration file.
    CheckConfig {
        /// The configuration file to check.
        file: PathBuf,
    },
    /// Read the audit log, on the database itself.
    #[command(subcommand)]
    Audit(RelayAuditCommand),
    /// Copy database and key while the relay runs.
    Backup {
        /// The copy of the database; the key goes into the same directory, with `.key` after the name.
        file: PathBuf,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Ask the running relay how it is.
    Status {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Who is told of alarms: how deliveries stand, tests, what was given up.
    #[command(subcommand)]
    Receivers(ReceiversCommand),
    /// Who may use the HTTP interface.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Print what a shell needs to complete commands.
    Completions {
        /// The shell to print completions for.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page.
    Man {
        /// Write the pages of all commands here instead of printing the main one.
        dir: Option<PathBuf>,
    },
}

/// Where a relay's configuration is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct ConfigLocation {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory with its relay.toml.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl ConfigLocation {
    fn config(&self) -> anyhow::Result<RelayConfig> {
        let file = match (&self.config, &self.data) {
            (Some(file), _) => file.clone(),
            (None, Some(data)) => DataDir::new(data).config_file(),
            (None, None) => anyhow::bail!("say where the relay is: --config FILE or --data DIR"),
        };
        Ok(RelayConfig::load(&file)?)
    }

    /// Runs a command with the configuration.
    fn with(&self, command: impl FnOnce(&RelayConfig) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let config = self.config()?;
        command(&config).map_err(|error| about_damage(error, config.data()))
    }
}

#[derive(Debug, Args)]
struct InitArguments {
    /// The data directory to make.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The name or IP address by which agents and clients will reach the relay.
    #[arg(long, value_name = "NAME", required_unless_present = "again")]
    host: Option<String>,
    /// The UDP port.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// Use PostgreSQL instead of the embedded database.
    #[arg(long, value_name = "URL")]
    database_url: Option<String>,
    /// Make a new claim string for a relay that was not claimed yet; the earlier one stops working.
    #[arg(long)]
    again: bool,
    /// With --again: forget the organisation that claimed the relay, its devices and people. Its audit log stays.
    #[arg(long, requires = "again")]
    reset_organisation: bool,
}

#[derive(Debug, Subcommand)]
enum RelayAuditCommand {
    /// Show its rows.
    Show {
        /// As JSON, a row a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Verify that no row was edited, removed or put in.
    Verify {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
}

#[derive(Debug, Subcommand)]
enum ReceiversCommand {
    /// Show the receivers and how deliveries to them stand.
    List {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Send a marked test alarm to one and show its answer.
    Test {
        /// The receiver's name.
        name: String,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Show what was given up.
    Dead {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Send again what was given up.
    Replay {
        /// To which receiver.
        name: String,
        /// Only this notice; else all.
        number: Option<u64>,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Send again to one that wanted no more (HTTP 410).
    Enable {
        /// The receiver's name.
        name: String,
        #[command(flatten)]
        location: ConfigLocation,
    },
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token for a program and print it, once.
    Add {
        /// The token's name; the audit log shows it with each action that the token was used for.
        name: String,
        /// See only, or also acknowledge, assign, snooze and open maintenance.
        #[arg(long, value_enum, default_value_t = TokenRight::Read)]
        may: TokenRight,
        /// For how many days it is valid.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: u32,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Show the tokens there are, never what they are.
    List {
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Make a token worth nothing, at once.
    Remove {
        /// The token's name.
        name: String,
        #[command(flatten)]
        location: ConfigLocation,
    },
}

/// Does what the arguments say.
///
/// # Errors
/// What went wrong, for a person.
pub fn main(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.command {
        RelayCommand::Init(arguments) => {
            block_on(init::init(&arguments)).map_err(|error| about_damage(error, &arguments.data))
        }
        RelayCommand::Run(location) => location.with(run::run),
        RelayCommand::CheckConfig { file } => {
            let config = RelayConfig::load(&file)?;
            receivers::senders(&config)?;
            println!("{} is valid.", file.display());
            Ok(())
        }
        RelayCommand::Audit(RelayAuditCommand::Show { json, location }) => {
            location.with(|config| block_on(audit::show(config, json)))
        }
        RelayCommand::Audit(RelayAuditCommand::Verify { json, location }) => {
            location.with(|config| block_on(audit::verify(config, json)))
        }
        RelayCommand::Backup { file, location } => {
            location.with(|config| block_on(backup::backup(config, &file)))
        }
        RelayCommand::Status { json, location } => location.with(|config| status::status(config, json)),
        RelayCommand::Receivers(command) => match command {
            ReceiversCommand::List { json, location } => {
                location.with(|config| block_on(receivers::list(config, json)))
            }
            ReceiversCommand::Test { name, location } => {
                location.with(|config| block_on(receivers::test(config, &name)))
            }
            ReceiversCommand::Dead { json, location } => {
                location.with(|config| block_on(receivers::dead(config, json)))
            }
            ReceiversCommand::Replay { name, number, location } => {
                location.with(|config| block_on(receivers::replay(config, &name, number)))
            }
            ReceiversCommand::Enable { name, location } => {
                location.with(|config| block_on(receivers::enable(config, &name)))
            }
        },
        RelayCommand::Token(command) => match command {
            TokenCommand::Add { name, may, days, location } => {
                location.with(|config| block_on(token::add(config, &name, may, days)))
            }
            TokenCommand::List { json, location } => {
                location.with(|config| block_on(token::list(config, json)))
            }
            TokenCommand::Remove { name, location } => {
                location.with(|config| block_on(token::remove(config, &name)))
            }
        },
        RelayCommand::Completions { shell } => pages::completions(shell),
        RelayCommand::Man { dir } => pages::man(dir.as_deref()),
    }
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

fn load_key(data: &Path) -> anyhow::Result<nearhand_proto::identity::SecretKey> {
    let file = DataDir::new(data).key_file();
    key_file::load_key(&file).with_context(|| {
        format!("can't load the relay's key {} (was `nearhand-relay init` run?)", file.display())
    })
}
