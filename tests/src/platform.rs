//! What the tests ask of Linux that no library offers. The only home of `unsafe` in this crate's library.
#![allow(unsafe_code, reason = "calls the operating system")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::thread;

use rustix::ioctl::{Opcode, Setter, ioctl};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// `TUNSETIFF` of `linux/if_tun.h`.
const SET_INTERFACE: Opcode = 0x4004_54ca;
/// Ethernet frames, without a header of the device's own: `IFF_TAP | IFF_NO_PI`.
const TAP: u16 = 0x0002 | 0x1000;

/// `struct ifreq` as `TUNSETIFF` reads it.
#[repr(C)]
struct TunInterface {
    name: [u8; 16],
    flags: u16,
    rest: [u8; 22],
}

/// A new TAP device in a network namespace of that name: what is read was sent through it, what is written arrives.
///
/// # Errors
/// The namespace or TAP devices are missing, or this isn't root.
pub fn tap(namespace: &str, device: &str) -> io::Result<File> {
    let mut name = [0; 16];
    let bytes = device.as_bytes();
    // The last byte stays zero.
    let room = name.get_mut(..bytes.len()).filter(|room| room.len() < 16);
    room.ok_or(io::ErrorKind::InvalidInput)?.copy_from_slice(bytes);
    let path = format!("/run/netns/{namespace}");
    // A separate thread: it moves into the namespace and ends there.
    let made = thread::spawn(move || {
        let namespace = File::open(path)?;
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        let interface = TunInterface { name, flags: TAP, rest: [0; 22] };
        // SAFETY: `TUNSETIFF` reads a `struct ifreq`, whose size and layout `TunInterface` has, and writes within it.
        unsafe { ioctl(&file, Setter::<SET_INTERFACE, TunInterface>::new(interface))? };
        io::Result::Ok(file)
    });
    made.join().map_err(|_| io::Error::other("the thread that makes the device panicked"))?
}
