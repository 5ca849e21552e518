//! The rules that look at the whole workspace: circles between modules, names declared more than once, code that two crates
//! compile, and what documents name.

use std::collections::BTreeMap;

use crate::checkout::{Checkout, foreign_paths};
use crate::circles::{ModuleCircle, circles, uses};
use crate::declarations::{DeclaredName, types_by_name};
use crate::documents::{known_words, unknown};
use crate::exceptions::{CIRCLES, CircleException, DOCUMENT_WORDS, FOREIGN_PATHS, REPEATED_NAMES};
use crate::source::matches;

/// Modules that use each other and are not excused, and excuses that nothing needs.
pub fn circle_findings(checkout: &Checkout) -> Vec<String> {
    judge_circles(&circles(&uses(&checkout.sources)), CIRCLES)
}

/// As [`circle_findings`], of these circles with these exceptions.
pub fn judge_circles(circles: &[ModuleCircle], exceptions: &[CircleException]) -> Vec<String> {
    let covers = |exception: &CircleException, circle: &ModuleCircle| {
        let [a, b] = &circle.files;
        (exception.file == a && matches(exception.with, b))
            || (exception.file == b && matches(exception.with, a))
    };
    let open = circles.iter().filter(|circle| !exceptions.iter().any(|exception| covers(exception, circle)));
    let open = open.map(|circle| {
        let [(first, there), (second, back)] = &circle.uses;
        let [a, b] = &circle.files;
        format!(
            "{a}:{first} names {there}, and {b}:{second} names {back}: put what both need into a third module"
        )
    });
    let idle = exceptions.iter().filter(|exception| !circles.iter().any(|circle| covers(exception, circle)));
    let idle = idle.map(|exception| {
        format!("{} and {} make no circle any more: remove it from CIRCLES", exception.file, exception.with)
    });
    open.chain(idle).collect()
}

/// Names of types declared more often than they may be, and excuses that nothing needs.
pub fn name_findings(checkout: &Checkout) -> Vec<String> {
    judge_names(&types_by_name(&checkout.sources), REPEATED_NAMES)
}

/// As [`name_findings`], of these names with these exceptions.
pub fn judge_names(
    names: &BTreeMap<String, Vec<DeclaredName>>,
    exceptions: &[(&str, usize, &str)],
) -> Vec<String> {
    let allowed = |name: &str| {
        exceptions.iter().find(|(excused, ..)| *excused == name).map_or(1, |(_, count, _)| *count)
    };
    let often = names.iter().filter(|(name, places)| places.len() > allowed(name)).map(|(name, places)| {
        let places: Vec<String> =
            places.iter().map(|place| format!("{}:{}", place.path, place.line)).collect();
        format!(
            "`{name}` is declared {} times, at {}: name each after what it is",
            places.len(),
            places.join(", ")
        )
    });
    let idle = exceptions.iter().filter(|(name, count, _)| names.get(*name).map_or(0, Vec::len) < *count);
    let idle = idle.map(|(name, count, _)| {
        format!(
            "`{name}` is declared less than {count} times: put that into REPEATED_NAMES, or remove it there"
        )
    });
    often.chain(idle).collect()
}

/// Code of one crate that another compiles as its own, and excuses that nothing needs.
pub fn path_findings(checkout: &Checkout) -> Vec<String> {
    let packages = checkout.packages();
    let mut findings = Vec::new();
    for source in &checkout.sources {
        let excused = FOREIGN_PATHS.iter().any(|(file, _)| *file == source.path);
        let foreign = foreign_paths(source, &packages);
        if excused && foreign.is_empty() {
            findings
                .push(format!("{} compiles nothing of others: remove it from FOREIGN_PATHS", source.path));
        }
        if !excused {
            let found = foreign.into_iter();
            findings.extend(found.map(|(line, target)| {
                format!("{}:{line}: {target} is another crate's: depend on it", source.path)
            }));
        }
    }
    findings
}

/// Paths and identifiers in documents that are neither in the repository nor excused.
pub fn document_findings(checkout: &Checkout) -> Vec<String> {
    let known = known_words(checkout);
    let excused: Vec<&str> = DOCUMENT_WORDS.iter().map(|(word, _)| *word).collect();
    let findings = checkout.documents.iter().flat_map(|document| {
        let unknown = unknown(document, &checkout.files, &known, &excused).into_iter();
        unknown
            .map(|(line, word)| format!("{}:{line}: `{word}` is not in the code", document.path))
            .collect::<Vec<_>>()
    });
    findings.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    #[test]
    fn a_circle_is_found_unless_it_is_excused_and_an_idle_excuse_is_found() {
        let circle = ModuleCircle {
            files: ["relay/src/a.rs".to_owned(), "relay/src/b.rs".to_owned()],
            uses: [(1, "crate::b::Bee".to_owned()), (2, "crate::a::Ant".to_owned())],
        };
        let excuse = CircleException { file: "relay/src/b.rs", with: "relay/src/a.rs", because: "a test" };
        assert_eq!(judge_circles(std::slice::from_ref(&circle), &[]).len(), 1);
        assert_eq!(judge_circles(&[circle], &[excuse]).len(), 0);
        let idle = CircleException { file: "relay/src/b.rs", with: "relay/src/**", because: "a test" };
        assert_eq!(judge_circles(&[], &[idle]).len(), 1);
    }

    #[test]
    fn a_name_declared_twice_is_found_unless_it_is_excused() {
        let sources = [
            SourceFile::new("relay/src/a.rs", "pub struct Limit;".to_owned()),
            SourceFile::new("tests/src/a.rs", "enum Limit {}".to_owned()),
        ];
        let names = types_by_name(&sources);
        assert_eq!(judge_names(&names, &[]).len(), 1);
        assert_eq!(judge_names(&names, &[("Limit", 2, "a test")]).len(), 0);
        assert_eq!(judge_names(&names, &[("Limit", 3, "a test")]).len(), 1);
    }
}
