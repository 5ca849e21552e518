//! A soak: everything at once, and whether memory, open files or threads grow, anybody panics, or logs an error.
//!
//!     bench_soak [--short | --smoke] [--json] [--minutes N]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a benchmark's output")]

use std::time::Duration;

use anyhow::{Context, Result};
use nearhand_tests::rows;
use nearhand_tests::soak::{self, SoakPlan};

/// How many real agents run.
const AGENTS: u64 = 30;

fn main() -> Result<()> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| options.iter().any(|option| option == name);
    let (agents, seconds) = match options.iter().position(|option| option == "--minutes") {
        Some(at) => {
            let minutes: u64 = options.get(at + 1).context("--minutes needs a number")?.parse()?;
            (AGENTS, minutes * 60)
        }
        None if has("--smoke") => (5, 20),
        None if has("--short") => (AGENTS, 240),
        None => (AGENTS, 3_600),
    };
    eprintln!("{agents} agents, 5 sessions, {seconds} seconds");
    let receiver = std::env::current_exe()?.with_file_name("webhook_receiver");
    let plan = SoakPlan { lasts: Duration::from_secs(seconds), agents, receiver };
    let rows = soak::run(&plan)?;
    rows::write(&mut std::io::stdout().lock(), &rows, has("--json"))?;
    Ok(())
}
