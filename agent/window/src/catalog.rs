//! The window's own words in its person's language: one source of translated text for markup and sentences.
//!
//! Lives here: which languages there are, which one is meant, looking a message up. Must not live here: what is said
//! when (the model), and nothing that another wrote is ever looked up here.

use std::borrow::Cow;

use fluent_bundle::{FluentArgs, FluentBundle, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language of the window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Language {
    English,
    German,
    Spanish,
    Japanese,
    Arabic,
}

impl Language {
    /// All of them.
    pub(crate) const ALL: [Self; 5] =
        [Self::English, Self::German, Self::Spanish, Self::Japanese, Self::Arabic];

    /// Its code, as in `LANG` and `--lang`.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
            Self::Japanese => "ja",
            Self::Arabic => "ar",
        }
    }

    const fn source(self) -> &'static str {
        match self {
            Self::English => include_str!("../text/en.ftl"),
            Self::German => include_str!("../text/de.ftl"),
            Self::Spanish => include_str!("../text/es.ftl"),
            Self::Japanese => include_str!("../text/ja.ftl"),
            Self::Arabic => include_str!("../text/ar.ftl"),
        }
    }

    /// Whether it is read from right to left.
    pub(crate) const fn right_to_left(self) -> bool {
        matches!(self, Self::Arabic)
    }

    /// The language that a locale such as `de_AT.UTF-8` or a code such as `de` means; none that isn't here.
    pub(crate) fn of(locale: &str) -> Option<Self> {
        let code = locale.split(['_', '-', '.', '@']).next()?;
        Self::ALL.into_iter().find(|language| code.eq_ignore_ascii_case(language.code()))
    }

    /// The language of the first of these that is set, as POSIX says; English where it isn't one of ours.
    pub(crate) fn of_locale(values: [Option<String>; 3]) -> Self {
        let first = values.into_iter().flatten().find(|value| !value.is_empty());
        first.and_then(|value| Self::of(&value)).unwrap_or(Self::English)
    }
}

/// The messages of one language.
pub(crate) struct Catalog {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

/// A message's arguments.
pub(crate) type Args<'a> = &'a [(&'static str, Arg<'a>)];

/// One argument of a message.
#[derive(Clone, Debug)]
pub(crate) enum Arg<'a> {
    /// A number, which also chooses the plural form.
    Number(u64),
    /// A text that is put in as it is.
    Text(&'a str),
}

impl Catalog {
    /// The messages of a language.
    pub(crate) fn new(language: Language) -> Self {
        let id: LanguageIdentifier = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new(vec![id]);
        // What needs to be set apart is so by hand: see `theirs`.
        bundle.set_use_isolating(false);
        // A broken message is left out, and a test would have found it.
        let resource = FluentResource::try_new(language.source().to_owned()).unwrap_or_else(|(part, _)| part);
        bundle.add_resource_overriding(resource);
        Self { language, bundle }
    }

    /// Which language it is.
    pub(crate) const fn language(&self) -> Language {
        self.language
    }

    /// A message without arguments.
    pub(crate) fn text(&self, key: &str) -> String {
        self.with(key, &[])
    }

    /// A message with arguments; its key where there is none.
    pub(crate) fn with(&self, key: &str, arguments: Args<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        let mut given = FluentArgs::new();
        for (name, value) in arguments {
            given.set(
                *name,
                match value {
                    Arg::Number(number) => FluentValue::from(*number),
                    Arg::Text(text) => FluentValue::String(Cow::Borrowed(*text)),
                },
            );
        }
        let mut errors = Vec::new();
        self.bundle.format_pattern(pattern, Some(&given), &mut errors).into_owned()
    }
}

#[cfg(test)]
#[path = "catalog_tests.rs"]
mod tests;
