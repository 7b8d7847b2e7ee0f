//! The wheel beside a search tree and the timers of tokio.

#[cfg(target_os = "linux")]
mod tokio_sleep;

use std::collections::BTreeSet;
use std::hint::black_box;

use criterion::Criterion;
use fastrand::Rng;
use netloop::internals::wheel::{TimerHandle, Wheel};
#[cfg(target_os = "linux")]
use tokio_sleep::Sleeps;

use crate::measure::Group;

/// So many do not fit into the caches.
const MILLION: usize = 1_000_000;
/// A minute of milliseconds, over which deadlines are spread.
const SPREAD: u64 = 60_000;

/// The operations of all of them. Timers are named by their place in a table of the owner's.
trait Timers {
    const NAME: &'static str;
    type Handle: Copy;

    fn new() -> Self;
    fn arm(&mut self, deadline: u64, id: u32) -> Self::Handle;
    fn cancel(&mut self, handle: Self::Handle);
    fn rearm(&mut self, handle: Self::Handle, deadline: u64) -> Self::Handle;
    /// Gives out everything due, and says how many; never called where time passes by itself.
    fn expire(&mut self, _now: u64) -> usize {
        0
    }
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
    fn expire(&mut self, now: u64) -> usize {
        self.advance(now);
        std::iter::from_fn(|| self.next_due()).count()
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
    fn expire(&mut self, now: u64) -> usize {
        let mut count = 0;
        while self.0.first().is_some_and(|(deadline, _)| *deadline <= now) {
            self.0.pop_first();
            count += 1;
        }
        count
    }
}

/// Measures one operation with each kind of timers; those of tokio only where nothing expires.
macro_rules! beside {
    ($criterion:expr, $operation:ident, $name:literal $(, and $tokio:ident)?) => {
        let mut group = Group::new($criterion, $name);
        $operation::<Wheel<u32>>(&mut group);
        $operation::<Tree>(&mut group);
        $(
            #[cfg(target_os = "linux")]
            $operation::<$tokio>(&mut group);
        )?
        drop(group);
    };
}

pub(crate) fn measure(criterion: &mut Criterion) {
    beside!(criterion, arm, "timers, a million: arm", and Sleeps);
    beside!(criterion, arm_again, "timers, a million: arm again", and Sleeps);
    beside!(criterion, rearm, "timers, a million: move", and Sleeps);
    beside!(criterion, cancel, "timers, a million: cancel", and Sleeps);
    beside!(criterion, expire, "timers, a million: expire");
    let mut group = Group::new(criterion, "timers: an idle timeout is put off");
    stores_alone(&mut group, MILLION);
    put_off_lazily(&mut group, MILLION);
    put_off_eagerly::<Tree>(&mut group, MILLION);
    #[cfg(target_os = "linux")]
    put_off_eagerly::<Sleeps>(&mut group, MILLION);
}

fn deadlines(seed: u64) -> Vec<u64> {
    let mut random = Rng::with_seed(seed);
    (0..MILLION).map(|_| random.u64(1..=SPREAD)).collect()
}

/// Arms timers, and returns them in an order that has nothing to do with their deadlines.
fn armed<T: Timers>(deadlines: &[u64]) -> (T, Vec<T::Handle>) {
    let mut timers = T::new();
    let arm = |(id, deadline): (u32, &u64)| timers.arm(*deadline, id);
    let mut handles: Vec<_> = (0..).zip(deadlines).map(arm).collect();
    Rng::with_seed(2).shuffle(&mut handles);
    (timers, handles)
}

/// Into new memory.
fn arm<T: Timers>(group: &mut Group<'_>) {
    arm_into::<T>(group, |_| T::new());
}

/// Into the memory of timers that ended in an order of their own.
fn arm_again<T: Timers>(group: &mut Group<'_>) {
    arm_into::<T>(group, |deadlines| {
        let (mut timers, handles) = armed::<T>(deadlines);
        handles.into_iter().for_each(|handle| timers.cancel(handle));
        timers
    });
}

fn arm_into<T: Timers>(group: &mut Group<'_>, before: impl Fn(&[u64]) -> T) {
    let deadlines = deadlines(1);
    let prepare = |timers: &mut T| *timers = before(&deadlines);
    group.prepared_rounds(T::NAME, MILLION, T::new(), prepare, |timers| {
        for (id, &deadline) in (0..).zip(&deadlines) {
            timers.arm(deadline, id);
        }
    });
}

/// Measures `run` on timers that are armed.
fn on_armed<T: Timers>(group: &mut Group<'_>, mut run: impl FnMut(&mut T, &[T::Handle])) {
    let deadlines = deadlines(1);
    let prepare = |state: &mut (T, Vec<T::Handle>)| *state = armed(&deadlines);
    let state = armed::<T>(&[]);
    group.prepared_rounds(T::NAME, MILLION, state, prepare, |(timers, handles)| {
        run(timers, handles);
    });
}

fn cancel<T: Timers>(group: &mut Group<'_>) {
    on_armed::<T>(group, |timers, handles| {
        handles.iter().for_each(|handle| timers.cancel(*handle));
    });
}

fn rearm<T: Timers>(group: &mut Group<'_>) {
    let after = deadlines(3);
    on_armed::<T>(group, |timers, handles| {
        for (&handle, &deadline) in handles.iter().zip(&after) {
            timers.rearm(handle, deadline);
        }
    });
}

/// The loop asks once a millisecond, as one that is busy does.
fn expire<T: Timers>(group: &mut Group<'_>) {
    on_armed::<T>(group, |timers, _| {
        let expired: usize = (1..=SPREAD).map(|now| timers.expire(now)).sum();
        black_box(expired);
    });
}

const TIMEOUT: u64 = 30_000;
const SECONDS: usize = 30;
const SECOND: u64 = 1_000;

fn order(sockets: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(sockets).collect();
    Rng::with_seed(2).shuffle(&mut order);
    order
}

/// Each socket is touched once a second. The time of a store anywhere in a table of this size is a matter of the machine's
/// caches, and no wheel can be faster.
fn stores_alone(group: &mut Group<'_>, sockets: usize) {
    let order = order(sockets);
    let state = (vec![0_u64; sockets], 0);
    group.rounds("the store alone", sockets, state, |(active, now)| {
        *now += SECOND;
        for &socket in &order {
            active[socket as usize] = *now;
        }
        black_box(&active);
    });
}

/// As a socket of netloop does it: a byte only stores the time, and the entry on the wheel is compared when it comes
/// up. The comparison is measured too.
fn put_off_lazily(group: &mut Group<'_>, sockets: usize) {
    let mut wheel = Wheel::new(0);
    let order = order(sockets);
    for &socket in &order {
        wheel.arm(TIMEOUT, socket);
    }
    let state = (wheel, vec![0; sockets], 0);
    // A round has as many seconds as the timeout, so that each entry comes up once.
    let operations = sockets * SECONDS;
    group.rounds(
        "wheel, lazily",
        operations,
        state,
        |(wheel, active, now)| {
            for _ in 0..SECONDS {
                *now += SECOND;
                for &socket in &order {
                    active[socket as usize] = *now;
                }
                wheel.advance(*now);
                while let Some((_, socket)) = wheel.next_due() {
                    wheel.arm(active[socket as usize] + TIMEOUT, socket);
                }
            }
        },
    );
}

/// Without such a store: every byte moves the timer, and nothing is ever due.
fn put_off_eagerly<T: Timers>(group: &mut Group<'_>, sockets: usize) {
    let mut timers = T::new();
    let arm = |socket| timers.arm(TIMEOUT, socket);
    let mut handles: Vec<T::Handle> = (0..).take(sockets).map(arm).collect();
    let order = order(sockets);
    let mut now = 0;
    let name = format!("{}, each time", T::NAME);
    group.rounds(&name, sockets, timers, |timers| {
        now += SECOND;
        for &socket in &order {
            let handle = &mut handles[socket as usize];
            *handle = timers.rearm(*handle, now + TIMEOUT);
        }
    });
}
