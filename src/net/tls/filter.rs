//! One connection of rustls, as a filter.

use std::fmt;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustls::{ClientConnection, Connection, IoState, ServerConnection};

use crate::net::error::{Error, Result};
use crate::net::filter::{Decoded, Filter, FilterOutput};

use super::negotiated::Tls;
use super::side::TlsSide;
use super::words::{cannot_begin, failed, overlong, truncated, used_up};

/// The text of the error for a bad record behind this side's close_notify. With debug assertions rustls panics there,
/// and the panic is caught.
const BEHIND_THE_END: &str = "a bad record behind the close_notify of this side";

/// The most bytes of a record before its encryption.
const RECORD_BYTES: usize = 16 << 10;

/// The first byte of a record with written bytes. TLS 1.2 has other types for alerts and handshakes.
const APPLICATION_DATA: u8 = 23;

/// The bytes that a record adds at most: its header, its explicit nonce (TLS 1.2), its type (TLS 1.3) and its tag.
const MOST_RECORD_OVERHEAD: usize = 32;

/// TLS as a filter. [`ListenOptions::tls`](crate::ListenOptions::tls),
/// [`ConnectOptions::tls`](crate::ConnectOptions::tls) and [`Socket::start_tls`](crate::Socket::start_tls) add it. A
/// program that stacks its filters in another order makes the `TlsFilter` itself.
///
/// ```
/// use netloop::rustls::ServerConfig;
/// use netloop::{ListenOptions, TlsFilter};
/// use std::sync::Arc;
///
/// /// The same as `ListenOptions::tls`, for a server whose filters stand in another order.
/// fn options(config: Arc<ServerConfig>) -> ListenOptions {
///     ListenOptions::new().filter(move || TlsFilter::new(Arc::clone(&config)))
/// }
/// ```
pub struct TlsFilter {
    connection: Connection,
    /// The name that the server's certificate has to have, for the texts of errors. `None` on a server.
    name: Option<Box<str>>,
    /// Kept until `decode` has passed on all that was decrypted before.
    failure: Option<Error>,
    /// The limit on the decrypted bytes that wait in the connection. With zero, `decode` does not ask the connection:
    /// asking in vain is slow. `usize::MAX` if the number is unknown, or if the peer's end may follow.
    most_plaintext: usize,
    has_ended: bool,
}

