//! `nearhand runbook`: lists runbooks, and checks and signs the organisation's own.
//!
//! Signing needs no relay: the organisation's key is here, and devices know it from their enrolment.

use std::path::{Path, PathBuf};

use nearhand_proto::runbook::{ArgumentSource, MAX_FILE, Manifest, RiskClass, built_in};
use nearhand_proto::wire;
use nearhand_transport::platform::write_private;
use serde_json::json;

use super::in_session;
use super::runbook_file::{local, read, signed};
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::output::TableCell;
use crate::runbook_toml;

/// Arguments of `nearhand runbook`.
#[derive(clap::Args)]
pub struct RunbookArgs {
    #[command(subcommand)]
    command: RunbookCommand,
}

#[derive(clap::Subcommand)]
enum RunbookCommand {
    /// List the built-in runbooks, or those that a device has and whether it would run them
    List {
        /// Support code, or an enrolled device's label, id or the beginning of its id
        target: Option<String>,
    },
    /// Show what a runbook does and which parameters it takes
    Show {
        /// The runbook's name, or a file that your organisation has signed
        runbook: String,
    },
    /// Check a runbook that you have written
    Check {
        /// The TOML file
        file: PathBuf,
    },
    /// Sign a runbook that you have written, for the devices of your organisation
    Sign {
        /// The TOML file
        file: PathBuf,
        /// The signed file to write
        #[arg(long, value_name = "FILE.nrhb")]
        out: PathBuf,
    },
}

/// Runs the subcommand.
///
/// # Errors
/// [`CommandFailure`]: the runbook can't be found or is invalid, a file can't be read or written, or the relay or
/// device refuses.
pub async fn run(ctx: &CommandContext, args: RunbookArgs) -> Result<(), CommandFailure> {
    match args.command {
        RunbookCommand::List { target: None } => list(ctx),
        RunbookCommand::List { target: Some(target) } => list_of(ctx, &target).await,
        RunbookCommand::Show { runbook } => show(ctx, &runbook),
        RunbookCommand::Check { file } => check(ctx, &file),
        RunbookCommand::Sign { file, out } => sign(ctx, &file, &out),
    }
}

fn list(ctx: &CommandContext) -> Result<(), CommandFailure> {
    let all = built_in();
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"runbooks": all}))?);
    }
    let row = |manifest: Manifest| {
        vec![
            TableCell::from(manifest.name),
            manifest.class.number().to_string().into(),
            manifest.title.into(),
        ]
    };
    let rows: Vec<_> = all.into_iter().map(row).collect();
    ctx.output.table(&["NAME", "CLASS", "WHAT IT DOES"], &rows)?;
    ctx.output
        .note("`nearhand runbook show NAME` says more; `nearhand runbook list DEVICE` what a device has.");
    Ok(())
}

async fn list_of(ctx: &CommandContext, target: &str) -> Result<(), CommandFailure> {
    let (session, mut updates) = in_session::open(ctx, target, "to see which repairs there are").await?;
    let time = std::time::Duration::from_secs(120);
    let capability = nearhand_proto::grant::Capability::Runbook;
    let listed = match in_session::ask(ctx, &session, &mut updates, capability.into(), time).await {
        Ok(_) => async { Ok(session.runbook().await?.list().await?) }.await,
        Err(failure) => Err(failure),
    };
    in_session::end(&session, &mut updates).await;
    let listed: Vec<nearhand_proto::message::runbook::RunbookEntry> = listed?;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"event": "runbooks", "runbooks": listed}))?);
    }
    let rows: Vec<Vec<TableCell>> = listed
        .into_iter()
        .map(|one| {
            let from = if one.built_in { "program" } else { "organisation" };
            let runs = one.refused.map_or_else(|| "yes".to_owned(), |refused| format!("no: {refused}"));
            vec![
                one.name.into(),
                one.version.to_string().into(),
                one.class.to_string().into(),
                from.into(),
                one.title.into(),
                runs.into(),
            ]
        })
        .collect();
    Ok(ctx.output.table(&["NAME", "VERSION", "CLASS", "FROM", "WHAT IT DOES", "RUNS"], &rows)?)
}

