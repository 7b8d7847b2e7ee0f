//! A plain socket for a test that wants one, at whose other end a thread speaks TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use super::Link;

/// The bytes that are under way in each direction.
const PIECE_BYTES: usize = 16 << 10;

/// Makes a plain socket out of `link`.
pub(crate) fn bridge(link: Link) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let given = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (kept, _) = listener.accept().unwrap();
    for stream in [&given, &kept] {
        stream.set_nodelay(true).unwrap();
    }
    kept.set_nonblocking(true).unwrap();
    thread::spawn(move || carry(link, kept));
    given
}

/// Carries bytes in both directions until both have ended, or the plain side is gone.
#[expect(
    clippy::disallowed_methods,
    reason = "a rest between two looks, in a thread of its own; no test waits for it by time"
)]
fn carry(link: Link, mut plain: TcpStream) {
    let mut out = Way::default();
    let mut back = Way::default();
    while !(out.is_over && back.is_over) {
        let moved_out = out.carry(|bytes| plain.read(bytes), |bytes| link.write(bytes));
        let moved_back = back.carry(|bytes| link.read(bytes), |bytes| (&plain).write(bytes));
        if out.is_ending() {
            let _ = link.half_close();
            out.is_over = true;
        }
        if back.is_ending() {
            let _ = plain.shutdown(Shutdown::Write);
            back.is_over = true;
        }
        if out.has_failed {
            // The plain side is gone.
            return;
        }
        if back.has_failed {
            let linger = Some(Duration::ZERO);
            let _ = socket2::SockRef::from(&plain).set_linger(linger);
            return;
        }
        if !moved_out && !moved_back {
            thread::sleep(Duration::from_micros(500));
        }
    }
}

/// One direction.
#[derive(Default)]
struct Way {
    pending: Vec<u8>,
    has_end: bool,
    is_over: bool,
    has_failed: bool,
}

impl Way {
    fn is_ending(&self) -> bool {
        self.has_end && self.pending.is_empty() && !self.is_over
    }

    /// Returns whether anything has moved.
    fn carry(
        &mut self,
        mut read: impl FnMut(&mut [u8]) -> std::io::Result<usize>,
        mut write: impl FnMut(&[u8]) -> std::io::Result<usize>,
    ) -> bool {
        let mut has_moved = false;
        if self.pending.is_empty() && !self.has_end {
            let mut bytes = [0; PIECE_BYTES];
            match read(&mut bytes) {
                Ok(0) => self.has_end = true,
                Ok(length) => {
                    self.pending.extend_from_slice(&bytes[..length]);
                    has_moved = true;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.has_failed = true,
            }
        }
        if !self.pending.is_empty() {
            match write(&self.pending) {
                Ok(length) => {
                    self.pending.drain(..length);
                    has_moved |= length > 0;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.has_failed = true,
            }
        }
        has_moved
    }
}
