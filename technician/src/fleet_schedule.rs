//! The schedule of a run on many devices: how many at a time, and when to stop. Pure.
//!
//! A tenth of the devices run at once, at least one. After a tenth has failed, at least two, no further device begins.

/// How a device's run ended, as far as the others depend on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FleetOutcome {
    /// It went well, or there was nothing to do.
    Well,
    /// It counts towards the failures after which no further device begins.
    Failed,
}

/// How many devices came to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FleetCounts {
    /// Devices on which all went well.
    pub well: usize,
    /// Devices on which it failed.
    pub failed: usize,
    /// Devices that were never begun.
    pub not_begun: usize,
}

/// Which devices wait, how many are under way, and how the others ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSchedule {
    waiting: std::collections::VecDeque<usize>,
    running: usize,
    well: usize,
    failed: usize,
    at_once: usize,
    stop_at: usize,
    stopped: bool,
}

impl FleetSchedule {
    /// A schedule for this number of devices.
    pub fn new(devices: usize) -> Self {
        Self {
            waiting: (0..devices).collect(),
            running: 0,
            well: 0,
            failed: 0,
            at_once: (devices / 10).max(1),
            stop_at: (devices / 10).max(2),
            stopped: false,
        }
    }

    /// The next device to begin with; `None` while enough run, and when no further one is to begin.
    pub fn begin(&mut self) -> Option<usize> {
        if self.stopped || self.running >= self.at_once {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.running += 1;
        Some(next)
    }

    /// A device's run has ended.
    pub fn ended(&mut self, outcome: FleetOutcome) {
        self.running = self.running.saturating_sub(1);
        match outcome {
            FleetOutcome::Well => self.well += 1,
            FleetOutcome::Failed => self.failed += 1,
        }
        self.stopped |= self.failed >= self.stop_at;
    }

    /// From now on no further device begins.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// Whether nothing runs and nothing will.
    pub fn is_over(&self) -> bool {
        self.running == 0 && (self.stopped || self.waiting.is_empty())
    }

    /// How many at once.
    pub fn at_once(&self) -> usize {
        self.at_once
    }

    /// How many went well, failed, and were never begun.
    pub fn counts(&self) -> FleetCounts {
        FleetCounts { well: self.well, failed: self.failed, not_begun: self.waiting.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_failures_of_three_stop_it_before_the_third() {
        let mut fleet = FleetSchedule::new(3);
        assert_eq!(fleet.begin(), Some(0));
        assert_eq!(fleet.begin(), None, "one at a time");
        fleet.ended(FleetOutcome::Failed);
        assert_eq!(fleet.begin(), Some(1));
        fleet.ended(FleetOutcome::Failed);
        assert_eq!(fleet.begin(), None);
        assert!(fleet.is_over());
        assert_eq!(fleet.counts(), FleetCounts { well: 0, failed: 2, not_begun: 1 });
    }

    proptest! {
        #[test]
        fn never_more_than_a_tenth_at_once_and_at_most_that_many_after_the_last_allowed_failure(
            devices in 0_usize..400, outcomes in prop::collection::vec(any::<bool>(), 400)
        ) {
            let mut fleet = FleetSchedule::new(devices);
            let (mut running, mut begun) = (0, 0);
            let mut outcomes = outcomes.into_iter();
            while !fleet.is_over() {
                while fleet.begin().is_some() {
                    running += 1;
                    begun += 1;
                }
                prop_assert!(running <= (devices / 10).max(1) && running > 0);
                let fails = outcomes.next() == Some(false);
                fleet.ended(if fails { FleetOutcome::Failed } else { FleetOutcome::Well });
                running -= 1;
            }
            let FleetCounts { well, failed, not_begun } = fleet.counts();
            prop_assert_eq!(well + failed, begun);
            prop_assert_eq!(begun + not_begun, devices);
            prop_assert!(failed < (devices / 10).max(2) + (devices / 10).max(1));
            prop_assert!(not_begun == 0 || failed >= (devices / 10).max(2));
        }
    }
}
