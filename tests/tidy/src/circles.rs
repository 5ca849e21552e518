//! Which module of a crate uses which, and where two use each other.
//!
//! A module is a file. It uses another where its code names something that is declared there, however it is reached:
//! what a module hands on (`pub use`) counts for where it comes from. To declare children and to hand on what is theirs is
//! no use of them.

use std::collections::{BTreeMap, BTreeSet};

use crate::declarations::declared;
use crate::paths::{NamedPath, PathSegments, imports, paths};
use crate::source::SourceFile;

/// What the code of one file declares and names.
struct CodeModule {
    path: String,
    items: BTreeSet<String>,
    named: Vec<NamedPath>,
}

/// The modules of one crate by their paths in it; the root has the empty one.
struct CrateModules {
    modules: BTreeMap<PathSegments, CodeModule>,
}

/// Two files of a crate that use each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ModuleCircle {
    /// The two files, in order of their paths.
    pub files: [String; 2],
    /// Where the first names the second, and where the second names the first: line and path.
    pub uses: [(usize, String); 2],
}

/// Uses between the files of all crates: user, used, and where first.
pub type ModuleUses = BTreeMap<(String, String), (usize, String)>;

const ITEMS: &[&str] = &["struct", "enum", "trait", "union", "type", "fn", "const", "static", "macro_rules"];

/// Who uses whom in the crates that `sources` make up. Tests are left out.
pub fn uses(sources: &[SourceFile]) -> ModuleUses {
    let mut crates: BTreeMap<String, CrateModules> = BTreeMap::new();
    let libraries: BTreeSet<&str> =
        sources.iter().filter_map(|source| source.path.strip_suffix("/src/lib.rs")).collect();
    for source in sources.iter().filter(|source| !source.production.trim().is_empty()) {
        let Some((package, inside)) = source.path.split_once("/src/") else { continue };
        // A program next to a library is a separate crate, and names the library by its name.
        if inside.starts_with("bin/") || (inside == "main.rs" && libraries.contains(package)) {
            continue;
        }
        let names = declared(&source.production, ITEMS).map(|(_, name)| name.to_owned());
        let module = CodeModule {
            path: source.path.clone(),
            items: names.collect(),
            named: paths(&source.production),
        };
        let crate_ =
            crates.entry(package.to_owned()).or_insert_with(|| CrateModules { modules: BTreeMap::new() });
        crate_.modules.insert(module_path(inside), module);
    }
    crates.values().flat_map(CrateModules::uses).collect()
}

/// Pairs of files that use each other.
pub fn circles(uses: &ModuleUses) -> Vec<ModuleCircle> {
    let pairs = uses.iter().filter(|((user, used), _)| user < used).filter_map(|((user, used), there)| {
        let back = uses.get(&(used.clone(), user.clone()))?;
        Some(ModuleCircle { files: [user.clone(), used.clone()], uses: [there.clone(), back.clone()] })
    });
    pairs.collect()
}

/// Groups of more than two files in which each reaches each other, and no two of which need to use each other.
pub fn rings(uses: &ModuleUses) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (user, used) in uses.keys() {
        next.entry(user).or_default().insert(used);
    }
    let reached = |from: &str| -> BTreeSet<String> {
        let mut seen = BTreeSet::new();
        let mut pending: Vec<&str> = next.get(from).into_iter().flatten().copied().collect();
        while let Some(module) = pending.pop() {
            if seen.insert(module.to_owned()) {
                pending.extend(next.get(module).into_iter().flatten());
            }
        }
        seen
    };
    let all: BTreeMap<&str, BTreeSet<String>> = next.keys().map(|from| (*from, reached(from))).collect();
    let mut groups = BTreeSet::new();
    for (from, seen) in &all {
        let back = |module: &&String| all.get(module.as_str()).is_some_and(|seen| seen.contains(*from));
        let group: BTreeSet<String> = seen.iter().filter(back).cloned().collect();
        if group.len() > 2 {
            groups.insert(group);
        }
    }
    groups.into_iter().collect()
}

