//! The viewer's server as whoever else is on the machine meets it, and the decode process as a hostile device does.

mod decode;
mod server;
