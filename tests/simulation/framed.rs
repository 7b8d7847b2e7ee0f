//! A filter for the sockets of a run: it changes nothing, or makes records of the bytes, behind a handshake. It may have a
//! fault. It also checks that the loop keeps the contract of a filter (F).

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;

use netloop::{Decoded, Error, Filter, FilterOutput, Result};

/// The code of a failure that a [`Fault`] has planted.
pub(crate) const PLANTED: &str = "ERR_PLANTED";

/// The code of the failure of a peer that speaks otherwise.
pub(crate) const STRANGE: &str = "ERR_STRANGE";

/// The code of the failure of a peer that has ended without a record that says so.
pub(crate) const CUT: &str = "ERR_CUT";

/// The form of the records, and of the handshake before them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// The number of hellos of each side before it is ready. Each but the first answers one of the peer.
    pub(crate) hellos: u8,
    /// The most bytes in a record.
    pub(crate) longest: usize,
    /// The most bytes that are encoded at a time.
    pub(crate) taken: usize,
    /// Whether the records of one encoding are held back until the last of them has come.
    pub(crate) holds: bool,
    /// Whether a record that is not whole stays with the loop.
    pub(crate) leaves: bool,
}

/// A fault of one end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// The hello of this number is never sent.
    Mute(u8),
    /// The hello of this number is another one.
    Strange(u8),
    /// The filter cannot begin.
    Begin,
    /// The filter fails when it has decoded so many bytes.
    Decode(u64),
    /// The filter fails when it has encoded so many bytes.
    Encode(u64),
    /// The filter cannot end.
    End,
}

/// The work of all filters of a run, and the memory that they take.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    pub(crate) calls: Cell<u64>,
    pub(crate) bytes: Cell<usize>,
}

/// The kinds of records.
const HELLO: u8 = 1;
const PART: u8 = 2;
const LAST: u8 = 3;
const END: u8 = 4;

/// The length of the head of a record: its kind, and the length of the rest.
pub(crate) const HEAD: usize = 3;

/// The filter of one end of a connection.
pub(crate) struct Framed {
    /// `None` for a filter that changes nothing.
    form: Option<Form>,
    fault: Option<Fault>,
    totals: Rc<Totals>,
    has_begun: bool,
    heard: u8,
    /// The received part of a record that is not whole, unless it stays with the loop.
    pending: Vec<u8>,
    /// Decoded bytes, of which the first `released` may be given to the loop.
    held: Vec<u8>,
    released: usize,
    is_over: bool,
    has_given_end: bool,
    has_ended: bool,
    /// The bytes that were used, and those that were shown.
    used: u64,
    seen: u64,
    decoded: u64,
    encoded: u64,
    /// The memory that is counted in the totals.
    counted: usize,
}

impl Framed {
    pub(crate) fn new(form: Option<Form>, fault: Option<Fault>, totals: Rc<Totals>) -> Self {
        Self {
            form,
            fault,
            totals,
            has_begun: false,
            heard: 0,
            pending: Vec::new(),
            held: Vec::new(),
            released: 0,
            is_over: false,
            has_given_end: false,
            has_ended: false,
            used: 0,
            seen: 0,
            decoded: 0,
            encoded: 0,
            counted: 0,
        }
    }

    /// The bytes that the filter has been shown.
    pub(crate) fn seen(&self) -> u64 {
        self.seen
    }

    fn note_call(&self) {
        let calls = &self.totals.calls;
        calls.set(calls.get() + 1);
    }

    fn count_bytes(&mut self) {
        let bytes = &self.totals.bytes;
        let now = self.pending.capacity() + self.held.capacity();
        bytes.set(bytes.get() - self.counted + now);
        self.counted = now;
    }

    fn say_hello(&self, number: u8, to_peer: &mut Vec<u8>) {
        match self.fault {
            Some(Fault::Mute(it)) if it == number => {}
            Some(Fault::Strange(it)) if it == number => to_peer.extend([HELLO, 0, 1, 0xff]),
            _ => to_peer.extend([HELLO, 0, 1, number]),
        }
    }

    fn hear_hello(&mut self, form: Form, number: u8, to_peer: &mut Vec<u8>) -> Result<()> {
        if number != self.heard + 1 || number > form.hellos {
            return Err(Error::with_code(STRANGE, "another hello was due"));
        }
        self.heard = number;
        if number < form.hellos {
            self.say_hello(number + 1, to_peer);
        }
        Ok(())
    }

    /// Notes `length` decoded bytes.
    fn note_decoded(&mut self, length: usize) -> Result<()> {
        self.decoded += length as u64;
        match self.fault {
            Some(Fault::Decode(most)) if self.decoded > most => Err(planted()),
            _ => Ok(()),
        }
    }

    /// Takes the records at the front of `bytes`, and returns the number of their bytes.
    fn take_records(
        &mut self,
        form: Form,
        bytes: &[u8],
        output: &mut FilterOutput<'_>,
    ) -> Result<usize> {
        let mut taken = 0;
        while let Some((kind, payload)) = record(&bytes[taken..]) {
            match kind {
                HELLO => self.hear_hello(form, payload[0], output.to_peer())?,
                PART | LAST if self.is_ready() => {
                    self.held.extend(payload.iter().map(|byte| !byte));
                    if kind == LAST || !form.holds {
                        self.released = self.held.len();
                    }
                    self.note_decoded(payload.len())?;
                }
                END if self.is_ready() => {
                    self.is_over = true;
                    return Ok(bytes.len());
                }
                _ => return Err(Error::with_code(STRANGE, "no hello was said")),
            }
            taken += HEAD + payload.len();
        }
        Ok(taken)
    }

