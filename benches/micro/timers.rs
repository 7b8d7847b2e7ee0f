//! The wheel beside a heap, a search tree and the timers of tokio.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
#[cfg(target_os = "linux")]
use std::{
    pin::Pin,
    sync::LazyLock,
    task::{Context, Waker},
    time::Duration,
};

use criterion::Criterion;
use fastrand::Rng;
use netloop::internals::wheel::{TimerHandle, Wheel};
#[cfg(target_os = "linux")]
use tokio::{runtime::Runtime, time::Sleep};

use crate::measure::Group;

mod put_off;

const SIZES: [usize; 3] = [1_000, 10_000, 100_000];

/// A minute of milliseconds, over which deadlines are spread.
const SPREAD: u64 = 60_000;

/// So many that they do not fit into the caches.
const MILLION: [usize; 1] = [1_000_000];

/// What is common to all of them. Timers are named by their place in a table of the owner's.
trait Timers {
    const NAME: &'static str;
    type Handle: Copy;

    fn new() -> Self;
    fn arm(&mut self, deadline: u64, id: u32) -> Self::Handle;
    fn cancel(&mut self, handle: Self::Handle);
    fn rearm(&mut self, handle: Self::Handle, deadline: u64) -> Self::Handle;
}

/// Those whose time is told, and does not pass by itself.
trait Expire: Timers {
    fn next_deadline(&mut self) -> Option<u64>;
    /// Gives out everything due, and says how many.
    fn expire(&mut self, now: u64) -> usize;
}

impl Timers for Wheel<u32> {
    const NAME: &'static str = "wheel";
    type Handle = TimerHandle;

    fn new() -> Self {
        Self::new(0)
    }
    fn arm(&mut self, deadline: u64, id: u32) -> TimerHandle {
        self.arm(deadline, id)
    }
    fn cancel(&mut self, handle: TimerHandle) {
        self.cancel(handle);
    }
    fn rearm(&mut self, handle: TimerHandle, deadline: u64) -> TimerHandle {
        self.rearm(handle, deadline);
        handle
    }
}

impl Expire for Wheel<u32> {
    fn next_deadline(&mut self) -> Option<u64> {
        Self::next_deadline(self)
    }
    fn expire(&mut self, now: u64) -> usize {
        self.advance(now);
        std::iter::from_fn(|| self.next_due()).count()
    }
}

/// A binary heap cannot give up what is in its middle, so what was cancelled stays until it surfaces.
struct Heap {
    heap: BinaryHeap<Reverse<(u64, u32, u32)>>,
    /// The generation of each timer; an entry of an older one is dead.
    generations: Vec<u32>,
}

impl Timers for Heap {
    const NAME: &'static str = "BinaryHeap";
    type Handle = u32;

    fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            generations: Vec::new(),
        }
    }
    fn arm(&mut self, deadline: u64, id: u32) -> u32 {
        let place = id as usize;
        if place >= self.generations.len() {
            self.generations.resize(place + 1, 0);
        }
        let generation = self.generations[place];
        self.heap.push(Reverse((deadline, id, generation)));
        id
    }
    fn cancel(&mut self, id: u32) {
        self.generations[id as usize] += 1;
    }
    fn rearm(&mut self, id: u32, deadline: u64) -> u32 {
        self.cancel(id);
        self.arm(deadline, id)
    }
}

impl Expire for Heap {
    fn next_deadline(&mut self) -> Option<u64> {
        while let Some(&Reverse((deadline, id, generation))) = self.heap.peek() {
            if self.generations[id as usize] == generation {
                return Some(deadline);
            }
            self.heap.pop();
        }
        None
    }
    fn expire(&mut self, now: u64) -> usize {
        let mut count = 0;
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.heap.pop();
            count += 1;
        }
        count
    }
}

/// A search tree, by deadline and name.
struct Tree(BTreeSet<(u64, u32)>);

impl Timers for Tree {
    const NAME: &'static str = "BTreeSet";
    type Handle = (u64, u32);

    fn new() -> Self {
        Self(BTreeSet::new())
    }
    fn arm(&mut self, deadline: u64, id: u32) -> (u64, u32) {
        self.0.insert((deadline, id));
        (deadline, id)
    }
    fn cancel(&mut self, handle: (u64, u32)) {
        self.0.remove(&handle);
    }
    fn rearm(&mut self, handle: (u64, u32), deadline: u64) -> (u64, u32) {
        self.cancel(handle);
        self.arm(deadline, handle.1)
    }
}

