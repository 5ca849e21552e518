//! `metrics [--json] [--list FIGURE] [CHECKOUT]`: figures about how a checkout reads. See `scripts/metrics`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that prints")]

use std::path::PathBuf;
use std::process::ExitCode;

use nearhand_tidy::checkout::Checkout;
use nearhand_tidy::figures::{CountedPlaces, figures};

/// What the command line asks for.
#[derive(Default)]
struct MetricsArguments {
    json: bool,
    list: Option<String>,
    checkout: Option<PathBuf>,
}

fn arguments() -> Option<MetricsArguments> {
    let mut arguments = MetricsArguments::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--json" => arguments.json = true,
            "--list" => arguments.list = Some(words.next()?),
            other if other.starts_with('-') || arguments.checkout.is_some() => return None,
            other => arguments.checkout = Some(other.into()),
        }
    }
    Some(arguments)
}

fn main() -> ExitCode {
    let Some(arguments) = arguments() else {
        eprintln!("usage: metrics [--json] [--list FIGURE] [CHECKOUT]");
        return ExitCode::from(2);
    };
    let root = arguments.checkout.unwrap_or_else(|| ".".into());
    let checkout = match Checkout::read(&root) {
        Ok(checkout) => checkout,
        Err(error) => {
            eprintln!("{} can't be read: {error}", root.display());
            return ExitCode::FAILURE;
        }
    };
    let figures = figures(&checkout);
    match (arguments.list, arguments.json) {
        (Some(name), _) => return list(&figures, &name),
        (None, true) => print_json(&figures),
        (None, false) => print_table(&figures),
    }
    ExitCode::SUCCESS
}

fn list(figures: &[CountedPlaces], name: &str) -> ExitCode {
    let Some((_, places)) = figures.iter().find(|(figure, _)| figure.name == name) else {
        let names: Vec<&str> = figures.iter().map(|(figure, _)| figure.name).collect();
        eprintln!("no figure is called {name}; there are: {}", names.join(" "));
        return ExitCode::from(2);
    };
    for place in places {
        println!("{place}");
    }
    ExitCode::SUCCESS
}

fn print_json(figures: &[CountedPlaces]) {
    let rows = figures.iter().map(|(figure, _)| {
        let value = (figure.value * 10.0).round() / 10.0;
        serde_json::json!({ "name": figure.name, "what": figure.what, "value": value, "unit": figure.unit })
    });
    println!("{}", serde_json::Value::Array(rows.collect()));
}

fn print_table(figures: &[CountedPlaces]) {
    for (figure, _) in figures {
        let value = match figure.unit {
            "" => format!("{:.0}", figure.value),
            unit => format!("{:.1} {unit}", figure.value),
        };
        println!("{value:>8}  {:<20}  {}", figure.name, figure.what);
    }
}
