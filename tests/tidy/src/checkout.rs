//! A whole checkout: its Rust files, its packages and its documents.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::{fs, iter};

use crate::source::{SourceFile, files_under, line_of, positions};

/// A document for people, as text.
pub struct PageText {
    /// Its path from the root.
    pub path: String,
    /// What is in it.
    pub text: String,
}

/// Everything that rules and figures look at.
pub struct Checkout {
    /// Where it lies.
    pub root: PathBuf,
    /// Every file, by its path from the root.
    pub files: Vec<String>,
    /// The Rust files.
    pub sources: Vec<SourceFile>,
    /// The documents for people.
    pub documents: Vec<PageText>,
}

impl Checkout {
    /// The checkout at `root`.
    ///
    /// # Errors
    /// A directory or a file can't be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let files = files_under(root)?;
        let documents = files
            .iter()
            .filter(|path| path.ends_with(".md"))
            .map(|path| Ok(PageText { path: path.clone(), text: fs::read_to_string(root.join(path))? }));
        let documents = documents.collect::<io::Result<_>>()?;
        Ok(Self { root: root.to_owned(), sources: SourceFile::all_under(root)?, files, documents })
    }

    /// Folders with a `Cargo.toml`, the root left out.
    pub fn packages(&self) -> Vec<&str> {
        self.files.iter().filter_map(|path| path.strip_suffix("/Cargo.toml")).collect()
    }
}

/// Where a file has `#[path = "…"]` that leaves its own crate: code that two crates compile belongs in a third one.
pub fn foreign_paths(source: &SourceFile, packages: &[&str]) -> Vec<(usize, String)> {
    let home = crate_root(&source.path, packages);
    let found = positions(&source.code, "#[path").filter_map(|at| {
        let target = source.raw.get(at..)?.split('"').nth(1)?;
        let folder = Path::new(&source.path).parent()?;
        let target = normal(&folder.join(target));
        let is_foreign = !target.starts_with(&format!("{home}/"));
        is_foreign.then(|| (line_of(&source.code, at), target))
    });
    found.collect()
}

/// `agent/rules/src` of `agent/rules/src/engine/mod.rs`.
fn crate_root(path: &str, packages: &[&str]) -> String {
    let holds = |package: &&&str| path.strip_prefix(**package).is_some_and(|rest| rest.starts_with('/'));
    let package =
        packages.iter().filter(holds).max_by_key(|package| package.len()).copied().unwrap_or_default();
    let inside = path.strip_prefix(package).unwrap_or(path).trim_start_matches('/');
    let folder = inside.split('/').next().unwrap_or_default();
    format!("{package}/{folder}")
}

/// The path with every `..` carried out.
fn normal(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(parts.pop()),
            other => parts.extend(iter::once(other.as_os_str().to_string_lossy().into_owned())),
        }
    }
    parts.join("/")
}

#[test]
fn a_path_into_another_crate_is_found() {
    let packages = ["agent", "agent/rules", "fuzz", "tests"];
    let foreign =
        |path: &str, code: &str| foreign_paths(&SourceFile::new(path, code.to_owned()), &packages).len();
    assert_eq!(foreign("fuzz/src/lib.rs", "#[path = \"../../relay/src/admission.rs\"]\nmod admission;"), 1);
    assert_eq!(foreign("agent/tests/desktop/main.rs", "#[path = \"../../src/protocol.rs\"]\nmod p;"), 1);
    assert_eq!(foreign("agent/rules/src/a.rs", "#[path = \"../../src/a.rs\"]\nmod b;"), 1);
    assert_eq!(foreign("agent/rules/src/a.rs", "#[path = \"a_tests.rs\"]\nmod tests;"), 0);
    assert_eq!(foreign("agent/rules/src/a/b.rs", "#[path = \"../tests.rs\"]\nmod tests;"), 0);
}
