//! HTML as it is written out. Must not live here: what the page says.
//!
//! Written by hand rather than with a template engine, because the type system can then promise more than an
//! engine's auto-escaping: [`HtmlMarkup::raw`] takes only text that is fixed in this program, everything else goes
//! through [`HtmlMarkup::text`]. No field of a report can reach the page in any other way.

use std::fmt::Write;

use data_encoding::BASE64;

use nearhand_proto::text;

/// Longest text of one field on the page, in characters.
const MAX: usize = 8_000;

/// A growing piece of HTML.
#[derive(Default)]
pub(super) struct HtmlMarkup {
    out: String,
}

impl HtmlMarkup {
    /// Markup that is part of this program.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.out.push_str(markup);
        self
    }

    /// Any text, on one line: neutralised, then escaped for content and for quoted attributes.
    pub(super) fn text(&mut self, content: &str) -> &mut Self {
        self.escaped(&text::one_line(content, MAX));
        self
    }

    /// Text of several lines. `` `code` `` is set as such: the only markup that a field can ask for.
    pub(super) fn prose(&mut self, content: &str) -> &mut Self {
        let content = text::multi_line(content, MAX);
        for (number, line) in content.lines().filter(|line| !line.trim().is_empty()).enumerate() {
            if number > 0 {
                self.raw("<br>");
            }
            self.line_with_code(line);
        }
        self
    }

    fn line_with_code(&mut self, line: &str) {
        let mut rest = line;
        while let Some((before, from)) = rest.split_once('`') {
            let Some((code, after)) = from.split_once('`').filter(|(code, _)| !code.trim().is_empty()) else {
                break;
            };
            self.escaped(before);
            self.raw("<code>").escaped(code);
            self.raw("</code>");
            rest = after;
        }
        self.escaped(rest);
    }

    /// A whole number.
    pub(super) fn int(&mut self, number: usize) -> &mut Self {
        let _ = write!(self.out, "{number}");
        self
    }

    /// A coordinate of a drawing; what is no finite number is 0.
    pub(super) fn coord(&mut self, number: f64) -> &mut Self {
        let number = if number.is_finite() { number } else { 0.0 };
        let _ = write!(self.out, "{number:.2}");
        self
    }

    /// Bytes, for a `data:` address.
    pub(super) fn base64(&mut self, bytes: &[u8]) -> &mut Self {
        BASE64.encode_append(bytes, &mut self.out);
        self
    }

    /// Ends the page and returns it.
    pub(super) fn finish(self) -> String {
        self.out
    }

    fn escaped(&mut self, content: &str) {
        for c in content.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                c => self.out.push(c),
            }
        }
    }
}