impl TlsFilter {
    /// Makes the filter of one connection.
    ///
    /// # Errors
    ///
    /// [`ERR_INVALID_ARGUMENT`](Error::INVALID_ARGUMENT) if rustls refuses the configuration, or if that of a server
    /// accepts early data. An attacker can replay early data, and a handler could not tell it from other bytes.
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
        // No limit is needed: `encode` gets at most 64 KiB at a time, and takes all encrypted bytes out again.
        connection.set_buffer_limit(None);
        Ok(Self {
            connection,
            name,
            failure: None,
            most_plaintext: 0,
            has_ended: false,
        })
    }

    /// Returns what was negotiated.
    pub fn negotiated(&self) -> Tls<'_> {
        Tls::new(&self.connection)
    }

    /// Moves decrypted bytes into `output`. Returns whether the peer's end has come after them; `false` also if
    /// `output` is full.
    fn take_plaintext(&mut self, output: &mut FilterOutput<'_>) -> Result<bool> {
        while self.most_plaintext > 0 && !output.space().is_empty() {
            match self.connection.reader().read(output.space()) {
                Ok(0) => return Ok(true),
                Ok(length) => {
                    output.fill(length);
                    if self.most_plaintext < usize::MAX {
                        self.most_plaintext -= length;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.most_plaintext = 0,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn receive(&mut self, rest: &mut &[u8]) -> Result<()> {
        let is_handshaking = self.connection.is_handshaking();
        if let Err(error) = self.connection.read_tls(rest) {
            return Err(overlong(&error, is_handshaking));
        }
        let processed = match self.has_ended {
            false => self.connection.process_new_packets(),
            true => self.process_behind_end(),
        };
        match processed {
            Ok(state) => {
                self.most_plaintext = match state.peer_has_closed() {
                    false => state.plaintext_bytes_to_read(),
                    true => usize::MAX,
                };
                Ok(())
            }
            Err(error) => {
                // Records before the bad one may have been decrypted.
                self.most_plaintext = usize::MAX;
                Err(failed(error, is_handshaking, self.name.as_deref()))
            }
        }
    }

    /// Processes records after this side's close_notify. With debug assertions, rustls panics if that needs an alert.
    #[cold]
    fn process_behind_end(&mut self) -> std::result::Result<IoState, rustls::Error> {
        let connection = &mut self.connection;
        catch_unwind(AssertUnwindSafe(|| connection.process_new_packets()))
            .unwrap_or_else(|_| Err(rustls::Error::General(BEHIND_THE_END.to_owned())))
    }

    /// Keeps the failure until `output` has all decrypted bytes. The alert tells the peer the reason.
    #[cold]
    fn keep_failure(&mut self, failure: Error, output: &mut FilterOutput<'_>) {
        self.failure = Some(failure);
        self.take_encrypted(output.to_peer());
    }

    fn take_encrypted(&mut self, to_peer: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if self.connection.write_tls(to_peer).is_err() {
                // A write to a vector does not fail.
                return;
            }
        }
    }

    /// Takes the records of written bytes. Once the keys of TLS 1.2 have encrypted as many records as is safe, rustls
    /// claims to have taken further bytes, but sends a close_notify in their place. Older versions of 0.23 do so in the
    /// middle of a write: records with written bytes come first.
    fn take_records(&mut self, before: usize, to_peer: &mut Vec<u8>) -> Result<()> {
        self.take_encrypted(to_peer);
        if to_peer.get(before..).is_some_and(all_carry_data) {
            return Ok(());
        }
        // The peer would take the close_notify for the end of all bytes.
        to_peer.truncate(before);
        Err(used_up())
    }

    #[inline]
    fn take_answers(&mut self, to_peer: &mut Vec<u8>) {
        if self.connection.wants_write() {
            self.take_rare_answers(to_peer);
        }
    }

    #[cold]
    fn take_rare_answers(&mut self, to_peer: &mut Vec<u8>) {
        self.take_encrypted(to_peer);
    }
}

/// Whether `records` are whole records, at least one, which all carry written bytes.
fn all_carry_data(mut records: &[u8]) -> bool {
    // The header: the type, the version, and the length of the rest.
    while let [APPLICATION_DATA, _, _, high, low, behind @ ..] = records {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        match behind.get(length..) {
            Some([]) => return true,
            Some(next) => records = next,
            None => return false,
        }
    }
    false
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
        let length = input.len();
        let mut rest: &[u8] = input;
        let is_end = loop {
            if self.take_plaintext(output)? {
                break true;
            }
            if output.space().is_empty() {
                break false;
            }
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            if rest.is_empty() {
                break false;
            }
            if let Err(failure) = self.receive(&mut rest) {
                rest = &[];
                self.keep_failure(failure, output);
            }
        };
        self.take_answers(output.to_peer());
        match is_end {
            false => Ok(Decoded::used(length - rest.len())),
            true => Ok(Decoded::used(length).end()),
        }
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let length: usize = bytes.iter().map(|slice| slice.len()).sum();
        // Reserved before rustls allocates records. A buffer that is allocated after them leaves free memory in front
        // of itself. rustls may put a decrypted record there, and on some processors that copy is slow.
        to_peer.reserve(length + (length / RECORD_BYTES + 1) * MOST_RECORD_OVERHEAD);
        // The first byte behind these is that of the first record.
        self.take_answers(to_peer);
        if let [slice] = bytes {
            // Each record is encrypted and taken out while it is in the cache. Several slices are written together
            // instead, so that small ones share a record.
            for record in slice.chunks(RECORD_BYTES) {
                let before = to_peer.len();
                // There is no limit, so the whole record is taken.
                let _ = self.connection.writer().write(record)?;
                self.take_records(before, to_peer)?;
            }
            return Ok(length);
        }
        let before = to_peer.len();
        let length = self.connection.writer().write_vectored(bytes)?;
        self.take_records(before, to_peer)?;
        Ok(length)
    }

    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        self.has_ended = true;
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

#[cfg(test)]
mod tests {
    use super::*;

    const ALERT: u8 = 21;

    fn record(kind: u8, length: u16) -> Vec<u8> {
        let [high, low] = length.to_be_bytes();
        let mut record = vec![kind, 3, 3, high, low];
        // Each byte could be the type of an alert, if the walk lost its place.
        record.resize(record.len() + usize::from(length), ALERT);
        record
    }

    fn carry_data(records: &[(u8, u16)]) -> bool {
        let bytes: Vec<Vec<u8>> = records.iter().map(|it| record(it.0, it.1)).collect();
        all_carry_data(&bytes.concat())
    }

    #[test]
    fn each_record_of_a_write_has_to_carry_data() {
        let data = APPLICATION_DATA;
        assert!(carry_data(&[(data, 40)]));
        assert!(carry_data(&[(data, 0), (data, 300)]));
        assert!(carry_data(&[(data, 16_408); 4]));
        assert!(!carry_data(&[]));
        assert!(!carry_data(&[(ALERT, 26)]));
        assert!(!carry_data(&[(data, 16_408), (ALERT, 26)]));
        assert!(!carry_data(&[(data, 16_408), (ALERT, 26), (data, 40)]));
    }

    #[test]
    fn a_record_that_is_cut_carries_no_data() {
        let whole = record(APPLICATION_DATA, 300);
        for length in 0..whole.len() {
            assert!(!all_carry_data(&whole[..length]), "{length}");
            let two = [whole.as_slice(), &whole[..length]].concat();
            assert_eq!(all_carry_data(&two), length == 0, "{length}");
        }
    }
}
