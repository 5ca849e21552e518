//! What the desktop process asks of the operating system.

mod pipes;
mod users;

pub(crate) use pipes::{
    PipesReady, anonymous_file, is_local_socket, read_at, read_standard_input, standard_output_waits, wait,
    write_to_standard_output,
};
pub(crate) use users::{is_a_service, may_become_others, systemd_runs_here};
pub use users::{is_root, own_user, primary_group};
