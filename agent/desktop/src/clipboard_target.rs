//! The forms in which programs copy and paste, by ICCCM and by habit, and their translation to ours. Pure.

use nearhand_proto::message::screen::ClipboardForm;

use super::x_text;

/// A target of a selection that means text or a picture.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum ContentTarget {
    /// `UTF8_STRING`, which newer programs prefer.
    Utf8String,
    /// `text/plain;charset=utf-8`, in any letter case.
    PlainUtf8,
    /// `text/plain`: UTF-8 today, Latin-1 of old.
    Plain,
    /// `COMPOUND_TEXT`, in several character sets.
    CompoundText,
    /// `STRING`, which is Latin-1.
    String,
    /// `TEXT`: the owner chooses the encoding, and says it by the type of its answer.
    Text,
    /// `image/png`, the only form of pictures.
    Png,
}

impl ContentTarget {
    /// All of them, the best first.
    pub(crate) const ALL: [Self; 7] = [
        Self::Utf8String,
        Self::PlainUtf8,
        Self::Plain,
        Self::CompoundText,
        Self::String,
        Self::Text,
        Self::Png,
    ];

    /// What it is to us.
    pub(crate) fn form(self) -> ClipboardForm {
        match self {
            Self::Png => ClipboardForm::Png,
            _ => ClipboardForm::Text,
        }
    }

    /// An owner's answer of this type, in our form.
    pub(crate) fn decode(self, bytes: Vec<u8>) -> Vec<u8> {
        let text = match self {
            Self::Png => return bytes,
            Self::Utf8String | Self::PlainUtf8 => x_text::from_utf8(&bytes),
            Self::Plain | Self::Text => x_text::from_utf8_or_latin1(&bytes),
            Self::CompoundText => x_text::from_compound(&bytes),
            Self::String => x_text::from_latin1(&bytes),
        };
        text.into_bytes()
    }

    /// Our content as this target, and the type of the answer; `None` if it can't be represented: nothing is mangled.
    pub(crate) fn encode(self, content: &[u8]) -> Option<(Self, Vec<u8>)> {
        let text = || std::str::from_utf8(content).ok();
        Some(match self {
            Self::Png => (self, content.to_vec()),
            Self::Utf8String | Self::PlainUtf8 | Self::Plain => {
                text()?;
                (self, content.to_vec())
            }
            Self::CompoundText => (self, x_text::to_compound(text()?)),
            Self::String => (self, x_text::to_latin1(text()?)?),
            Self::Text => match x_text::to_latin1(text()?) {
                Some(latin) => (Self::String, latin),
                None => (Self::CompoundText, x_text::to_compound(text()?)),
            },
        })
    }
}

/// What an owner has, from the names of its targets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum OwnerOffer {
    /// These, in the order in which they are tried.
    Targets(Vec<ContentTarget>),
    /// It says nothing of what it has: text is tried in all forms.
    Unsaid,
    /// Nothing that we could take, and the reason in words where the technician should know it.
    Nothing(Option<String>),
}

/// Targets that say nothing of the content.
const ABOUT_ITSELF: [&str; 5] = ["TARGETS", "TIMESTAMP", "MULTIPLE", "SAVE_TARGETS", "DELETE"];
/// The mark of password managers, whose content is asked for: `secret` must not be read.
pub(crate) const SECRECY_HINT: &str = "x-kde-passwordManagerHint";

impl OwnerOffer {
    /// From the names of the targets that it listed.
    pub(crate) fn of(names: &[String]) -> Self {
        let mut known: Vec<ContentTarget> = names.iter().filter_map(|name| target(name)).collect();
        known.sort_unstable();
        known.dedup();
        if !known.is_empty() {
            return Self::Targets(known);
        }
        if names.iter().all(|name| ABOUT_ITSELF.contains(&name.as_str())) {
            return Self::Unsaid;
        }
        let picture = names.iter().find(|name| name.starts_with("image/"));
        Self::Nothing(picture.map(|name| {
            let name: String = name.chars().take(40).collect();
            format!("the device's clipboard holds a picture as {name}, which can't be copied; PNG can")
        }))
    }

