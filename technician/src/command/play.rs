//! `nearhand play`: shows or exports a recording. Its signatures are always checked first.

use std::path::{Path, PathBuf};

use nearhand_proto::text;
use nearhand_proto::time::UnixMillis;

use super::{browser, in_session};
use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};
use crate::home::ClientHomeError;
use crate::recording::format::{FormatError, RecordingTitle};
use crate::recording::proof::RecordingProof;
use crate::recording::source::{self, RecordingSurvey, SourceError};
use crate::recording::{export, player};
use crate::viewer::PageServer;
use crate::viewer::decoder_process::DecoderProgram;

/// Most bytes read of a session's evidence file.
const EVIDENCE: u64 = 8 << 20;

/// Arguments of `nearhand play`.
#[derive(clap::Args)]
pub struct PlayArgs {
    /// The file of the recording
    pub file: PathBuf,
    /// Only check the recording and say what it proves
    #[arg(long, conflicts_with_all = ["export", "frames", "no_open"])]
    pub verify: bool,
    /// Make a WebM video of the recording, with the program ffmpeg
    #[arg(long, value_name = "FILE.webm", conflicts_with_all = ["frames", "no_open"])]
    pub export: Option<PathBuf>,
    /// Pictures a second in the video
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=60),
        requires = "export")]
    pub fps: u32,
    /// Write a PNG file of each change, at most one a second, into a directory
    #[arg(long, value_name = "DIR", conflicts_with = "no_open")]
    pub frames: Option<PathBuf>,
    /// Print the address of the playback page instead of opening it
    #[arg(long)]
    pub no_open: bool,
}

/// How this client knows the key that signed a recording.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum DeviceKeyTrust {
    /// The organisation has signed it.
    Organisation,
    /// A device was met that has it.
    Met,
    /// It is the key that this client wrote down in that session.
    Session,
    /// This client has never seen the key.
    No,
}

impl DeviceKeyTrust {
    fn name(self) -> &'static str {
        match self {
            Self::Organisation => "organisation",
            Self::Met => "met",
            Self::Session => "session",
            Self::No => "no",
        }
    }
}

/// What the recording proves, as a sentence and for programs.
struct RecordingVerdict {
    survey: RecordingSurvey,
    known: DeviceKeyTrust,
    /// The technician's name is what this client's organisation has signed.
    named: bool,
    text: String,
}

/// Verifies the recording, then plays or exports it.
///
/// # Errors
/// [`CommandFailure`] with the exit code.
pub async fn run(ctx: &CommandContext, args: PlayArgs) -> Result<(), CommandFailure> {
    let verdict = verify(ctx, &args.file)?;
    let cut = !verdict.survey.proof.is_whole();
    show_verdict(ctx, &verdict, args.verify)?;
    if args.verify {
        // The exit code tells a script whether the recording is whole.
        return if cut {
            Err(CommandFailure::new(ExitCode::RecordingCut, "the recording is not whole"))
        } else {
            Ok(())
        };
    }
    let RecordingVerdict { survey, text, .. } = verdict;
    match (&args.export, &args.frames) {
        (Some(out), _) => to_video(ctx, &args.file, &survey, out, args.fps).await,
        (None, Some(directory)) => to_pictures(ctx, &args.file, &survey, directory).await,
        (None, None) => show(ctx, args, survey, text).await,
    }
}

fn verify(ctx: &CommandContext, file: &Path) -> Result<RecordingVerdict, CommandFailure> {
    let survey = source::survey(file).map_err(|error| {
        let code = match &error {
            SourceError::Changed(_) | SourceError::Format(FormatError::Other | FormatError::Changed) => {
                ExitCode::RecordingChanged
            }
            SourceError::Format(FormatError::Torn) => ExitCode::RecordingCut,
            SourceError::Format(FormatError::Version) => ExitCode::Version,
            SourceError::Format(FormatError::Io(_)) => ExitCode::Local,
        };
        CommandFailure::new(code, format!("{}: {}", file.display(), text::chain(&error)))
    })?;
    let known = key_trust(ctx, &survey.proof.title)?;
    let named = is_named_by_organisation(ctx, &survey.proof);
    let text = in_words(&survey.proof, known);
    Ok(RecordingVerdict { survey, known, named, text })
}

