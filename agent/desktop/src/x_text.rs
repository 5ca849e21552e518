//! Texts of X programs in the encodings that ICCCM knows: STRING, which is Latin-1, and COMPOUND_TEXT. Pure.
//!
//! COMPOUND_TEXT is ISO 2022 with a few fixed rules (Compound Text Encoding, X11R6): it begins as Latin-1, escape
//! sequences change the character set of bytes below or above 0x80, and later additions hold UTF-8 or any named
//! encoding. What can't be decoded becomes U+FFFD, never the escape sequences themselves.

use std::collections::HashMap;

use encoding_rs::Encoding;

const ESCAPE: u8 = 0x1b;
/// Begins a control sequence; in compound text those of writing direction only.
const CONTROL_SEQUENCE: u8 = 0x9b;
/// Ends the name of the encoding in an extended segment.
const END_OF_NAME: u8 = 0x02;
/// `ESC % G` and `ESC % @`: UTF-8 begins and ends.
const UTF8_BEGINS: &[u8] = b"\x1b%G";
const UTF8_ENDS: &[u8] = b"\x1b%@";
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// The right halves of ISO 8859 by the final byte of their escape sequence, most used first. Latin-1 is `A`.
static RIGHT_HALVES: [(u8, &Encoding); 14] = [
    (b'B', &encoding_rs::ISO_8859_2_INIT),
    (b'b', &encoding_rs::ISO_8859_15_INIT),
    (b'L', &encoding_rs::ISO_8859_5_INIT),
    (b'F', &encoding_rs::ISO_8859_7_INIT),
    (b'M', &encoding_rs::WINDOWS_1254_INIT),
    (b'H', &encoding_rs::ISO_8859_8_INIT),
    (b'G', &encoding_rs::ISO_8859_6_INIT),
    (b'C', &encoding_rs::ISO_8859_3_INIT),
    (b'D', &encoding_rs::ISO_8859_4_INIT),
    (b'V', &encoding_rs::ISO_8859_10_INIT),
    (b'Y', &encoding_rs::ISO_8859_13_INIT),
    (b'T', &encoding_rs::WINDOWS_874_INIT),
    (b'_', &encoding_rs::ISO_8859_14_INIT),
    (b'f', &encoding_rs::ISO_8859_16_INIT),
];
const LATIN_1: u8 = b'A';

/// Latin-1 as text.
pub(crate) fn from_latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// A text as Latin-1; `None` if a character isn't in it.
pub(crate) fn to_latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(c).ok()).collect()
}

/// UTF-8, with U+FFFD for what isn't.
pub(crate) fn from_utf8(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A text whose program may have meant either: programs that only know UTF-8 write it where Latin-1 belongs. Latin-1 with
/// letters beyond ASCII is hardly ever UTF-8 by chance.
pub(crate) fn from_utf8_or_latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        // Cut in the middle of a character.
        Err(error) if error.error_len().is_none() && error.valid_up_to() > 0 => from_utf8(bytes),
        Err(_) => from_latin1(bytes),
    }
}

/// What bytes of one half of the table mean.
#[derive(Clone, Copy)]
enum CharacterSet {
    Ascii,
    Latin1,
    /// ASCII with ¥ and ‾.
    JapaneseLatin,
    Katakana,
    /// One byte, of which the upper half counts.
    Single(&'static Encoding),
    /// Two bytes, as the encoding writes them with the upper bit set.
    Double(&'static Encoding),
    /// JIS X 0212, which EUC-JP begins with 0x8F.
    Supplement,
    /// A set that isn't known here, and how many bytes a character of it has.
    Unknown(usize),
}

/// COMPOUND_TEXT as text.
pub(crate) fn from_compound(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut low, mut high) = (CharacterSet::Ascii, CharacterSet::Latin1);
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        rest = match first {
            ESCAPE if rest.starts_with(UTF8_BEGINS) => {
                let segment = rest.get(UTF8_BEGINS.len()..).unwrap_or_default();
                let end = segment.windows(UTF8_ENDS.len()).position(|at| at == UTF8_ENDS);
                text.push_str(&from_utf8(segment.get(..end.unwrap_or(segment.len())).unwrap_or_default()));
                end.and_then(|end| segment.get(end + UTF8_ENDS.len()..)).unwrap_or_default()
            }
            ESCAPE if rest.starts_with(b"\x1b%/") => extended(rest, &mut text),
            ESCAPE => {
                let (sequence, after) = escape(after);
                designate(sequence, &mut low, &mut high);
                after
            }
            CONTROL_SEQUENCE => {
                let end = after.iter().position(|byte| (0x40..=0x7e).contains(byte));
                end.and_then(|end| after.get(end + 1..)).unwrap_or_default()
            }
            0..=0x20 | 0x7f..=0x9f => {
                text.push(char::from(first));
                after
            }
            0x21..=0x7e => character(low, rest, &mut text),
            0xa0..=0xff => character(high, rest, &mut text),
        };
    }
    // Within a segment it would be a character of the text, which compound text can't have.
    text.retain(|c| c != char::from(ESCAPE));
    text
}

