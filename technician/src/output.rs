//! How things are shown: lines, aligned tables, JSON, colours and progress.
//!
//! Every text goes through `nearhand_proto::text` here, so that no caller can forget to neutralise it. Results go to
//! the standard output; notes, errors and progress to the standard error output. Colours and progress only on
//! a terminal, and no colours with `NO_COLOR` (<https://no-color.org>). Must not live here: what is shown.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nearhand_proto::text;
use serde::Serialize;
use unicode_width::UnicodeWidthStr;

use crate::exit::{CommandFailure, ExitCode, HasExitCode};

/// Longest cell of a table, in characters; the last one of a row can be longer.
const MAX_CELL: usize = 80;
/// Longest last cell of a row, in characters: the detail of an audit row fits.
const MAX_LAST_CELL: usize = 1000;
/// Longest line or note, in characters.
const MAX_LINE: usize = 20_000;

/// A result could not be written.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The standard output is closed or full.
    #[error("can't write the result")]
    Write(#[from] io::Error),
    /// It can't be put in JSON.
    #[error("can't put the result in JSON")]
    Json(#[from] serde_json::Error),
}

impl HasExitCode for OutputError {
    fn exit_code(&self) -> ExitCode {
        ExitCode::Local
    }
}

/// What a text says about the state of something, which decides its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TextTone {
    /// All is well.
    Good,
    /// Look at it.
    Warning,
    /// Something is wrong.
    Bad,
    /// Of little weight.
    Faint,
}

impl TextTone {
    /// ECMA-48 "select graphic rendition" parameters.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        }
    }
}

/// A cell of a table.
#[derive(Clone, Debug)]
pub struct TableCell {
    text: String,
    tone: Option<TextTone>,
}

impl TableCell {
    /// With a colour.
    pub fn toned(text: impl Into<String>, tone: TextTone) -> Self {
        Self { text: text.into(), tone: Some(tone) }
    }
}

impl<T: Into<String>> From<T> for TableCell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: None }
    }
}

/// Where results and notes go, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct TerminalOutput {
    json: bool,
    colour: bool,
    progress: bool,
    /// Shows nothing: the caller tells the result.
    silent: bool,
}

impl TerminalOutput {
    /// As the standard outputs are and the environment says.
    pub fn new(json: bool) -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            json,
            colour: io::stdout().is_terminal() && io::stderr().is_terminal() && !no_colour,
            progress: io::stderr().is_terminal() && !json,
            silent: false,
        }
    }

    /// An output that shows nothing.
    pub fn silent() -> Self {
        Self { json: false, colour: false, progress: false, silent: true }
    }

    /// Whether the result is wanted as JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes one JSON document on one line.
    ///
    /// # Errors
    /// [`OutputError`]: the value can't be put in JSON, or standard output can't be written, as when a pipe is
    /// closed.
    pub fn json(&self, value: &impl Serialize) -> Result<(), OutputError> {
        self.write(&ascii_safe(&serde_json::to_string(value)?))
    }

    /// A line of the result (or several).
    ///
    /// # Errors
    /// [`OutputError`]: standard output can't be written, as when a pipe is closed.
    pub fn line(&self, line: &str) -> Result<(), OutputError> {
        self.write(&text::multi_line(line, MAX_LINE))
    }

    fn write(&self, line: &str) -> Result<(), OutputError> {
        if self.silent { Ok(()) } else { write_line(line) }
    }

    /// The result as it is, byte for byte: only for what this program made itself, such as completions.
    ///
    /// # Errors
    /// [`OutputError`]: standard output can't be written, as when a pipe is closed.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        Ok(out.flush()?)
    }

    /// A table with a line of headings.
    ///
    /// # Errors
    /// [`OutputError`]: standard output can't be written, as when a pipe is closed.
    pub fn table(&self, headings: &[&str], rows: &[Vec<TableCell>]) -> Result<(), OutputError> {
        rendered(headings, rows, self.colour).iter().try_for_each(|line| self.write(line))
    }

    /// Names and values, aligned.
    ///
    /// # Errors
    /// [`OutputError`]: standard output can't be written, as when a pipe is closed.
    pub fn facts(&self, facts: &[(&str, TableCell)]) -> Result<(), OutputError> {
        let width = facts.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
        facts.iter().try_for_each(|(name, value)| {
            let value = painted(&text::one_line(&value.text, MAX_LINE), value.tone, self.colour);
            self.write(&format!("{name:width$}  {value}"))
        })
    }

    /// A remark that is not part of the result, on the standard error output.
    pub fn note(&self, note: &str) {
        if self.silent {
            return;
        }
        let note = text::multi_line(note, MAX_LINE);
        // There is nobody left to tell.
        let _ = writeln!(io::stderr(), "{note}");
    }

    /// A remark that must not be overlooked.
    pub fn warn(&self, warning: &str) {
        self.note(&format!("warning: {warning}"));
    }

    /// Says how the command failed.
    pub fn failure(&self, failure: &CommandFailure) {
        let message = text::multi_line(failure.message(), MAX_LINE);
        let line = if self.json {
            let error = serde_json::json!({"error": {
                "code": failure.code.number(), "kind": failure.code.name(), "message": message,
            }});
            ascii_safe(&error.to_string())
        } else {
            format!("{} {message}", painted("nearhand:", Some(TextTone::Bad), self.colour))
        };
        let _ = writeln!(io::stderr(), "{line}");
    }

    /// Shows progress until the bar is dropped or finished. Shows nothing when the standard error output is no
    /// terminal.
    pub fn busy(&self, what: &str) -> ProgressBar {
        if !self.progress {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.set_message(text::one_line(what, MAX_CELL));
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }
}

