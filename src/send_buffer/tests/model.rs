//! The send buffer against a plain vector, with random operations, all short sequences, and too many bytes for memory.

use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;

use super::super::pool::{CHUNK_BYTES, Pool};
use super::super::queue::{GATHER_BYTES, GATHER_SLICES, Segment};
use super::super::{KEEP_BYTES, SendBuffer, TINY_BYTES};
use super::{QUEUE_BYTES, check_invariants, flush_all, joined, noise};

/// A send buffer, and the plain vector of all bytes that were appended to it.
#[derive(Default)]
struct Pair {
    unsent: SendBuffer,
    model: Vec<u8>,
    sent: usize,
}

impl Pair {
    fn expect(&mut self, bytes: &[u8]) {
        if self.sent == self.model.len() {
            self.model.clear();
            self.sent = 0;
        }
        self.model.extend_from_slice(bytes);
    }

    fn left(&self) -> &[u8] {
        &self.model[self.sent..]
    }

    /// Flushes the queue and `tail` into a write with a random result, and checks the offered and the queued bytes.
    fn flush(&mut self, tail: &[u8], pool: &mut Pool, random: &mut fastrand::Rng) {
        let before = self.unsent.len();
        let mut calls = 0;
        let mut outcome = Ok(0);
        let left = &self.model[self.sent..];
        let write = |slices: &[IoSlice<'_>]| {
            calls += 1;
            assert!((1..=GATHER_SLICES).contains(&slices.len()));
            let mut position = 0;
            for slice in slices {
                assert!(!slice.is_empty());
                let from_queue = slice.len().min(left.len() - position.min(left.len()));
                if from_queue > 0 {
                    assert!(slice[..] == left[position..position + slice.len()]);
                } else {
                    let start = position - left.len();
                    assert!(slice[..] == tail[start..start + slice.len()]);
                }
                position += slice.len();
            }
            let most = GATHER_BYTES.min(left.len() + tail.len());
            assert!(position == most || slices.len() == GATHER_SLICES && position < most);
            outcome = match random.u8(0..16) {
                0 => Err(ErrorKind::WouldBlock),
                1 => Err(ErrorKind::Interrupted),
                2 => Err(ErrorKind::ConnectionReset),
                3 => Ok(position + random.usize(1..1000)),
                4 => Ok(usize::MAX),
                5 => Ok(0),
                6 => Ok(1),
                7 => Ok(position - 1),
                8 => Ok(slices[0].len()),
                9..12 => Ok(random.usize(0..=position)),
                _ => Ok(position),
            };
            let result = outcome.map_err(io::Error::from);
            if outcome.is_ok_and(|taken| taken > position) {
                outcome = Err(ErrorKind::Other);
            }
            result
        };
        let result = if tail.is_empty() {
            self.unsent.flush(pool, write)
        } else {
            self.unsent.flush_with(tail, pool, write)
        };
        assert_eq!(calls, usize::from(before + tail.len() > 0));
        match (outcome, result) {
            (Ok(taken), Ok(reported)) => {
                let of_queue = taken.min(before);
                let of_tail = taken - of_queue;
                assert_eq!(reported, if tail.is_empty() { of_queue } else { of_tail });
                self.sent += of_queue;
            }
            (Err(kind), Err(error)) => assert_eq!(error.kind(), kind),
            (outcome, result) => panic!("{outcome:?} became {result:?}"),
        }
        assert_eq!(self.unsent.len(), self.left().len());
    }
}

/// Returns a random length, often near a threshold of the code, and mostly small.
fn length(random: &mut fastrand::Rng) -> usize {
    match random.u8(0..64) {
        0..4 => 0,
        4..32 => random.usize(1..TINY_BYTES + 8),
        32..52 => random.usize(1..KEEP_BYTES + 8),
        52..62 => random.usize(KEEP_BYTES - 4..KEEP_BYTES * 4),
        62 => random.usize(CHUNK_BYTES - 4..CHUNK_BYTES + 4),
        _ => random.usize(0..CHUNK_BYTES * 4),
    }
}

