//! Escaping for Markdown: a text shows as itself wherever it stands (heading, list item, table cell).
//!
//! Every character that can begin a construct is escaped, also where it could not; addresses are broken up so
//! that GitHub's extensions make neither links nor mentions of them.

use nearhand_proto::text;

/// Longest text of one field, in characters.
const MAX: usize = 8_000;

/// A text on one line.
pub(super) fn line(text: &str) -> String {
    escaped(&text::one_line(text, MAX))
}

/// A text whose line breaks stay, as hard breaks.
pub(super) fn lines(text: &str) -> String {
    let text = text::multi_line(text, MAX);
    let lines: Vec<_> = text.lines().map(escaped).filter(|line| !line.is_empty()).collect();
    lines.join("\\\n")
}

fn escaped(line: &str) -> String {
    let line = line.trim();
    let mut out = String::with_capacity(line.len() + 16);
    let mut rest = line;
    // A number with a dot or parenthesis would begin a list.
    let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    if let Some((number, after)) = line.split_at_checked(digits)
        && digits > 0
        && let Some(after_mark) = after.strip_prefix(['.', ')'])
        && (after_mark.is_empty() || after_mark.starts_with(char::is_whitespace))
    {
        out.push_str(number);
        out.push('\\');
        rest = after;
    }
    let mut before = None;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' => out.push(' '),
            // "http://" and "www." are links on GitHub, "@name" alerts a person.
            '/' if before == Some(':') => out.push_str("\\/"),
            '.' if out.ends_with(['w', 'W']) => out.push_str("\\."),
            '@' if before.is_none_or(|b: char| !b.is_alphanumeric()) && next.is_some() => {
                out.push_str("@<!-- -->");
            }
            '@' => out.push_str("\\@"),
            '-' | '+' | '=' if before.is_none() => {
                out.push('\\');
                out.push(c);
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '|' | '~' | '#' | '$' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
        before = Some(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constructs_are_escaped_and_plain_text_stays_readable() {
        for (text, markdown) in [
            ("/home is 93 % full (437 GB)", "/home is 93 % full (437 GB)"),
            ("# a\n- b", "\\# a - b"),
            ("- b", "\\- b"),
            ("1. b 2. c", "1\\. b 2. c"),
            ("5.2.15-2", "5.2.15-2"),
            (
                "a_b *c* `d` [e](f) ![g](h) | ~~i~~",
                "a\\_b \\*c\\* \\`d\\` \\[e\\](f) !\\[g\\](h) \\| \\~\\~i\\~\\~",
            ),
            ("<b>&amp;", "&lt;b&gt;&amp;amp;"),
            ("http://evil.example www.evil.example", "http:\\//evil.example www\\.evil.example"),
            ("@team a@example.com", "@<!-- -->team a\\@example.com"),
        ] {
            assert_eq!(line(text), markdown);
        }
        assert_eq!(lines("one\n\n\t    two\n- three"), "one\\\ntwo\\\n\\- three");
    }
}