impl Expire for Tree {
    fn next_deadline(&mut self) -> Option<u64> {
        self.0.first().map(|&(deadline, _)| deadline)
    }
    fn expire(&mut self, now: u64) -> usize {
        let mut count = 0;
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.0.pop_first();
            count += 1;
        }
        count
    }
}

/// Futures, each in a box of its owner's, as a connection has one for its timeout.
#[cfg(target_os = "linux")]
struct Tokio {
    start: tokio::time::Instant,
    sleeps: Vec<Option<Pin<Box<Sleep>>>>,
}

#[cfg(target_os = "linux")]
impl Timers for Tokio {
    const NAME: &'static str = "tokio Sleep";
    type Handle = u32;

    fn new() -> Self {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.expect("a runtime without sockets needs nothing")
        });
        thread_local! {
            /// Where the timers find the runtime that they belong to. Entered once, as it must be left in reverse order.
            static ENTERED: tokio::runtime::EnterGuard<'static> = RUNTIME.enter();
        }
        ENTERED.with(|_| ());
        Self {
            // Far enough away that none of them comes.
            start: tokio::time::Instant::now() + Duration::from_secs(3_600),
            sleeps: Vec::new(),
        }
    }
    fn arm(&mut self, deadline: u64, id: u32) -> u32 {
        let deadline = self.start + Duration::from_millis(deadline);
        let mut sleep = Box::pin(tokio::time::sleep_until(deadline));
        // It is armed when it is asked for the first time.
        let pending = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(pending.is_pending());
        self.sleeps.push(Some(sleep));
        id
    }
    fn cancel(&mut self, id: u32) {
        self.sleeps[id as usize] = None;
    }
    fn rearm(&mut self, id: u32, deadline: u64) -> u32 {
        let deadline = self.start + Duration::from_millis(deadline);
        if let Some(sleep) = &mut self.sleeps[id as usize] {
            sleep.as_mut().reset(deadline);
        }
        id
    }
}

type Measure = fn(&mut Group<'_>, usize);

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut operation = |name: &str, sizes: &[usize], peers: &[Measure]| {
        let mut group = Group::new(criterion, name);
        for size in sizes {
            for measure in peers {
                measure(&mut group, *size);
            }
        }
    };
    let peers: [Measure; 3] = [arm::<Wheel<u32>>, arm::<Heap>, arm::<Tree>];
    operation("timers: arm", &SIZES, &peers);
    let peers: [Measure; 3] = [cancel::<Wheel<u32>>, cancel::<Heap>, cancel::<Tree>];
    operation("timers: cancel", &SIZES, &peers);
    let peers: [Measure; 3] = [rearm::<Wheel<u32>>, rearm::<Heap>, rearm::<Tree>];
    operation("timers: move to another deadline", &SIZES, &peers);
    let peers: [Measure; 3] = [
        next_deadline::<Wheel<u32>>,
        next_deadline::<Heap>,
        next_deadline::<Tree>,
    ];
    operation("timers: next deadline", &SIZES, &peers);
    let peers: [Measure; 3] = [
        expire_each::<Wheel<u32>>,
        expire_each::<Heap>,
        expire_each::<Tree>,
    ];
    operation("timers: expire, each at its deadline", &SIZES, &peers);
    operation("timers, a million: expire", &MILLION, &peers);
    let peers: [Measure; 3] = [
        expire_together::<Wheel<u32>>,
        expire_together::<Heap>,
        expire_together::<Tree>,
    ];
    operation("timers: expire, all at the same deadline", &SIZES, &peers);

    operation("timers, a million: arm", &MILLION, &MILLION_ARM);
    operation("timers, a million: arm again", &MILLION, &MILLION_AGAIN);
    operation("timers, a million: move", &MILLION, &MILLION_MOVE);
    operation("timers, a million: cancel", &MILLION, &MILLION_CANCEL);

    let mut group = Group::new(criterion, "timers: an hour passes in which nothing is due");
    empty_hour::<Wheel<u32>>(&mut group);
    empty_hour::<Heap>(&mut group);
    empty_hour::<Tree>(&mut group);
    drop(group);
    put_off::measure(&mut Group::new(
        criterion,
        "timers: an idle timeout is put off",
    ));
}

