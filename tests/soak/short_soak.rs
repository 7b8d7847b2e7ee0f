//! The soak of three seconds. That of a minute is a program, `cargo soak`, of the same modules.

use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Duration;

use netloop::Budget;

use super::support::in_own_process;
use super::traffic::{End, Faults, Tally, Traffic, Until, load, run_all, serve};
use super::{MANY_DESCRIPTORS, live, report};

/// Compares the books of both ends of a traffic.
fn assert_nothing_is_lost(server: &Tally, client: &Tally, faults: Faults) {
    for tally in [server, client] {
        let breaches = (tally.lost, tally.wrong, tally.unexplained, tally.disorder);
        assert_eq!(breaches, (0, 0, 0, 0), "{server}; {client}");
        assert_eq!(tally.spins, 0, "{server}; {client}");
        // A fault makes each of them with some per cent, and a spin would be thousands.
        assert!(tally.longest_idle_row <= 100, "{server}; {client}");
    }
    if faults == Faults::Harmless {
        let short = server.cut_short + server.headless;
        assert_eq!(
            (server.connected, server.whole, short),
            (client.connected, client.whole, client.cut_short),
            "{server}; {client}"
        );
    }
}

#[test]
fn a_short_soak_loses_no_byte_and_gives_everything_back() {
    in_own_process(MANY_DESCRIPTORS, || {
        let harmless = Traffic {
            connections: 450,
            until: Until::Connections(4_500),
            longest_hold: Duration::from_millis(400),
            seed: fastrand::u64(..),
            budget: Budget::new(),
            faults: Faults::Harmless,
        };
        let breaking = Traffic {
            connections: 50,
            until: Until::Connections(500),
            seed: harmless.seed.wrapping_add(1 << 32),
            faults: Faults::Breaking,
            ..harmless
        };
        report(&format!("a soak with the seed {}", harmless.seed));
        let traffics = [harmless, breaking];
        let are_over = [AtomicBool::new(false), AtomicBool::new(false)];
        let mut ends: Vec<End<'_>> = Vec::new();
        for ((traffic, is_over), network) in traffics.iter().zip(&are_over).zip(117..) {
            let (tell, told) = mpsc::channel();
            ends.push(Box::new(move |gate| {
                serve(traffic, network, &tell, is_over, gate)
            }));
            ends.push(Box::new(move |gate| load(traffic, &told, is_over, gate)));
        }
        let (tallies, remains) = run_all(ends, || live() as u64);
        for (pair, traffic) in tallies.chunks(2).zip(&traffics) {
            assert_nothing_is_lost(&pair[0], &pair[1], traffic.faults);
        }
        assert_eq!((remains.descriptors_left, remains.descriptors_lost), (0, 0));
        // Of four loops.
        assert!(remains.heap_kept <= 256 << 10, "{remains:?}");
        assert!(remains.heap_lost <= 8 << 10, "{remains:?}");
        report(&format!("{remains:?}"));
    });
}
