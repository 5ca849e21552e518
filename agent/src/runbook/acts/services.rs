//! Services that have failed are started again by systemd.

use std::time::Duration;

use nearhand_proto::runbook::{ParameterValues, matches};

use super::context::{ActContext, ActError, ActResult, ran, text, tried};

/// Never restarted, even if the owner lists them: without them nobody can log in, or nothing runs.
const PROTECTED: [&str; 20] = [
    "ssh.service",
    "sshd*",
    "ssh@*",
    "dbus*",
    "systemd-*",
    "nearhand*",
    "getty@*",
    "serial-getty@*",
    "user@*",
    "user-runtime-dir@*",
    "init*",
    "emergency*",
    "rescue*",
    "display-manager*",
    "gdm*",
    "sddm*",
    "lightdm*",
    "polkit*",
    "console-getty*",
    "initrd-*",
];
/// How long a service has to stay up.
const STEADY: Duration = Duration::from_secs(3);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Whether the owner lets it be touched.
fn allowed(ground: &ActContext, service: &str) -> Result<(), ActError> {
    if PROTECTED.iter().any(|pattern| matches(pattern, service)) {
        return Err(ActError::Cannot(format!("{service} is never restarted by a runbook")));
    }
    if !ground.rules.services.iter().any(|pattern| matches(pattern, service)) {
        return Err(ActError::Cannot(format!("the owner's list of services does not have {service}")));
    }
    Ok(())
}

/// What systemd says of it, in one word.
async fn state(ground: &ActContext, service: &str) -> Result<String, ActError> {
    let output =
        tried(ground, "systemctl", &["show", "--property=ActiveState", "--value", "--", service]).await?;
    if output.code != Some(0) {
        return Err(ActError::Cannot(format!("systemd is not to be asked here: {}", output.complaint)));
    }
    Ok(output.text.trim().to_owned())
}

pub(super) async fn precheck(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let service = text(values, "service");
    allowed(ground, service)?;
    match state(ground, service).await?.as_str() {
        "failed" => Ok(format!("{service} has failed")),
        other => Err(ActError::Nothing(format!("{service} has not failed; it is {other}"))),
    }
}

pub(super) async fn apply(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let service = text(values, "service");
    allowed(ground, service)?;
    ran(ground, "systemctl", &["restart", "--no-ask-password", "--", service]).await?;
    Ok(format!("{service} was started again"))
}

pub(super) async fn verify(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let service = text(values, "service");
    let mut looked = Duration::ZERO;
    loop {
        match state(ground, service).await?.as_str() {
            "active" if looked >= STEADY => return Ok(format!("{service} runs and stays up")),
            "active" | "activating" | "reloading" => {}
            other => return Err(ActError::Failed(format!("{service} is {other} again"))),
        }
        tokio::time::sleep(LOOK).await;
        looked += LOOK;
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::{said, stand_in};
    use super::*;

    #[tokio::test]
    async fn a_failed_service_is_started_again_and_watched() {
        let stage = stand_in(
            "systemctl",
            r#"case "$1" in show) cat "$0.state";; restart) echo active > "$0.state";; esac"#,
        );
        let values = said(&[("service", "web.service")]);
        stage.write("systemctl.state", "failed\n");
        assert_eq!(precheck(&stage.ground, &values).await, Ok("web.service has failed".into()));
        apply(&stage.ground, &values).await.unwrap();
        verify(&stage.ground, &values).await.unwrap();
        assert!(stage.called("systemctl restart --no-ask-password -- web.service"), "{}", stage.calls());
        assert!(matches!(precheck(&stage.ground, &values).await, Err(ActError::Nothing(_))));
    }

    #[tokio::test]
    async fn a_service_that_fails_again_is_told() {
        let stage = stand_in("systemctl", r#"case "$1" in show) echo failed;; esac"#);
        let values = said(&[("service", "web.service")]);
        apply(&stage.ground, &values).await.unwrap();
        assert!(matches!(verify(&stage.ground, &values).await, Err(ActError::Failed(_))));
    }

    #[tokio::test]
    async fn what_everybody_needs_is_never_touched_and_the_owners_list_counts() {
        let mut stage = stand_in("systemctl", "echo failed");
        for service in
            ["sshd.service", "ssh.service", "dbus-broker.service", "nearhand-agent.service", "user@0.service"]
        {
            let values = said(&[("service", service)]);
            assert!(matches!(precheck(&stage.ground, &values).await, Err(ActError::Cannot(_))), "{service}");
            assert!(matches!(apply(&stage.ground, &values).await, Err(ActError::Cannot(_))), "{service}");
        }
        stage.ground.rules.services = vec!["app-*.service".into()];
        assert!(precheck(&stage.ground, &said(&[("service", "app-1.service")])).await.is_ok());
        assert!(precheck(&stage.ground, &said(&[("service", "web.service")])).await.is_err());
        assert!(!stage.called("restart"));
    }
}
