//! A support code as people hand it over: typed, read from a chat, copied from a mail or a cell of a spreadsheet.
//!
//! What stands between and around the digits is passed over: spaces of any kind, dashes, dots, quotes, invisible
//! characters, words. Digits of any script count. What is no code gets the reason, since "there is no such device"
//! sends a technician looking in the wrong place. Pure.

use core::str::FromStr;

use super::{DIGITS, SupportCode, SupportCodeError, check_digit};

/// Longest text that is looked through, in characters: a message with a code in it.
const MAX_PASTED: usize = 2_000;
/// Fewest digits of a text without letters that is taken for a code which lacks some.
const FEW: usize = 4;
/// Between how many digits in a sentence are taken for a code with a slip in its length.
const NEARLY: core::ops::RangeInclusive<usize> = DIGITS - 2..=DIGITS + 1;

/// Where the digits of each script that has decimal ones begin: the zeros of Unicode's general category `Nd` (Unicode
/// 16.0). Nine others follow each in order.
const ZEROS: [u32; 76] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x116d0,
    0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50, 0x11d50, 0x11da0, 0x11f50, 0x16130, 0x16a60,
    0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0,
    0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// What a text is, as far as support codes go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PastedText {
    /// A code alone, or one with a slip that explains itself: nothing else was meant.
    Code(Result<SupportCode, SupportCodeError>),
    /// A code or one with a slip, unless it is the name of something.
    Perhaps(Result<SupportCode, SupportCodeError>),
    /// Something else.
    Other,
}

impl PastedText {
    /// Looks at the beginning of a text.
    pub fn read(text: &str) -> Self {
        let seen = SeenText::read(text);
        match seen.code() {
            Ok(Some(code)) if seen.letters == 0 => Self::Code(Ok(code)),
            Ok(Some(code)) => Self::Perhaps(Ok(code)),
            Err(slip) => Self::Perhaps(Err(slip)),
            Ok(None) => seen.slip().map_or(Self::Other, |slip| Self::Perhaps(Err(slip))),
        }
    }
}

/// The digits of a text, in groups, and what stands between them.
struct SeenText {
    groups: Vec<DigitGroup>,
    /// Number of characters that are letters.
    letters: usize,
    /// Number of letters that look like digits.
    alike: usize,
    /// The text says by a word that a code follows.
    announced: bool,
    /// A spreadsheet's way to write a number that is too long for its cell, such as 1.23E+11.
    rounded: bool,
}

struct DigitGroup {
    digits: String,
    /// Letters stand between the group before and this one.
    apart: bool,
    /// The group is part of a word, as in `PC-2024`.
    glued: bool,
}

impl SeenText {
    fn read(text: &str) -> Self {
        let mut seen =
            Self { groups: Vec::new(), letters: 0, alike: 0, announced: false, rounded: is_rounded(text) };
        let (mut apart, mut in_group, mut word, mut before) = (false, false, String::new(), ' ');
        for c in text.chars().take(MAX_PASTED).filter(|c| !is_unseen(*c)) {
            if let Some(digit) = digit_of(c) {
                if !in_group {
                    let glued = before.is_alphabetic() || (matches!(before, '-' | '_') && apart);
                    seen.groups.push(DigitGroup { digits: String::new(), apart, glued });
                    (apart, in_group) = (false, true);
                }
                if let Some(group) = seen.groups.last_mut() {
                    group.digits.push(char::from(b'0' + digit));
                }
            } else if c.is_alphabetic() {
                if let Some(group) = seen.groups.last_mut().filter(|_| in_group) {
                    group.glued = true;
                }
                seen.letters += 1;
                seen.alike += usize::from(matches!(
                    c,
                    'O' | 'o' | 'D' | 'Q' | 'l' | 'I' | 'i' | 'Z' | 'z' | 'S' | 's' | 'B' | 'g' | 'q'
                ));
                word.extend(c.to_lowercase());
                (apart, in_group) = (true, false);
            } else {
                in_group = false;
            }
            if !c.is_alphabetic() {
                seen.announced |= announces(&word);
                word.clear();
            }
            before = c;
        }
        seen.announced |= announces(&word);
        seen
    }

    /// The code, if groups that follow one another are one; `None` if no groups have as many digits.
    fn code(&self) -> Result<Option<SupportCode>, SupportCodeError> {
        if self.letters == 0 && self.total() == DIGITS {
            return parse(&self.digits(0..self.groups.len())).map(Some);
        }
        let (mut found, mut wrong) = (Vec::new(), false);
        for from in 0..self.groups.len() {
            let mut count = 0;
            for to in from..self.groups.len() {
                let Some(group) = self.groups.get(to).filter(|group| to == from || !group.apart) else {
                    break;
                };
                count += group.digits.len();
                if count >= DIGITS {
                    if count == DIGITS {
                        match parse(&self.digits(from..to + 1)) {
                            Ok(code) => found.push((self.is_grouped(from..to + 1), code)),
                            Err(_) => wrong = true,
                        }
                    }
                    break;
                }
            }
        }
        // Times and numbers of telephones stand near a code, too: what is written as codes are comes first.
        if found.iter().any(|(grouped, _)| *grouped) {
            found.retain(|(grouped, _)| *grouped);
        }
        found.dedup_by(|a, b| a.1 == b.1);
        match (found.pop(), found.is_empty(), wrong) {
            (Some((_, code)), true, _) => Ok(Some(code)),
            (Some(_), false, _) => Err(SupportCodeError::Several),
            (None, _, true) => Err(SupportCodeError::Check),
            (None, _, false) if self.total() == DIGITS => parse(&self.digits(0..self.groups.len())).map(Some),
            (None, _, false) => Ok(None),
        }
    }

