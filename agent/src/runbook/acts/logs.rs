//! The system's logs: the journal is made smaller, the files that logrotate knows are rotated.

use nearhand_proto::runbook::ParameterValues;

use super::context::{ActContext, ActError, ActResult, number, ran};

/// The system's own configuration; no other one is ever handed to the program.
const CONFIGURATION: &str = "/etc/logrotate.conf";

pub(super) async fn precheck(ground: &ActContext) -> ActResult {
    let journal = ground.programs.find("journalctl").is_ok();
    let files = rotates(ground);
    match (journal, files) {
        (true, true) => Ok("there are a journal and files that are rotated".to_owned()),
        (true, false) => Ok("there is a journal".to_owned()),
        (false, true) => Ok("there are files that are rotated".to_owned()),
        (false, false) => {
            Err(ActError::Cannot("neither journalctl nor logrotate is on this machine".to_owned()))
        }
    }
}

fn rotates(ground: &ActContext) -> bool {
    ground.programs.find("logrotate").is_ok() && std::path::Path::new(CONFIGURATION).is_file()
}

pub(super) async fn apply(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let mut done = Vec::new();
    if ground.programs.find("journalctl").is_ok() {
        let size = format!("--vacuum-size={}M", number(values, "keep"));
        ran(ground, "journalctl", &["--rotate"]).await?;
        ran(ground, "journalctl", &[&size]).await?;
        done.push("the journal was made smaller");
    }
    if rotates(ground) {
        ran(ground, "logrotate", &[CONFIGURATION]).await?;
        done.push("files were rotated where it was time");
    }
    Ok(done.join("; "))
}

pub(super) async fn verify(ground: &ActContext, _values: &ParameterValues) -> ActResult {
    if ground.programs.find("journalctl").is_err() {
        return Ok("the files were rotated".to_owned());
    }
    let output = ran(ground, "journalctl", &["--disk-usage"]).await?;
    let line = output.text.lines().next().unwrap_or_default().trim().to_owned();
    Ok(if line.is_empty() { "the journal says nothing of its size".to_owned() } else { line })
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::{said, stand_in};
    use super::*;
    use nearhand_proto::runbook::ParameterValue;

    #[tokio::test]
    async fn the_journal_is_cut_to_what_was_said() {
        let stage = stand_in("journalctl", "echo 'Archived and active journals take up 48.0M.'");
        let mut values = said(&[]);
        values.insert("keep".into(), ParameterValue::Integer(200));
        precheck(&stage.ground).await.unwrap();
        apply(&stage.ground, &values).await.unwrap();
        assert!(stage.called("journalctl --vacuum-size=200M"), "{}", stage.calls());
        assert!(verify(&stage.ground, &values).await.unwrap().contains("48.0M"));
    }

    #[tokio::test]
    async fn a_program_that_fails_is_told() {
        let stage = stand_in("journalctl", "echo 'no room' >&2; exit 1");
        let failed = apply(&stage.ground, &said(&[])).await.unwrap_err();
        assert_eq!(failed, ActError::Failed("journalctl ended with 1: no room".into()));
    }
}
