//! The technician's viewer: a page on this machine's loopback, in the browser, with screen, chat, access and
//! diagnostics of one session.
//!
//! This program remains the end of the session: keys, encryption and the decision what may be open stay here. The page
//! paints and listens. Frames are decoded in a separate process ([`decode`]), because the device chooses their bytes.
//!
//! | | |
//! |---|---|
//! | [`request_guard`] | which requests get an answer: user, token, pass, `Host`, `Origin` (pure) |
//! | [`page_messages`], [`operations`] | messages between page and program, in JSON and as painting operations (pure) |
//! | [`epoch`], [`outbox`] | which beginning of the screen's stream a frame belongs to; input that waits (pure) |
//! | [`page_files`] | the page itself |
//! | [`server`], [`event_loop`] | drivers: the web server; the event loop |
//! | [`screen_stream`], [`input_streams`], [`device_stream`] | drivers: the streams with the device |
//! | [`decode`], [`decoder_process`] | the process that decodes, from inside and from outside |
//! | [`session_link`] | what all this needs of a session |
//!
//! Must not live here: command-line arguments, and what the terminal shows.

pub mod decode;
pub mod decoder_process;
pub mod device_stream;
pub mod epoch;
pub mod event_loop;
pub mod input_streams;
pub mod operations;
pub mod outbox;
pub mod page_files;
pub mod page_messages;
pub mod request_guard;
pub mod screen_stream;
pub mod server;
pub mod session_link;

pub use event_loop::{KeepReport, ViewerSettings, serve};
pub use server::PageServer;