    /// What is wrong with it, if it was meant as a code.
    fn slip(&self) -> Option<SupportCodeError> {
        if self.rounded {
            return Some(SupportCodeError::Rounded);
        }
        let total = self.total();
        if self.letters == 0 {
            return (total >= FEW).then_some(SupportCodeError::Length(total));
        }
        // An O for a 0, an l for a 1.
        if total + self.letters == DIGITS
            && total >= DIGITS - 3
            && (self.letters == 1 || self.alike == self.letters)
        {
            return Some(SupportCodeError::NotDigits);
        }
        let longest = self.longest_run();
        let is_meant = if self.announced { longest >= FEW } else { NEARLY.contains(&longest) };
        is_meant.then_some(SupportCodeError::Length(longest))
    }

    /// The most digits that stand together, between words.
    fn longest_run(&self) -> usize {
        let (mut longest, mut run) = (0, 0);
        for group in &self.groups {
            run = match (group.glued && !self.announced, group.apart) {
                (true, _) => 0,
                (false, true) => group.digits.len(),
                (false, false) => run + group.digits.len(),
            };
            longest = longest.max(run);
        }
        longest
    }

    fn is_grouped(&self, range: core::ops::Range<usize>) -> bool {
        let groups = self.groups.get(range).unwrap_or_default();
        let length = groups.first().map_or(0, |group| group.digits.len());
        groups.iter().all(|group| group.digits.len() == length)
    }

    fn digits(&self, range: core::ops::Range<usize>) -> String {
        self.groups.get(range).unwrap_or_default().iter().map(|group| group.digits.as_str()).collect()
    }

    fn total(&self) -> usize {
        self.groups.iter().map(|group| group.digits.len()).sum()
    }
}

/// The code of twelve ASCII digits.
fn parse(digits: &str) -> Result<SupportCode, SupportCodeError> {
    if check_digit(digits.bytes()) != 0 {
        return Err(SupportCodeError::Check);
    }
    SupportCode::of_digits(digits).ok_or(SupportCodeError::Length(digits.len()))
}

/// The value of a digit of any script; also of one in a circle, raised or lowered.
fn digit_of(c: char) -> Option<u8> {
    let number = u32::from(c);
    let value = match c {
        '²' => 2,
        '³' => 3,
        '¹' => 1,
        '⁰' | '⓪' => 0,
        '\u{2074}'..='\u{2079}' => number - 0x2070,
        '\u{2080}'..='\u{2089}' => number - 0x2080,
        '\u{2460}'..='\u{2468}' => number - 0x245f,
        _ => number - ZEROS.into_iter().find(|zero| (*zero..zero + 10).contains(&number))?,
    };
    u8::try_from(value).ok()
}

/// Characters that take no room: they stand within a group of digits without ending it.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{20e3}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

impl FromStr for SupportCode {
    type Err = SupportCodeError;

    /// Reads a code in any dress: see [`PastedText`].
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match PastedText::read(text) {
            PastedText::Code(read) | PastedText::Perhaps(read) => read,
            PastedText::Other if text.chars().any(char::is_alphabetic) => Err(SupportCodeError::NotDigits),
            PastedText::Other => {
                Err(SupportCodeError::Length(text.chars().filter(char::is_ascii_digit).count()))
            }
        }
    }
}

/// The word for a code, in the languages of the customer's window and their neighbours.
fn announces(word: &str) -> bool {
    ["code", "kode", "kod", "código", "codigo", "codice", "pin"].iter().any(|name| word.ends_with(name))
}

