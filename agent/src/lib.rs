//! The Nearhand agent: runs on a customer's device, lets technicians do what the person at the device or its
//! owner's policy grants, and nothing else.
//!
//! This file is arguments only; each command has its file in [`command`].

mod alarm;
mod audit;
mod code;
mod command;
mod consent;
mod control;
mod desktop;
mod diagnostics;
mod home;
mod hub;
mod local;
mod platform;
mod policy;
mod runbook;
mod service;
mod session;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    command::main(command::Cli::parse())
}