/// The rest of an escape sequence, and what follows it: any number of bytes from 0x20 to 0x2F, and a last one.
fn escape(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !(0x20..=0x2f).contains(byte)).map_or(bytes.len(), |at| at + 1);
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

/// Takes note of a character set for one half.
fn designate(sequence: &[u8], low: &mut CharacterSet, high: &mut CharacterSet) {
    let (half, set) = match sequence {
        [b'(', set] => (low, of_94(*set)),
        [b')', set] => (high, of_94(*set)),
        [b'-', set] => (high, of_96(*set)),
        [b'$', b'(', set] => (low, double(*set)),
        [b'$', b')', set] => (high, double(*set)),
        // Directions, versions, and what no program writes.
        _ => return,
    };
    *half = set;
}

/// Sets of 94 characters.
fn of_94(set: u8) -> CharacterSet {
    match set {
        b'B' => CharacterSet::Ascii,
        b'I' => CharacterSet::Katakana,
        b'J' => CharacterSet::JapaneseLatin,
        _ => CharacterSet::Unknown(1),
    }
}

/// Sets of 96 characters: right halves.
fn of_96(set: u8) -> CharacterSet {
    let right = RIGHT_HALVES.iter().find(|(byte, _)| *byte == set);
    match right {
        _ if set == LATIN_1 => CharacterSet::Latin1,
        Some((_, encoding)) => CharacterSet::Single(encoding),
        None => CharacterSet::Unknown(1),
    }
}

fn double(set: u8) -> CharacterSet {
    match set {
        b'A' => CharacterSet::Double(encoding_rs::GBK),
        b'B' => CharacterSet::Double(encoding_rs::EUC_JP),
        b'C' => CharacterSet::Double(encoding_rs::EUC_KR),
        b'D' => CharacterSet::Supplement,
        _ => CharacterSet::Unknown(2),
    }
}

/// Decodes one character; what follows it.
fn character<'a>(set: CharacterSet, bytes: &'a [u8], text: &mut String) -> &'a [u8] {
    let width = match set {
        CharacterSet::Double(_) | CharacterSet::Supplement => 2,
        CharacterSet::Unknown(width) => width,
        _ => 1,
    };
    let Some((code, rest)) = bytes.split_at_checked(width) else {
        text.push(UNKNOWN);
        return &[];
    };
    let (first, second) = (code.first().copied().unwrap_or(0), code.get(1).copied().unwrap_or(0));
    // A control character in the middle of two bytes: they don't belong together.
    if width == 2 && !(0x21..=0x7e).contains(&(second & 0x7f)) {
        text.push(UNKNOWN);
        return bytes.get(1..).unwrap_or_default();
    }
    match set {
        CharacterSet::Ascii => text.push(char::from(first & 0x7f)),
        CharacterSet::Latin1 => text.push(char::from(first | 0x80)),
        CharacterSet::JapaneseLatin => text.push(match first & 0x7f {
            0x5c => '¥',
            0x7e => '‾',
            other => char::from(other),
        }),
        CharacterSet::Katakana => text.push(match first | 0x80 {
            at @ 0xa1..=0xdf => char::from_u32(0xff61 + u32::from(at - 0xa1)).unwrap_or(UNKNOWN),
            _ => UNKNOWN,
        }),
        CharacterSet::Single(encoding) => decode(encoding, &[first | 0x80], text),
        CharacterSet::Double(encoding) => decode(encoding, &[first | 0x80, second | 0x80], text),
        CharacterSet::Supplement => decode(encoding_rs::EUC_JP, &[0x8f, first | 0x80, second | 0x80], text),
        CharacterSet::Unknown(_) => text.push(UNKNOWN),
    }
    rest
}

fn decode(encoding: &'static Encoding, bytes: &[u8], text: &mut String) {
    let (decoded, _) = encoding.decode_without_bom_handling(bytes);
    text.push_str(&decoded);
}

/// `ESC % / width length name 0x02 data`: any encoding by its name. What follows it.
fn extended<'a>(bytes: &'a [u8], text: &mut String) -> &'a [u8] {
    let Some(([_, _, _, _, high, low], rest)) = bytes.split_first_chunk::<6>() else { return &[] };
    let length = usize::from(high & 0x7f) * 128 + usize::from(low & 0x7f);
    let (segment, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
    let end = segment.iter().position(|byte| *byte == END_OF_NAME).unwrap_or(segment.len());
    let (name, data) = segment.split_at_checked(end).unwrap_or((segment, &[]));
    let data = data.get(1..).unwrap_or_default();
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let label = name.strip_prefix("microsoft-").unwrap_or(&name);
    let label = label.strip_suffix("-0").or(label.strip_suffix("-1")).unwrap_or(label);
    let encoding = Encoding::for_label(label.as_bytes()).or_else(|| Encoding::for_label(name.as_bytes()));
    match encoding {
        Some(encoding) => decode(encoding, data, text),
        None => text.push(UNKNOWN),
    }
    rest
}

