//! A benchmark's results: rows with a target, as a table for people or as JSON for machines.

use std::borrow::Cow;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BetterWhen {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
}

/// One measured value.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BenchmarkRow {
    /// What was measured.
    pub name: String,
    /// How much it was.
    pub value: f64,
    /// Unit of the value.
    pub unit: Cow<'static, str>,
    /// What it should be at least or at most; a peer's row has none.
    pub target: Option<f64>,
    /// Which way is good.
    pub better: BetterWhen,
    /// Whether the target is met.
    pub met: Option<bool>,
}

impl BenchmarkRow {
    /// A value with its verdict.
    pub fn new(
        name: &str,
        value: f64,
        unit: impl Into<Cow<'static, str>>,
        target: Option<f64>,
        better: BetterWhen,
    ) -> Self {
        let met = target.map(|target| match better {
            BetterWhen::Lower => value <= target,
            BetterWhen::Higher => value >= target,
        });
        Self { name: name.to_owned(), value, unit: unit.into(), target, better, met }
    }
}

/// Writes the rows: a table, or one JSON array.
///
/// # Errors
/// The output is closed.
pub fn write(out: &mut impl Write, rows: &[BenchmarkRow], json: bool) -> io::Result<()> {
    if json {
        serde_json::to_writer(&mut *out, rows)?;
        return writeln!(out);
    }
    let widest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default().max(34);
    for row in rows {
        let sign = if row.better == BetterWhen::Lower { '≤' } else { '≥' };
        let target = row.target.map_or(String::new(), |target| format!("{sign} {target}"));
        let met = row.met.map_or("", |met| if met { "met" } else { "MISSED" });
        writeln!(out, "{:<widest$} {:>10.3} {:<8} {target:<8} {met}", row.name, row.value, row.unit)?;
    }
    Ok(())
}
