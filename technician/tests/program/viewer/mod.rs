//! The viewer's server as other users of the machine meet it, and the decode process as a hostile device does.

mod decode;
mod server;