const MILLION_ARM: [Measure; PEERS] = [
    arm::<Wheel<u32>>,
    arm::<Heap>,
    arm::<Tree>,
    #[cfg(target_os = "linux")]
    arm::<Tokio>,
];
const MILLION_AGAIN: [Measure; PEERS] = [
    arm_again::<Wheel<u32>>,
    arm_again::<Heap>,
    arm_again::<Tree>,
    #[cfg(target_os = "linux")]
    arm_again::<Tokio>,
];
const MILLION_MOVE: [Measure; PEERS] = [
    rearm::<Wheel<u32>>,
    rearm::<Heap>,
    rearm::<Tree>,
    #[cfg(target_os = "linux")]
    rearm::<Tokio>,
];
const MILLION_CANCEL: [Measure; PEERS] = [
    cancel::<Wheel<u32>>,
    cancel::<Heap>,
    cancel::<Tree>,
    #[cfg(target_os = "linux")]
    cancel::<Tokio>,
];

/// Tokio is a dependency of the benchmarks on Linux only.
const PEERS: usize = if cfg!(target_os = "linux") { 4 } else { 3 };

fn deadlines(count: usize, seed: u64) -> Vec<u64> {
    let mut random = Rng::with_seed(seed);
    (0..count).map(|_| random.u64(1..=SPREAD)).collect()
}

/// Armed timers, in an order that has nothing to do with their deadlines.
fn armed<T: Timers>(deadlines: &[u64]) -> (T, Vec<T::Handle>) {
    let mut timers = T::new();
    let mut handles: Vec<_> = (0..)
        .zip(deadlines)
        .map(|(id, &deadline)| timers.arm(deadline, id))
        .collect();
    Rng::with_seed(2).shuffle(&mut handles);
    (timers, handles)
}

fn arm<T: Timers>(group: &mut Group<'_>, size: usize) {
    let deadlines = deadlines(size, 1);
    let mut timers = T::new();
    let prepare = |timers: &mut T| *timers = T::new();
    prepare(&mut timers);
    group.rounds(T::NAME, size, size, timers, prepare, |timers| {
        for (id, &deadline) in (0..).zip(&deadlines) {
            timers.arm(deadline, id);
        }
    });
}

/// Into the memory of timers that ended in an order of their own.
fn arm_again<T: Timers>(group: &mut Group<'_>, size: usize) {
    let deadlines = deadlines(size, 1);
    let prepare = |timers: &mut T| {
        let (before, handles) = armed(&deadlines);
        *timers = before;
        for handle in handles {
            timers.cancel(handle);
        }
    };
    group.rounds(T::NAME, size, size, T::new(), prepare, |timers| {
        for (id, &deadline) in (0..).zip(&deadlines) {
            timers.arm(deadline, id);
        }
    });
}

fn cancel<T: Timers>(group: &mut Group<'_>, size: usize) {
    let deadlines = deadlines(size, 1);
    let prepare = |state: &mut (T, Vec<T::Handle>)| *state = armed(&deadlines);
    group.rounds(T::NAME, size, size, armed::<T>(&[]), prepare, |state| {
        for &handle in &state.1 {
            state.0.cancel(handle);
        }
    });
}

fn rearm<T: Timers>(group: &mut Group<'_>, size: usize) {
    let before = deadlines(size, 1);
    let after = deadlines(size, 3);
    let prepare = |state: &mut (T, Vec<T::Handle>)| *state = armed(&before);
    group.rounds(T::NAME, size, size, armed::<T>(&[]), prepare, |state| {
        for (&handle, &deadline) in state.1.iter().zip(&after) {
            state.0.rearm(handle, deadline);
        }
    });
}

fn next_deadline<T: Expire>(group: &mut Group<'_>, size: usize) {
    let (mut timers, _) = armed::<T>(&deadlines(size, 1));
    group.each(T::NAME, size, || timers.next_deadline());
}

fn expire_each<T: Expire>(group: &mut Group<'_>, size: usize) {
    let deadlines = deadlines(size, 1);
    let prepare = |timers: &mut T| *timers = armed(&deadlines).0;
    group.rounds(T::NAME, size, size, T::new(), prepare, |timers| {
        while let Some(deadline) = timers.next_deadline() {
            timers.expire(deadline);
        }
    });
}

fn expire_together<T: Expire>(group: &mut Group<'_>, size: usize) {
    let deadlines = vec![SPREAD; size];
    let prepare = |timers: &mut T| *timers = armed(&deadlines).0;
    group.rounds(T::NAME, size, size, T::new(), prepare, |timers| {
        let expired = timers.expire(SPREAD);
        assert_eq!(expired, size);
    });
}

fn empty_hour<T: Expire>(group: &mut Group<'_>) {
    const HOUR: u64 = 3_600_000;
    let mut timers = T::new();
    timers.arm(u64::MAX - 1, 0);
    let mut now = 0;
    group.each(T::NAME, None, || {
        now += HOUR;
        timers.expire(now)
    });
}
