//! What files declare: types and functions, with the words their names are made of.

use std::collections::BTreeMap;

use crate::source::{SourceFile, line_of, positions};

/// A type or a function where it is declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeclaredName {
    /// The name as it is declared.
    pub name: String,
    /// The file it is declared in.
    pub path: String,
    /// The line in it, counted from 1.
    pub line: usize,
}

/// Names that follow one of `keywords` in `code`, with their positions.
pub fn declared<'a>(code: &'a str, keywords: &'a [&str]) -> impl Iterator<Item = (usize, &'a str)> {
    keywords.iter().flat_map(move |keyword| {
        positions(code, keyword).filter_map(move |at| {
            let behind = code.get(at + keyword.len()..)?;
            let rest = behind.trim_start();
            // `union` and `type` are words of other things too: what follows a keyword is a space and a name.
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = rest.get(..end)?;
            (behind.len() > rest.len() && !name.is_empty()).then_some((at, name))
        })
    })
}

/// Every struct, enum, trait and union of `code` with its position; aliases are other names of what is declared elsewhere.
pub fn types(code: &str) -> impl Iterator<Item = (usize, &str)> {
    declared(code, &["struct", "enum", "trait", "union"])
        .filter(|(_, name)| name.starts_with(char::is_uppercase))
}

/// Every function of `code` with its position.
pub fn functions(code: &str) -> impl Iterator<Item = (usize, &str)> {
    declared(code, &["fn"]).filter(|(_, name)| name.starts_with(|c: char| c.is_lowercase() || c == '_'))
}

/// The types that `sources` declare, by name; tests count like everything else.
pub fn types_by_name(sources: &[SourceFile]) -> BTreeMap<String, Vec<DeclaredName>> {
    let mut names: BTreeMap<String, Vec<DeclaredName>> = BTreeMap::new();
    for source in sources {
        for (at, name) in types(&source.code) {
            names.entry(name.to_owned()).or_default().push(DeclaredName {
                name: name.to_owned(),
                path: source.path.clone(),
                line: line_of(&source.code, at),
            });
        }
    }
    names
}

/// `AudioInput` as `Audio`, `Input`.
pub fn camel_words(name: &str) -> impl Iterator<Item = &str> {
    let mut starts: Vec<usize> =
        name.char_indices().filter(|(_, c)| c.is_uppercase()).map(|(i, _)| i).collect();
    starts.push(name.len());
    let ends: Vec<usize> = starts.iter().skip(1).copied().collect();
    starts.into_iter().zip(ends).filter_map(|(start, end)| name.get(start..end))
}

/// Whether a type's name is one word: `Kind`, not `AlarmKind`.
pub fn is_one_camel_word(name: &str) -> bool {
    camel_words(name).count() == 1
}

/// Whether a function's name is one word: `take`, not `take_sample`.
pub fn is_one_snake_word(name: &str) -> bool {
    name.split('_').filter(|word| !word.is_empty()).count() == 1
}

#[test]
fn declarations_are_found_and_other_words_are_not() {
    let code = "pub struct Kind; enum AlarmKind { struct_like } fn union(a: b) -> fn(u8) {} type Alias = u8; trait T {}";
    assert_eq!(types(code).map(|(_, name)| name).collect::<Vec<_>>(), ["Kind", "AlarmKind", "T"]);
    assert_eq!(functions(code).map(|(_, name)| name).collect::<Vec<_>>(), ["union"]);
    assert!(is_one_camel_word("Kind") && !is_one_camel_word("AlarmKind"));
    assert!(is_one_snake_word("take") && is_one_snake_word("_take") && !is_one_snake_word("take_sample"));
}