fn show(ctx: &CommandContext, runbook: &str) -> Result<(), CommandFailure> {
    let manifest = if runbook.contains(['/', '.']) {
        signed(ctx, runbook.as_ref())?.1
    } else {
        let found = built_in().into_iter().find(|manifest| manifest.name == runbook);
        found.ok_or_else(|| {
            CommandFailure::new(
                ExitCode::Usage,
                format!("no runbook {runbook:?} comes with the program: `nearhand runbook list`"),
            )
        })?
    };
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"runbook": manifest}))?);
    }
    let Manifest { name, version, title, about, class, timeout, parameters, steps } = &manifest;
    ctx.output.line(&format!("{name} {version}: {title}"))?;
    ctx.output.line(about)?;
    ctx.output.line(&format!("class {class}, at most {timeout} s"))?;
    for parameter in parameters {
        let default = match (&parameter.default, parameter.optional) {
            (Some(value), _) => format!(", default {value}"),
            (None, true) => ", optional".to_owned(),
            (None, false) => ", required".to_owned(),
        };
        ctx.output.line(&format!(
            "  --set {}=…  {} ({}{default})",
            parameter.name, parameter.about, parameter.kind
        ))?;
    }
    for (at, step) in (1..).zip(steps) {
        let set = step.set.iter().map(|(name, source)| match source {
            ArgumentSource::Fixed(value) => format!("{name}={value}"),
            ArgumentSource::Parameter(parameter) => format!("{name}=${parameter}"),
        });
        let set: Vec<_> = set.collect();
        ctx.output.line(&format!("  {at}. {} {}", step.act.name(), set.join(" ")))?;
    }
    Ok(())
}

/// Reads a TOML file; tells its mistakes by line.
fn written(ctx: &CommandContext, path: &Path) -> Result<Manifest, CommandFailure> {
    let text = String::from_utf8(read(path)?).map_err(|_| local(path, &"not a text in UTF-8"))?;
    runbook_toml::read(&text).map_err(|mistakes| {
        for mistake in &mistakes {
            ctx.output.note(&format!("{}, {mistake}", path.display()));
        }
        CommandFailure::new(ExitCode::Usage, format!("{} has {} mistake(s)", path.display(), mistakes.len()))
    })
}

fn check(ctx: &CommandContext, path: &Path) -> Result<(), CommandFailure> {
    let manifest = written(ctx, path)?;
    if built_in().iter().any(|ours| ours.name == manifest.name) {
        let what =
            format!("{:?} is the name of one that comes with the program: choose another", manifest.name);
        return Err(CommandFailure::new(ExitCode::Usage, what));
    }
    let class: RiskClass = manifest.class;
    if ctx.output.is_json() {
        return Ok(ctx.output.json(&json!({"runbook": manifest}))?);
    }
    Ok(ctx.output.line(&format!("{} {}: no mistake; class {class}", manifest.name, manifest.version))?)
}

fn sign(ctx: &CommandContext, path: &Path, out: &Path) -> Result<(), CommandFailure> {
    check(ctx, path)?;
    let manifest = written(ctx, path)?;
    let home = ctx.home()?;
    let profile = home.profile()?;
    let bytes = wire::encode(&home.organisation_key_of(&profile)?.sign(&manifest)?)?;
    if bytes.len() > MAX_FILE {
        return Err(local(path, &"larger than 32 KiB once it is signed"));
    }
    write_private(out, &bytes).map_err(|error| local(out, &error))?;
    if !ctx.output.is_json() {
        ctx.output.note(&format!(
            "Signed for {}. Put {} into `runbooks` in the agent's directory on the devices, or run it from here: \
             nearhand run {} DEVICE. Their owners have to allow it by name.",
            profile.organisation_name,
            out.display(),
            out.display()
        ));
    }
    Ok(())
}
