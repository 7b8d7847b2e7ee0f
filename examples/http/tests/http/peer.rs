//! A client by hand, for requests that no program of others would send.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::server::PATIENCE;

pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Returns the next response, whose length has to be said.
    #[track_caller]
    pub(crate) fn response(&mut self) -> Response {
        let end = loop {
            match self.received.windows(4).position(|end| end == b"\r\n\r\n") {
                Some(place) => break place + 4,
                None => assert!(self.read() > 0, "it ends within a head"),
            }
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let status = head["HTTP/1.1 ".len()..][..3].parse().unwrap();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        while self.received.len() < length {
            assert!(self.read() > 0, "it ends within a body");
        }
        let body = self.received.drain(..length).collect();
        Response { status, head, body }
    }

    /// Returns everything up to the end of the connection.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() > 0 {}
        std::mem::take(&mut self.received)
    }

    /// Whether the server has closed the connection by a reset, or by an end after what was received.
    pub(crate) fn is_over(&mut self) -> bool {
        loop {
            match self.stream.read(&mut [0; 4096]) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) => return error.kind() == ErrorKind::ConnectionReset,
            }
        }
    }

    fn read(&mut self) -> usize {
        let mut buffer = [0; 64 << 10];
        let length = self.stream.read(&mut buffer).unwrap();
        self.received.extend_from_slice(&buffer[..length]);
        length
    }
}

/// The body of a download.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|place| {
            let [low, middle, high, ..] = (place % 131_071).to_le_bytes();
            low ^ middle ^ high
        })
        .collect()
}

/// Compares without printing megabytes.
#[track_caller]
pub(crate) fn assert_same(found: &[u8], expected: &[u8]) {
    if found == expected {
        return;
    }
    assert_eq!(found.len(), expected.len(), "the lengths");
    let difference = found
        .iter()
        .zip(expected)
        .position(|(one, other)| one != other);
    assert_eq!(difference, None, "the first byte that differs");
}
