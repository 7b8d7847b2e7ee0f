//! The guarantees of the send buffer and its pool, one test each.

mod model;
mod storage;

use std::io::{ErrorKind, IoSlice};
use std::rc::Rc;

use super::pool::{CHUNK_BYTES, Pool};
use super::queue::{GATHER_BYTES, GATHER_SLICES, Queue, Segment};
use super::{KEEP_BYTES, SendBuffer, TINY_BYTES};

/// The limit on the memory of a queue that the pool keeps, its chunk not counted.
const QUEUE_BYTES: usize = 128 * size_of::<Segment>() + size_of::<Queue>();

/// Returns static bytes without a period, so that a comparison detects a lost, doubled or exchanged range.
fn noise(length: usize) -> &'static [u8] {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(length as u64).fill(&mut bytes);
    bytes.leak()
}

fn joined(slices: &[IoSlice<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(offered(slices));
    for slice in slices {
        bytes.extend_from_slice(slice);
    }
    bytes
}

fn offered(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

fn head(unsent: &mut SendBuffer, pool: &mut Pool) -> *const u8 {
    let mut head = std::ptr::null();
    let nothing = unsent.flush(pool, |slices| {
        head = slices[0].as_ptr();
        Ok(0)
    });
    assert_eq!(nothing.ok(), Some(0));
    head
}

fn pieces_in(unsent: &SendBuffer) -> usize {
    unsent.queue.as_deref().map_or(0, Queue::pieces)
}

fn occupied_bytes(unsent: &SendBuffer) -> usize {
    unsent.queue.as_deref().map_or(0, Queue::occupied_bytes)
}

fn check_invariants(unsent: &SendBuffer) {
    assert_eq!(unsent.queue.is_none(), unsent.is_empty());
    assert_eq!(
        unsent.queue.as_deref().map_or(0, Queue::check),
        unsent.len()
    );
}

fn flush_all(unsent: &mut SendBuffer, pool: &mut Pool) -> Vec<u8> {
    let mut sent = Vec::new();
    while !unsent.is_empty() {
        unsent
            .flush(pool, |slices| {
                sent.extend(joined(slices));
                Ok(offered(slices))
            })
            .expect("the write succeeds");
    }
    sent
}

#[test]
fn a_buffer_is_two_words_and_an_empty_one_owns_nothing() {
    assert!(size_of::<SendBuffer>() <= 16);
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(&[], &mut pool);
    unsent.own(Vec::with_capacity(100), 0, &mut pool);
    unsent.own(vec![1; 5000], 5000, &mut pool);
    unsent.own(vec![1; 5000], usize::MAX, &mut pool);
    unsent.share(vec![1; 5000].into(), 5001, &mut pool);
    unsent.share_static(&[], &mut pool);
    assert!(unsent.queue.is_none());
    let called = |_: &[IoSlice<'_>]| panic!("there is nothing to write");
    assert_eq!(unsent.flush(&mut pool, called).ok(), Some(0));
    assert_eq!(unsent.flush_with(&[], &mut pool, called).ok(), Some(0));
    assert_eq!(unsent.discard(&mut pool), 0);
    assert_eq!(pool.held_bytes(), 0);
}

#[test]
fn a_write_takes_a_head_and_a_part_of_the_body_at_once() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(b"HTTP/1.1 200 OK\r\n\r\n", &mut pool);
    unsent.own(vec![b'x'; 4096], 0, &mut pool);
    let taken = unsent.flush(&mut pool, |slices| {
        assert_eq!(slices.len(), 2);
        Ok(100)
    });
    assert_eq!(taken.ok(), Some(100));
    assert_eq!(unsent.len(), 4096 - 81);
}

#[test]
fn a_pool_keeps_a_chunk_and_its_queue_until_it_is_trimmed() {
    let mut pool = Pool::with_limit(CHUNK_BYTES);
    let mut unsent = SendBuffer::new();
    unsent.copy(&[7; 3 * CHUNK_BYTES], &mut pool);
    assert_eq!(pool.held_bytes(), 0);
    unsent.discard(&mut pool);
    assert!((CHUNK_BYTES..2 * CHUNK_BYTES).contains(&pool.held_bytes()));
    pool.trim();
    assert_eq!(pool.held_bytes(), 0);
}

#[test]
fn small_writes_coalesce_into_one_slice() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    let bytes = noise(CHUNK_BYTES);
    for message in bytes.chunks(64) {
        unsent.copy(message, &mut pool);
    }
    assert_eq!(pieces_in(&unsent), 1);
    unsent.copy(b"!", &mut pool);
    assert_eq!(pieces_in(&unsent), 2);
    assert_eq!(flush_all(&mut unsent, &mut pool), [bytes, b"!"].concat());
}

#[test]
fn long_payloads_are_not_copied() {
    let mut pool = Pool::new();
    let bytes = noise(KEEP_BYTES);

    let owned = bytes.to_vec();
    let address = owned.as_ptr();
    let mut unsent = SendBuffer::new();
    unsent.own(owned, 0, &mut pool);
    assert_eq!(head(&mut unsent, &mut pool), address);

    let shared: Rc<[u8]> = bytes.into();
    let mut unsent = SendBuffer::new();
    unsent.share(Rc::clone(&shared), KEEP_BYTES - TINY_BYTES, &mut pool);
    assert_eq!(
        head(&mut unsent, &mut pool),
        shared[KEEP_BYTES - TINY_BYTES..].as_ptr()
    );
    assert_eq!(Rc::strong_count(&shared), 2);
    flush_all(&mut unsent, &mut pool);
    assert_eq!(Rc::strong_count(&shared), 1, "given back when it is sent");

    let mut unsent = SendBuffer::new();
    unsent.share_static(&bytes[..TINY_BYTES], &mut pool);
    assert_eq!(head(&mut unsent, &mut pool), bytes.as_ptr());
}

#[test]
fn short_payloads_are_copied_and_their_owners_set_free() {
    let mut pool = Pool::new();
    let shared: Rc<[u8]> = noise(KEEP_BYTES - 1).into();
    let mut unsent = SendBuffer::new();
    unsent.own(shared.to_vec(), 0, &mut pool);
    unsent.share(Rc::clone(&shared), 0, &mut pool);
    unsent.share_static(b"end", &mut pool);
    assert_eq!(Rc::strong_count(&shared), 1);
    assert_eq!(pieces_in(&unsent), 1);
    let expected = [&shared[..], &shared[..], b"end"].concat();
    assert_eq!(flush_all(&mut unsent, &mut pool), expected);
}

#[test]
fn a_short_reference_is_kept_where_no_chunk_has_space() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    let shared: Rc<[u8]> = noise(KEEP_BYTES - 1).into();
    unsent.copy(&noise(CHUNK_BYTES)[KEEP_BYTES - 2..], &mut pool);
    for count in 2..10 {
        unsent.share(Rc::clone(&shared), 0, &mut pool);
        assert_eq!(Rc::strong_count(&shared), count);
    }
    assert_eq!(
        unsent.discard(&mut pool),
        CHUNK_BYTES + 1 + 7 * shared.len()
    );
}