/// How this client knows the key that signed.
fn key_trust(ctx: &CommandContext, title: &RecordingTitle) -> Result<DeviceKeyTrust, CommandFailure> {
    let home = ctx.home()?;
    match home.profile() {
        Ok(profile) => {
            // Time 0: a credential that has expired since then still says whose key it was.
            let credential = title.credential.as_ref();
            let verified = credential.and_then(|c| c.verify(&profile.organisation, UnixMillis(0)).ok());
            if verified.is_some_and(|v| !v.is_person() && v.keys().contains(&title.key)) {
                return Ok(DeviceKeyTrust::Organisation);
            }
        }
        Err(ClientHomeError::NotSetUp { .. }) => return Ok(DeviceKeyTrust::No),
        Err(error) => return Err(error.into()),
    }
    if home.known_devices()?.entries().iter().any(|device| device.key == title.key) {
        return Ok(DeviceKeyTrust::Met);
    }
    let evidence = home.dir().join("sessions").join(title.session.to_string()).join("evidence.jsonl");
    let line = format!("\"device_key\":\"{}\"", title.key);
    let mut written = String::new();
    let read = std::fs::File::open(evidence).and_then(|file| {
        std::io::Read::read_to_string(&mut std::io::Read::take(file, EVIDENCE), &mut written)
    });
    Ok(if read.is_ok() && written.contains(&line) { DeviceKeyTrust::Session } else { DeviceKeyTrust::No })
}

/// Whether the recording's technician is whom the organisation calls so.
fn is_named_by_organisation(ctx: &CommandContext, proof: &RecordingProof) -> bool {
    let profile = ctx.home().and_then(|home| home.profile());
    // Time 0: a credential that has expired since then still says whose key it was.
    let verified = profile.ok().and_then(|p| proof.technician.verify(&p.organisation, UnixMillis(0)).ok());
    verified.is_some_and(|who| who.is_person() && who.invite.name == proof.title.technician)
}

fn playing_time(millis: u64) -> String {
    let seconds = millis / 1000;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes:02}:{seconds:02}")
    }
}

fn in_words(proof: &RecordingProof, known: DeviceKeyTrust) -> String {
    let title = &proof.title;
    let key = match known {
        DeviceKeyTrust::Organisation => "signed by the device's key, which belongs to your organisation",
        DeviceKeyTrust::Met => "signed by the key of a device that this client knows",
        DeviceKeyTrust::Session => {
            "signed by the key that the device had in that session, as this client wrote it down then"
        }
        DeviceKeyTrust::No => "signed by a key that this client doesn't know: compare it with the device's",
    };
    let millis = proof.millis();
    let (signed, uncovered) = (millis.saturating_sub(proof.uncovered()), proof.uncovered());
    let mut text = if proof.is_whole() {
        format!("Whole and unchanged, {}", playing_time(millis))
    } else if signed == 0 && proof.parts.iter().all(|part| part.signed == 0) {
        format!("Cut short after {}; none of it is covered by a signature", playing_time(millis))
    } else if !proof.torn && proof.missing() == 0 && proof.parts.iter().all(|part| part.unsigned == 0) {
        format!("Unchanged, and all of it is signed; cut short after {}", playing_time(millis))
    } else {
        let rest = uncovered.div_ceil(1000);
        let torn = if proof.torn || proof.parts.last().is_none_or(|part| !part.closed) {
            format!("Cut short after {}", playing_time(millis))
        } else {
            format!("Not whole, {}", playing_time(millis))
        };
        format!("{torn}; {rest} s of it are not covered by a signature, the rest is unchanged")
    };
    if proof.missing() > 0 {
        text.push_str(&format!("; {} earlier parts of it are not in this file", proof.missing()));
    }
    let gaps = proof.parts.iter().rev().skip(1).filter(|part| !part.closed).count();
    if gaps > 0 {
        text.push_str(&format!("; {gaps} of {} parts were interrupted", proof.parts.len()));
    }
    if let Some(remark) = &proof.remark {
        text.push_str(&format!(" ({})", text::one_line(remark, 200)));
    }
    text.push_str(&format!("; {key} ({})", title.key));
    text
}

