//! `nearhand diagnose`: runs diagnostics on a device and saves the report as HTML, JSON and Markdown.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nearhand_proto::grant::{Capabilities, Capability};
use nearhand_proto::message::session::CheckSet;
use nearhand_proto::text;
use nearhand_report::model::{FindingStatus, Report};
use nearhand_report::pseudonymise::Identifiers;
use nearhand_report::screenshot::{self, Screenshot, ScreenshotPng};
use nearhand_report::shareable::{PseudonymSettings, ShareableReport};
use nearhand_report::{parse, text_view};
use nearhand_transport::platform::{create_private_dir, write_private};

use super::{in_session, screenshot as command_screenshot};
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::session::{DiagnosticsProgress, TechnicianSession};

/// Arguments of `nearhand diagnose`.
#[derive(clap::Args)]
pub struct DiagnoseArgs {
    /// Support code, or an enrolled device's label, id or the beginning of its id
    #[arg(required = true, num_args = 1.., value_name = "TARGET")]
    pub target: Vec<String>,
    /// Why you help, for the person at the device
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Only the quick checks
    #[arg(long, conflicts_with = "full")]
    pub quick: bool,
    /// All checks (the default)
    #[arg(long)]
    pub full: bool,
    /// Directory for the report [default: the session's directory]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// An earlier report to compare with
    #[arg(long, value_name = "OLD.json")]
    pub compare: Option<PathBuf>,
    /// Replace names and addresses in the report
    #[arg(long)]
    pub pseudonymise: bool,
    /// Also ask for one picture of the screen, which the person may refuse separately
    #[arg(long)]
    pub screenshot: bool,
    /// How long diagnostics are asked for
    #[arg(long = "for", value_name = "TIME", default_value = "15m", value_parser = super::parse::duration)]
    pub duration: Duration,
}

/// Asks for diagnostics, runs them, saves the report.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: DiagnoseArgs) -> Result<(), CommandFailure> {
    if args.screenshot && args.pseudonymise {
        let why =
            "names in a picture of the screen can't be replaced: leave out --screenshot or --pseudonymise";
        return Err(CommandFailure::new(ExitCode::Usage, why));
    }
    let reporting = ReportOptions::new(args.out, args.compare.as_deref(), args.pseudonymise)?;
    let set = if args.quick { CheckSet::Quick } else { CheckSet::Full };
    let reason = args.reason.as_deref().unwrap_or("to check how the machine is doing");
    let (session, mut updates) = in_session::open(ctx, &args.target.join(" "), reason).await?;
    let offered = session.device().offers.contains(Capability::Screenshot);
    let mut wanted = Capabilities::from(Capability::Diagnostics);
    if args.screenshot && offered {
        wanted = wanted.with(Capability::Screenshot);
    }
    let outcome = match in_session::ask(ctx, &session, &mut updates, wanted, args.duration).await {
        Ok(granted) => {
            let want = match (args.screenshot, granted.contains(Capability::Screenshot)) {
                (false, _) => ScreenshotAvailability::Nothing,
                (true, true) => ScreenshotAvailability::Picture,
                (true, false) if offered => ScreenshotAvailability::Denied,
                (true, false) => ScreenshotAvailability::NotOffered,
            };
            let work = async {
                let screenshot = picture(ctx, &session, want).await;
                report(ctx, &session, set, &reporting, screenshot).await
            };
            let interruption = in_session::interrupted();
            in_session::while_updated(ctx, &session, &mut updates, "the report was there", interruption, work)
                .await
        }
        Err(failure) => Err(failure),
    };
    in_session::end(&session, &mut updates).await;
    outcome
}

/// Whether the report gets a picture of the screen, and why not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ScreenshotAvailability {
    /// None was asked for.
    Nothing,
    /// It is granted.
    Picture,
    /// It was asked for and not granted.
    Denied,
    /// The device has none to give.
    NotOffered,
}

/// Where a report goes, what it is compared with, and whether names are replaced.
pub(super) struct ReportOptions {
    pub(super) out: Option<PathBuf>,
    pub(super) compare: Option<Report>,
    pub(super) pseudonymise: bool,
}

impl ReportOptions {
    /// Reads the earlier report first, so that a wrong file is noticed before anybody is asked.
    fn new(out: Option<PathBuf>, compare: Option<&Path>, pseudonymise: bool) -> Result<Self, CommandFailure> {
        let compare = match compare {
            None => None,
            Some(path) => {
                let bytes = bounded(path)
                    .map_err(|e| CommandFailure::new(ExitCode::Usage, format!("{}: {e}", path.display())))?;
                let old = parse::parse(&bytes)
                    .map_err(|e| CommandFailure::new(ExitCode::Usage, format!("{}: {e}", path.display())))?;
                Some(old)
            }
        };
        Ok(Self { out, compare, pseudonymise })
    }
}

/// Reads at most one byte more than a report may have, so that a longer file is refused instead of cut.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(parse::MAX_BYTES).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn local(path: &Path, error: &io::Error) -> CommandFailure {
    CommandFailure::new(ExitCode::Local, format!("{}: {error}", path.display()))
}

