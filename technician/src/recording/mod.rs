//! Recordings of a session's screen: kept while it is watched, proved, played, turned into video.
//!
//! A recording keeps the device's messages byte for byte, with its signatures, so that it can be verified. It holds
//! only the screen: no chat, no clipboard, and the technician's typing only where the screen shows it.
//!
//! | | |
//! |---|---|
//! | [`mod@format`] | chunks as bytes (pure) |
//! | [`proof`] | the device's signed heads, checked against the messages (pure) |
//! | [`timeline`] | at which playing time what is shown (pure) |
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
