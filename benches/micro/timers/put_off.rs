//! Idle timeouts, of which nearly all are put off before they come: each of the sockets is touched once a second, in
//! any order, for as long as its timeout is.

use std::hint::black_box;

use fastrand::Rng;
use netloop::internals::wheel::Wheel;

#[cfg(target_os = "linux")]
use super::Tokio;
use super::{MILLION, Timers, Tree};
use crate::measure::Group;

const TIMEOUT: u64 = 30_000;
const SECONDS: usize = 30;
const SECOND: u64 = 1_000;

pub(super) fn measure(group: &mut Group<'_>) {
    for sockets in [10_000, MILLION[0]] {
        stores_alone(group, sockets);
        lazily(group, sockets);
        eagerly::<Tree>(group, sockets);
        #[cfg(target_os = "linux")]
        eagerly::<Tokio>(group, sockets);
    }
}

/// What is left where nobody looks at the timeouts: how long it takes to store a number anywhere in a table of this size is
/// a matter of the machine's caches. No wheel can be faster.
fn stores_alone(group: &mut Group<'_>, sockets: usize) {
    let order = order(sockets);
    let state = (vec![0_u64; sockets], 0);
    let touches = sockets * SECONDS;
    group.rounds(
        "the store alone",
        sockets,
        touches,
        state,
        |_| (),
        |(active, now)| {
            for _ in 0..SECONDS {
                *now += SECOND;
                for &socket in &order {
                    active[socket as usize] = *now;
                }
                black_box(&active);
            }
        },
    );
}

/// What a socket of ours does: every byte only stores the time, and the entry on the wheel is looked at when it comes up.
/// The looking is measured too.
fn lazily(group: &mut Group<'_>, sockets: usize) {
    let mut wheel = Wheel::new(0);
    let order = order(sockets);
    for &socket in &order {
        wheel.arm(TIMEOUT, socket);
    }
    let state = (wheel, vec![0; sockets], 0);
    let touches = sockets * SECONDS;
    group.rounds(
        "wheel, lazily",
        sockets,
        touches,
        state,
        |_| (),
        |state| {
            let (wheel, active, now) = state;
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

/// What is done without such a store: every byte moves the timer. Nothing is ever due.
fn eagerly<T: Timers>(group: &mut Group<'_>, sockets: usize) {
    let mut timers = T::new();
    let mut handles: Vec<T::Handle> = (0..)
        .take(sockets)
        .map(|socket| timers.arm(TIMEOUT, socket))
        .collect();
    let order = order(sockets);
    let name = format!("{}, each time", T::NAME);
    let mut now = 0;
    // One second of touches is a round, as it takes long enough.
    group.rounds(
        &name,
        sockets,
        sockets,
        timers,
        |_| (),
        |timers| {
            now += SECOND;
            for &socket in &order {
                let handle = &mut handles[socket as usize];
                *handle = timers.rearm(*handle, now + TIMEOUT);
            }
        },
    );
}

fn order(sockets: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..).take(sockets).collect();
    Rng::with_seed(2).shuffle(&mut order);
    order
}
