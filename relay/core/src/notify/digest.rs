//! When a digest is sent: what was collected, in one message.

use core::time::Duration;

use nearhand_proto::alarm::Severity;
use nearhand_proto::time::UnixMillis;

use super::schedule::PendingDelivery;
use crate::alarm::NoticeKind;

/// Between two messages, even if something is critical: a flood of critical alarms is one message every so often.
const GAP: Duration = Duration::from_secs(10);

/// Whether a notice should not wait for others.
pub fn is_urgent(waiting: &PendingDelivery) -> bool {
    waiting.notice.alarm.severity == Severity::Critical
        && matches!(waiting.notice.kind, NoticeKind::Raised | NoticeKind::Worsened)
}

/// When what waits is sent, `None` if nothing waits. `collect` is how long notices are collected; `sent` is when the last
/// message went.
pub fn ready(queue: &[PendingDelivery], collect: Duration, sent: Option<UnixMillis>) -> Option<UnixMillis> {
    let oldest = queue.iter().map(|waiting| waiting.notice.at).min()?;
    // After a failure, everything waits for the next try.
    let retry = queue.iter().filter(|waiting| waiting.attempts > 0).map(|waiting| waiting.due).min();
    let ready = match retry {
        Some(retry) => retry,
        None if queue.iter().any(is_urgent) => oldest,
        None => oldest.after(collect),
    };
    let gap = sent.map_or(UnixMillis(0), |sent| sent.after(GAP.min(collect)));
    Some(ready.max(gap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alarm::sample_notice;

    const MINUTE: Duration = Duration::from_secs(60);

    fn waiting(severity: Severity, at: u64) -> PendingDelivery {
        let mut notice = sample_notice();
        (notice.alarm.severity, notice.at) = (severity, UnixMillis(at));
        PendingDelivery { due: notice.at, notice, attempts: 0 }
    }

    #[test]
    fn a_critical_alarm_is_sent_at_once_but_a_flood_of_them_in_few_messages() {
        let mild = waiting(Severity::Error, 1_000);
        assert_eq!(ready(&[], MINUTE, None), None);
        assert_eq!(ready(core::slice::from_ref(&mild), MINUTE, None), Some(UnixMillis(61_000)), "collected");
        let flood = vec![mild.clone(); 5_000];
        assert_eq!(ready(&flood, MINUTE, None), Some(UnixMillis(61_000)), "many are no reason to hurry");
        let bad = waiting(Severity::Critical, 5_000);
        assert_eq!(ready(&[mild.clone(), bad.clone()], MINUTE, None), Some(UnixMillis(1_000)), "at once");
        let sent = Some(UnixMillis(4_000));
        assert_eq!(
            ready(core::slice::from_ref(&bad), MINUTE, sent),
            Some(UnixMillis(14_000)),
            "not a message for each"
        );
        let failed = PendingDelivery { attempts: 1, due: UnixMillis(90_000), ..mild };
        assert_eq!(ready(&[bad, failed], MINUTE, None), Some(UnixMillis(90_000)), "the server is down");
    }
}
