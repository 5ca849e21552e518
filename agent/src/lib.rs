//! The Nearhand agent: runs on a customer's device, lets technicians do what the person at the device or its
//! owner's policy grants, and nothing else.
//!
//! Each command has its file in [`command`]; `main.rs` only calls them. What is decided without a clock or a disk is in
//! `nearhand_agent_core`, what is measured in `nearhand_diagnostics`, the process that sees a display is `nearhand_desktop`.

mod alarm;
mod audit;
mod command;
mod control;
mod help_request;
mod home;
mod hub;
mod local;
mod off_loop;
mod platform;
mod restart;
mod runbook;
mod service;
mod session;

pub use command::{AgentCli, main};
