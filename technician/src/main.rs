//! The program `nearhand`. Everything is in the library.

fn main() -> std::process::ExitCode {
    nearhand_client::program::run()
}
