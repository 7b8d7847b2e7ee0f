//! The filters themselves: each decodes as its [`Code`] says, and checks that it is called as [`Filter`] promises.

use std::cell::Cell;
use std::io::IoSlice;
use std::rc::Rc;

use netloop::{Decoded, Error, Filter, FilterOutput, Result};

use super::code::{Code, DATA, END, HEAD, Kind, PING, PONG, Turn, frame};

/// The limit on the written bytes that a filter gets at a time, and so on those that are encoded ahead of the kernel.
pub(crate) const MOST_AHEAD: usize = 64 << 10;

/// The filter does its part as its options say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) code: Code,
    /// The most written bytes that one call encodes.
    pub(crate) at_a_time: usize,
    /// The number of written bytes after which `encode` misbehaves, and how.
    pub(crate) flaw: Option<(u64, Flaw)>,
}

/// The misbehaviour of an `encode`.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Flaw {
    Fail,
    TakeNone,
    TakeTooMany,
}

/// The counts of a filter, which the test reads.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// The written bytes that are encoded.
    pub(crate) encoded: Cell<u64>,
    /// The bytes of answers.
    pub(crate) answered: Cell<u64>,
    /// Whether an `encode` has misbehaved.
    pub(crate) is_flawed: Cell<bool>,
}

#[derive(Debug)]
pub(crate) struct Coder {
    options: Options,
    counts: Rc<Counts>,
    has_begun: bool,
    /// The received bytes of the greeting.
    greeted: usize,
    decoded: u64,
    /// The decoded bytes that were not given out: of a run, or of lines.
    held: Vec<u8>,
    given: usize,
    /// The number of held bytes that are a part of a line.
    part: usize,
    has_ended: bool,
    /// Whether the peer has ended, or the filter has failed.
    is_over: bool,
}

impl Coder {
    pub(crate) fn new(options: Options, counts: &Rc<Counts>) -> Self {
        Self {
            options,
            counts: Rc::clone(counts),
            has_begun: false,
            greeted: 0,
            decoded: 0,
            held: Vec::new(),
            given: 0,
            part: 0,
            has_ended: false,
            is_over: false,
        }
    }

    fn fail<T>(&mut self, text: &'static str) -> Result<T> {
        self.is_over = true;
        Err(Error::with_code("ERR_CODE", text))
    }

    /// Gives out held bytes.
    fn give(&mut self, output: &mut FilterOutput<'_>) {
        let whole = self.held.len() - self.part;
        self.given += output.put(&self.held[self.given..whole]);
        if self.given == whole {
            self.held.drain(..whole);
            self.given = 0;
        }
    }

    fn greet(&mut self, input: &[u8]) -> Result<Decoded> {
        let expected = &self.options.code.greeting()[self.greeted..];
        let length = expected.len().min(input.len());
        if input[..length] != expected[..length] {
            return self.fail("no greeting");
        }
        self.greeted += length;
        Ok(Decoded::used(length))
    }