fn show_verdict(
    ctx: &CommandContext,
    verdict: &RecordingVerdict,
    verify: bool,
) -> Result<(), CommandFailure> {
    let RecordingVerdict { survey, known, named, text } = verdict;
    let (proof, title) = (&survey.proof, &survey.proof.title);
    if ctx.output.is_json() && verify {
        ctx.output.json(&serde_json::json!({
            "verdict": if proof.is_whole() { "whole" } else { "cut" }, "text": text,
            "milliseconds": survey.millis, "uncovered_milliseconds": proof.uncovered(),
            "frames": proof.frames, "parts": proof.parts.len(), "missing_parts": proof.missing(),
            "session": title.session.to_string(), "began": title.began.to_string(),
            "device": {"name": title.device, "key": title.key.to_string(), "known": known.name()},
            "technician": title.technician, "technician_known": named, "organisation": title.organisation_name,
        }))?;
        return Ok(());
    }
    let line = format!(
        "{} of {}, recorded by {} ({}){}",
        title.began,
        text::one_line(&title.device, 64),
        text::one_line(&title.technician, 64),
        text::one_line(&title.organisation_name, 64),
        if *named { "" } else { ", which your organisation does not vouch for" },
    );
    ctx.output.note(&line);
    if verify {
        ctx.output.line(&format!("{text}."))?;
    } else if proof.is_whole() && *known != DeviceKeyTrust::No {
        ctx.output.note(&format!("{text}."));
    } else {
        ctx.output.warn(text);
    }
    Ok(())
}

/// Shows how far it has come.
fn progress(ctx: &CommandContext, survey: &RecordingSurvey) -> (indicatif::ProgressBar, impl Fn(u64)) {
    let busy = ctx.output.busy("making pictures");
    let (bar, whole) = (busy.clone(), survey.millis);
    (busy, move |millis| bar.set_message(format!("{} of {}", playing_time(millis), playing_time(whole))))
}

async fn to_video(
    ctx: &CommandContext,
    file: &Path,
    survey: &RecordingSurvey,
    out: &Path,
    rate: u32,
) -> Result<(), CommandFailure> {
    let (busy, told) = progress(ctx, survey);
    let made = tokio::select! {
        made = export::webm(file, survey, out, rate, told) => made,
        () = in_session::interrupted() => Err(CommandFailure::new(ExitCode::Unexpected, "interrupted; no video was made")),
    };
    busy.finish_and_clear();
    made?;
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({"event": "exported", "file": out.display().to_string()}))?;
    } else {
        ctx.output.line(&out.display().to_string())?;
    }
    Ok(())
}

async fn to_pictures(
    ctx: &CommandContext,
    file: &Path,
    survey: &RecordingSurvey,
    directory: &Path,
) -> Result<(), CommandFailure> {
    let (busy, told) = progress(ctx, survey);
    let made = tokio::select! {
        made = export::frames(file, survey, directory, told) => made,
        () = in_session::interrupted() => Err(CommandFailure::new(ExitCode::Unexpected, "interrupted")),
    };
    busy.finish_and_clear();
    let made = made?;
    if ctx.output.is_json() {
        let directory = directory.display().to_string();
        ctx.output.json(&serde_json::json!({"event": "frames", "directory": directory, "files": made}))?;
    } else {
        ctx.output.line(&format!("{made} pictures in {}", directory.display()))?;
    }
    Ok(())
}

async fn show(
    ctx: &CommandContext,
    args: PlayArgs,
    survey: RecordingSurvey,
    verdict: String,
) -> Result<(), CommandFailure> {
    let local =
        |what: &str, error: std::io::Error| CommandFailure::new(ExitCode::Local, format!("{what}: {error}"));
    let server =
        PageServer::player().await.map_err(|error| local("the playback page can't be served", error))?;
    let decoder = DecoderProgram::this().map_err(|error| local("this program can't find itself", error))?;
    if ctx.output.is_json() {
        ctx.output.json(&serde_json::json!({"event": "player", "url": server.url()}))?;
    }
    let hand_over = if args.no_open { None } else { browser::open(ctx, &server).await };
    if hand_over.is_some() {
        ctx.output.note("The recording was opened in your browser. Ctrl-C here ends it.");
    } else if !ctx.output.is_json() {
        ctx.output.line(server.url())?;
        ctx.output.note("Open this address in a browser on this machine; it works once. Ctrl-C ends it.");
    }
    let settings = player::PlayerSettings { file: args.file, survey, verdict, decoder };
    player::play(settings, server, in_session::interrupted()).await
}

#[cfg(test)]
mod tests {
    use super::playing_time;

    #[test]
    fn times_are_read_as_on_a_clock() {
        assert_eq!(playing_time(192_999), "03:12");
        assert_eq!(playing_time(3_600_000), "1:00:00");
    }
}
