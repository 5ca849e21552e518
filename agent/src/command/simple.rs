//! The commands that ask the running agent one thing.

use std::process::ExitCode;

use clap::Args;
use nearhand_proto::message::local::{AgentStatus, LocalReply, LocalVerb};

use crate::home::AgentHome;
use crate::local;

/// How the answer is printed.
#[derive(Debug, Args)]
pub(crate) struct OutputArgs {
    /// Print JSON instead of text
    #[arg(long)]
    pub(super) json: bool,
}

pub(crate) async fn status(home: &AgentHome, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    home.refuse_copy()?;
    let reply = local::call(home).await?.ask(LocalVerb::Status).await?;
    let LocalReply::Status(status) = reply else { anyhow::bail!("the agent answered something else") };
    if output.json {
        println!("{}", serde_json::to_string_pretty(&status)?);
    } else {
        print_status(&status);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_status(status: &AgentStatus) {
    println!("{} (agent {}), {}", status.device, status.version, status.organisation);
    match &status.problem {
        None => println!("Relay {}: connected", status.relay),
        Some(problem) => println!("Relay {}: not connected: {problem}", status.relay),
    }
    if let Some(code) = &status.code {
        println!("Support code: {} (good for {} s)", code.spoken, code.seconds_left);
    }
    for session in &status.sessions {
        let state = if session.connected { "" } else { " (connection lost, waiting)" };
        println!("Session {}: {} of {}{state}", session.session, session.technician, session.organisation);
        for granted in &session.granted {
            println!("  {} for {} s more", granted.capability, granted.seconds_left);
        }
    }
    for request in &status.requests {
        println!("Waiting for an answer: {} asks for {}", request.technician, request.capabilities);
    }
}

pub(crate) async fn code(home: &AgentHome, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    let reply = local::call(home).await?.ask(LocalVerb::NewCode).await?;
    let LocalReply::Code(code) = reply else { anyhow::bail!("the agent answered something else") };
    if output.json {
        println!("{}", serde_json::to_string(&code)?);
    } else {
        println!("{}", code.spoken);
    }
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn stop(home: &AgentHome) -> anyhow::Result<ExitCode> {
    local::call(home).await?.ask(LocalVerb::StopAll).await?;
    println!("All sessions are ended.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn rotate(home: &AgentHome) -> anyhow::Result<ExitCode> {
    local::call(home).await?.ask(LocalVerb::RotateKey).await?;
    println!("This device has a new key; the old one no longer counts.");
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn policy(home: &AgentHome) -> anyhow::Result<ExitCode> {
    let policy = home.policy()?;
    let path = home.policy_file();
    match policy.rule_count() {
        0 => println!("{}: nothing is allowed unattended.", path.display()),
        rules => {
            println!("{}: {rules} rule(s)", path.display());
            policy.explain().for_each(|line| println!("  {line}"));
        }
    }
    println!("Which runbooks may run: nearhand-agent runbooks list");
    Ok(ExitCode::SUCCESS)
}
