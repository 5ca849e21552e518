//! Corrects the clock with the time service that runs on this machine.

use std::time::Duration;

use super::context::{ActContext, ActError, ActResult, ran, tried};

/// How long the time service may take to be right.
const RIGHT_WITHIN: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// What keeps the time here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TimeDaemon {
    Chrony,
    Timesyncd,
}

async fn keeper(ground: &ActContext) -> Result<TimeDaemon, ActError> {
    if ground.programs.find("chronyc").is_ok() {
        return Ok(TimeDaemon::Chrony);
    }
    let asked = tried(ground, "systemctl", &["is-active", "--", "systemd-timesyncd.service"]).await;
    match asked {
        Ok(output) if output.text.trim() == "active" => Ok(TimeDaemon::Timesyncd),
        _ => Err(ActError::Cannot("neither chrony nor systemd-timesyncd keeps the time here".to_owned())),
    }
}

pub(super) async fn precheck(ground: &ActContext) -> ActResult {
    Ok(match keeper(ground).await? {
        TimeDaemon::Chrony => "chrony keeps the time".to_owned(),
        TimeDaemon::Timesyncd => "systemd-timesyncd keeps the time".to_owned(),
    })
}

pub(super) async fn apply(ground: &ActContext) -> ActResult {
    match keeper(ground).await? {
        TimeDaemon::Chrony => {
            ran(ground, "chronyc", &["-n", "burst", "4/4"]).await?;
            ran(ground, "chronyc", &["-n", "makestep"]).await?;
            Ok("chrony was told to set the clock".to_owned())
        }
        TimeDaemon::Timesyncd => {
            ran(ground, "systemctl", &["restart", "--no-ask-password", "--", "systemd-timesyncd.service"])
                .await?;
            Ok("systemd-timesyncd was told to ask again".to_owned())
        }
    }
}

pub(super) async fn verify(ground: &ActContext) -> ActResult {
    let keeper = keeper(ground).await?;
    let mut waited = Duration::ZERO;
    loop {
        let right = match keeper {
            TimeDaemon::Chrony => ran(ground, "chronyc", &["-n", "tracking"])
                .await?
                .text
                .lines()
                .any(|line| line.starts_with("Leap status") && line.trim_end().ends_with("Normal")),
            TimeDaemon::Timesyncd => {
                let shown =
                    ran(ground, "timedatectl", &["show", "--property=NTPSynchronized", "--value"]).await?;
                shown.text.trim() == "yes"
            }
        };
        if right {
            return Ok("the clock is kept by a time server".to_owned());
        }
        if waited >= RIGHT_WITHIN {
            return Err(ActError::Failed("no time server has answered within a minute".to_owned()));
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::stand_in;
    use super::*;

    #[tokio::test]
    async fn chrony_is_told_to_step_and_asked_whether_it_did() {
        let stage = stand_in("chronyc", r#"[ "$2" = tracking ] && echo "Leap status     : Normal"; exit 0"#);
        precheck(&stage.ground).await.unwrap();
        apply(&stage.ground).await.unwrap();
        verify(&stage.ground).await.unwrap();
        assert!(
            stage.called("chronyc -n burst 4/4") && stage.called("chronyc -n makestep"),
            "{}",
            stage.calls()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_nothing_sets_is_told() {
        let nothing = stand_in("other", "exit 0");
        assert!(matches!(precheck(&nothing.ground).await, Err(ActError::Cannot(_))));
        let stage = stand_in("chronyc", "echo 'Leap status     : Not synchronised'");
        assert!(matches!(verify(&stage.ground).await, Err(ActError::Failed(_))));
    }
}
