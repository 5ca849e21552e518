//! `nearhand organisation`: backs up and restores the organisation's key.

use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use nearhand_transport::platform;
use rand_core::OsRng;
use serde_json::json;
use zeroize::Zeroizing;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::vault::{self, VaultCost};

/// Longest passphrase file taken, in bytes.
const MAX_PASSPHRASE_FILE: u64 = 4096;

/// Arguments of `nearhand organisation`.
#[derive(clap::Args)]
pub struct OrganisationArgs {
    /// Back up or restore.
    #[command(subcommand)]
    what: OrganisationAction,
}

/// What is done with the key.
#[derive(clap::Subcommand)]
enum OrganisationAction {
    /// Write the organisation's key to a file that only a passphrase opens
    Backup(FileArgs),
    /// Restore the organisation's key from such a file
    Restore(FileArgs),
}

/// A file and its passphrase.
#[derive(clap::Args)]
struct FileArgs {
    /// The file of the backup
    file: PathBuf,
    /// Read the passphrase from the first line of this file instead of asking
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Backs up or restores.
///
/// # Errors
/// [`CommandFailure`]: the passphrase or the backup is wrong, there is no key to back up, or a file can't be read
/// or written.
pub fn run(ctx: &CommandContext, args: OrganisationArgs) -> Result<(), CommandFailure> {
    match args.what {
        OrganisationAction::Backup(args) => backup(ctx, &args),
        OrganisationAction::Restore(args) => restore(ctx, &args),
    }
}

fn backup(ctx: &CommandContext, args: &FileArgs) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    let profile = home.profile()?;
    let key = home.organisation_key_of(&profile)?;
    if args.file.symlink_metadata().is_ok() {
        let message = format!("{} exists: a backup never replaces a file", args.file.display());
        return Err(CommandFailure::new(ExitCode::Usage, message));
    }
    let passphrase = ask_passphrase(args, true)?;
    let busy = ctx.output.busy("sealing");
    let sealed = vault::seal(&key, &profile.organisation_name, &passphrase, VaultCost::USUAL, &mut OsRng);
    busy.finish_and_clear();
    platform::write_private(&args.file, sealed?.as_bytes()).map_err(|e| unusable("write", &args.file, &e))?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "backup": args.file, "organisation": profile.organisation_name,
        }))?);
    }
    Ok(ctx.output.line(&format!(
        "The key of {} is in {}. Keep the file away from this machine and the passphrase away from the file; try \
         `nearhand --home DIR organisation restore FILE` with an empty directory once.",
        profile.organisation_name,
        args.file.display()
    ))?)
}

fn restore(ctx: &CommandContext, args: &FileArgs) -> Result<(), CommandFailure> {
    let home = ctx.home()?;
    let text = read_short(&args.file, vault::MAX_FILE)?;
    let passphrase = ask_passphrase(args, false)?;
    let busy = ctx.output.busy("opening");
    let opened = vault::open(&text, &passphrase);
    busy.finish_and_clear();
    let (key, organisation) = opened?;
    home.put_organisation_key(&key)?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({
            "organisation": {"name": organisation, "id": key.public().organisation_id().to_string()},
        }))?);
    }
    Ok(ctx.output.line(&format!("The key of {organisation} is in {}.", home.dir().display()))?)
}

fn ask_passphrase(args: &FileArgs, twice: bool) -> Result<Zeroizing<String>, CommandFailure> {
    if let Some(file) = &args.passphrase_file {
        let text = read_short(file, MAX_PASSPHRASE_FILE)?;
        return Ok(Zeroizing::new(text.lines().next().unwrap_or_default().to_owned()));
    }
    if !io::stdin().is_terminal() {
        let message = "there is no terminal to ask for the passphrase on: use --passphrase-file FILE";
        return Err(CommandFailure::new(ExitCode::Usage, message));
    }
    let passphrase = prompt("Passphrase: ")?;
    if twice && *prompt("Once more: ")? != *passphrase {
        return Err(CommandFailure::new(ExitCode::Usage, "the two passphrases differ"));
    }
    Ok(passphrase)
}

fn prompt(text: &str) -> Result<Zeroizing<String>, CommandFailure> {
    rpassword::prompt_password(text)
        .map(Zeroizing::new)
        .map_err(|e| CommandFailure::new(ExitCode::Local, format!("can't ask for the passphrase: {e}")))
}

fn read_short(path: &Path, limit: u64) -> Result<Zeroizing<String>, CommandFailure> {
    let file = std::fs::File::open(path).map_err(|e| unusable("read", path, &e))?;
    let mut text = Zeroizing::new(String::new());
    file.take(limit).read_to_string(&mut text).map_err(|e| unusable("read", path, &e))?;
    Ok(text)
}

fn unusable(act: &str, path: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::new(ExitCode::Local, format!("can't {act} {}: {error}", path.display()))
}
