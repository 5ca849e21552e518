//! Frames on anything that reads and writes: QUIC streams and local sockets alike.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use nearhand_proto::wire::{self, PREFIX, WireError};

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The other end closed the stream between frames.
    #[error("the other end closed the stream")]
    Closed,
    /// The stream broke.
    #[error("the stream broke")]
    Io(#[source] io::Error),
    /// The frame is no message.
    #[error(transparent)]
    Wire(#[from] WireError),
}

impl FrameError {
    /// `true` for a peer that breaks the protocol, as against a connection that was lost.
    pub fn is_hostile(&self) -> bool {
        matches!(self, Self::Wire(_))
    }
}

/// Reads one frame of at most `limit` bytes. Memory is taken as the bytes arrive, not as the prefix claims.
/// Not cancel-safe: a caller that stops waiting must drop the stream.
///
/// # Errors
/// [`FrameError::Closed`] if the stream ended between frames, [`FrameError::Io`] if it broke, [`FrameError::Wire`] if
/// the frame is over `limit` or isn't a `T`.
pub async fn read<T: DeserializeOwned>(
    from: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<T, FrameError> {
    let mut prefix = [0; PREFIX];
    let mut have = 0;
    while let Some(rest) = prefix.get_mut(have..).filter(|rest| !rest.is_empty()) {
        match from.read(rest).await.map_err(FrameError::Io)? {
            0 if have == 0 => return Err(FrameError::Closed),
            0 => return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into())),
            n => have += n,
        }
    }
    let len = wire::frame_len(prefix, limit)?;
    let mut body = Vec::with_capacity(len.min(4096));
    let read = from.take(len as u64).read_to_end(&mut body).await.map_err(FrameError::Io)?;
    if read < len {
        return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    Ok(wire::decode(&body)?)
}

/// Writes one frame of at most `limit` bytes.
///
/// # Errors
/// [`FrameError::Wire`] if the message can't be encoded in `limit` bytes, before anything is sent; [`FrameError::Io`]
/// if the stream broke.
pub async fn write<T: Serialize>(
    to: &mut (impl AsyncWrite + Unpin),
    message: &T,
    limit: usize,
) -> Result<(), FrameError> {
    let frame = wire::frame(message, limit)?;
    to.write_all(&frame).await.map_err(FrameError::Io)?;
    to.flush().await.map_err(FrameError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_cross_and_breaks_are_told_apart() {
        let (mut a, mut b) = tokio::io::duplex(64);
        write(&mut a, &"hello".to_owned(), 100).await.unwrap();
        assert_eq!(read::<String>(&mut b, 100).await.unwrap(), "hello");
        a.write_all(&[9, 0, 0, 0, 1]).await.unwrap();
        drop(a);
        assert!(matches!(read::<String>(&mut b, 100).await, Err(FrameError::Io(_))));
        assert!(matches!(read::<String>(&mut b, 100).await, Err(FrameError::Closed)));
        assert!(
            read::<String>(&mut [0xff_u8, 0xff, 0xff, 0xff].as_slice(), 100).await.unwrap_err().is_hostile()
        );
    }
}