/// The picture, or why there is none; `None` where none was asked for. Without it there is still a report.
async fn picture(
    ctx: &CommandContext,
    session: &TechnicianSession,
    want: ScreenshotAvailability,
) -> Option<Screenshot> {
    let why = match want {
        ScreenshotAvailability::Nothing => return None,
        ScreenshotAvailability::Denied => {
            "the person at the device, or its policy, did not allow it".to_owned()
        }
        ScreenshotAvailability::NotOffered => {
            "the device does not offer one: it has no screen that can be seen, or its agent is older"
                .to_owned()
        }
        ScreenshotAvailability::Picture => {
            let bar = ctx.output.busy("taking one picture of the screen");
            let taken = command_screenshot::for_report(session).await;
            bar.finish_and_clear();
            match taken.map(ScreenshotPng::of) {
                Ok(Ok(picture)) => return Some(Screenshot::Taken(picture)),
                Ok(Err(error)) => error.to_string(),
                Err(failure) => failure.message().to_owned(),
            }
        }
    };
    ctx.output.warn(&format!("no picture of the screen: {why}"));
    Some(Screenshot::missing(&why))
}

/// Runs the checks and writes the report.
pub(super) async fn report(
    ctx: &CommandContext,
    session: &TechnicianSession,
    set: CheckSet,
    reporting: &ReportOptions,
    screenshot: Option<Screenshot>,
) -> Result<(), CommandFailure> {
    let bar = ctx.output.busy("running checks");
    let report = session.diagnose(set, |progress| step(ctx, &bar, &progress)).await;
    bar.finish_and_clear();
    // The device redacts secrets; `Edition` does it again, because a hostile device may not have.
    let edition = match reporting.pseudonymise {
        false => ShareableReport::new(report?, reporting.compare.clone(), None),
        true => {
            let (key, known) = (ctx.home()?.pseudonym_key()?, Identifiers::default());
            ShareableReport::new(
                report?,
                reporting.compare.clone(),
                Some(PseudonymSettings { key: &key, known: &known }),
            )
        }
    };
    let edition = match screenshot {
        Some(screenshot) => edition.with_screenshot(screenshot),
        None => edition,
    };
    let dir = match &reporting.out {
        Some(dir) => dir.clone(),
        None => ctx.home()?.session_dir(session.id())?,
    };
    let files = write(&dir, &edition)?;
    show(ctx, &edition, &files)
}

fn step(ctx: &CommandContext, bar: &ProgressBar, progress: &DiagnosticsProgress) {
    match progress {
        DiagnosticsProgress::Started(total) => {
            bar.set_length((*total).into());
            bar.set_position(0);
            if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
        }
        DiagnosticsProgress::Checking(id) => bar.set_message(id.clone()),
        DiagnosticsProgress::Finding(finding) => {
            bar.inc(1);
            if matches!(finding.status, FindingStatus::Fail | FindingStatus::Warn) && !ctx.output.is_json() {
                let (title, instance) =
                    (text::one_line(&finding.title, 120), text::one_line(&finding.instance, 60));
                bar.println(format!(
                    "  {}: {title} {instance}",
                    if finding.status == FindingStatus::Fail { "FAIL" } else { "warn" }
                ));
            }
        }
        DiagnosticsProgress::Again => bar.set_message("the connection was lost; the run starts again"),
    }
}

pub(super) fn write(dir: &Path, edition: &ShareableReport) -> Result<[PathBuf; 3], CommandFailure> {
    create_private_dir(dir).map_err(|e| local(dir, &e))?;
    let files = edition.files().map_err(|e| {
        CommandFailure::new(ExitCode::Unexpected, format!("the report can't be put in JSON: {e}"))
    })?;
    for (name, bytes) in &files {
        let path = dir.join(name);
        write_private(&path, bytes).map_err(|e| local(&path, &e))?;
    }
    let picture = edition.screenshot.as_ref().and_then(Screenshot::picture);
    if let Some(picture) = picture {
        let path = dir.join(screenshot::FILE);
        write_private(&path, picture.png()).map_err(|e| local(&path, &e))?;
    }
    Ok(files.map(|(name, _)| dir.join(name)))
}

fn show(ctx: &CommandContext, edition: &ShareableReport, files: &[PathBuf; 3]) -> Result<(), CommandFailure> {
    let ShareableReport { report, since, screenshot } = edition;
    let [html, json, markdown] = files;
    let shown =
        |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string();
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({
            "event": "report", "counts": report.counts, "html": shown(html),
            "json": shown(json), "markdown": shown(markdown),
            "comparison": since, "screenshot": screenshot,
        }))?;
        return Ok(());
    }
    let style = text_view::TextStyle { colour: false, verbose: false, ..text_view::TextStyle::default() };
    ctx.output.line(&text_view::render(report, since.as_ref(), style))?;
    ctx.output.line(&format!("Report: {}", shown(html)))?;
    ctx.output.line(&format!("        {}", shown(markdown)))?;
    ctx.output.line(&format!("        {}", shown(json)))?;
    if screenshot.as_ref().and_then(Screenshot::picture).is_some() {
        let beside = html.with_file_name(screenshot::FILE);
        ctx.output.line(&format!("        {}", shown(&beside)))?;
    }
    Ok(())
}
