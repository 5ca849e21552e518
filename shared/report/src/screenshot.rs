//! The picture of the screen that goes with a report, or why there is none.
//!
//! Lives here: what the report's forms say of it, and the outer check of a PNG file that another process made: its parts
//! and its size, before anybody decodes it. Must not live here: pixels. A picture can't be redacted or pseudonymised, so
//! it is never part of a pseudonymised report (see [`super::shareable`]).

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

use nearhand_proto::text;

/// Name of the picture's file; it lies next to the report.
pub const FILE: &str = "screenshot.png";
/// Largest file, in bytes: a 4K screen full of photographs fits, and a page that holds it can still be mailed to some.
pub const MAX_PNG: usize = 32 * 1024 * 1024;
/// Longest side, in pixels.
pub const MAX_SIDE: u32 = 16_384;
/// Most pixels: four 4K screens.
pub const MAX_PIXELS: u64 = 4 * 3840 * 2160;

/// What became of the picture that was asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Screenshot {
    /// It was taken.
    Taken(ScreenshotPng),
    /// There is none, and why, for a reader of the report.
    Missing(String),
}

impl Screenshot {
    /// There is none.
    pub fn missing(why: &str) -> Self {
        Self::Missing(text::one_line(why, 300))
    }

    /// The picture, if there is one.
    pub fn picture(&self) -> Option<&ScreenshotPng> {
        match self {
            Self::Taken(picture) => Some(picture),
            Self::Missing(_) => None,
        }
    }
}

/// A PNG file that is shaped as one, and no larger than it may be.
#[derive(Clone, PartialEq, Eq)]
pub struct ScreenshotPng {
    png: Vec<u8>,
    width: u32,
    height: u32,
}

impl fmt::Debug for ScreenshotPng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({} x {}, {} bytes)", self.width, self.height, self.png.len())
    }
}

/// The bytes are no picture that a report may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScreenshotError {
    /// More than [`MAX_PNG`].
    #[error("the picture is larger than a report may have ({MAX_PNG} bytes)")]
    TooLarge,
    /// Not the PNG that our own program makes.
    #[error("what was made of the picture makes no sense")]
    Malformed,
}

impl ScreenshotPng {
    /// Takes a file that our own program made of a picture: eight bits each of red, green and blue, and nothing else.
    ///
    /// # Errors
    /// [`ScreenshotError::TooLarge`] above [`MAX_PNG`] bytes; [`ScreenshotError::Malformed`] if it isn't such a PNG
    /// file, or has more than [`MAX_SIDE`] pixels on a side or [`MAX_PIXELS`] in all.
    pub fn of(png: Vec<u8>) -> Result<Self, ScreenshotError> {
        if png.len() > MAX_PNG {
            return Err(ScreenshotError::TooLarge);
        }
        let (width, height) = size(&png).ok_or(ScreenshotError::Malformed)?;
        Ok(Self { png, width, height })
    }

    /// The PNG file's bytes.
    pub fn png(&self) -> &[u8] {
        &self.png
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// SHA-256 of the file, in hexadecimal.
    pub fn sha256(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.png))
    }
}

/// Width and height of a PNG file that has a header, pixels and an end, and nothing else.
fn size(png: &[u8]) -> Option<(u32, u32)> {
    let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n")?;
    let (kind, header) = chunk(&mut rest)?;
    let (width, header) = header.split_first_chunk().filter(|_| kind == *b"IHDR")?;
    let (height, kinds) = header.split_first_chunk()?;
    let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
    let sides = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    // Eight bits, three colours, the one compression and filter there are, not interlaced.
    if !sides || u64::from(width) * u64::from(height) > MAX_PIXELS || kinds != [8, 2, 0, 0, 0] {
        return None;
    }
    let mut pixels = false;
    loop {
        match chunk(&mut rest)? {
            (kind, _) if kind == *b"IDAT" => pixels = true,
            (kind, end) if kind == *b"IEND" => {
                return (pixels && end.is_empty() && rest.is_empty()).then_some((width, height));
            }
            _ => return None,
        }
    }
}