#[test]
fn a_queue_longer_than_one_write_leaves_in_several() {
    let mut pool = Pool::new();
    let bytes = noise(KEEP_BYTES);
    for count in 1..=3 * GATHER_SLICES {
        let mut unsent = SendBuffer::new();
        for _ in 0..count {
            unsent.share_static(bytes, &mut pool);
        }
        let mut writes = Vec::new();
        while !unsent.is_empty() {
            let write = |slices: &[IoSlice<'_>]| {
                writes.push(slices.len());
                Ok(offered(slices))
            };
            let of_tail = unsent.flush_with(b"tail", &mut pool, write);
            let all_left = writes.iter().sum::<usize>() > count;
            assert_eq!(of_tail.ok(), Some(if all_left { 4 } else { 0 }));
        }
        let full = count / GATHER_SLICES;
        assert!(writes[..full].iter().all(|&slices| slices == GATHER_SLICES));
        assert_eq!(writes.len(), count.div_ceil(GATHER_SLICES));
    }
}

#[test]
fn one_write_is_offered_a_mebibyte_at_most() {
    let mut pool = Pool::new();
    let bytes = noise(3 * GATHER_BYTES);
    let mut unsent = SendBuffer::new();
    let write = |slices: &[IoSlice<'_>]| Ok(offered(slices));
    assert_eq!(
        unsent.flush_with(bytes, &mut pool, write).ok(),
        Some(GATHER_BYTES)
    );
    unsent.share_static(bytes, &mut pool);
    assert_eq!(unsent.flush(&mut pool, write).ok(), Some(GATHER_BYTES));
    assert_eq!(unsent.flush_with(b"tail", &mut pool, write).ok(), Some(0));
    unsent.copy(b"copied", &mut pool);
    unsent
        .flush(&mut pool, |_| Ok(1))
        .expect("the write succeeds");
    let taken = unsent.flush_with(bytes, &mut pool, |slices| {
        assert_eq!(
            slices.len(),
            2,
            "of \"copied\" one byte fits, of the tail none"
        );
        Ok(offered(slices))
    });
    assert_eq!(taken.ok(), Some(0));
    assert_eq!(flush_all(&mut unsent, &mut pool), b"opied");
}

#[test]
fn a_failed_or_lying_write_changes_nothing() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(b"queued", &mut pool);
    for kind in [ErrorKind::WouldBlock, ErrorKind::BrokenPipe] {
        let error = unsent.flush(&mut pool, |_| Err(kind.into()));
        assert_eq!(error.map_err(|error| error.kind()), Err(kind));
        let error = unsent.flush_with(b"tail", &mut pool, |_| Err(kind.into()));
        assert_eq!(error.map_err(|error| error.kind()), Err(kind));
    }
    assert!(unsent.flush(&mut pool, |_| Ok(7)).is_err());
    assert!(unsent.flush_with(b"tail", &mut pool, |_| Ok(11)).is_err());
    assert_eq!(unsent.flush(&mut pool, |_| Ok(0)).ok(), Some(0));
    assert_eq!(unsent.len(), 6);
    assert_eq!(flush_all(&mut unsent, &mut pool), b"queued");
    assert!(unsent.flush_with(b"tail", &mut pool, |_| Ok(5)).is_err());
}

#[test]
fn discarding_counts_what_is_lost_and_gives_the_storage_back() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    let shared: Rc<[u8]> = noise(5000).into();
    unsent.copy(&[1; 100], &mut pool);
    unsent.share(Rc::clone(&shared), 0, &mut pool);
    unsent
        .flush(&mut pool, |_| Ok(30))
        .expect("the write succeeds");
    assert_eq!(unsent.discard(&mut pool), 5070);
    assert!(unsent.is_empty());
    assert!(pool.held_bytes() > CHUNK_BYTES);
    assert_eq!(Rc::strong_count(&shared), 1);
}

#[test]
fn debug_output_shows_sizes_and_no_payload() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(b"secret", &mut pool);
    assert_eq!(
        format!("{unsent:?}"),
        "SendBuffer { unsent_bytes: 6, pieces: 1 }"
    );
    unsent.discard(&mut pool);
    assert_eq!(
        format!("{pool:?}"),
        "Pool { free_chunks: 1, free_queues: 1 }"
    );
}
