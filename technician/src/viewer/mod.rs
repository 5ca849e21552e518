//! The technician's viewer: a page on this machine's loopback, in the browser, with screen, chat, access and
//! diagnostics of one session.
//!
//! This program stays the session's end: keys, end-to-end encryption and what may be open live here. The page
//! paints and listens. Frames are decoded in a process of their own ([`decode`]), because the device chooses their
//! bytes.
//!
//! | | |
//! |---|---|
//! | [`door`] | who may come in: token, cookie, `Host`, `Origin` (pure) |
//! | [`verbs`], [`ops`] | what page and program say to each other, in words and in pictures (pure) |
//! | [`round`], [`outbox`] | frames of a former beginning; input that waits (pure) |
//! | [`files`] | the page itself |
//! | [`server`], [`desk`] | drivers: the web server; the event loop |
//! | [`screen`], [`touch`], [`conversation`] | drivers: the conversations with the device |
//! | [`decode`], [`decoder`] | the process that decodes, from inside and from outside |
//! | [`link`] | what all this needs of a session |
//!
//! Must not live here: command-line arguments, and what the terminal shows.

pub mod conversation;
pub mod decode;
pub mod decoder;
pub mod desk;
pub mod door;
pub mod files;
pub mod link;
pub mod ops;
pub mod outbox;
pub mod round;
pub mod screen;
pub mod server;
pub mod touch;
pub mod verbs;

pub use desk::{Keep, Settings, serve};
pub use server::Server;
