//! Alarms, measured with the real programs: how fast the relay takes them ([`ingest`]), how long one is on its way
//! from the condition to a receiver ([`way`]), and what watching costs an agent ([`cost`]).
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

mod cost;
mod ingest;
mod way;

use std::time::Duration;

use anyhow::Result;
use nearhand_tests::rows;

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let (smoke, short) = (has("--smoke"), has("--short"));
    let pick = |[smoked, brief, usual]: [u32; 3]| match (smoke, short) {
        (true, _) => smoked,
        (_, true) => brief,
        _ => usual,
    };
    let seconds = |lengths| Duration::from_secs(pick(lengths).into());
    // One part alone, for work on that part.
    let all = !["ingest", "way", "cost"].into_iter().any(has);
    let mut rows = Vec::new();
    if all || has("ingest") {
        rows.extend(ingest::measure(seconds([1, 5, 20]))?);
    }
    if all || has("way") {
        rows.extend(way::measure(pick([2, 12, 40]), pick([1, 8, 20]))?);
    }
    if all || has("cost") {
        rows.extend(cost::measure(seconds([1, 20, 20]), seconds([2, 40, 180]))?);
    }
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}
