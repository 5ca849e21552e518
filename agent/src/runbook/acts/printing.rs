//! Print jobs that wait too long are taken out of CUPS' queues.

use nearhand_proto::runbook::ParameterValues;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use super::context::{ActContext, ActError, ActResult, number, ran};

/// Most jobs taken out in one run.
const MOST: usize = 200;
/// `Sat Nov 21 22:10:09 2026`, as CUPS writes it in the C locale.
const WHEN: &[BorrowedFormatItem<'_>] = format_description!(
    "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
);

/// A job as `lpstat` names it: printer and number.
fn job(line: &str, before: OffsetDateTime) -> Option<String> {
    let mut words = line.split_whitespace();
    let (name, _user, _bytes) = (words.next()?, words.next()?, words.next()?);
    let when: Vec<&str> = words.collect();
    // The zone may follow, or an AM or PM: only what is surely old is taken.
    let [weekday, month, day, hour, rest @ ..] = when.as_slice() else { return None };
    let year = rest.iter().find(|word| word.len() == 4 && word.bytes().all(|b| b.is_ascii_digit()))?;
    let written = format!("{weekday} {month} {day:>2} {hour} {year}");
    let at = PrimitiveDateTime::parse(&written, WHEN).ok()?.assume_utc();
    let (printer, number) = name.rsplit_once('-')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let sound = !printer.is_empty()
        && !printer.starts_with('-')
        && printer.chars().all(plain)
        && number.bytes().all(|b| b.is_ascii_digit())
        && !number.is_empty();
    (sound && at < before).then(|| name.to_owned())
}

/// Jobs that have waited for so long.
async fn stuck(ground: &ActContext, values: &ParameterValues) -> Result<Vec<String>, ActError> {
    let output = ran(ground, "lpstat", &["-W", "not-completed", "-o"]).await?;
    let hours = i64::try_from(number(values, "stuck-for")).unwrap_or(i64::MAX / 3600);
    // CUPS writes local time without saying which: a day's margin either way would be too much, so the local
    // offset is taken from the machine.
    let offset = i64::from(crate::platform::local_offset_seconds().unwrap_or(0));
    let local = OffsetDateTime::now_utc() + time::Duration::seconds(offset);
    let before = local - time::Duration::hours(hours);
    Ok(output.text.lines().filter_map(|line| job(line, before)).take(MOST).collect())
}

pub(super) async fn precheck(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let jobs = stuck(ground, values).await?;
    match jobs.as_slice() {
        [] => Err(ActError::Nothing("no print job waits for so long".to_owned())),
        [first, ..] => Ok(format!("{} jobs that wait, such as {first}", jobs.len())),
    }
}

pub(super) async fn apply(ground: &ActContext, values: &ParameterValues) -> ActResult {
    let jobs = stuck(ground, values).await?;
    for job in &jobs {
        ran(ground, "cancel", &["--", job]).await?;
    }
    Ok(format!("{} jobs were taken out", jobs.len()))
}

pub(super) async fn verify(ground: &ActContext, values: &ParameterValues) -> ActResult {
    match stuck(ground, values).await?.len() {
        0 => Ok("no job waits for so long any more".to_owned()),
        left => Err(ActError::Failed(format!("{left} jobs are still there"))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::{said, stand_in};
    use super::*;
    use nearhand_proto::runbook::ParameterValue;

    #[tokio::test]
    async fn only_old_jobs_with_plain_names_are_taken_out() {
        let stage = stand_in(
            "lpstat",
            "[ -e $0.gone ] && exit 0; echo 'Office-12  ada  1024  Sat Nov 21 22:10:09 2020'; \
             echo 'Office-13  ada  1024  Sat Nov 21 22:10:09 2099'; echo '-evil-1  x  1  Sat Nov 21 22:10:09 2020'; echo junk",
        );
        stage.program("cancel", "touch \"$(dirname $0)/lpstat.gone\"");
        let mut values = said(&[]);
        values.insert("stuck-for".into(), ParameterValue::Integer(1));
        assert_eq!(precheck(&stage.ground, &values).await.unwrap(), "1 jobs that wait, such as Office-12");
        apply(&stage.ground, &values).await.unwrap();
        assert!(stage.called("cancel -- Office-12"), "{}", stage.calls());
        assert!(!stage.called("Office-13") && !stage.called("evil"));
        verify(&stage.ground, &values).await.unwrap();
    }
}
