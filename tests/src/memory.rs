//! Looks for words in files and in the memory of running programs.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};

/// Whether a file has these bytes anywhere.
///
/// # Errors
/// It can't be searched.
pub fn holds(file: &Path, needle: &str) -> Result<bool> {
    let status = Command::new("grep").args(["-aqF", "--", needle]).arg(file).status()?;
    Ok(status.success())
}

/// A core dump of a running program, searched and removed.
///
/// # Errors
/// It can't be made.
pub fn memory_holds(pid: i32, directory: &Path, needles: &[&str]) -> Result<Vec<bool>> {
    let prefix = directory.join("core");
    let output = Command::new("gcore").arg("-o").arg(&prefix).arg(pid.to_string()).output()?;
    let file = directory.join(format!("core.{pid}"));
    ensure!(file.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let found = needles.iter().map(|needle| holds(&file, needle)).collect();
    std::fs::remove_file(file)?;
    found
}
