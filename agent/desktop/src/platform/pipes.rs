//! Unix: waiting on several descriptors at once, standard input and output as pipes, memory as a file.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What became ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PipesReady {
    /// Standard input can be read, or is at its end.
    pub input: bool,
}

/// Waits until standard input or one of `others` can be read, standard output can be written (if `writing`), or the
/// time is over; `None`: as long as it takes.
pub(crate) fn wait(
    others: &[BorrowedFd<'_>],
    writing: bool,
    limit: Option<Duration>,
) -> io::Result<PipesReady> {
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    // Without an interest, its end is still told.
    let interest = if writing { PollFlags::OUT } else { PollFlags::empty() };
    let mut all =
        vec![PollFd::from_borrowed_fd(input, PollFlags::IN), PollFd::from_borrowed_fd(output, interest)];
    all.extend(others.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)));
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    match poll(&mut all, limit.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let [input, output, ..] = all.as_slice() else { return Ok(PipesReady::default()) };
    if output.revents().intersects(PollFlags::ERR) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    Ok(PipesReady { input: !input.revents().is_empty() })
}

/// Reads what standard input has; 0 at its end.
pub(crate) fn read_standard_input(buffer: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(rustix::stdio::stdin(), &mut *buffer) {
        Err(rustix::io::Errno::INTR) => read_standard_input(buffer),
        other => Ok(other?),
    }
}

/// Writes some of it to standard output.
pub(crate) fn write_to_standard_output(bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
}

/// Whether a write to standard output waits until there is room.
pub(crate) fn standard_output_waits(waits: bool) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let output = rustix::stdio::stdout();
    let flags = fcntl_getfl(output)?;
    fcntl_setfl(output, if waits { flags - OFlags::NONBLOCK } else { flags | OFlags::NONBLOCK })?;
    Ok(())
}

/// Memory of that many bytes as a file without a name, twice: to keep and to hand on.
#[cfg(target_os = "linux")]
pub(crate) fn anonymous_file(len: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
    let file = memfd_create("nearhand-screen", MemfdFlags::CLOEXEC)?;
    ftruncate(&file, u64::try_from(len).map_err(io::Error::other)?)?;
    let other = rustix::io::fcntl_dupfd_cloexec(&file, 3)?;
    Ok((file, other))
}

/// Not on this system.
#[cfg(not(target_os = "linux"))]
pub fn anonymous_file(_len: usize) -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Fills the buffer from that position of a file.
pub(crate) fn read_at(file: &OwnedFd, mut buffer: &mut [u8], mut position: usize) -> io::Result<()> {
    while !buffer.is_empty() {
        let at = u64::try_from(position).map_err(io::Error::other)?;
        let read = rustix::io::pread(file, &mut *buffer, at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(read..).unwrap_or_default();
        position += read;
    }
    Ok(())
}

/// Whether a connection is a Unix socket, over which descriptors can be handed.
pub(crate) fn is_local_socket(socket: impl AsFd) -> bool {
    let address = rustix::net::getsockname(socket);
    address.is_ok_and(|address| address.address_family() == rustix::net::AddressFamily::UNIX)
}
