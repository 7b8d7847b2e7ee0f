//! The send buffer against a plain vector, with a kernel that takes as much as the script says.

use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use arbitrary::{Result, Unstructured};
use netloop::internals::send_buffer::{Pool, SendBuffer};

/// The bytes that static writes send.
static STATIC: [u8; 40_000] = {
    let mut bytes = [0; 40_000];
    let mut place = 0;
    while place < bytes.len() {
        bytes[place] = (place * 7 + place / 251).to_le_bytes()[0];
        place += 1;
    }
    bytes
};

/// The lengths around which the code copies a payload, keeps it or begins a chunk, and longer ones.
const THRESHOLDS: [usize; 6] = [0, 64, 1024, 16 << 10, 32 << 10, 40_000];

/// The limits of one vectored write.
const MOST_SLICES: usize = 64;
const MOST_BYTES: usize = 1 << 20;

/// The lengths of a queue from which on a script only sends. With the second, one call cannot offer all.
const MOST_QUEUED: [usize; 2] = [100_000, 1_200_000];

#[derive(Default)]
struct Pair {
    buffer: SendBuffer,
    /// The unsent bytes.
    model: Vec<u8>,
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let mut pool = Pool::with_limit(input.int_in_range(0..=5)? << 14);
    let most_queued = MOST_QUEUED[usize::from(input.ratio(1, 32)?)];
    let mut pairs: [Pair; 3] = Default::default();
    while !input.is_empty() {
        let pair = input.choose_index(pairs.len())?;
        pairs[pair].step(most_queued, &mut pool, input)?;
        assert_eq!(pairs[pair].buffer.len(), pairs[pair].model.len());
        assert_eq!(pairs[pair].buffer.is_empty(), pairs[pair].model.is_empty());
    }
    for Pair { mut buffer, model } in pairs {
        assert!(
            buffer.take_bytes(&mut pool) == model,
            "other bytes at the end"
        );
    }
    Ok(())
}

impl Pair {
    fn step(
        &mut self,
        most_queued: usize,
        pool: &mut Pool,
        input: &mut Unstructured<'_>,
    ) -> Result<()> {
        let choice = match self.model.len() > most_queued {
            true => 8,
            false => input.int_in_range(0..=11_u8)?,
        };
        match choice {
            0..=2 => {
                let bytes = payload(input)?;
                self.buffer.copy(bytes, pool);
                self.model.extend_from_slice(bytes);
            }
            3 => {
                let (bytes, from) = (payload(input)?, start(input)?);
                self.buffer.own(bytes.to_vec(), from, pool);
                self.model
                    .extend_from_slice(bytes.get(from..).unwrap_or_default());
            }
            4 => {
                let (bytes, from) = (payload(input)?, start(input)?);
                self.buffer.share(Rc::from(bytes), from, pool);
                self.model
                    .extend_from_slice(bytes.get(from..).unwrap_or_default());
            }
            5 => {
                let bytes = payload(input)?;
                self.buffer.share_static(bytes, pool);
                self.model.extend_from_slice(bytes);
            }
            6 => {
                // Many small references, more than one call gathers.
                let shared: Rc<[u8]> = Rc::from(&STATIC[..1100]);
                for _ in 0..input.int_in_range(0..=80_u8)? {
                    self.buffer.share(Rc::clone(&shared), 0, pool);
                    self.model.extend_from_slice(&shared);
                }
            }
            7..=8 => self.flush(&[], pool, input)?,
            9 => self.flush(payload(input)?, pool, input)?,
            10 if input.ratio(1, 4)? => {
                assert_eq!(self.buffer.discard(pool), self.model.len());
                self.model.clear();
            }
            11 if input.ratio(1, 4)? => {
                assert!(self.buffer.take_bytes(pool) == self.model, "other bytes");
                self.model.clear();
            }
            _ => pool.trim(),
        }
        Ok(())
    }

    /// Flushes the queue, and `tail` behind it, into a kernel that answers as the script says.
    fn flush(&mut self, tail: &[u8], pool: &mut Pool, input: &mut Unstructured<'_>) -> Result<()> {
        let offered = self.model.len() + tail.len();
        let answer: io::Result<usize> = match input.int_in_range(0..=7_u8)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            1 => Err(ErrorKind::ConnectionReset.into()),
            2 => Ok(0),
            3 => Ok(1),
            4 => Ok(usize::MAX),
            _ => Ok(input.int_in_range(0..=offered)?),
        };
        let (mut calls, mut given): (usize, Vec<u8>) = (0, Vec::new());
        let answered = answer.as_ref().ok().copied();
        let write = |slices: &[IoSlice<'_>]| {
            calls += 1;
            assert!((1..=MOST_SLICES).contains(&slices.len()));
            assert!(slices.iter().all(|slice| !slice.is_empty()));
            for slice in slices {
                given.extend_from_slice(slice);
            }
            answer
        };
        let result = match tail.is_empty() {
            true => self.buffer.flush(pool, write),
            false => self.buffer.flush_with(tail, pool, write),
        };
        assert_eq!(calls, usize::from(offered > 0));
        let (of_queue, of_tail) = given.split_at(given.len().min(self.model.len()));
        let is_same = self.model.starts_with(of_queue) && tail.starts_with(of_tail);
        assert!(is_same, "other bytes were offered");
        assert!(given.len() <= MOST_BYTES);
        if calls == 0 {
            assert_eq!(result.ok(), Some(0));
            return Ok(());
        }
        let Some(taken) = answered.filter(|taken| *taken <= given.len()) else {
            // An error, or more than was offered, which is one too.
            assert!(result.is_err());
            return Ok(());
        };
        let of_queue = taken.min(self.model.len());
        self.model.drain(..of_queue);
        let reported = if tail.is_empty() {
            of_queue
        } else {
            taken - of_queue
        };
        assert_eq!(result.ok(), Some(reported));
        Ok(())
    }
}

fn payload(input: &mut Unstructured<'_>) -> Result<&'static [u8]> {
    let near = *input.choose(&THRESHOLDS)?;
    let length = match input.arbitrary()? {
        true => near + input.int_in_range(0..=8)?,
        false => near.saturating_sub(input.int_in_range(0..=8)?),
    };
    let length = length.min(STATIC.len());
    let start = input.int_in_range(0..=STATIC.len() - length)?;
    Ok(&STATIC[start..start + length])
}

fn start(input: &mut Unstructured<'_>) -> Result<usize> {
    Ok(match input.int_in_range(0..=3_u8)? {
        0 => input.int_in_range(0..=STATIC.len() + 1)?,
        1 => input.int_in_range(0..=70)?,
        _ => 0,
    })
}