    /// Our forms of what there is.
    pub(crate) fn forms(&self) -> Vec<ClipboardForm> {
        let mut forms: Vec<ClipboardForm> = match self {
            Self::Targets(targets) => targets.iter().map(|target| target.form()).collect(),
            Self::Unsaid => vec![ClipboardForm::Text],
            Self::Nothing(_) => Vec::new(),
        };
        forms.dedup();
        forms
    }

    /// What to ask for, one after the other until there is an answer.
    pub(crate) fn tries(&self, form: ClipboardForm) -> Vec<ContentTarget> {
        let all = match self {
            Self::Targets(targets) => targets.as_slice(),
            Self::Unsaid => &ContentTarget::ALL,
            Self::Nothing(_) => &[],
        };
        all.iter().copied().filter(|target| target.form() == form).collect()
    }
}

/// A target by its name.
pub(crate) fn target(name: &str) -> Option<ContentTarget> {
    let small = name.to_ascii_lowercase();
    Some(match name {
        "UTF8_STRING" => ContentTarget::Utf8String,
        "COMPOUND_TEXT" => ContentTarget::CompoundText,
        "STRING" => ContentTarget::String,
        "TEXT" => ContentTarget::Text,
        "image/png" => ContentTarget::Png,
        "text/plain" => ContentTarget::Plain,
        _ if matches!(small.as_str(), "text/plain;charset=utf-8" | "text/plain; charset=utf-8") => {
            ContentTarget::PlainUtf8
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_form_of_text_is_text() {
        use ContentTarget::{CompoundText, Plain, PlainUtf8, Png, String, Text, Utf8String};
        let cases: &[(&[&str], &[ContentTarget])] = &[
            (&["TARGETS", "STRING"], &[String]),
            (&["STRING", "TEXT", "TARGETS", "MULTIPLE"], &[String, Text]),
            (&["text/plain;charset=UTF-8"], &[PlainUtf8]),
            (&["text/html", "STRING", "COMPOUND_TEXT", "UTF8_STRING"], &[Utf8String, CompoundText, String]),
            (&["text/plain", "image/png"], &[Plain, Png]),
            (&["image/bmp", "image/png"], &[Png]),
        ];
        for (listed, expected) in cases {
            let offer = OwnerOffer::of(&names(listed));
            assert_eq!(offer, OwnerOffer::Targets(expected.to_vec()), "{listed:?}");
        }
        assert_eq!(
            OwnerOffer::of(&names(&["text/plain", "image/png"])).forms(),
            [ClipboardForm::Text, ClipboardForm::Png]
        );
    }

    #[test]
    fn an_owner_that_says_nothing_is_asked_for_text() {
        for listed in [&[][..], &["TARGETS", "TIMESTAMP", "MULTIPLE"]] {
            let offer = OwnerOffer::of(&names(listed));
            assert_eq!(offer.forms(), [ClipboardForm::Text]);
            assert_eq!(offer.tries(ClipboardForm::Text).len(), 6);
        }
        assert_eq!(OwnerOffer::of(&names(&["TARGETS", "text/uri-list"])), OwnerOffer::Nothing(None));
        let OwnerOffer::Nothing(Some(why)) = OwnerOffer::of(&names(&["TARGETS", "image/bmp"])) else {
            panic!()
        };
        assert!(why.contains("image/bmp"), "{why}");
    }

    #[test]
    fn nothing_is_mangled_to_fit_latin_1() {
        use ContentTarget::{CompoundText, String, Text, Utf8String};
        let (latin, other) = ("Grüße".as_bytes(), "19 € ✓".as_bytes());
        assert_eq!(String.encode(latin), Some((String, b"Gr\xfc\xdfe".to_vec())));
        assert_eq!(String.encode(other), None);
        assert_eq!(Text.encode(latin), Some((String, b"Gr\xfc\xdfe".to_vec())));
        assert_eq!(Text.encode(other).unwrap().0, CompoundText);
        assert_eq!(Utf8String.encode(b"\xff"), None);
        for target in [Utf8String, CompoundText, Text] {
            let (kind, bytes) = target.encode(other).unwrap();
            assert_eq!(kind.decode(bytes), other, "{target:?}");
        }
        assert_eq!(String.decode(b"Gr\xfc\xdfe".to_vec()), latin);
    }
}