    /// Decodes the first record in place, if it is one of data that nothing holds back.
    fn decode_in_place(&mut self, form: Form, input: &mut [u8]) -> Option<Result<Decoded>> {
        let (kind, payload) = record(input)?;
        let is_free = !form.holds && self.held.is_empty() && self.is_ready();
        if !is_free || !matches!(kind, PART | LAST) {
            return None;
        }
        let end = HEAD + payload.len();
        for byte in &mut input[HEAD..end] {
            *byte = !*byte;
        }
        self.used += end as u64;
        let noted = self.note_decoded(end - HEAD);
        Some(noted.map(|()| Decoded::used(end).in_place(HEAD..end)))
    }

    /// Gives the released bytes to the loop, and the end behind all.
    fn give(&mut self, used: usize, output: &mut FilterOutput<'_>) -> Decoded {
        let given = output.put(&self.held[..self.released]);
        self.held.drain(..given);
        self.released -= given;
        if self.held.is_empty() {
            self.held = Vec::new();
        }
        self.used += used as u64;
        let decoded = Decoded::used(used);
        if self.is_over && self.held.is_empty() {
            self.has_given_end = true;
            return decoded.end();
        }
        decoded
    }
}

/// Splits the record at the front of `bytes` into its kind and the rest, if it is whole.
fn record(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
    let length = usize::from(u16::from_be_bytes([head[1], head[2]]));
    rest.get(..length).map(|payload| (head[0], payload))
}

fn planted() -> Error {
    Error::with_code(PLANTED, "a planted failure")
}

impl Filter for Framed {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        self.note_call();
        assert!(!self.has_begun, "F: a filter begins twice");
        self.has_begun = true;
        if let Some(Fault::Begin) = self.fault {
            return Err(planted());
        }
        if self.form.is_some_and(|form| form.hellos > 0) {
            self.say_hello(1, to_peer);
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.form.is_none_or(|form| self.heard == form.hellos)
    }

    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.note_call();
        assert!(self.has_begun, "F: bytes before the begin");
        assert!(!self.has_given_end, "F: bytes behind the end");
        self.seen = self.seen.max(self.used + input.len() as u64);
        let length = input.len();
        let Some(form) = self.form else {
            self.used += length as u64;
            self.note_decoded(length)?;
            return Ok(Decoded::used(length).in_place(0..length));
        };
        if form.leaves {
            if let Some(decoded) = self.decode_in_place(form, input) {
                return decoded;
            }
            let taken = self.take_records(form, input, output)?;
            let decoded = self.give(taken, output);
            self.count_bytes();
            return Ok(decoded);
        }
        let mut pending = std::mem::take(&mut self.pending);
        pending.extend_from_slice(input);
        let taken = self.take_records(form, &pending, output)?;
        pending.drain(..taken.min(pending.len()));
        if !pending.is_empty() {
            self.pending = pending;
        }
        let decoded = self.give(length, output);
        self.count_bytes();
        Ok(decoded)
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        self.note_call();
        assert!(self.is_ready(), "F: written bytes before the handshake");
        assert!(!self.has_ended, "F: written bytes behind the end");
        assert!(bytes.iter().all(|slice| !slice.is_empty()), "F: no bytes");
        let most = self.form.map_or(64 << 10, |form| form.taken);
        let bytes: Vec<u8> = bytes
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .take(most)
            .collect();
        self.encoded += bytes.len() as u64;
        if let Some(Fault::Encode(most)) = self.fault {
            if self.encoded > most {
                return Err(planted());
            }
        }
        let Some(form) = self.form else {
            to_peer.extend_from_slice(&bytes);
            return Ok(bytes.len());
        };
        let mut records = bytes.chunks(form.longest).peekable();
        while let Some(payload) = records.next() {
            let kind = if records.peek().is_some() { PART } else { LAST };
            let length = u16::try_from(payload.len()).unwrap();
            to_peer.push(kind);
            to_peer.extend(length.to_be_bytes());
            to_peer.extend(payload.iter().map(|byte| !byte));
        }
        Ok(bytes.len())
    }

    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        self.note_call();
        assert!(!self.has_ended, "F: a filter ends twice");
        self.has_ended = true;
        if let Some(Fault::End) = self.fault {
            return Err(planted());
        }
        if self.form.is_some() {
            to_peer.extend([END, 0, 0]);
        }
        Ok(())
    }

    fn peer_ended(&mut self) -> Result<()> {
        self.note_call();
        assert!(!self.has_given_end, "F: a FIN behind the end is told");
        match self.form.is_none() || self.is_over {
            true => Ok(()),
            false => Err(Error::with_code(CUT, "the peer has ended without a word")),
        }
    }
}

impl Drop for Framed {
    fn drop(&mut self) {
        let bytes = &self.totals.bytes;
        bytes.set(bytes.get() - self.counted);
    }
}