/// The next chunk's kind and content.
fn chunk<'a>(rest: &mut &'a [u8]) -> Option<([u8; 4], &'a [u8])> {
    let (length, after) = rest.split_first_chunk()?;
    let (kind, after) = after.split_first_chunk()?;
    let (content, after) = after.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let (_checksum, after) = after.split_first_chunk::<4>()?;
    *rest = after;
    Some((*kind, content))
}

/// As `docs/report.schema.json` has it: all fields, those that don't apply as `null`.
#[derive(Default, Serialize)]
struct ScreenshotJson<'a> {
    file: Option<&'static str>,
    width: Option<u32>,
    height: Option<u32>,
    bytes: Option<usize>,
    sha256: Option<String>,
    missing: Option<&'a str>,
}

impl Serialize for Screenshot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written = match self {
            Self::Missing(why) => ScreenshotJson { missing: Some(why), ..ScreenshotJson::default() },
            Self::Taken(picture) => ScreenshotJson {
                file: Some(FILE),
                width: Some(picture.width),
                height: Some(picture.height),
                bytes: Some(picture.png.len()),
                sha256: Some(picture.sha256()),
                missing: None,
            },
        };
        written.serialize(serializer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len()).unwrap().to_be_bytes();
        [&length, &kind[..], content, &[0; 4]].concat()
    }

    fn header(width: u32, height: u32) -> Vec<u8> {
        let content = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
        part(*b"IHDR", &content)
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        [b"\x89PNG\r\n\x1a\n".to_vec(), parts.concat()].concat()
    }

    /// One that is shaped right.
    pub(crate) fn png(width: u32, height: u32) -> Vec<u8> {
        file(&[header(width, height), part(*b"IDAT", b"some"), part(*b"IDAT", b""), part(*b"IEND", b"")])
    }

    #[test]
    fn a_png_is_taken_with_its_size() {
        let picture = ScreenshotPng::of(png(1920, 1080)).unwrap();
        assert_eq!(picture.size(), (1920, 1080));
        assert_eq!(picture.sha256().len(), 64);
        assert!(!format!("{picture:?}").contains("137"), "pixels don't belong in a log");
    }

    #[test]
    fn anything_else_is_refused_before_it_is_looked_into() {
        let (end, pixels) = (part(*b"IEND", b""), part(*b"IDAT", b"some"));
        let text = part(*b"tEXt", b"Comment\0hello");
        for (why, bytes) in [
            ("nothing", Vec::new()),
            ("no signature", png(9, 9)[1..].to_vec()),
            ("empty", png(0, 9)),
            ("too wide", png(MAX_SIDE + 1, 1)),
            ("too many pixels", png(MAX_SIDE, MAX_SIDE)),
            ("no header", file(&[pixels.clone(), end.clone()])),
            ("no pixels", file(&[header(9, 9), end.clone()])),
            ("no end", file(&[header(9, 9), pixels.clone()])),
            ("something beside", file(&[header(9, 9), text, pixels.clone(), end.clone()])),
            ("something after", [png(9, 9), b"x".to_vec()].concat()),
            ("two headers", file(&[header(9, 9), header(9, 9), pixels.clone(), end])),
            ("cut", png(9, 9)[..40].to_vec()),
        ] {
            assert_eq!(ScreenshotPng::of(bytes), Err(ScreenshotError::Malformed), "{why}");
        }
        assert_eq!(ScreenshotPng::of(vec![0; MAX_PNG + 1]), Err(ScreenshotError::TooLarge));
    }

    proptest! {
        #[test]
        fn a_damaged_file_is_answered(at in 0usize..80, byte in any::<u8>()) {
            let mut bytes = png(30, 20);
            let len = bytes.len();
            bytes[at % len] = byte;
            let _ = ScreenshotPng::of(bytes);
        }
    }
}