fn run_against_model(seed: u64, operations: usize, limit_bytes: usize) {
    println!("seed {seed}");
    let noise = noise(1 << 20);
    let shared: Vec<Rc<[u8]>> = (0..64)
        .map(|i| noise[i * 97..i * 97 + i * i].into())
        .collect();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut pool = Pool::with_limit(limit_bytes);
    let mut pairs: [Pair; 4] = Default::default();
    for operation in 0..operations {
        let pair = &mut pairs[random.usize(0..4)];
        let start = random.usize(0..noise.len() - CHUNK_BYTES * 4);
        let payload = &noise[start..start + length(&mut random)];
        let skip = match random.u8(0..8) {
            0 => random.usize(0..=payload.len()),
            1 => payload.len() + random.usize(0..3),
            _ => 0,
        };
        let rest = payload.get(skip..).unwrap_or_default();
        let flushes = if pair.unsent.len() > 300_000 { 90 } else { 40 };
        match random.u8(0..100) {
            choice if choice < flushes => {
                let tail = if random.u8(0..3) == 0 { payload } else { &[] };
                pair.flush(tail, &mut pool, &mut random);
            }
            99 if random.bool() => {
                assert_eq!(pair.unsent.discard(&mut pool), pair.left().len());
                pair.sent = pair.model.len();
            }
            99 if random.bool() => {
                *pair = Pair::default();
                pool.trim();
                assert_eq!(pool.held_bytes(), 0);
            }
            choice => match choice % 4 {
                0 => {
                    pair.unsent.copy(payload, &mut pool);
                    pair.expect(payload);
                }
                1 => {
                    pair.unsent.own(payload.to_vec(), skip, &mut pool);
                    pair.expect(rest);
                }
                2 if skip == 0 && random.bool() => {
                    let bytes = &shared[random.usize(0..shared.len())];
                    pair.unsent.share(Rc::clone(bytes), 0, &mut pool);
                    pair.expect(bytes);
                }
                2 => {
                    pair.unsent.share(payload.into(), skip, &mut pool);
                    pair.expect(rest);
                }
                _ => {
                    pair.unsent.share_static(payload, &mut pool);
                    pair.expect(payload);
                }
            },
        }
        assert_eq!(pair.unsent.len(), pair.left().len());
        assert_eq!(pair.unsent.is_empty(), pair.left().is_empty());
        if operation % 8 == 0 {
            check_invariants(&pair.unsent);
            let queues = limit_bytes / CHUNK_BYTES * 4 * QUEUE_BYTES;
            assert!(pool.held_bytes() <= limit_bytes + queues);
        }
    }
    for pair in &mut pairs {
        assert!(flush_all(&mut pair.unsent, &mut pool) == pair.left());
        assert!(pair.unsent.queue.is_none());
    }
    drop(pairs);
    assert!(
        shared.iter().all(|bytes| Rc::strong_count(bytes) == 1),
        "a reference is left over"
    );
}

#[test]
fn random_operations_behave_like_a_plain_vector() {
    for seed in 0..8 {
        run_against_model(seed, 100_000, 4 << 20);
    }
}

#[test]
fn a_tiny_pool_behaves_like_a_plain_vector() {
    for seed in 8..10 {
        run_against_model(seed, 100_000, CHUNK_BYTES);
        run_against_model(seed, 50_000, 0);
    }
}

#[test]
#[ignore = "takes minutes in a release build"]
fn a_hundred_million_operations_behave_like_a_plain_vector() {
    let first = first_seed();
    for seed in first..first + 100 {
        let pool = [4 << 20, CHUNK_BYTES, 0][usize::try_from(seed % 3).expect("small")];
        run_against_model(seed, 1_000_000, pool);
    }
}

