//! Figures about a checkout that tell how it reads. They are counted on text, by the same method for every checkout, so
//! that two of them can be compared. None is a goal in itself.
//!
//! "Production code" is all Rust but tests, benchmarks, examples, fuzz targets and `#[cfg(test)]` items.

use std::collections::BTreeMap;

use crate::checkout::{Checkout, foreign_paths};
use crate::circles::{circles, rings, uses};
use crate::declarations::{functions, is_one_camel_word, is_one_snake_word, types, types_by_name};
use crate::documents::{known_words, unknown};
use crate::source::{SourceFile, line_of, positions};
use crate::words::{
    code_and_plain_comments, doc_blocks, has_empty_errors, long_sentences, private_words, says_nothing,
};

/// One figure with what is counted.
#[derive(Debug)]
pub struct CodeFigure {
    /// A short name for programs.
    pub name: &'static str,
    /// What is counted, for people.
    pub what: &'static str,
    /// How much it is.
    pub value: f64,
    /// `%`, or nothing for a number of places.
    pub unit: &'static str,
}

/// A figure and the places it was counted at, where they can be listed.
pub type CountedPlaces = (CodeFigure, Vec<String>);

/// All figures of `checkout`, in the order in which they are printed.
pub fn figures(checkout: &Checkout) -> Vec<CountedPlaces> {
    let production: Vec<&SourceFile> =
        checkout.sources.iter().filter(|source| is_production(source)).collect();
    let mut figures = names(&production);
    figures.push(names_everywhere(checkout));
    figures.extend(comments(&production));
    figures.push(of_places(
        "string-errors",
        "lines of production code with `Result<…, String>`",
        &production,
        |source| {
            let lines = source.production.lines().enumerate();
            let found = lines.filter(|(_, line)| {
                line.split_once("Result<").is_some_and(|(_, rest)| rest.contains(", String>"))
            });
            found.map(|(index, line)| (index + 1, line.trim().to_owned())).collect()
        },
    ));
    figures.push(of_places(
        "shadowing",
        "locals of production code that shadow the function they call",
        &production,
        |source| shadowing(&source.production),
    ));
    let all: Vec<&SourceFile> = checkout.sources.iter().collect();
    figures.push(of_places("private-words", "private words in comments, tests included", &all, |source| {
        private_words(&source.comments).into_iter().map(|(line, word)| (line, word.to_owned())).collect()
    }));
    figures.push(of_places("empty-errors", "`# Errors` sections that say nothing", &all, |source| {
        let blocks = doc_blocks(&source.comments).into_iter().filter(|(_, block)| has_empty_errors(block));
        blocks.map(|(line, _)| (line, String::new())).collect()
    }));
    let packages = checkout.packages();
    figures.push(of_places("foreign-paths", "`#[path]` into another crate", &all, |source| {
        foreign_paths(source, &packages)
    }));
    figures.push(long_document_sentences(checkout));
    figures.push(unknown_words(checkout));
    figures.extend(structure(checkout, &production));
    figures
}

fn is_production(source: &SourceFile) -> bool {
    let is_other = source.path.starts_with("fuzz/") || source.path.contains("examples/");
    !is_other && !source.production.trim().is_empty()
}

fn figure(name: &'static str, what: &'static str, value: f64, unit: &'static str) -> CodeFigure {
    CodeFigure { name, what, value, unit }
}

/// `part` of `whole`, in per cent.
#[allow(clippy::cast_precision_loss, reason = "numbers of lines")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[allow(clippy::cast_precision_loss, reason = "numbers of places")]
fn count(name: &'static str, what: &'static str, places: Vec<String>) -> CountedPlaces {
    (figure(name, what, places.len() as f64, ""), places)
}

fn of_places(
    name: &'static str,
    what: &'static str,
    sources: &[&SourceFile],
    find: impl Fn(&SourceFile) -> Vec<(usize, String)>,
) -> CountedPlaces {
    let places = sources.iter().flat_map(|source| {
        find(source)
            .into_iter()
            .map(|(line, text)| format!("{}:{line}: {text}", source.path))
            .collect::<Vec<_>>()
    });
    count(name, what, places.collect())
}

fn names(production: &[&SourceFile]) -> Vec<CountedPlaces> {
    let mut declared: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for source in production {
        for (at, name) in types(&source.production) {
            declared.entry(name).or_default().push(format!(
                "{}:{}",
                source.path,
                line_of(&source.production, at)
            ));
        }
    }
    let all: usize = declared.values().map(Vec::len).sum();
    let often: Vec<_> = declared.iter().filter(|(_, places)| places.len() > 1).collect();
    let repeated: usize = often.iter().map(|(_, places)| places.len()).sum();
    let one: Vec<_> = declared.iter().filter(|(name, _)| is_one_camel_word(name)).collect();
    let one_word: usize = one.iter().map(|(_, places)| places.len()).sum();
    let functions: Vec<&str> =
        production.iter().flat_map(|source| functions(&source.production).map(|(_, name)| name)).collect();
    let one_word_functions = functions.iter().filter(|name| is_one_snake_word(name)).count();
    let list = |names: Vec<(&&str, &Vec<String>)>| {
        names.iter().map(|(name, places)| format!("{name}: {}", places.join(" "))).collect::<Vec<_>>()
    };
    vec![
        (
            figure(
                "repeated-types",
                "types of production code whose name is declared more than once",
                share(repeated, all),
                "%",
            ),
            list(often),
        ),
        (
            figure(
                "one-word-types",
                "types of production code with a name of one word",
                share(one_word, all),
                "%",
            ),
            list(one),
        ),
        (
            figure(
                "one-word-functions",
                "functions of production code with a name of one word",
                share(one_word_functions, functions.len()),
                "%",
            ),
            Vec::new(),
        ),
    ]
}

