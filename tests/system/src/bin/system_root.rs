//! Makes the Debian root that the system tests boot, once; says why where it can't.
#![allow(clippy::print_stdout, reason = "this is what it is for")]

use nearhand_system_tests::{DebianRoot, NoRoot};

fn main() {
    match DebianRoot::make() {
        Ok(root) => println!("{} boots", root.path().display()),
        Err(NoRoot(why)) => println!("skipped: the system tests: {why}"),
    }
}