/// Prints and returns the first seed of a long run: the value of the environment variable SEED, or a random number.
fn first_seed() -> u64 {
    let given = std::env::var("SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..1 << 48));
    println!("SEED={seed}");
    seed
}

/// Cuts `bytes`: for bit `i` of `cuts`, a new segment begins after byte `i`.
fn pieces(bytes: &'static [u8], cuts: u32) -> Vec<&'static [u8]> {
    let mut pieces = Vec::new();
    let mut start = 0;
    for end in 1..=bytes.len() {
        if end == bytes.len() || cuts & (1 << (end - 1)) != 0 {
            pieces.push(&bytes[start..end]);
            start = end;
        }
    }
    pieces
}

#[test]
fn every_chunking_of_every_segment_kind_leaves_in_order() {
    let bytes: &'static [u8] = b"abcdef";
    let mut pool = Pool::new();
    let mut runs = 0;
    for cuts in 0..1 << (bytes.len() - 1) {
        let pieces = pieces(bytes, cuts);
        for kinds in 0..4_u32.pow(u32::try_from(pieces.len()).expect("small")) {
            for write_bytes in 1..=bytes.len() {
                let mut unsent = SendBuffer::new();
                for (position, &piece) in pieces.iter().enumerate() {
                    let segment = match kinds >> (2 * position) & 3 {
                        0 => {
                            unsent.copy(piece, &mut pool);
                            continue;
                        }
                        1 => Segment::owned([b"sent", piece].concat(), 4),
                        2 => Segment::shared([b"sent", piece].concat().into(), 4),
                        _ => Segment::from_static(piece),
                    };
                    unsent.push(segment, &mut pool);
                }
                let mut sent = Vec::new();
                while sent.len() < bytes.len() {
                    check_invariants(&unsent);
                    let before = unsent.len();
                    let taken = unsent.flush(&mut pool, |slices| {
                        let all = joined(slices);
                        assert_eq!(all, &bytes[sent.len()..]);
                        let taken = write_bytes.min(all.len());
                        sent.extend_from_slice(&all[..taken]);
                        Ok(taken)
                    });
                    assert_eq!(taken.ok(), Some(write_bytes.min(before)));
                    assert_eq!(unsent.len(), bytes.len() - sent.len());
                }
                assert!(unsent.queue.is_none());
                runs += 1;
            }
        }
    }
    assert_eq!(runs, 12_500 * 6);
}

#[test]
fn every_split_of_queue_and_tail_leaves_in_order() {
    let bytes: &'static [u8] = b"abcdefgh";
    let mut pool = Pool::new();
    for queued in 0..=bytes.len() {
        for cuts in 0..1 << queued.saturating_sub(1) {
            for taken in 0..=bytes.len() {
                let mut unsent = SendBuffer::new();
                let (front, tail) = bytes.split_at(queued);
                for piece in pieces(&bytes[..queued], cuts) {
                    unsent.push(Segment::from_static(piece), &mut pool);
                }
                let taken_of_tail = unsent
                    .flush_with(tail, &mut pool, |slices| {
                        assert_eq!(joined(slices), bytes);
                        Ok(taken)
                    })
                    .expect("the write succeeds");
                assert_eq!(taken_of_tail, taken.saturating_sub(queued));
                assert_eq!(unsent.len(), queued - taken.min(queued));
                assert_eq!(
                    flush_all(&mut unsent, &mut pool),
                    &front[taken.min(queued)..]
                );
            }
        }
    }
}

#[cfg(target_pointer_width = "64")]
#[test]
fn five_gibibytes_of_one_static_mebibyte_need_no_memory() {
    const REPEATS: usize = 5 * 1024;
    let mebibyte = noise(1 << 20);
    let base = mebibyte.as_ptr().addr();
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    for _ in 0..REPEATS {
        unsent.share_static(mebibyte, &mut pool);
    }
    assert_eq!(unsent.len(), 5 << 30);
    let mut random = fastrand::Rng::with_seed(3);
    let mut sent = 0;
    while !unsent.is_empty() {
        let taken = unsent
            .flush(&mut pool, |slices| {
                let mut position = sent;
                for slice in slices {
                    assert_eq!(slice.as_ptr().addr(), base + position % mebibyte.len());
                    position += slice.len();
                }
                assert_eq!(position - sent, GATHER_BYTES.min((5 << 30) - sent));
                let offered = position - sent;
                Ok(if random.bool() {
                    offered
                } else {
                    random.usize(1..=offered)
                })
            })
            .expect("the write succeeds");
        sent += taken;
        assert_eq!(unsent.len(), (5 << 30) - sent);
    }
    assert_eq!(sent, 5 << 30);
    assert!(pool.held_bytes() == 0, "so long a queue is not kept");
}
