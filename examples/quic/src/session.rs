//! The application: a server echoes its streams. A client opens one, sends a line, and prints the answer.

use std::time::Instant;

use bytes::{Buf, Bytes};
use quinn_proto::{Connection, Dir, ReadError, StreamId, WriteError};

pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) stream: Option<StreamId>,
    /// The bytes that the stream has still to send.
    pub(crate) unsent: Bytes,
    /// The bytes that a client has received.
    pub(crate) answer: Vec<u8>,
}

impl Session {
    /// Moves the stream on until it would block. An echo reads no further than it has written, so that the flow control
    /// of QUIC stops a peer that does not read.
    pub(crate) fn advance(&mut self, now: Instant) -> Result<(), Box<dyn std::error::Error>> {
        let connection = &mut self.connection;
        let is_client = connection.side().is_client();
        while let Some(id) = self.stream.or_else(|| match is_client {
            true => connection.streams().open(Dir::Bi),
            false => connection.streams().accept(Dir::Bi),
        }) {
            self.stream = Some(id);
            while !self.unsent.is_empty() {
                match connection.send_stream(id).write(&self.unsent) {
                    Err(WriteError::Blocked) => return Ok(()),
                    written => self.unsent.advance(written?),
                }
            }
            if is_client {
                // Only the first of these calls has an effect.
                let _ = connection.send_stream(id).finish();
            }
            let chunk = connection.recv_stream(id).read(true)?.next(usize::MAX);
            match chunk {
                Ok(Some(chunk)) if is_client => self.answer.extend(chunk.bytes),
                Ok(Some(chunk)) => self.unsent = chunk.bytes,
                Ok(None) if is_client => {
                    println!("{}", String::from_utf8_lossy(&self.answer));
                    connection.close(now, 0_u8.into(), "done".into());
                    return Ok(());
                }
                Ok(None) => {
                    connection.send_stream(id).finish()?;
                    self.stream = None;
                }
                Err(ReadError::Blocked) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
