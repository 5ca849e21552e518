//! The command line of `nearhand-relay`: subcommands and their arguments, and where the configuration is. What a
//! subcommand does is in the file of its name.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::config::{PORT, RelayConfig};
use crate::data::DataDir;
use crate::token::TokenRight;

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(name = "nearhand-relay", version, about = "The Nearhand relay: brokers sessions it cannot read.")]
pub struct Arguments {
    #[command(subcommand)]
    pub(super) command: RelayCommand,
}

#[derive(Debug, Subcommand)]
pub(super) enum RelayCommand {
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
    /// Make one verified file of database, key, configuration and secrets, while the relay runs.
    Backup {
        /// The file to make; none is overwritten.
        file: PathBuf,
        #[command(flatten)]
        location: ConfigLocation,
    },
    /// Put a backup back where no relay is, or verify it.
    Restore {
        /// The backup.
        file: PathBuf,
        /// The data directory to make.
        #[arg(long, value_name = "DIR")]
        data: Option<PathBuf>,
        /// Also put files back that the configuration names outside of the data directory.
        #[arg(long)]
        outside: bool,
        /// Only verify it: nothing is written.
        #[arg(long, conflicts_with = "data")]
        check: bool,
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
pub(super) struct ConfigLocation {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The data directory with its relay.toml.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl ConfigLocation {
    pub(super) fn config(&self) -> anyhow::Result<RelayConfig> {
        let file = match (&self.config, &self.data) {
            (Some(file), _) => file.clone(),
            (None, Some(data)) => DataDir::new(data).config_file(),
            (None, None) => anyhow::bail!("say where the relay is: --config FILE or --data DIR"),
        };
        Ok(RelayConfig::load(&file)?)
    }
}

#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// The data directory to make.
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// The name or IP address by which agents and clients will reach the relay.
    #[arg(long, value_name = "NAME", required_unless_present = "again")]
    pub(super) host: Option<String>,
    /// The UDP port.
    #[arg(long, default_value_t = PORT)]
    pub(super) port: u16,
    /// Use PostgreSQL instead of the embedded database.
    #[arg(long, value_name = "URL")]
    pub(super) database_url: Option<String>,
    /// Make a new claim string for a relay that was not claimed yet; the earlier one stops working.
    #[arg(long)]
    pub(super) again: bool,
    /// With --again: forget the organisation that claimed the relay, its devices and people. Its audit log stays.
    #[arg(long, requires = "again")]
    pub(super) reset_organisation: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RelayAuditCommand {
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
pub(super) enum ReceiversCommand {
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
pub(super) enum TokenCommand {
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
