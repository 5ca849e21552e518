//! Text that somebody else wrote, made safe to show.
//!
//! Everything a peer sends (names, reasons, chat, findings) goes through here before a terminal, a log or a
//! page sees it: no control characters (terminal escapes), no bidirectional overrides (text that reads as
//! something else), no invisible characters used to imitate, and never longer than its place allows. A text that
//! travels in a message is a [`PeerText`](crate::peer_text::PeerText), which is clean from its decoding on. An error
//! in words ([`chain`]) is made here too, since it can repeat what a peer sent.

use core::error::Error;

/// Appended where a text was cut.
const CUT: char = '…';
/// Most combining marks on one character. Vietnamese and Hebrew need two or three; towers of them cover other lines.
const MAX_MARKS: usize = 4;

/// `true` for characters that could steer a terminal, reorder the text around them, or fill a place without being
/// seen. Beyond the control characters these are Unicode's `Bidi_Control`, its format controls and its
/// `Default_Ignorable_Code_Point`s, as far as no script needs them, and the blanks that are letters or symbols.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{00ad}' | '\u{034f}' | '\u{061c}'
            // Hangul fillers, Khmer inherent vowels, the Mongolian vowel separator.
            | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}' | '\u{3164}' | '\u{ffa0}'
            | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            // The Braille pattern without a dot.
            | '\u{2800}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            // Khitan filler, hieroglyph, shorthand and musical format controls, the musical note without a head.
            | '\u{16fe4}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}'
            // Tags, and the rest of the plane's ignorable characters but the variation selectors.
            | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// `true` for characters that change how the one before them is drawn, and are nothing anywhere else.
