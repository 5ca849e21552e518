//! The program `nearhand`, run as a person runs it, against a relay that says what it is told to.

#[cfg(test)]
mod commands;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod offline;
#[cfg(test)]
mod viewer;