fn write_line(line: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

fn rendered(headings: &[&str], rows: &[Vec<TableCell>], colour: bool) -> Vec<String> {
    let head = headings.iter().map(|h| TableCell::toned(*h, TextTone::Faint)).collect::<Vec<_>>();
    let safe: Vec<Vec<TableCell>> = core::iter::once(&head)
        .chain(rows)
        .map(|row| {
            let last = row.len().saturating_sub(1);
            let most = |i| if i == last { MAX_LAST_CELL } else { MAX_CELL };
            let safe = |(i, c): (usize, &TableCell)| TableCell {
                text: text::one_line(&c.text, most(i)),
                tone: c.tone,
            };
            row.iter().enumerate().map(safe).collect()
        })
        .collect();
    let widths: Vec<usize> = (0..headings.len())
        .map(|i| safe.iter().filter_map(|row| row.get(i)).map(|c| c.text.width()).max().unwrap_or_default())
        .collect();
    let line = |row: &Vec<TableCell>| {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| {
                let pad = " ".repeat(width.saturating_sub(cell.text.width()));
                painted(&cell.text, cell.tone, colour) + &pad
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    safe.iter().map(line).collect()
}

fn painted(text: &str, tone: Option<TextTone>, colour: bool) -> String {
    match tone.filter(|_| colour) {
        Some(tone) => format!("\u{1b}[{}m{text}\u{1b}[0m", tone.sgr()),
        None => text.to_owned(),
    }
}

/// JSON whose hostile characters are written as escapes: the same value, safe on a terminal.
fn ascii_safe(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        let plain = (c.is_ascii() && c != '\u{7f}') || {
            let mut utf8 = [0; 4];
            let one: &str = c.encode_utf8(&mut utf8);
            text::one_line(one, 1) == one
        };
        if plain {
            out.push(c);
        } else {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|u| out.push_str(&format!("\\u{u:04x}")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_hostile_cells_are_tamed() {
        let rows = vec![
            vec![TableCell::from("日本"), TableCell::from("a")],
            vec![TableCell::from("x\u{1b}[2J\n\u{202e}y"), TableCell::toned("b", TextTone::Bad)],
        ];
        let lines = rendered(&["NAME", "STATE"], &rows, false);
        assert_eq!(lines, ["NAME      STATE", "日本      a", "x\u{fffd}[2J \u{fffd}y  b"]);
        assert!(rendered(&["NAME", "STATE"], &rows, true)[2].ends_with("\u{1b}[31mb\u{1b}[0m"));
    }

    #[test]
    fn json_keeps_its_value_without_steering_a_terminal() {
        let hostile = "a\u{202e}b\u{9b}\u{7f}\u{1b}\u{e0041}Grüße";
        let json = ascii_safe(&serde_json::to_string(hostile).unwrap());
        assert!(text::one_line(&json, 1000) == json && json.contains("Grüße"));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
    }
}
