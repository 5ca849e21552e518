//! The open attack suite: send X, expect Y, against the real programs. The cases and their list are in `src/attack`; this makes
//! a test of each, with small numbers. `scripts/bench attacks` runs them with those of the promise, `scripts/mutants attacks`
//! shows that each group can fail. The group `relay` is in `hostile.rs`.
#![allow(clippy::print_stdout, reason = "a case that can't be tried says why")]

use nearhand_tests::attack;
use nearhand_tests::heap::CountingAllocator;

/// Decoders are asked how much they hold.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// A test of each case of each group.
macro_rules! tests {
    ($($group:ident $cases:tt)*) => { $(of_group!($group $cases);)* };
}

macro_rules! of_group {
    (relay $cases:tt) => {};
    ($group:ident { $($name:ident = $what:literal;)* }) => {
        mod $group {
            $(#[test]
            fn $name() -> anyhow::Result<()> {
                super::carry_out(stringify!($group), stringify!($name))
            })*
        }
    };
}

nearhand_tests::attack_cases!(tests);

fn carry_out(group: &str, name: &str) -> anyhow::Result<()> {
    if let Some(why) = attack::case(group, name)?.test()? {
        println!("skipped: {why}");
    }
    Ok(())
}

/// The list, the groups of the benchmark's command line and the mutants speak of the same groups.
#[test]
fn every_group_has_cases_and_a_mutant() -> anyhow::Result<()> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let patches: Vec<String> = std::fs::read_dir(root.join("mutants/attacks"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    for group in attack::groups() {
        assert!(attack::cases().iter().any(|case| case.group == group));
        let mine = patches.iter().any(|patch| patch.starts_with(&format!("{group}-")));
        assert!(mine, "no mutant shows that {group} can fail");
    }
    Ok(())
}
