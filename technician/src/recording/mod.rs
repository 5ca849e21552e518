//! Recordings of a session's screen: kept while it is watched, proved, played, turned into video.
//!
//! What is kept is what the device sent, byte for byte, with its signatures: so that a recording shows what there
//! was to see, and can be held against the device's word. Only the screen is in it: no chat, no clipboard, nothing
//! that the technician typed but what it did on the screen.
//!
//! | | |
//! |---|---|
//! | [`mod@format`] | chunks as bytes (pure) |
//! | [`proof`] | the device's signed heads held against the messages (pure) |
//! | [`timeline`] | when what is shown (pure) |
//! | [`mod@pointer`] | the pointer on a picture (pure) |
//! | [`recorder`], [`recorded_session`] | drivers: the file; the session as the viewer sees it while it is recorded |
//! | [`source`] | drivers: a recording's file, read and proved |
//! | [`paint`], [`paint_process`] | the process that makes pictures of frames, from inside and from outside |
//! | [`export`] | drivers: WebM by ffmpeg, PNG files |
//! | [`player`] | driver: the playback page |
//!
//! Must not live here: command-line arguments, and what the terminal shows.

pub mod export;
pub mod format;
pub mod paint;
pub mod paint_process;
pub mod player;
pub mod pointer;
pub mod proof;
pub mod recorded_session;
pub mod recorder;
pub mod source;
pub mod timeline;

#[cfg(test)]
mod tests;
