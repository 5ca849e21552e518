//! Text that somebody else wrote, made safe to show.
//!
//! Everything a peer sends (names, reasons, chat, findings) goes through here before a terminal, a log or a
//! page sees it: no control characters (terminal escapes), no bidirectional overrides (text that reads as
//! something else), no invisible characters used to imitate, and never longer than its place allows. An error in
//! words ([`chain`]) is made here too, since it can repeat what a peer sent.

use core::error::Error;

/// Appended where a text was cut.
const CUT: char = '…';

/// `true` for characters that could steer a terminal, reorder the text around them, or hide.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{061c}' | '\u{180e}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// One line: hostile characters become U+FFFD (line breaks and tabs a space), cut at `max_chars`.
pub fn one_line(text: &str, max_chars: usize) -> String {
    cleaned(text, max_chars, |c| if matches!(c, '\n' | '\r' | '\t') { Some(' ') } else { None })
}

/// Several lines: like [`one_line`], but `\n` and tabs stay and `\r` goes.
pub fn multi_line(text: &str, max_chars: usize) -> String {
    cleaned(&text.replace("\r\n", "\n"), max_chars, |c| match c {
        '\n' | '\t' => Some(c),
        '\r' => Some('\n'),
        _ => None,
    })
}

/// An error and its causes, in one line; a cause that what stands before it names already is not said again.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

fn cleaned(text: &str, max_chars: usize, keep: impl Fn(char) -> Option<char>) -> String {
    let mut chars = text.chars();
    let mut out: String = chars
        .by_ref()
        .take(max_chars)
        .map(|c| keep(c).unwrap_or(if is_hostile(c) { '\u{fffd}' } else { c }))
        .collect();
    if max_chars > 0 && chars.next().is_some() {
        out.pop();
        out.push(CUT);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Why(&'static str, #[source] Option<Box<Why>>);
        let chained = |causes: &[&'static str]| {
            let of = |under, why: &&'static str| Some(Box::new(Why(why, under)));
            chain(&causes.iter().rev().fold(None, of).unwrap())
        };
        assert_eq!(chained(&["it failed", "the disk is full"]), "it failed: the disk is full");
        assert_eq!(chained(&["no agent (no file): start it", "no file"]), "no agent (no file): start it");
        assert_eq!(chained(&["a", "b", "c"]), "a: b: c");
    }

    #[test]
    fn terminal_escapes_and_bidi_overrides_do_not_survive() {
        assert_eq!(one_line("a\u{1b}[2Jb\nc\u{202e}d\u{200b}", 50), "a\u{fffd}[2Jb c\u{fffd}d\u{fffd}");
        assert_eq!(multi_line("a\r\nb\tc\u{9b}31m", 50), "a\nb\tc\u{fffd}31m");
    }

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in ["Grüße", "مرحبا", "日本語", "👩🏽 ok", "a\u{301}"] {
            assert_eq!(one_line(text, 50), text);
        }
    }

    #[test]
    fn cut_texts_say_so_and_fit() {
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
        assert_eq!(one_line("x", 0), "");
    }
}