/// A text as COMPOUND_TEXT: in the sets of ISO 8859 where they have the character, since old programs know no other,
/// else as UTF-8.
pub(crate) fn to_compound(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 16);
    let table = right_halves();
    let (mut set, mut in_utf8) = (LATIN_1, false);
    for c in text.chars() {
        let code = match u8::try_from(c) {
            Ok(byte @ 0..=0x7f) => Some((set, byte)),
            Ok(byte @ 0xa0..=0xff) => Some((LATIN_1, byte)),
            _ => table.get(&c).copied(),
        };
        let in_segment = code.is_none();
        if in_segment != in_utf8 {
            bytes.extend_from_slice(if in_segment { UTF8_BEGINS } else { UTF8_ENDS });
            in_utf8 = in_segment;
        }
        match code {
            Some((wanted, byte)) => {
                if wanted != set {
                    bytes.extend_from_slice(&[ESCAPE, b'-', wanted]);
                    set = wanted;
                }
                bytes.push(byte);
            }
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if in_utf8 {
        bytes.extend_from_slice(UTF8_ENDS);
    }
    bytes
}

/// The characters of all right halves but that of Latin-1, with the set that has them.
fn right_halves() -> HashMap<char, (u8, u8)> {
    let mut table = HashMap::new();
    for (set, encoding) in &RIGHT_HALVES {
        for byte in 0xa0..=0xff_u8 {
            let (decoded, failed) = encoding.decode_without_bom_handling(std::slice::from_ref(&byte));
            let c = decoded.chars().next().filter(|_| !failed);
            if let Some(c) = c {
                table.entry(c).or_insert((*set, byte));
            }
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn compound_text_is_read_as_programs_write_it() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain", "plain"),
            (b"M\xfcller", "Müller"),
            (b"\x1b%GM\xc3\xbcller CT\x1b%@ x", "Müller CT x"),
            (b"\x1b%GM\xc3\xbcller", "Müller"),
            (b"\x1b-B\xb1\x1b-A\xe4", "ąä"),
            (b"\x1b-L\xbf\xe0\xd8\xd2\xd5\xe2", "Привет"),
            (b"\x1b-F\xe1\xe2", "αβ"),
            (b"\x1b-M\xf0", "ğ"),
            (b"\x1b-b\xa4", "€"),
            (b"\x1b$(B\x46\x7c\x4b\x5c\x1b(B!", "日本!"),
            (b"\x1b$)B\xc6\xfc\xcb\xdc", "日本"),
            (b"\x1b$)A\xd6\xd0\xce\xc4", "中文"),
            (b"\x1b$)C\xc7\xd1", "한"),
            (b"\x1b(J\x5c\x1b)I\xb6", "¥ｶ"),
            (b"\x1b%/1\x80\x8ckoi8-r\x02\xf0\xd2\xc9\xd7\xc5!", "Приве!"),
            (b"\x1b%/2\x80\x8bbig5-0\x02\xa4\xa4\xa4\xe5 x", "中文 x"),
            (b"\x1b%/1\x80\x85klingon", "\u{fffd}on"),
            // Directions of writing, a version, and sets that nobody has.
            (b"\x9b2]abc\x9b]\x1b#!0d", "abcd"),
            (b"\x1b$(G\x21\x22\x1b(Bok", "\u{fffd}ok"),
            (b"\x1b", ""),
            (b"\x1b$", ""),
            (b"\x1b%/", ""),
            (b"\x1b$)B\xc6", "\u{fffd}"),
            (b"\x1b$)B\xc6\nx", "\u{fffd}\nx"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(from_compound(bytes), *expected, "{bytes:?}");
        }
    }

    #[test]
    fn latin_1_has_what_it_has() {
        assert_eq!(to_latin1("Grüße, ½ ×\n").unwrap(), b"Gr\xfc\xdfe, \xbd \xd7\n");
        assert_eq!((to_latin1("19 €"), to_latin1("ж")), (None, None));
        assert_eq!(from_latin1(b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(from_utf8_or_latin1("Grüße".as_bytes()), "Grüße");
        assert_eq!(from_utf8_or_latin1(b"Gr\xfc\xdfe"), "Grüße");
        assert_eq!(from_utf8_or_latin1(b"aus K\xc3\xb6ln \xc3"), "aus Köln \u{fffd}");
    }

    #[test]
    fn what_old_programs_know_is_written_without_utf8() {
        assert_eq!(to_compound("Müller"), b"M\xfcller");
        assert_eq!(to_compound("Łódź ä"), b"\x1b-B\xa3\x1b-A\xf3d\x1b-B\xbc \x1b-A\xe4");
        assert_eq!(to_compound("a✓b"), b"a\x1b%G\xe2\x9c\x93\x1b%@b");
    }

    proptest! {
        #[test]
        fn every_text_survives_as_compound_text(text in "[^\u{1b}\u{80}-\u{9f}]*") {
            prop_assert_eq!(from_compound(&to_compound(&text)), text);
        }

        #[test]
        fn no_escape_sequence_survives(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let escapes = from_compound(&bytes).chars().filter(|c| *c == char::from(ESCAPE)).count();
            prop_assert_eq!(escapes, 0);
        }
    }
}
