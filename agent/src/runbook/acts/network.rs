//! The network: remembered names, the address lease, the adapter itself.
//!
//! An act that breaks the connection undoes itself: if the relay can't be reached within a minute, the adapter is
//! brought up again as it was configured.

use std::time::Duration;

use nearhand_proto::runbook::ParameterValues;

use super::context::{ActContext, ActError, ActResult, ran, text};
use crate::runbook::ledger::UndoStep;

/// How long the relay may be out of reach before it is undone.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// How long an adapter stays off.
const OFF: Duration = Duration::from_secs(1);
/// Programs that forget remembered names, with what tells them to.
const FLUSHERS: [(&str, &[&str]); 2] = [("resolvectl", &["flush-caches"]), ("nscd", &["--invalidate=hosts"])];

/// The adapter that is meant.
async fn interface(ground: &ActContext, values: &ParameterValues) -> Result<String, ActError> {
    let named = text(values, "interface");
    if !named.is_empty() {
        if !std::path::Path::new("/sys/class/net").join(named).exists() {
            return Err(ActError::Cannot(format!("there is no network adapter {named}")));
        }
        return Ok(named.to_owned());
    }
    let output = ran(ground, "ip", &["-o", "route", "show", "default"]).await?;
    let words: Vec<&str> = output.text.lines().next().unwrap_or_default().split_whitespace().collect();
    let found = words.windows(2).find_map(|pair| match pair {
        ["dev", name] => Some((*name).to_owned()),
        _ => None,
    });
    let found = found.filter(|name| nearhand_proto::runbook::ParameterKind::Interface.read(name).is_ok());
    found.ok_or_else(|| {
        ActError::Cannot("no adapter leads to the internet; say which one is meant".to_owned())
    })
}

fn flusher(ground: &ActContext) -> Result<(&'static str, &'static [&'static str]), ActError> {
    let found = FLUSHERS.into_iter().find(|(program, _)| ground.programs.find(program).is_ok());
    found.ok_or_else(|| ActError::Nothing("nothing on this machine remembers names".to_owned()))
}

/// What asks for an address again, and how.
fn renewer(ground: &ActContext, interface: &str) -> Result<(&'static str, Vec<String>), ActError> {
    let ways: [(&'static str, &[&str]); 3] =
        [("nmcli", &["device", "reapply"]), ("networkctl", &["renew"]), ("dhclient", &["-1"])];
    let found = ways.into_iter().find(|(program, _)| ground.programs.find(program).is_ok());
    let (program, words) = found.ok_or_else(|| {
        ActError::Cannot("no program that asks for addresses is on this machine".to_owned())
    })?;
    let words = words.iter().copied().chain([interface]).map(str::to_owned).collect();
    Ok((program, words))
}

pub(super) async fn precheck(ground: &ActContext, values: &ParameterValues) -> ActResult {
    if text(values, "how") == "flush-dns" {
        return flusher(ground).map(|(program, _)| format!("{program} remembers names"));
    }
    let interface = interface(ground, values).await?;
    if text(values, "how") == "renew-lease" {
        renewer(ground, &interface)?;
    }
    let before = if (ground.reachable)().await { "can" } else { "can't" };
    Ok(format!("the adapter is {interface}; the relay {before} be reached now"))
}

pub(super) async fn dry_run(ground: &ActContext, values: &ParameterValues) -> ActResult {
    Ok(match text(values, "how") {
        "flush-dns" => format!("would have {} forget names", flusher(ground)?.0),
        "renew-lease" => format!("would ask for an address for {} again", interface(ground, values).await?),
        _ => format!("would switch {} off and on", interface(ground, values).await?),
    })
}

pub(super) async fn prepare(
    ground: &ActContext,
    values: &ParameterValues,
) -> Result<Vec<UndoStep>, ActError> {
    if text(values, "how") == "flush-dns" {
        return Ok(Vec::new());
    }
    Ok(vec![UndoStep::Adapter { interface: interface(ground, values).await? }])
}

pub(super) async fn apply(ground: &ActContext, values: &ParameterValues) -> ActResult {
    if text(values, "how") == "flush-dns" {
        let (program, words) = flusher(ground)?;
        ran(ground, program, words).await?;
        return Ok(format!("{program} has forgotten names"));
    }
    let interface = interface(ground, values).await?;
    if text(values, "how") == "renew-lease" {
        let (program, words) = renewer(ground, &interface)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ran(ground, program, &words).await?;
        return Ok(format!("{program} was asked for an address for {interface}"));
    }
    ran(ground, "ip", &["link", "set", "dev", &interface, "down"]).await?;
    tokio::time::sleep(OFF).await;
    ran(ground, "ip", &["link", "set", "dev", &interface, "up"]).await?;
    Ok(format!("{interface} was switched off and on"))
}

pub(super) async fn verify(ground: &ActContext) -> ActResult {
    let mut waited = Duration::ZERO;
    loop {
        if (ground.reachable)().await {
            return Ok("the relay can be reached".to_owned());
        }
        if waited >= BACK_WITHIN {
            return Err(ActError::Failed("the relay could not be reached for a minute".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}

/// Brings the adapter up as it is configured.
pub(super) async fn undo(ground: &ActContext, interface: &str) -> Result<String, String> {
    let in_words = |trouble| match trouble {
        ActError::Nothing(why) | ActError::Cannot(why) | ActError::Failed(why) => why,
    };
    ran(ground, "ip", &["link", "set", "dev", interface, "up"]).await.map_err(in_words)?;
    if let Ok((program, words)) = renewer(ground, interface) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ran(ground, program, &words).await.map_err(in_words)?;
    }
    Ok(format!("{interface} is on, as it is configured"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::context::tests::{said, stand_in};
    use super::*;

    #[tokio::test]
    async fn names_are_forgotten_by_whatever_remembers_them() {
        let stage = stand_in("resolvectl", "exit 0");
        let values = said(&[("how", "flush-dns")]);
        precheck(&stage.ground, &values).await.unwrap();
        assert_eq!(prepare(&stage.ground, &values).await.unwrap(), []);
        apply(&stage.ground, &values).await.unwrap();
        assert!(stage.called("resolvectl flush-caches"), "{}", stage.calls());
        let nothing = stand_in("other", "exit 0");
        assert!(matches!(precheck(&nothing.ground, &values).await, Err(ActError::Nothing(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn an_adapter_that_does_not_come_back_is_brought_up_within_a_minute() {
        let mut stage =
            stand_in("ip", "[ \"$2\" = route ] && echo 'default via 10.0.0.1 dev eth7 proto dhcp'; exit 0");
        stage.program("networkctl", "exit 0");
        stage.ground.reachable = Arc::new(|| Box::pin(async { false }));
        let values = said(&[("how", "reset-adapter")]);
        let undo_it = prepare(&stage.ground, &values).await.unwrap();
        assert_eq!(undo_it, [UndoStep::Adapter { interface: "eth7".into() }]);
        apply(&stage.ground, &values).await.unwrap();
        assert!(stage.called("ip link set dev eth7 down") && stage.called("ip link set dev eth7 up"));
        let began = tokio::time::Instant::now();
        assert!(matches!(verify(&stage.ground).await, Err(ActError::Failed(_))));
        assert!(began.elapsed() >= BACK_WITHIN && began.elapsed() < 2 * BACK_WITHIN);
        undo(&stage.ground, "eth7").await.unwrap();
        assert!(stage.called("networkctl renew eth7"), "{}", stage.calls());
    }
}
