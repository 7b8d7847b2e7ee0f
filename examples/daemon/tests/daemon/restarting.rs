//! Hot restarts: the successor has the sockets, and no peer is refused or reset.

use std::sync::atomic::Ordering;

use rustix::process::Signal;

use crate::clients::{Habit, Load};
use crate::process::Daemon;

#[test]
fn ten_hot_restarts_under_load_refuse_and_reset_no_peer() {
    let (mut daemon, address) = Daemon::listening(&["--deadline", "60"]);
    let first = daemon.process;
    let load = Load::new(address, |number| match number % 4 {
        0 => Habit::Stay,
        _ => Habit::AskOnce,
    });
    // A client that stays may ask when the daemon ends its idle connection. It gets a plain end and no response.
    load.give_notice();
    for _ in 0..10 {
        load.wait_for(|counts| &counts.responses, 300);
        daemon.signal(Signal::USR2);
        let predecessor = daemon.process;
        daemon.is_ready();
        assert_ne!(daemon.process, predecessor);
        assert_eq!(daemon.report()[3], 0, "nothing was forced");
    }
    load.wait_for(|counts| &counts.responses, 300);
    let counts = load.end();
    println!("{counts:?}");
    for (what, count) in [
        ("refused", &counts.refused),
        ("reset", &counts.reset),
        ("partial", &counts.partial),
        ("lost", &counts.lost),
    ] {
        assert_eq!(count.load(Ordering::SeqCst), 0, "{what}: {counts:?}");
    }
    assert!(daemon.exit().success(), "the first of them has ended");
    assert_ne!(daemon.process, first);
    daemon.signal(Signal::TERM);
    daemon.report();
}