/// `1.23457E+11`: a long number in a narrow cell.
fn is_rounded(text: &str) -> bool {
    let text = text.trim().replace(',', ".").to_uppercase();
    let Some((number, exponent)) = text.split_once("E+") else { return false };
    let exponent = exponent.parse::<usize>();
    number.parse::<f64>().is_ok() && exponent.is_ok_and(|digits| NEARLY.contains(&(digits + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0042 1234 567 and its check digit.
    const CODE: &str = "0042 1234 5678";

    fn is_the_code(text: &str) -> bool {
        let right = CODE.parse::<SupportCode>().unwrap();
        match PastedText::read(text) {
            PastedText::Code(read) | PastedText::Perhaps(read) => read == Ok(right),
            PastedText::Other => false,
        }
    }

    #[test]
    fn a_code_is_read_in_any_dress() {
        let between = [
            "",
            " ",
            "  ",
            "-",
            "–",
            "—",
            "‑",
            "−",
            ".",
            "·",
            ",",
            "/",
            "_",
            "\t",
            "\n",
            "\r\n",
            "\u{a0}",
            "\u{202f}",
            "\u{2009}",
            "\u{3000}",
            "\u{200b}",
            "\u{2060}",
            "\u{feff}",
            "\u{ad}",
            " - ",
            ". ",
            "\u{200b} ",
            "'",
            "|",
            "…",
        ];
        for gap in between {
            let text = CODE.replace(' ', gap);
            assert!(is_the_code(&text), "{text:?}");
            assert!(matches!(PastedText::read(&text), PastedText::Code(Ok(_))), "{text:?}");
        }
        let around = [
            "“{}”",
            "'{}'",
            "\"{}\"",
            "„{}“",
            "«{}»",
            "({})",
            "[{}]",
            "<{}>",
            "**{}**",
            "`{}`",
            "={}",
            "#{}",
            " {}.",
            "{}!",
            "\u{202a}{}\u{202c}",
            "\u{feff}{}",
            "{}\n",
            "Code: {}",
            "Der Code ist {}, danke",
            "[10:35] Anna: {}",
            "01.12.2026, 10:35 Anna: {}",
            "{} (good for 10 minutes)",
            "support code {} until 10:45",
            "Código: {}",
            "https://help.example/?code={}&x=1",
        ];
        for dress in around {
            let text = dress.replace("{}", CODE);
            assert!(is_the_code(&text), "{text:?}");
        }
        assert!(is_the_code("0042 and 1234 and 5678"));
    }

    #[test]
    fn digits_of_any_script_are_digits() {
        for zero in ZEROS {
            let text: String = CODE
                .chars()
                .map(|c| c.to_digit(10).map_or(c, |digit| char::from_u32(zero + digit).unwrap()))
                .collect();
            assert!(is_the_code(&text), "{text:?}");
        }
        assert!(ZEROS.is_sorted());
        assert!(is_the_code("⓪⓪④② ①②③④ ⑤⑥⑦⑧"));
        assert!(is_the_code("⁰⁰⁴² ¹²³⁴ ₅₆₇₈"));
        let keycaps: String = CODE.chars().flat_map(|c| [c, '\u{fe0f}', '\u{20e3}']).collect();
        assert!(is_the_code(&keycaps));
    }

    #[test]
    fn a_slip_is_told_for_what_it_is() {
        use SupportCodeError as E;
        let cases = [
            ("42 1234 5678", E::Length(10)),
            ("4212345678", E::Length(10)),
            ("042 1234 5678", E::Length(11)),
            ("0042 1234 56781", E::Length(13)),
            ("0042", E::Length(4)),
            ("Code: 0042 1234", E::Length(8)),
            ("your code is 042 1234 5678, good for 10 minutes", E::Length(11)),
            ("here: 042 1234 5678", E::Length(11)),
            ("0042 1234 5679", E::Check),
            ("Code: 0042 1234 5679", E::Check),
            ("OO42 1234 5678", E::NotDigits),
            ("0042 l234 5678", E::NotDigits),
            ("4.21235E+11", E::Rounded),
            ("4,21235E+10", E::Rounded),
        ];
        for (text, slip) in cases {
            let read = PastedText::read(text);
            assert!(
                matches!(&read, PastedText::Code(Err(e)) | PastedText::Perhaps(Err(e)) if *e == slip),
                "{text:?}: {read:?}"
            );
        }
        let told = E::Length(11).to_string();
        assert_eq!(
            told,
            "a support code has 12 digits; this has 11 (a spreadsheet may have dropped a leading 0)"
        );
        assert_eq!(E::Length(13).to_string(), "a support code has 12 digits; this has 13");
    }

    #[test]
    fn two_codes_are_one_too_many_and_the_same_twice_is_one() {
        let other = SupportCode::of_digits("999900000000").unwrap().spoken();
        let read = PastedText::read(&format!("{CODE} or {other}"));
        assert_eq!(read, PastedText::Perhaps(Err(SupportCodeError::Several)));
        assert!(is_the_code(&format!("{CODE}, I repeat: {CODE}")));
    }

    #[test]
    fn names_of_devices_are_no_codes() {
        let names = [
            "till 3",
            "",
            "pc-1",
            "PC-20240101123",
            "srv2019",
            "12",
            "Büro 2. OG",
            "web-01.example.com",
            "abcd1234",
        ];
        for name in names {
            assert_eq!(PastedText::read(name), PastedText::Other, "{name:?}");
        }
        // What may be either is looked for among the devices first.
        for name in ["till 421234567800", "00000000000a", "20240101", "10.0.0"] {
            assert!(matches!(PastedText::read(name), PastedText::Perhaps(_)), "{name:?}");
        }
        assert_eq!(PastedText::read(&"x".repeat(1 << 20)), PastedText::Other);
    }
}
