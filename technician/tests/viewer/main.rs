//! The viewer's server as whoever else is on the machine meets it, and the decode process as a hostile device does.

#[cfg(test)]
mod decode;
#[cfg(test)]
mod server;
