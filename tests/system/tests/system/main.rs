//! Nearhand's services on real systems: units, boots, failures, enrolment, a user's desktop.
//!
//! Where no system can be booted all of them count as skipped; `cargo run -p nearhand-system-tests` says why, and makes what is
//! missing.

mod copies;
mod desktops;
mod organisation;
mod services;
mod typed;

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use nearhand_system_tests::{DebianRoot, MachineNetwork};

/// A test, with its network.
type SystemTest = fn(MachineNetwork) -> Result<()>;

const TESTS: &[(&str, SystemTest)] = &[
    (
        "units_are_hardened_and_the_programs_work_in_them",
        services::units_are_hardened_and_the_programs_work_in_them,
    ),
    (
        "a_reboot_and_a_power_off_are_told_as_what_they_are",
        services::a_reboot_and_a_power_off_are_told_as_what_they_are,
    ),
    ("a_port_that_is_taken_for_long_is_taken_back", services::a_port_that_is_taken_for_long_is_taken_back),
    (
        "an_agent_that_fails_at_once_many_times_comes_back",
        services::an_agent_that_fails_at_once_many_times_comes_back,
    ),
    ("a_program_that_hangs_is_started_anew", services::a_program_that_hangs_is_started_anew),
    (
        "an_enrolled_agent_starts_by_itself_and_stays_stopped",
        services::an_enrolled_agent_starts_by_itself_and_stays_stopped,
    ),
    (
        "the_lines_of_the_documents_work_as_they_are_typed",
        typed::the_lines_of_the_documents_work_as_they_are_typed,
    ),
    (
        "a_users_display_is_reached_under_the_units_rights",
        desktops::a_users_display_is_reached_under_the_units_rights,
    ),
    ("without_a_way_to_the_user_the_reason_is_told", desktops::without_a_way_to_the_user_the_reason_is_told),
    ("a_copied_disk_does_not_use_the_originals_key", copies::a_copied_disk_does_not_use_the_originals_key),
];

fn main() -> ExitCode {
    let root = DebianRoot::find();
    let trials = TESTS.iter().map(|(name, test)| {
        let found = root.as_ref().ok().cloned();
        let is_skipped = found.is_none();
        let run = move || -> Result<(), Failed> {
            // Asked for in spite of the mark.
            let Some(root) = found else { return Err(Failed::from("no Debian root has booted here")) };
            let outcome = MachineNetwork::new(root).and_then(test);
            outcome.map_err(|error| Failed::from(format!("{error:#}")))
        };
        Trial::test(*name, run).with_ignored_flag(is_skipped)
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}
