//! The filter itself: one connection of rustls.

use std::fmt;
use std::io::{ErrorKind, IoSlice, Read, Write};

use rustls::{ClientConnection, Connection, ServerConnection};

use crate::net::error::{Error, Result};
use crate::net::filter::{Decoded, Filter, FilterOutput};

use super::negotiated::Tls;
use super::pieces::{PIECE_BYTES, Sink, Source};
use super::side::TlsSide;
use super::words::{cannot_begin, failed, truncated};

/// TLS as a filter. [`ListenOptions::tls`](crate::ListenOptions::tls),
/// [`ConnectOptions::tls`](crate::ConnectOptions::tls) and [`Socket::start_tls`](crate::Socket::start_tls) set it; a
/// program that stacks it in another order makes it itself.
pub struct TlsFilter {
    connection: Connection,
    /// The name of the peer for the texts of errors: on a client, the one that was asked for.
    name: Option<Box<str>>,
}

impl TlsFilter {
    /// Makes the filter of one connection.
    ///
    /// # Errors
    ///
    /// The error of rustls for a configuration that cannot work.
    /// [`ERR_INVALID_ARGUMENT`](Error::INVALID_ARGUMENT) if the server's configuration accepts early data: an attacker
    /// can replay them, and a handler could not tell them from others.
    pub fn new(side: impl Into<TlsSide>) -> Result<Self> {
        let (mut connection, name): (Connection, _) = match side.into() {
            TlsSide::Server(config) if config.max_early_data_size > 0 => {
                let text = "a server does not accept early data: set `max_early_data_size` to 0";
                return Err(Error::with_code(Error::INVALID_ARGUMENT, text));
            }
            TlsSide::Server(config) => {
                let connection = ServerConnection::new(config).map_err(cannot_begin)?;
                (connection.into(), None)
            }
            TlsSide::Client(config, name) => {
                let text = name.to_str().into();
                let connection = ClientConnection::new(config, name).map_err(cannot_begin)?;
                (connection.into(), Some(text))
            }
        };
        // The loop offers little enough at a time, and takes all of it out again.
        connection.set_buffer_limit(None);
        Ok(Self { connection, name })
    }

    /// Returns what was negotiated.
    pub fn negotiated(&self) -> Tls<'_> {
        Tls::new(&self.connection)
    }

    /// Moves decrypted bytes into `output`. Returns whether the peer's end has come behind them.
    fn take_plaintext(&mut self, output: &mut FilterOutput<'_>) -> Result<bool> {
        while !output.space().is_empty() {
            let length = output.space().len().min(PIECE_BYTES);
            match self.connection.reader().read(&mut output.space()[..length]) {
                Ok(0) => return Ok(true),
                Ok(length) => output.fill(length),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// Moves encrypted bytes to `to_peer`.
    fn take_encrypted(&mut self, to_peer: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut Sink(to_peer)).is_err() {
                // A vector takes everything.
                return;
            }
        }
    }
}

impl Filter for TlsFilter {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        self.take_encrypted(to_peer);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        !self.connection.is_handshaking()
    }

    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let mut rest = Source(input);
        loop {
            if self.take_plaintext(output)? {
                self.take_encrypted(output.to_peer());
                return Ok(Decoded::used(input.len()).end());
            }
            if rest.0.is_empty() || output.space().is_empty() {
                break;
            }
            self.connection.read_tls(&mut rest)?;
            let is_handshaking = self.connection.is_handshaking();
            if let Err(error) = self.connection.process_new_packets() {
                let taken = self.take_plaintext(output);
                // The alert, which tells the peer why.
                self.take_encrypted(output.to_peer());
                taken?;
                return Err(failed(error, is_handshaking, self.name.as_deref()));
            }
        }
        self.take_encrypted(output.to_peer());
        let left = rest.0.len();
        Ok(Decoded::used(input.len() - left))
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let length = self.connection.writer().write_vectored(bytes)?;
        self.take_encrypted(to_peer);
        Ok(length)
    }

    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        self.connection.send_close_notify();
        self.take_encrypted(to_peer);
        Ok(())
    }

    fn peer_ended(&mut self) -> Result<()> {
        Err(truncated(self.connection.is_handshaking()))
    }
}

impl fmt::Debug for TlsFilter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.negotiated().fmt(formatter)
    }
}