fn names_everywhere(checkout: &Checkout) -> CountedPlaces {
    let names = types_by_name(&checkout.sources);
    let often: Vec<_> = names.iter().filter(|(_, places)| places.len() > 1).collect();
    let places = often.iter().map(|(name, places)| {
        let places: Vec<String> =
            places.iter().map(|place| format!("{}:{}", place.path, place.line)).collect();
        format!("{name}: {}", places.join(" "))
    });
    let value = share(often.len(), names.len());
    (
        figure(
            "repeated-names",
            "names of types, tests included, that are declared more than once",
            value,
            "%",
        ),
        places.collect(),
    )
}

fn comments(production: &[&SourceFile]) -> Vec<CountedPlaces> {
    let (mut blocks, mut short) = (0, Vec::new());
    let (mut code, mut plain) = (0, 0);
    for source in production {
        for (line, block) in doc_blocks(&source.production_comments) {
            blocks += 1;
            if says_nothing(&block) {
                short.push(format!("{}:{line}: {block}", source.path));
            }
        }
        let (code_here, plain_here) = code_and_plain_comments(source);
        code += code_here;
        plain += plain_here;
    }
    vec![
        (
            figure(
                "short-docs",
                "blocks of documentation of two words or fewer",
                share(short.len(), blocks),
                "%",
            ),
            short,
        ),
        (
            figure("plain-comments", "lines of plain comment, to lines of code", share(plain, code), "%"),
            Vec::new(),
        ),
    ]
}

/// `let name = name(…)` and `let name = path::name(…)`.
fn shadowing(code: &str) -> Vec<(usize, String)> {
    let found = positions(code, "let").filter_map(|at| {
        let rest = code.get(at + 3..)?.trim_start();
        let rest = rest.strip_prefix("mut ").unwrap_or(rest).trim_start();
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_')?;
        let (name, rest) = rest.split_at(end);
        let (_, value) = rest.split_once('=').filter(|(kind, _)| !kind.contains([';', '{', '}']))?;
        let (called, _) = value.trim_start().split_once('(')?;
        let is_path = called.chars().all(|c| c.is_alphanumeric() || c == '_' || c == ':');
        let shadows = !name.is_empty() && is_path && called.rsplit("::").next() == Some(name);
        shadows.then(|| (line_of(code, at), format!("let {name} = {called}(")))
    });
    found.collect()
}

fn long_document_sentences(checkout: &Checkout) -> CountedPlaces {
    let places = checkout.documents.iter().flat_map(|document| {
        let long = long_sentences(&document.text).into_iter();
        long.map(|(line, sentence)| format!("{}:{line}: {sentence}", document.path)).collect::<Vec<_>>()
    });
    count("long-sentences", "sentences of documents with more than 35 words", places.collect())
}

fn unknown_words(checkout: &Checkout) -> CountedPlaces {
    let known = known_words(checkout);
    let places = checkout.documents.iter().flat_map(|document| {
        let unknown = unknown(document, &checkout.files, &known, &[]).into_iter();
        unknown.map(|(line, word)| format!("{}:{line}: {word}", document.path)).collect::<Vec<_>>()
    });
    count("unknown-words", "paths and identifiers in documents that are not in the code", places.collect())
}

fn structure(checkout: &Checkout, production: &[&SourceFile]) -> Vec<CountedPlaces> {
    let uses = uses(&checkout.sources);
    let pairs = circles(&uses).into_iter().map(|circle| {
        let [(first, names), (second, back)] = &circle.uses;
        format!("{}:{first}: {names} — {}:{second}: {back}", circle.files[0], circle.files[1])
    });
    let rings = rings(&uses).into_iter().map(|ring| ring.into_iter().collect::<Vec<_>>().join(" "));
    let mut sizes: Vec<(usize, &str)> =
        production.iter().map(|source| (source.lines(), source.path.as_str())).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let long = sizes
        .iter()
        .filter(|(lines, _)| *lines > LONG_FILE)
        .map(|(lines, path)| format!("{path}: {lines} lines"));
    vec![
        count("circles", "pairs of modules that use each other", pairs.collect()),
        count("rings", "groups of more than two modules in which each reaches each other", rings.collect()),
        count("long-files", "files of production code with more than 400 lines", long.collect()),
    ]
}

/// Lines that a file should not need more than.
const LONG_FILE: usize = 400;

#[test]
fn a_local_that_shadows_its_function_is_found() {
    let found = |code: &str| shadowing(code).len();
    assert_eq!(found("let mut area = layout::area(x);"), 1);
    assert_eq!(found("let area: Area = area(x);"), 1);
    assert_eq!(found("let area = self.area(x);"), 0);
    assert_eq!(found("let size = area(x);"), 0);
    assert_eq!(found("if let Some(area) = area(x) {}"), 0);
}