fn is_variation_selector(c: char) -> bool {
    matches!(c, '\u{180b}'..='\u{180d}' | '\u{180f}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// `true` where a selector or joiner can follow `c`: on symbols and emoji, and in scripts that have variants of their
/// letters. After a Latin, Greek or Cyrillic letter or a digit it only hides (but for keycaps: 1️⃣).
fn takes_variations(c: char, selector: char) -> bool {
    match selector {
        '\u{fe0e}' | '\u{fe0f}' => is_symbol(c) || matches!(c, '0'..='9' | '#' | '*' | '©' | '®'),
        '\u{180b}'..='\u{180f}' => matches!(c, '\u{1800}'..='\u{18af}'),
        _ => {
            is_ideograph(c) || is_symbol(c) || matches!(c, '\u{1000}'..='\u{109f}' | '\u{a840}'..='\u{a877}')
        }
    }
}

fn is_symbol(c: char) -> bool {
    matches!(c, '\u{2030}'..='\u{205e}' | '\u{2100}'..='\u{27ff}' | '\u{2900}'..='\u{2bff}' | '\u{3000}'..='\u{303f}'
        | '\u{3200}'..='\u{32ff}' | '\u{1f000}'..='\u{1faff}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// `true` where U+200C or U+200D has a meaning: between letters of Arabic and Indic scripts, and between emoji.
fn takes_joiner(c: char) -> bool {
    is_symbol(c)
        || c == '\u{fe0f}'
        || matches!(c, '\u{0600}'..='\u{0fff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{18af}'
        | '\u{a840}'..='\u{abff}' | '\u{fb50}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10a00}'..='\u{11fff}')
}

fn is_combining(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036f}' | '\u{0483}'..='\u{0489}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
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

/// The address, if it is one that a reader may follow: `https` or `http`, with a host, of printable ASCII alone and
/// without a name or password in front of the host. Anything else in a field for links (`javascript:`, `data:`, `file:`)
/// is a text and no link.
pub fn web_address(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"\"'<>\\`^{|}".contains(&b));
    (is_web && is_plain && !host.is_empty() && !host.starts_with(':') && !host.contains('@')).then_some(text)
}

/// Longest chain of an error's causes, in characters.
const MAX_CHAIN: usize = 1000;

/// An error and its causes, in one line that can't steer a terminal: a peer may have had a word in it, such as the reason
/// with which a connection was closed. A cause that what stands before it names already is not said again.
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
    one_line(&text, MAX_CHAIN)
}

fn cleaned(text: &str, max_chars: usize, keep: impl Fn(char) -> Option<char>) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars.saturating_mul(4)));
    let (mut before, mut marks, mut count) = (' ', 0, 0);
    for c in text.chars() {
        // What means nothing where it stands leaves no trace: no reader misses it.
        marks = if is_combining(c) { marks + 1 } else { 0 };
        let is_nothing = marks > MAX_MARKS
            || (is_variation_selector(c) && !takes_variations(before, c))
            || (matches!(c, '\u{200c}' | '\u{200d}') && !takes_joiner(before));
        if is_nothing {
            continue;
        }
        if count == max_chars {
            if out.pop().is_some() {
                out.push(CUT);
            }
            break;
        }
        before = keep(c).unwrap_or(if is_hostile(c) { '\u{fffd}' } else { c });
        out.push(before);
        count += 1;
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
    fn fillers_that_are_not_seen_do_not_survive() {
        let fillers = "\u{3164}\u{115f}\u{1160}\u{2800}\u{034f}\u{ffa0}\u{17b4}\u{17b5}\u{1d173}\u{1d17a}\u{1d159}\
                       \u{e0001}\u{e0020}\u{e007f}\u{e00ff}\u{2061}\u{206a}\u{feff}\u{fff5}\u{180e}\u{13437}\u{1bca0}\
                       \u{16fe4}\u{ad}";
        for filler in fillers.chars() {
            assert_eq!(one_line(&format!("Till{filler}3"), 50), "Till\u{fffd}3", "{filler:?}");
            assert_eq!(multi_line(&format!("{filler}"), 50), "\u{fffd}", "{filler:?}");
        }
    }

    #[test]
    fn selectors_and_joiners_stay_only_where_they_mean_something() {
        for selector in "\u{fe00}\u{fe0e}\u{fe0f}\u{180b}\u{180f}\u{e0100}\u{e01ef}\u{200c}\u{200d}".chars() {
            assert_eq!(
                one_line(&format!("{selector}Till{selector}{selector} {selector}x"), 50),
                "Till x",
                "{selector:?}"
            );
        }
        for text in [
            "☺\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "葛\u{e0100}",
            "👩\u{200d}💻",
            "می\u{200c}خواهم",
            "ᠠ\u{180b}",
            "❤\u{fe0f}\u{200d}🔥",
        ] {
            assert_eq!(one_line(text, 50), text);
        }
        assert_eq!(one_line("☺\u{fe0f}\u{fe0f}\u{fe0f}", 50), "☺\u{fe0f}");
    }

    #[test]
    fn a_character_carries_few_marks() {
        let tower = format!("a{}b", "\u{301}".repeat(100));
        assert_eq!(one_line(&tower, 500).chars().count(), 2 + MAX_MARKS);
    }

    #[test]
    fn ordinary_text_of_any_script_is_untouched() {
        for text in
            ["Grüße", "مرحبا", "日本語", "👩🏽 ok", "a\u{301}", "Việt", "שָׁלוֹם", "हिन्दी", "ไทย", "한국어"]
        {
            assert_eq!(one_line(text, 50), text);
        }
    }

    #[test]
    fn cut_texts_say_so_and_fit() {
        assert_eq!(one_line("abcdef", 4), "abc…");
        assert_eq!(one_line("abcd", 4), "abcd");
        assert_eq!(one_line("abcd\u{200d}\u{fe0f}", 4), "abcd");
        assert_eq!(one_line("x", 0), "");
    }

    #[test]
    fn only_addresses_of_the_web_are_links() {
        for link in ["https://kb.example/disk?x=1#a", "http://10.0.0.1:8080/", "HTTPS://[::1]/x"] {
            assert_eq!(web_address(link), Some(link));
        }
        let others = [
            "javascript:alert(1)",
            "javascript://x/%0aalert(1)",
            "JavaScript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            " https://a",
            "https://a b",
            "https://a\n",
            "https://",
            "https://:80",
            "https://bank.example@evil.example/",
            "https://a/\u{202e}",
            "https://a/<script>",
            "//a",
            "KB-17",
            "vbscript:x",
            "https://müller.example/",
        ];
        for text in others {
            assert_eq!(web_address(text), None, "{text:?}");
        }
    }
}
