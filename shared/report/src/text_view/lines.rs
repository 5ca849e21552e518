//! Lines of a terminal: neutralising, wrapping, colours. Must not live here: what a report says.

use std::fmt::Write;

use super::style::{INDENT, TextStyle};
use crate::model::FindingStatus;
use nearhand_proto::text;

/// Longest text of one field on a terminal, in characters.
const MAX: usize = 8_000;

/// Fewest columns in which a value is worth setting next to its label.
const MIN_ROOM: usize = 20;

/// A text that grows by lines.
pub(super) struct TextLines {
    out: String,
    colour: bool,
    width: usize,
}

impl TextLines {
    pub(super) fn new(style: TextStyle) -> Self {
        Self { out: String::new(), colour: style.colour, width: style.width.max(40) }
    }

    /// The text, without a blank line at its end.
    pub(super) fn finish(self) -> String {
        format!("{}\n", self.out.trim_end())
    }

    pub(super) fn blank(&mut self) {
        self.out.push('\n');
    }

    /// An important line.
    pub(super) fn strong(&mut self, line: &str) {
        self.painted_lines("1", line);
    }

    /// A line that may be overlooked.
    pub(super) fn faint(&mut self, line: &str) {
        self.painted_lines("2", line);
    }

    fn painted_lines(&mut self, code: &str, line: &str) {
        for part in wrap(&text::one_line(line, MAX), self.width) {
            let part = self.painted(code, &part);
            self.line(&part);
        }
    }

    pub(super) fn heading(&mut self, line: &str, tone: FindingStatus) {
        let line = self.painted(colour(tone), line);
        self.line(&line);
    }

    /// Short texts side by side, each in its status's colour.
    pub(super) fn coloured_list(&mut self, items: &[(FindingStatus, String)]) {
        let mut line = String::new();
        let mut used = 0;
        for (status, item) in items {
            let item = text::one_line(item, MAX);
            let len = item.chars().count() + 3;
            if used > 0 && used + len > self.width {
                self.line(&std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(if used > 0 { " · " } else { "" });
            line.push_str(&self.painted(colour(*status), &item));
            used += len;
        }
        self.line(&line);
    }

    /// A badge, a title and, at the right or on the next line, a name.
    pub(super) fn titled(&mut self, badge: &str, status: FindingStatus, title: &str, name: &str) {
        let (title, name) = (text::one_line(title, MAX), text::one_line(name, MAX));
        let badge = self.painted(colour(status), &format!("{badge:<width$}", width = INDENT - 2));
        let room = self.width - INDENT;
        let used = title.chars().count() + 2 + name.chars().count();
        if used <= room {
            let gap = " ".repeat(room - used + 2);
            let name = self.painted("2", &name);
            self.line(&format!("{badge}  {title}{gap}{name}"));
            return;
        }
        for (number, part) in wrap(&title, room).iter().enumerate() {
            let lead = if number == 0 { badge.clone() } else { " ".repeat(INDENT - 2) };
            self.line(&format!("{lead}  {part}"));
        }
        for part in wrap(&name, room) {
            let part = self.painted("2", &part);
            self.line(&format!("{}{part}", " ".repeat(INDENT)));
        }
    }

    /// A label, padded to `label_width`, and its value next to it.
    pub(super) fn pair(&mut self, indent: usize, label: &str, label_width: usize, value: &str) {
        let label = format!("{:<label_width$}", text::one_line(label, MAX));
        self.marked(indent, &format!("{label} "), value);
    }

    /// A paragraph, wrapped to the width and indented.
    pub(super) fn wrapped(&mut self, indent: usize, paragraph: &str) {
        self.marked(indent, "", paragraph);
    }

    /// A paragraph that hangs from a mark.
    pub(super) fn marked(&mut self, indent: usize, mark: &str, paragraph: &str) {
        let paragraph = text::multi_line(paragraph, MAX);
        if paragraph.trim().is_empty() {
            return;
        }
        let mut lead = if mark.is_empty() { String::new() } else { format!("{mark} ") };
        if lead.chars().count() > 2 && indent + lead.chars().count() + MIN_ROOM > self.width {
            // No room next to the mark: below it.
            for part in wrap(&lead, self.width - indent) {
                self.line(&format!("{}{part}", " ".repeat(indent)));
            }
            lead = "  ".into();
        }
        let hang = lead.chars().count();
        let room = self.width - indent - hang;
        for line in paragraph.lines() {
            for part in wrap(line, room) {
                self.line(&format!("{}{lead}{part}", " ".repeat(indent)));
                lead = " ".repeat(hang);
            }
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    fn painted(&self, code: &str, line: &str) -> String {
        let mut painted = String::new();
        if self.colour {
            let _ = write!(painted, "\u{1b}[{code}m{line}\u{1b}[0m");
        } else {
            painted.push_str(line);
        }
        painted
    }
}

/// SGR parameters (ECMA-48) of a status. The basic eight, which every theme keeps readable.
fn colour(status: FindingStatus) -> &'static str {
    match status {
        FindingStatus::Fail => "1;31",
        FindingStatus::Warn => "1;33",
        FindingStatus::Info => "36",
        FindingStatus::Ok => "32",
        FindingStatus::Skipped => "2",
    }
}

/// Breaks a line at spaces; a word that is longer than the room is broken anywhere.
fn wrap(line: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut current = String::new();
    let mut used = 0;
    for word in line.split_whitespace() {
        let len = word.chars().count();
        if used > 0 && used + 1 + len > room {
            lines.push(std::mem::take(&mut current));
            used = 0;
        }
        if used > 0 {
            current.push(' ');
            used += 1;
        }
        for c in word.chars() {
            if used == room {
                lines.push(std::mem::take(&mut current));
                used = 0;
            }
            current.push(c);
            used += 1;
        }
    }
    lines.push(current);
    lines
}
