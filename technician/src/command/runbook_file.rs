//! Files of runbooks: read up to their limit, and opened under the organisation's signature.

use std::io::Read;
use std::path::Path;

use nearhand_proto::identity::Signed;
use nearhand_proto::runbook::{MAX_FILE, Manifest};
use nearhand_proto::wire;

use crate::context::CommandContext;
use crate::exit::{CommandFailure, ExitCode};

/// A file that the organisation has signed.
pub(super) fn signed(
    ctx: &CommandContext,
    path: &Path,
) -> Result<(Signed<Manifest>, Manifest), CommandFailure> {
    let signed: Signed<Manifest> =
        wire::decode(&read(path)?).map_err(|error| local(path, &format!("not a signed runbook: {error}")))?;
    let organisation = ctx.home()?.profile()?.organisation;
    let manifest = signed
        .open(&organisation)
        .map_err(|_| local(path, &"your organisation has not signed it (`nearhand runbook sign`)"))?;
    match manifest.check().first() {
        None => Ok((signed, manifest)),
        Some(mistake) => Err(local(path, mistake)),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, CommandFailure> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_FILE).unwrap_or(u64::MAX).saturating_add(1);
    let file = std::fs::File::open(path).map_err(|error| local(path, &error))?;
    file.take(limit).read_to_end(&mut bytes).map_err(|error| local(path, &error))?;
    if bytes.len() > MAX_FILE {
        return Err(local(path, &"larger than 32 KiB"));
    }
    Ok(bytes)
}

pub(super) fn local(path: &Path, why: &dyn core::fmt::Display) -> CommandFailure {
    CommandFailure::new(ExitCode::Local, format!("{}: {why}", path.display()))
}
