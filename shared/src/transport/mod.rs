//! The QUIC transport that both ends of a connection share. With the programs' event loops, the only code
//! that knows quinn and tokio.

pub mod bound_socket;
