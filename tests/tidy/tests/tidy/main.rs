//! The tidy test: what the code base must keep to and no compiler lint can see. Every rule is applied to every Rust file of
//! the repository, and all that is found is reported at once, as `path:line: rule: what`.
//!
//! To allow something new, add a line with its reason to a table in `src/layers.rs`.

#![allow(clippy::expect_used, reason = "all of this crate is a test")]

mod samples;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use nearhand_tidy::checkout::Checkout;
use nearhand_tidy::declarations::types_by_name;
use nearhand_tidy::exceptions::{REPEATED_NAMES, REPEATED_SHARE};
use nearhand_tidy::purity::{PURE_CRATES, impure_dependencies};
use nearhand_tidy::rules::RULES;
use nearhand_tidy::source::SourceFile;
use nearhand_tidy::{layers, source, workspace};
use samples::SAMPLES;

/// The repository's root.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("."))
}

#[test]
fn the_code_base_is_tidy() {
    let sources = &checkout().sources;
    assert!(sources.len() > 10, "only {} files found under {}", sources.len(), root().display());
    let findings: Vec<String> = sources
        .iter()
        .flat_map(|source| RULES.iter().flat_map(move |rule| rule.findings(source)))
        .map(|finding| finding.to_string())
        .collect();
    assert!(findings.is_empty(), "{} findings:\n{}\n", findings.len(), findings.join("\n"));
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}\n", findings.len(), findings.join("\n"));
}

/// All of it, read once.
fn checkout() -> &'static Checkout {
    static CHECKOUT: OnceLock<Checkout> = OnceLock::new();
    CHECKOUT.get_or_init(|| Checkout::read(root()).expect("the repository can be read"))
}

#[test]
fn no_two_modules_use_each_other() {
    assert_none(&workspace::circle_findings(checkout()));
}

#[test]
fn a_type_name_is_declared_once() {
    assert_none(&workspace::name_findings(checkout()));
}

#[test]
fn few_names_are_excused_from_being_declared_once() {
    let (excused, all) = (REPEATED_NAMES.len(), types_by_name(&checkout().sources).len());
    assert!(
        excused * 100 <= REPEATED_SHARE * all,
        "{excused} of {all} names are excused: more than {REPEATED_SHARE} %"
    );
}

#[test]
fn no_crate_compiles_files_of_another() {
    assert_none(&workspace::path_findings(checkout()));
}

#[test]
fn what_documents_name_exists() {
    assert_none(&workspace::document_findings(checkout()));
}

#[test]
fn pure_crates_depend_on_nothing_that_acts() {
    for (package, _) in PURE_CRATES {
        let output = Command::new(env!("CARGO"))
            .args([
                "tree",
                "--package",
                package,
                "--edges",
                "normal",
                "--prefix",
                "none",
                "--locked",
                "--offline",
            ])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let tree = String::from_utf8_lossy(&output.stdout);
        assert_eq!(impure_dependencies(&tree), Vec::<&str>::new(), "{package} is no longer pure");
    }
}

/// The customer's window is a separate workspace, and cargo lets none inherit from another.
#[test]
fn the_window_keeps_to_the_same_lints() {
    let lints = |path: &str| {
        let text = std::fs::read_to_string(root().join(path)).expect("the manifest can be read");
        let lines = text.lines().skip_while(|line| !line.starts_with("[workspace.lints."));
        let lines = lines.take_while(|line| !line.starts_with("[profile"));
        lines.filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(lints("Cargo.toml").len() > 20);
    assert_eq!(lints("agent/window/Cargo.toml"), lints("Cargo.toml"));
}

/// What `scripts/mutants` breaks is still there to be broken.
#[test]
fn every_mutant_still_applies() {
    let groups = std::fs::read_dir(root().join("tests/mutants")).expect("there are mutants").flatten();
    let patches: Vec<_> = groups
        .flat_map(|group| std::fs::read_dir(group.path()).expect("a directory").flatten())
        .map(|file| file.path())
        .collect();
    assert!(patches.len() >= 5, "{patches:?}");
    for patch in patches {
        let tried = Command::new("git").args(["apply", "--check"]).arg(&patch).current_dir(root()).output();
        let tried = tried.expect("git runs");
        let said = String::from_utf8_lossy(&tried.stderr);
        assert!(tried.status.success(), "{}: {said}: make it again", patch.display());
    }
}

#[test]
fn programs_depend_on_shared_and_never_on_each_other() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--locked", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    let edges = layers::edges(&metadata);
    assert!(edges.len() >= 4, "the programs depend on shared: {edges:?}");
    assert_eq!(layers::forbidden_edges(&edges), Vec::<String>::new());
}

#[test]
fn a_program_that_depends_on_another_is_found() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "nearhand-agent", "dependencies": [{ "name": "nearhand-proto" }, { "name": "nearhand-relay" }] },
        { "name": "nearhand-newcomer", "dependencies": [{ "name": "nearhand-proto" }, { "name": "serde" }] },
    ]});
    let forbidden = layers::forbidden_edges(&layers::edges(&metadata));
    assert_eq!(forbidden.len(), 2, "{forbidden:?}");
    assert!(forbidden[0].contains("nearhand-agent") && forbidden[0].contains("nearhand-relay"));
    assert!(forbidden[1].contains("nearhand-newcomer"));
}

#[test]
fn no_table_of_drivers_covers_a_core() {
    for core in layers::CORES {
        let inside = core.replace("/**", "/inside.rs");
        let drivers: Vec<_> = layers::DRIVERS.iter().filter(|d| source::matches(d.at, &inside)).collect();
        assert!(drivers.is_empty(), "{core} is a core, but {drivers:?} would let it read clocks and sockets");
    }
}

#[test]
fn each_rule_finds_its_sample_and_spares_the_good_one() {
    for rule in RULES {
        let samples: Vec<_> = SAMPLES.iter().filter(|sample| sample.rule == rule.name).collect();
        assert!(!samples.is_empty(), "the rule {:?} has no sample: who says that it can fail?", rule.name);
        for sample in samples {
            let bad = rule.findings(&SourceFile::new(sample.path, sample.bad()));
            assert!(!bad.is_empty(), "{:?} finds nothing in {:?}", rule.name, sample.bad());
            let good = rule.findings(&SourceFile::new(sample.path, sample.good()));
            assert!(good.is_empty(), "{:?} finds {good:?} in {:?}", rule.name, sample.good());
        }
    }
    for sample in SAMPLES {
        assert!(RULES.iter().any(|rule| rule.name == sample.rule), "no rule is called {:?}", sample.rule);
    }
}
