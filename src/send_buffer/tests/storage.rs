//! Tests of the storage of send buffers: the reuse, the pool's limits, and the memory that a slow peer takes.

use std::rc::Rc;

use super::super::pool::{CHUNK_BYTES, Pool};
use super::super::queue::{Queue, Segment};
use super::super::{KEEP_BYTES, SendBuffer};
use super::{QUEUE_BYTES, flush_all, head, noise, occupied_bytes};

/// Pushes and flushes many times, and checks that the memory of the pool and the queue together stays the same.
fn assert_steady(pool: &mut Pool, push: impl Fn(&mut SendBuffer, &mut Pool)) {
    let mut unsent = SendBuffer::new();
    push(&mut unsent, pool);
    flush_all(&mut unsent, pool);
    let held = pool.held_bytes();
    for _ in 0..100 {
        push(&mut unsent, pool);
        assert!(occupied_bytes(&unsent) > 0);
        assert_eq!(pool.held_bytes() + occupied_bytes(&unsent), held);
        flush_all(&mut unsent, pool);
        assert_eq!(pool.held_bytes(), held);
    }
}

#[test]
fn a_steady_state_neither_allocates_nor_frees() {
    let bytes = noise(10 * CHUNK_BYTES);
    let shared: Rc<[u8]> = noise(2000).into();
    assert_steady(&mut Pool::new(), |unsent, pool| {
        unsent.copy(&bytes[..64], pool)
    });
    assert_steady(&mut Pool::new(), |unsent, pool| unsent.copy(bytes, pool));
    assert_steady(&mut Pool::new(), |unsent, pool| {
        for _ in 0..100 {
            unsent.share(Rc::clone(&shared), 0, pool);
        }
    });
    assert_steady(&mut Pool::new(), |unsent, pool| {
        for _ in 0..10 {
            unsent.copy(&bytes[..64], pool);
            unsent.share_static(bytes, pool);
        }
        unsent.copy(&bytes[..64], pool);
    });
}

#[test]
fn the_same_chunk_serves_again_and_again() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(b"first", &mut pool);
    let chunk = head(&mut unsent, &mut pool);
    let queue: *const Queue = unsent.queue.as_deref().expect("something is queued");
    for _ in 0..100 {
        flush_all(&mut unsent, &mut pool);
        // If the pool had freed the chunk, `between` would take its memory, and the next chunk would lie elsewhere.
        let between = Vec::<u8>::with_capacity(CHUNK_BYTES);
        unsent.copy(b"again", &mut pool);
        assert_eq!(head(&mut unsent, &mut pool), chunk);
        assert!(std::ptr::eq(
            queue,
            unsent.queue.as_deref().expect("queued")
        ));
        drop(between);
    }
}

#[test]
fn chunks_that_rest_in_free_queues_serve_a_long_write() {
    let mut pool = Pool::with_limit(16 * CHUNK_BYTES);
    let mut buffers: Vec<SendBuffer> = (0..16).map(|_| SendBuffer::new()).collect();
    for unsent in &mut buffers {
        unsent.copy(b"short", &mut pool);
    }
    for unsent in &mut buffers {
        flush_all(unsent, &mut pool);
    }
    let bytes = noise(10 * CHUNK_BYTES);
    assert_steady(&mut pool, |unsent, pool| unsent.copy(bytes, pool));
    assert_eq!(
        format!("{pool:?}"),
        "Pool { free_chunks: 16, free_queues: 16 }"
    );
}

#[test]
fn references_do_not_keep_a_chunk_from_others() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    unsent.copy(b"short", &mut pool);
    flush_all(&mut unsent, &mut pool);
    unsent.share_static(noise(5000), &mut pool);
    assert!(pool.held_bytes() >= CHUNK_BYTES);
    assert!(occupied_bytes(&unsent) < CHUNK_BYTES);
}

#[test]
fn a_slow_peer_costs_little_more_than_its_unsent_bytes() {
    let mut pool = Pool::new();
    let mut unsent = SendBuffer::new();
    let body = noise(KEEP_BYTES);
    let mut expected = Vec::new();
    for _ in 0..4096 {
        unsent.copy(b"\n", &mut pool);
        unsent.share_static(body, &mut pool);
        expected.push(b'\n');
        expected.extend_from_slice(body);
    }
    let most = 32 * CHUNK_BYTES + 4 * 4096 * size_of::<Segment>();
    assert!(
        occupied_bytes(&unsent) < most,
        "{}",
        occupied_bytes(&unsent)
    );
    assert!(flush_all(&mut unsent, &mut pool) == expected);
    // A nearly empty chunk is shrunk only behind 64 segments. Each round adds two, so the first 32 are not shrunk.
    assert_eq!(
        pool.held_bytes(),
        32 * CHUNK_BYTES,
        "only whole chunks are kept"
    );
}

#[test]
fn the_pool_keeps_no_more_than_its_limit() {
    for chunk_limit in 0..4 {
        // The limit lacks one byte of a further chunk, so it permits `chunk_limit` chunks.
        let limit_bytes = (chunk_limit + 1) * CHUNK_BYTES - 1;
        let mut pool = Pool::with_limit(limit_bytes);
        let mut buffers: Vec<SendBuffer> = Vec::new();
        for _ in 0..100 {
            let mut unsent = SendBuffer::new();
            unsent.copy(noise_page(), &mut pool);
            unsent.copy(&[0; CHUNK_BYTES], &mut pool);
            buffers.push(unsent);
        }
        assert_eq!(pool.held_bytes(), 0);
        for unsent in &mut buffers {
            unsent.discard(&mut pool);
        }
        let queue_bytes = pool.held_bytes() - chunk_limit * CHUNK_BYTES;
        assert!(
            queue_bytes <= chunk_limit * 4 * QUEUE_BYTES,
            "{queue_bytes}"
        );
        assert_eq!(queue_bytes == 0, chunk_limit == 0);
        pool.trim();
        assert_eq!(pool.held_bytes(), 0);
    }
}

#[test]
fn the_default_pool_keeps_4_mib_of_chunks_and_1024_queues() {
    let mut pool = Pool::new();
    let mut buffers: Vec<SendBuffer> = Vec::new();
    for _ in 0..2000 {
        let mut unsent = SendBuffer::new();
        unsent.share_static(noise_page(), &mut pool);
        buffers.push(unsent);
    }
    let queue = occupied_bytes(&buffers[0]);
    for unsent in &mut buffers {
        unsent.discard(&mut pool);
    }
    assert_eq!(pool.held_bytes(), 1024 * queue);
    let mut unsent = SendBuffer::new();
    unsent.copy(&vec![0; 8 << 20], &mut pool);
    unsent.discard(&mut pool);
    assert_eq!(
        pool.held_bytes() - (4 << 20),
        1023 * queue,
        "the long queue is not kept"
    );
}

#[test]
fn free_queues_with_and_without_a_chunk_share_one_limit() {
    let mut pool = Pool::new();
    let mut buffers: Vec<SendBuffer> = Vec::new();
    for number in 0..2000 {
        let mut unsent = SendBuffer::new();
        if number < 500 {
            unsent.copy(b"short", &mut pool);
        } else {
            unsent.share_static(noise_page(), &mut pool);
        }
        buffers.push(unsent);
    }
    for unsent in &mut buffers {
        unsent.discard(&mut pool);
    }
    assert_eq!(
        format!("{pool:?}"),
        "Pool { free_chunks: 256, free_queues: 1024 }"
    );
}

fn noise_page() -> &'static [u8] {
    &[7; 4096]
}
