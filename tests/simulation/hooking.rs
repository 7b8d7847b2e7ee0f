//! Hooks of a run: each is called once in every turn, whatever its budget, and what it writes is sent.

use std::rc::Rc;

use netloop::LoopContext;
use netloop::simulation::{Host, Simulation};

use super::calls::write;
use super::checker::World;

/// The calls of the hooks of one loop.
#[derive(Debug)]
pub(crate) struct Hooked {
    prepares: u64,
    checks: u64,
    /// A source of its own, so that no other decision of the run depends on the hooks.
    random: fastrand::Rng,
}

impl Hooked {
    /// Adds a hook to each place of a turn of `host`. Neither keeps the loop going.
    pub(super) fn add_to(host: &mut Host<World>, seed: u64) {
        host.shared.hooked = Some(Self {
            prepares: 0,
            checks: 0,
            random: fastrand::Rng::with_seed(seed),
        });
        let event_loop = &mut host.event_loop;
        let before = event_loop.on_prepare(|cx| {
            let hooked = cx.shared.hooked.as_mut().unwrap();
            assert_eq!(hooked.prepares, hooked.checks, "S: a check was left out");
            hooked.prepares += 1;
            write_somewhere(cx);
        });
        let behind = event_loop.on_check(|cx| {
            let hooked = cx.shared.hooked.as_mut().unwrap();
            hooked.checks += 1;
            assert_eq!(hooked.prepares, hooked.checks, "S: a prepare was left out");
            write_somewhere(cx);
        });
        for id in [before, behind] {
            event_loop.hook(id).release();
        }
    }

    /// Each hook of `hosts`, which have hooks from their beginning, was called once in each turn.
    pub(super) fn check_turns(simulation: &Simulation, hosts: &[Host<World>]) {
        let of = |host: &Host<World>| {
            let hooked = host.shared.hooked.as_ref().unwrap();
            assert_eq!(hooked.prepares, hooked.checks, "S: hooks of one turn");
            hooked.prepares
        };
        let calls: u64 = hosts.iter().map(of).sum();
        assert_eq!(calls, simulation.turns(), "S: a turn without its hooks");
    }
}

/// Writes to a socket of the loop, now and then.
fn write_somewhere(cx: &mut LoopContext<'_, World>) {
    let World {
        hooked,
        fuel,
        sides,
        ledger,
        ..
    } = &mut *cx.shared;
    let random = &mut hooked.as_mut().unwrap().random;
    if *fuel == 0 || sides.is_empty() || random.u32(..8) > 0 {
        return;
    }
    *fuel -= 1;
    let (id, side) = sides[random.usize(..sides.len())];
    let ledger = Rc::clone(ledger);
    let length = random.usize(1..200);
    let _ = write(&mut cx.sockets.socket(id), &ledger, side, length);
}
