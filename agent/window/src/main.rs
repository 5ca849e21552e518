//! `nearhand-window`: the window of the person at the device.
//!
//! A process apart from the agent, so that the agent stays small and a fault here can't end the enforcement of consent:
//! the agent decides, this program shows and asks. `nearhand-agent window` starts it.

mod agent_client;
mod bindings;
mod catalog;
mod launcher;
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
use tokio::sync::mpsc;

use catalog::{Catalog, Language};

/// The window of the person at the device. Usually started by `nearhand-agent window`.
#[derive(Debug, Parser)]
#[command(name = "nearhand-window", version)]
struct WindowOptions {
    /// The agent's private socket
    #[arg(long, value_name = "PATH", required_unless_present = "ask_site")]
    socket: Option<PathBuf>,
    /// No agent runs yet: ask for the support team's text, print `site STRING`, and read `socket PATH` from standard
    /// input
    #[arg(long, conflicts_with = "socket")]
    ask_site: bool,
    /// The language: en, de, es, ja or ar; without it, the one of LC_ALL, LC_MESSAGES or LANG
    #[arg(long, value_name = "LANGUAGE")]
    lang: Option<String>,
    /// Start as an icon in the tray, and go back to it when closed
    #[arg(long)]
    tray: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    // Before there are threads: the zone is read from the environment.
    let offset = time::UtcOffset::current_local_offset().unwrap_or(time::UtcOffset::UTC);
    let args = WindowOptions::parse();
    let language = match &args.lang {
        Some(code) => Language::of(code).with_context(|| {
            let known: Vec<&str> = Language::ALL.into_iter().map(Language::code).collect();
            format!("there is no language {code:?}; there are {}", known.join(", "))
        })?,
        None => Language::of_locale(["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).ok())),
    };
    let catalog = Catalog::new(language);
    let (requests, taken) = mpsc::unbounded_channel();
    let labels = tray::TrayLabels {
        help: catalog.text("tray-help"),
        open: catalog.text("tray-open"),
        stop: catalog.text("tray-stop"),
        on_choice: Box::new(ui::tray_chosen),
    };
    let socket = args.socket.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let start_client = move || {
        std::thread::spawn(move || {
            runtime.block_on(agent_client::run(
                launcher::agent_socket(socket),
                taken,
                ui::send_input,
                labels,
                ui::quit,
            ));
            runtime.shutdown_background();
        });
    };
    let start = ui::UiStart { catalog, offset, ask_site: args.ask_site, tray: args.tray, requests };
    ui::run(start, start_client)
        .context("the window can't be opened: is there a desktop (DISPLAY or WAYLAND_DISPLAY)?")?;
    Ok(ExitCode::SUCCESS)
}
