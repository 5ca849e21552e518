//! `nearhand-window`: the window of the person at the device.
//!
//! A process of its own beside the agent, so that the agent stays small and a fault here can't end the enforcement of
//! consent: the agent decides, this shows and asks. `nearhand-agent window` starts it.

mod agent_client;
mod bindings;
mod catalog;
mod model;
mod notification;
mod platform;
mod record_file;
mod tray;
mod ui;

/// What the markup in `ui/` is compiled to.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::todo,
    clippy::unimplemented,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::semicolon_if_nothing_returned,
    clippy::redundant_closure_for_method_calls,
    clippy::needless_pass_by_value,
    clippy::wildcard_imports,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::undocumented_unsafe_blocks,
    unsafe_code,
    reason = "generated"
)]
mod markup {
    slint::include_modules!();
}

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use nearhand_proto::time::UnixMillis;
use nearhand_transport::lines;
use tokio::sync::mpsc;

use catalog::{Catalog, Language};

/// The window of the person at the device. Usually started by `nearhand-agent window`.
#[derive(Debug, Parser)]
#[command(name = "nearhand-window", version)]
struct Args {
    /// The agent's private socket
    #[arg(long, value_name = "PATH", required_unless_present = "ask_site")]
    socket: Option<PathBuf>,
    /// No agent runs yet: ask for the support team's text, print `site STRING`, and take `socket PATH` on the standard
    /// input
    #[arg(long, conflicts_with = "socket")]
    ask_site: bool,
    /// The language: en, de, es, ja or ar; else what LC_ALL, LC_MESSAGES or LANG says
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Begin as an icon in the tray, and become one again when closed
    #[arg(long)]
    tray: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    // Before there are threads: the zone is read from the environment.
    let offset = time::UtcOffset::current_local_offset().unwrap_or(time::UtcOffset::UTC);
    let args = Args::parse();
    let language = match &args.lang {
        Some(code) => Language::of(code).with_context(|| {
            let known: Vec<&str> = Language::ALL.into_iter().map(Language::code).collect();
            format!("there is no language {code:?}; there are {}", known.join(", "))
        })?,
        None => Language::of_locale(["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).ok())),
    };
    let catalog = Catalog::new(language);
    let (orders, taken) = mpsc::unbounded_channel();
    let labels = tray::Labels {
        help: catalog.text("tray-help"),
        open: catalog.text("tray-open"),
        stop: catalog.text("tray-stop"),
        chosen: Box::new(ui::chosen),
    };
    let socket = args.socket.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let link = move || {
        std::thread::spawn(move || {
            runtime.block_on(agent_client::run(the_socket(socket), taken, ui::tell, labels, ui::over));
            runtime.shutdown_background();
        });
    };
    let start = ui::Start { catalog, offset, ask_site: args.ask_site, tray: args.tray, orders };
    ui::run(start, link)
        .context("the window can't be opened: is there a desktop (DISPLAY or WAYLAND_DISPLAY)?")?;
    Ok(ExitCode::SUCCESS)
}

/// Where the agent is; for one-off help we are told once it runs.
async fn the_socket(known: Option<PathBuf>) -> Option<PathBuf> {
    if known.is_some() {
        return known;
    }
    let mut said = lines::standard_input();
    loop {
        let line = said.recv().await?;
        if let Some(path) = line.strip_prefix("socket ") {
            return Some(PathBuf::from(path));
        }
    }
}

/// One line to the program that started us.
#[allow(clippy::print_stdout, reason = "the answer of --ask-site")]
fn say(line: &str) {
    println!("{line}");
}

/// A name for a file made now: day and time where the person is.
fn stamp(offset: time::UtcOffset) -> String {
    let now = UnixMillis::from_system(std::time::SystemTime::now());
    model::phrases::day(now, offset).replace(' ', "-").replace(':', "")
}