/// `store/mod.rs` and `store.rs` as `store`; the root as nothing.
fn module_path(inside: &str) -> PathSegments {
    let stem = inside.trim_end_matches(".rs");
    let stem = stem.strip_suffix("/mod").unwrap_or(stem);
    if stem == "lib" || stem == "main" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

impl CrateModules {
    fn uses(&self) -> ModuleUses {
        let mut uses = BTreeMap::new();
        for (at, module) in &self.modules {
            for path in &module.named {
                let Some((target, rest)) = self.resolve(at, module, path) else { continue };
                // A module that is only named is used where something of it is.
                let Some(used) = self.modules.get(&target).filter(|_| !rest.is_empty() && target != *at)
                else {
                    continue;
                };
                let hands_on = path.is_handed_on && target.starts_with(at);
                if !hands_on {
                    let place = (path.line, path.segments.join("::"));
                    uses.entry((module.path.clone(), used.path.clone())).or_insert(place);
                }
            }
        }
        uses
    }

    /// The module in which what `path` names is declared, and the rest of the path there.
    fn resolve(
        &self,
        at: &PathSegments,
        module: &CodeModule,
        path: &NamedPath,
    ) -> Option<(PathSegments, PathSegments)> {
        let whole = self.absolute(at, module, path, 0)?;
        self.locate(&whole, 0)
    }

    /// The path from the crate's root; `None` for what is of another crate, or local.
    fn absolute(
        &self,
        at: &PathSegments,
        module: &CodeModule,
        path: &NamedPath,
        depth: usize,
    ) -> Option<PathSegments> {
        let mut base: PathSegments = at.iter().chain(&path.inline).cloned().collect();
        let (first, mut rest) = path.segments.split_first()?;
        match first.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                base.pop();
                while let Some((_, behind)) = rest.split_first().filter(|(next, _)| *next == "super") {
                    base.pop();
                    rest = behind;
                }
            }
            name => {
                let import = imports(&module.named).get(name).copied().filter(|import| *import != path);
                if let Some(import) = import.filter(|_| depth < LONGEST_CHAIN) {
                    base = self.absolute(at, module, import, depth + 1)?;
                } else if self.is_module(&base, name) {
                    base.push(name.to_owned());
                } else {
                    return None;
                }
            }
        }
        base.extend(rest.iter().cloned());
        Some(base)
    }

    fn is_module(&self, parent: &PathSegments, name: &str) -> bool {
        let path: PathSegments = parent.iter().cloned().chain([name.to_owned()]).collect();
        self.modules.contains_key(&path)
    }

    /// Follows what modules hand on to where it is declared.
    fn locate(&self, whole: &[String], depth: usize) -> Option<(PathSegments, PathSegments)> {
        let longest = (0..=whole.len())
            .rev()
            .find_map(|len| whole.get(..len).filter(|head| self.modules.contains_key(*head)));
        let head: PathSegments = longest?.to_vec();
        let rest: PathSegments = whole.get(head.len()..)?.to_vec();
        let Some(first) = rest.first().filter(|_| depth < LONGEST_CHAIN) else { return Some((head, rest)) };
        let module = self.modules.get(&head)?;
        if module.items.contains(first) {
            return Some((head, rest));
        }
        let behind = rest.get(1..)?;
        if let Some(import) = imports(&module.named).get(first.as_str())
            && let Some(mut further) = self.absolute(&head, module, import, 0)
            && further != whole
        {
            further.extend(behind.iter().cloned());
            return self.locate(&further, depth + 1);
        }
        for path in module.named.iter().filter(|path| path.alias.as_deref() == Some("*")) {
            let Some(mut further) = self.absolute(&head, module, path, 0) else { continue };
            further.pop();
            if self.modules.get(&further).is_some_and(|module| module.items.contains(first)) {
                return Some((further, rest));
            }
        }
        Some((head, rest))
    }
}

/// Steps from name to name after which what is followed goes round.
const LONGEST_CHAIN: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<SourceFile> =
            files.iter().map(|(path, code)| SourceFile::new(path, (*code).to_owned())).collect();
        circles(&uses(&sources)).iter().map(|circle| circle.files.join(" ")).collect()
    }

    #[test]
    fn two_modules_that_use_each_other_are_found() {
        let a = ("relay/src/a.rs", "use crate::b::Bee;\npub struct Ant;");
        let back = ("relay/src/b.rs", "pub struct Bee;\nfn f() -> super::a::Ant { super::a::Ant }");
        assert_eq!(found(&[a, back]), ["relay/src/a.rs relay/src/b.rs"]);
        let forth = ("relay/src/b.rs", "pub struct Bee;");
        assert!(found(&[a, forth]).is_empty());
    }

    #[test]
    fn a_parent_that_only_declares_and_hands_on_uses_nothing() {
        let child = ("relay/src/p/c.rs", "use super::Limit;\npub struct Child(Limit);");
        let entrance = ("relay/src/p/mod.rs", "mod c;\npub use c::Child;\npub struct Limit;");
        assert!(found(&[entrance, child]).is_empty());
        let both = ("relay/src/p/mod.rs", "mod c;\nuse c::Child;\npub struct Limit;\nfn f(child: &Child) {}");
        assert_eq!(found(&[both, child]), ["relay/src/p/c.rs relay/src/p/mod.rs"]);
    }

    #[test]
    fn what_is_handed_on_counts_for_where_it_comes_from() {
        let entrance = ("relay/src/p/mod.rs", "mod c;\nmod d;\npub use c::Child;\nfn f() { d::go(); }");
        let child = ("relay/src/p/c.rs", "pub struct Child;");
        let sibling = ("relay/src/p/d.rs", "use super::Child;\npub fn go() -> Child { Child }");
        assert!(found(&[entrance, child, sibling]).is_empty());
    }

    #[test]
    fn tests_and_other_crates_make_no_circle() {
        let a = ("relay/src/a.rs", "use crate::b::Bee;\npub struct Ant;");
        let test = ("relay/src/b.rs", "pub struct Bee;\n#[cfg(test)]\nmod tests { use crate::a::Ant; }");
        let other = ("agent/src/b.rs", "use crate::a::Ant;");
        assert!(found(&[a, test, other]).is_empty());
    }

    #[test]
    fn a_ring_of_three_is_found() {
        let files = [
            ("relay/src/a.rs", "pub struct Ant;\nuse crate::b::Bee;"),
            ("relay/src/b.rs", "pub struct Bee;\nuse crate::c::Cat;"),
            ("relay/src/c.rs", "pub struct Cat;\nuse crate::a::Ant;"),
        ];
        let sources: Vec<SourceFile> =
            files.iter().map(|(path, code)| SourceFile::new(path, (*code).to_owned())).collect();
        assert_eq!(rings(&uses(&sources)).len(), 1);
        assert!(found(&files).is_empty());
    }
}
