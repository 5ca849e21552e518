//! Print queues, from CUPS' `lpstat`.

use std::sync::Arc;

use crate::facts::printer::{PrintQueue, PrintQueues};
use crate::facts::{CollectContext, Fact, MissingFact};

/// Asks CUPS for its queues and jobs.
pub(super) async fn printers(context: &Arc<CollectContext>) -> Fact<PrintQueues> {
    let absent = |_| MissingFact::NotApplicable("printing is not installed (no CUPS)".to_owned());
    context.programs.find("lpstat").map_err(absent)?;
    let queues = context.programs.run("lpstat", &["-p"]).await?;
    let jobs = context.programs.run("lpstat", &["-o"]).await?;
    let printers = parse(&queues.text, &jobs.text);
    match printers.queues.is_empty() && !queues.complaint.is_empty() {
        // "lpstat: No destinations added." is an answer; an unreachable scheduler isn't.
        true if queues.complaint.contains("No destinations") => Ok(printers),
        true if queues.complaint.contains("Scheduler is not running") => Err(MissingFact::NotApplicable(
            "the print service (CUPS) is installed but not running; if somebody prints here: systemctl start cups"
                .to_owned(),
        )),
        true => Err(MissingFact::failed("lpstat", queues.complaint.trim_start_matches("lpstat: "))),
        false => Ok(printers),
    }
}

/// `printer NAME is idle.  enabled since …`, `printer NAME disabled since … -` and then its reason, indented.
fn parse(queues: &str, jobs: &str) -> PrintQueues {
    let mut printers = PrintQueues::default();
    for line in queues.lines() {
        if let Some((name, state)) = line.strip_prefix("printer ").and_then(|rest| rest.split_once(' ')) {
            let enabled = !state.starts_with("disabled");
            printers.queues.push(PrintQueue { name: name.to_owned(), enabled, ..PrintQueue::default() });
        } else if let Some(queue) = printers.queues.last_mut().filter(|queue| queue.message.is_empty()) {
            queue.message = line.trim().to_owned();
        }
    }
    for line in jobs.lines() {
        // `QUEUE-123  user  1024  date`: the number after the last dash is the job's.
        let queue =
            line.split_whitespace().next().and_then(|job| job.rsplit_once('-')).map(|(queue, _)| queue);
        if let Some(queue) = printers.queues.iter_mut().find(|known| Some(known.name.as_str()) == queue) {
            queue.jobs += 1;
        }
    }
    printers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_queues_and_counts_jobs() {
        let printers = parse(
            "printer Office-HP is idle.  enabled since Mon Nov 16 09:00:00 2026\n\
             printer Label disabled since Tue Nov 17 10:00:00 2026 -\n\tUnplugged or turned off\n",
            "Label-41  anna  1024  Tue Nov 17 10:01:00 2026\nLabel-42  anna  1024  Tue Nov 17 10:02:00 2026\n",
        );
        assert_eq!(
            printers.queues[0],
            PrintQueue { name: "Office-HP".into(), enabled: true, ..PrintQueue::default() }
        );
        assert_eq!((printers.queues[1].enabled, printers.queues[1].jobs), (false, 2));
        assert_eq!(printers.queues[1].message, "Unplugged or turned off");
    }
}
