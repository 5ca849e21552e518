//! The open attack suite with the numbers of the promise: a row for each case that says how much of what was expected did
//! not come, and a row for each thing measured. What this product has no part for is named under the table.
//!
//!     bench_attacks [--short] [--json] [GROUP | CASE ...]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

use std::time::Instant;

use anyhow::{Result, ensure};
use nearhand_tests::attack::{NO_SUCH_PART, cases, groups};
use nearhand_tests::heap::CountingAllocator;
use nearhand_tests::rows::{self, BenchmarkRow, BetterWhen};

/// Decoders are asked how much they hold.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let wanted: Vec<&String> = options.iter().filter(|option| !option.starts_with("--")).collect();
    let known = |name: &str| groups().contains(&name) || cases().iter().any(|case| case.name == name);
    for name in &wanted {
        ensure!(known(name), "no such group or case: {name}; there are {}", groups().join(", "));
    }
    let mut rows = Vec::new();
    let (mut tried, mut wrong) = (0_u32, 0_u32);
    for case in cases() {
        if !wanted.is_empty() && !wanted.iter().any(|name| *name == case.group || *name == case.name) {
            continue;
        }
        let since = Instant::now();
        let outcome = case.carry_out(!has("--short"));
        eprintln!("{}: {}: {:.1} s", case.group, case.name, since.elapsed().as_secs_f64());
        if let Some(what) = &outcome.wrong {
            eprintln!("  WRONG: {what}");
        }
        if let Some(why) = outcome.left_out {
            eprintln!("  not tried: {why}");
        }
        tried += u32::from(outcome.left_out.is_none());
        wrong += u32::from(outcome.wrong.is_some());
        rows.extend(outcome.rows);
    }
    rows.push(BenchmarkRow::new("attacks tried", tried.into(), "cases", None, BetterWhen::Higher));
    rows.push(BenchmarkRow::new(
        "attacks that got through",
        wrong.into(),
        "cases",
        Some(0.0),
        BetterWhen::Lower,
    ));
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    if !has("--json") {
        println!("\nNot tried, as there is no such part in this product:");
        for what in NO_SUCH_PART {
            println!("  {what}");
        }
    }
    Ok(())
}
