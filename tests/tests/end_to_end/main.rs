//! End-to-end tests: the programs as people use them, killed, attacked, on bad networks. One binary with a module for each
//! part, because each further binary would link the same code again.

mod agent_alarms;
mod alarms;
mod attacks;
mod attendance;
mod benchmarks;
mod conditions;
mod crash_test;
mod customer_window;
mod faults;
mod forward;
mod hostile;
mod network;
mod recording;
mod refusals;
mod runbooks;
mod screen;
mod screenshot;
mod session;
mod terminal;
mod window;
mod window_on_desktop;
