//! The queue of unsent bytes, beside the one that is written by hand most often.

use std::io::IoSlice;
use std::rc::Rc;

use criterion::Criterion;
use netloop::internals::send_buffer::{Pool, SendBuffer};

use crate::measure::Group;

/// The operations of all of them.
trait Queue: Default {
    const NAME: &'static str;

    fn push(&mut self, bytes: &[u8]);
    /// Gives the front to a kernel that takes at most `most` bytes, and returns how many it took.
    fn send(&mut self, most: usize) -> usize;
    fn discard(&mut self);
}

#[derive(Default)]
struct Netloop {
    queue: SendBuffer,
    pool: Pool,
}

impl Queue for Netloop {
    const NAME: &'static str = "send buffer";

    fn push(&mut self, bytes: &[u8]) {
        self.queue.copy(bytes, &mut self.pool);
    }
    fn send(&mut self, most: usize) -> usize {
        let take = |slices: &[IoSlice<'_>]| Ok(taken_of(slices, most));
        self.queue.flush(&mut self.pool, take).unwrap_or(0)
    }
    fn discard(&mut self) {
        self.queue.discard(&mut self.pool);
    }
}

/// One vector, whose rest moves to the front whenever a part was sent.
#[derive(Default)]
struct Moving(Vec<u8>);

impl Queue for Moving {
    const NAME: &'static str = "Vec, moved to the front";

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn send(&mut self, most: usize) -> usize {
        let taken = taken_of(&[IoSlice::new(&self.0)], most);
        self.0.drain(..taken);
        taken
    }
    fn discard(&mut self) {
        self.0 = Vec::new();
    }
}

fn taken_of(slices: &[IoSlice<'_>], most: usize) -> usize {
    let offered: usize = slices.iter().map(|slice| slice.len()).sum();
    offered.min(most)
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "send buffer: one write that leaves at once");
    for length in [16, 64, 1024, 64 << 10] {
        write_and_send::<Netloop>(&mut group, length);
        write_and_send::<Moving>(&mut group, length);
    }
    drop(group);
    let name = "send buffer: 100 writes of 16 bytes leave as one";
    let mut group = Group::new(criterion, name);
    gather::<Netloop>(&mut group);
    gather::<Moving>(&mut group);
    drop(group);
    let name = "send buffer: 1 MiB leaves in parts of 16,000 bytes";
    let mut group = Group::new(criterion, name);
    slow_peer::<Netloop>(&mut group);
    slow_peer::<Moving>(&mut group);
    drop(group);
    let name = "send buffer: 16 KiB are queued for one more member of a broadcast";
    broadcast(&mut Group::new(criterion, name));
}

fn write_and_send<Q: Queue>(group: &mut Group<'_>, length: usize) {
    let bytes = vec![b'x'; length];
    let mut queue = Q::default();
    group.each(Q::NAME, length, || {
        queue.push(&bytes);
        queue.send(length)
    });
}

fn gather<Q: Queue>(group: &mut Group<'_>) {
    let mut queue = Q::default();
    group.each(Q::NAME, 100, || {
        for _ in 0..100 {
            queue.push(b"sixteen bytes ..");
        }
        while queue.send(usize::MAX) > 0 {}
    });
}

fn filled<Q: Queue>(queue: &mut Q) {
    queue.discard();
    for _ in 0..1024 {
        queue.push(&[b'x'; 1024]);
    }
}

fn slow_peer<Q: Queue>(group: &mut Group<'_>) {
    const PART: usize = 16_000;
    let parts = (1_usize << 20).div_ceil(PART);
    group.prepared_rounds(Q::NAME, parts, Q::default(), filled, |queue| {
        while queue.send(PART) > 0 {}
    });
}

/// Shares the bytes, which the others cannot: they copy.
fn broadcast(group: &mut Group<'_>) {
    const MEMBERS: usize = 100;
    let bytes: Rc<[u8]> = vec![b'x'; 16 << 10].into();
    let members = || (0..MEMBERS).map(|_| SendBuffer::new());
    let state = || (members().collect::<Vec<_>>(), Pool::new());
    let prepare = |(members, pool): &mut (Vec<SendBuffer>, Pool)| {
        for member in members {
            member.discard(pool);
        }
    };
    group.prepared_rounds("shared", MEMBERS, state(), prepare, |(members, pool)| {
        let share = |member: &mut SendBuffer| member.share(Rc::clone(&bytes), 0, pool);
        members.iter_mut().for_each(share);
    });
    group.prepared_rounds("copied", MEMBERS, state(), prepare, |(members, pool)| {
        members
            .iter_mut()
            .for_each(|member| member.copy(&bytes, pool));
    });
}
