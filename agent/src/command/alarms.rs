//! `nearhand-agent alarms`: what goes on here, and what waits for the relay.

use std::process::ExitCode;

use nearhand_proto::message::local::{LocalAlarm, LocalAlarms, LocalReply, LocalVerb};
use nearhand_rules::units::show_seconds;

use super::simple::OutputArgs;
use crate::home::AgentHome;
use crate::local;

pub(crate) async fn run(home: &AgentHome, output: &OutputArgs) -> anyhow::Result<ExitCode> {
    let reply = local::call(home).await?.ask(LocalVerb::Alarms).await?;
    let LocalReply::Alarms(alarms) = reply else { anyhow::bail!("the agent answered something else") };
    if output.json {
        println!("{}", serde_json::to_string_pretty(&alarms)?);
    } else {
        print(&alarms);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(alarms: &LocalAlarms) {
    let open = alarms.alarms.iter().filter(|alarm| alarm.severity.is_some());
    match open.clone().count() {
        0 => println!("No alarm ({} rules).", alarms.rules),
        n => println!("{n} alarm(s) ({} rules):", alarms.rules),
    }
    open.for_each(line);
    let coming: Vec<&LocalAlarm> = alarms.alarms.iter().filter(|alarm| alarm.phase == "pending").collect();
    if !coming.is_empty() {
        println!("Not for long enough yet:");
        coming.into_iter().for_each(line);
    }
    match (alarms.waiting, alarms.oldest) {
        (0, _) => println!("The relay has everything."),
        (n, Some(oldest)) => println!("{n} event(s) wait for the relay, the oldest since {oldest}."),
        (n, None) => println!("{n} event(s) wait for the relay."),
    }
    if let Some(problem) = &alarms.delivery {
        println!("Not delivered: {problem}");
    }
    for problem in &alarms.problems {
        println!("Attention: {problem}");
    }
}

fn line(alarm: &LocalAlarm) {
    let severity = alarm.severity.map_or("-", |severity| severity.name());
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let lasts = alarm.seconds.map(|s| format!(", for {}", show_seconds(s as f64))).unwrap_or_default();
    let unknown = if alarm.unknown { ", no longer measured" } else { "" };
    let flapping = if alarm.flapping { ", comes and goes" } else { "" };
    println!("  {severity:8} {}: {} ({}{lasts}{unknown}{flapping})", alarm.rule, alarm.summary, alarm.phase);
}
