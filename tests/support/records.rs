//! A filter with all that TLS has, but the cryptography: a handshake, records, an end of its own, and a truncation that is
//! no end.

use std::io::IoSlice;

use netloop::{Decoded, Error, Filter, FilterOutput, Result};

/// The first bytes of each side.
pub(crate) const HELLO: &[u8] = b"hello?";

/// The record that marks the end.
pub(crate) const END: &[u8] = &[0, 0];

/// The most bytes in a record, as in TLS.
const MOST_BYTES: usize = 16 << 10;

/// Sends a hello and waits for that of the peer. Then each record is a length in two bytes, and as many bytes, inverted.
#[derive(Default)]
pub(crate) struct Records {
    /// The received part of a hello or of a record that is not whole.
    pending: Vec<u8>,
    is_ready: bool,
    has_ended: bool,
}

impl Records {
    /// The records that stand for `bytes`.
    pub(crate) fn of(bytes: &[u8]) -> Vec<u8> {
        let mut records = Vec::new();
        for record in bytes.chunks(MOST_BYTES) {
            let length = u16::try_from(record.len()).unwrap();
            records.extend(length.to_be_bytes());
            records.extend(record.iter().map(|byte| !byte));
        }
        records
    }
}

impl Filter for Records {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        to_peer.extend_from_slice(HELLO);
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.is_ready
    }

    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.pending.extend_from_slice(input);
        let used = Decoded::used(input.len());
        if !self.is_ready {
            let length = self.pending.len().min(HELLO.len());
            if self.pending[..length] != HELLO[..length] {
                output.to_peer().extend_from_slice(b"no!");
                return Err(Error::with_code("ERR_HELLO", "the peer says no hello"));
            }
            if length < HELLO.len() {
                return Ok(used);
            }
            self.pending.drain(..length);
            self.is_ready = true;
        }
        while let Some((head, rest)) = self.pending.split_first_chunk::<2>() {
            let length = usize::from(u16::from_be_bytes(*head));
            if length == 0 {
                self.has_ended = true;
                return Ok(used.end());
            }
            if length > MOST_BYTES {
                return Err(Error::with_code("ERR_RECORD", "a record is too long"));
            }
            if rest.len() < length || output.space().len() < length {
                // It fits into an empty space: the buffer of the loop has more than twice as many bytes.
                break;
            }
            let record: Vec<u8> = rest[..length].iter().map(|byte| !byte).collect();
            assert_eq!(output.put(&record), length);
            self.pending.drain(..2 + length);
        }
        Ok(used)
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let bytes: Vec<u8> = bytes
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let length = bytes.len().min(MOST_BYTES);
        to_peer.extend(Self::of(&bytes[..length]));
        Ok(length)
    }

    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        to_peer.extend_from_slice(END);
        Ok(())
    }

    fn peer_ended(&mut self) -> Result<()> {
        match self.has_ended {
            true => Ok(()),
            false => Err(Error::with_code(
                "ERR_CUT",
                "the peer has ended within the records",
            )),
        }
    }
}