    fn doubled(&mut self, input: &[u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let mut used = 0;
        for pair in input.chunks_exact(2).take(output.space().len()) {
            if pair[0] != !pair[1] {
                return self.fail("no inverse");
            }
            output.put(&pair[..1]);
            used += 2;
        }
        Ok(Decoded::used(used))
    }

    /// Decodes one frame, in place.
    fn frame(&mut self, input: &[u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        let Some((&[kind, high, low], rest)) = input.split_first_chunk::<HEAD>() else {
            return Ok(Decoded::used(0));
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(bytes) = rest.get(..length) else {
            return Ok(Decoded::used(0));
        };
        let used = Decoded::used(HEAD + length);
        match kind {
            DATA => Ok(used.in_place(HEAD..HEAD + length)),
            PING => {
                let before = output.to_peer().len();
                frame(PONG, bytes, output.to_peer());
                let answer = output.to_peer().len() - before;
                self.counts
                    .answered
                    .set(self.counts.answered.get() + answer as u64);
                Ok(used)
            }
            PONG => Ok(used),
            END => {
                self.is_over = true;
                Ok(used.end())
            }
            _ => self.fail("a frame of no type"),
        }
    }

    fn runs(&mut self, input: &[u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.give(output);
        let mut used = 0;
        for pair in input.chunks_exact(2) {
            if !self.held.is_empty() || output.space().is_empty() {
                break;
            }
            if pair[0] == 0 {
                return self.fail("a run of nothing");
            }
            self.held = vec![pair[1]; pair[0].into()];
            self.give(output);
            used += 2;
        }
        Ok(Decoded::used(used))
    }

    fn lines(&mut self, input: &[u8], output: &mut FilterOutput<'_>) -> Decoded {
        self.held.extend_from_slice(input);
        let last = input.iter().rposition(|&byte| byte == b'\n');
        self.part = match last {
            Some(last) => input.len() - last - 1,
            None => self.part + input.len(),
        };
        self.give(output);
        Decoded::used(input.len())
    }

    fn until(&mut self, most: u64, turn: Turn, input: &[u8]) -> Result<Decoded> {
        let left = usize::try_from(most - self.decoded).unwrap_or(usize::MAX);
        let length = left.min(input.len());
        if length > 0 || input.is_empty() {
            self.decoded += length as u64;
            return Ok(Decoded::used(length).in_place(0..length));
        }
        match turn {
            Turn::Fail => self.fail("the code ends here"),
            Turn::End => {
                self.is_over = true;
                Ok(Decoded::used(0).end())
            }
            Turn::UseTooMany => Ok(Decoded::used(input.len() + 1)),
            Turn::LieOutside => Ok(Decoded::used(0).in_place(input.len()..input.len() + 1)),
            Turn::UseNone => Ok(Decoded::used(0)),
        }
    }
}

impl Filter for Coder {
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        assert!(!self.has_begun, "begins twice");
        self.has_begun = true;
        to_peer.extend_from_slice(self.options.code.greeting());
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.greeted == self.options.code.greeting
    }

    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        assert!(self.has_begun && !self.is_over, "{self:?}");
        if !self.is_ready() {
            return self.greet(input);
        }
        match self.options.code.kind {
            Kind::Mask => {
                Kind::mask(input, self.decoded);
                self.decoded += input.len() as u64;
                Ok(Decoded::used(input.len()).in_place(0..input.len()))
            }
            Kind::Doubled => self.doubled(input, output),
            Kind::Frames => self.frame(input, output),
            Kind::Runs => self.runs(input, output),
            Kind::Lines => Ok(self.lines(input, output)),
            Kind::Until(most, turn) => self.until(most, turn, input),
        }
    }

    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        let offered: usize = bytes.iter().map(|slice| slice.len()).sum();
        assert!(self.is_ready() && !self.has_ended, "{self:?}");
        assert!(bytes.iter().all(|slice| !slice.is_empty()));
        assert!((1..=MOST_AHEAD).contains(&offered), "{offered} bytes");
        let before = self.counts.encoded.get();
        if let Some((after, flaw)) = self.options.flaw {
            if before >= after {
                self.counts.is_flawed.set(true);
                return match flaw {
                    Flaw::Fail => Err(Error::with_code("ERR_CODE", "the code cannot say this")),
                    Flaw::TakeNone => Ok(0),
                    Flaw::TakeTooMany => Ok(offered + 1),
                };
            }
        }
        let length = offered.min(self.options.at_a_time);
        let bytes = bytes.iter().flat_map(|slice| slice.iter().copied());
        let bytes: Vec<u8> = bytes.take(length).collect();
        let code = self.options.code;
        code.kind.encode(&bytes, before, to_peer);
        self.counts.encoded.set(before + length as u64);
        Ok(length)
    }

    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        assert!(!self.has_ended, "ends twice");
        self.has_ended = true;
        if self.options.code.kind == Kind::Frames {
            frame(END, b"", to_peer);
        }
        Ok(())
    }

    fn peer_ended(&mut self) -> Result<()> {
        assert!(!self.is_over, "{self:?}");
        let is_whole = match self.options.code.kind {
            Kind::Frames => false,
            Kind::Lines => self.part == 0,
            _ => true,
        };
        match is_whole {
            true => Ok(()),
            false => self.fail("a FIN within the code"),
        }
    }
}
