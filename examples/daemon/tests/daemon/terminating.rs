//! SIGTERM: no response in flight is lost, also not in a worker that leaves a shared port.

use std::env;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rustix::process::Signal;

use crate::clients::{CLIENTS, Counts, Habit, Load};
use crate::process::{Daemon, PATIENCE};

fn read(counts: &Counts) -> [usize; 5] {
    let Counts {
        refused,
        reset,
        partial,
        lost,
        late,
        ..
    } = counts;
    [refused, reset, partial, lost, late].map(|count| count.load(Ordering::SeqCst))
}

#[test]
fn sigterm_under_load_loses_no_response_in_flight() {
    let (mut daemon, address) = Daemon::listening(&["--deadline", "60"]);
    let load = Load::new(address, |number| match number % 2 {
        0 => Habit::AskOnce,
        _ => Habit::Stay,
    });
    load.wait_for(|counts| &counts.responses, 3000);
    load.give_notice();
    daemon.signal(Signal::TERM);
    let report = daemon.report();
    assert!(daemon.exit().success());
    let counts = load.end();
    let [_, _, partial, lost, late] = read(&counts);
    println!("ended, finished, failed, forced: {report:?}; {counts:?}");
    assert_eq!((partial, lost), (0, 0), "{counts:?}");
    assert_eq!(report[3], 0, "nothing was forced");
    // A client has at most one request under way.
    assert!(late <= usize::from(CLIENTS), "{counts:?}");
}

#[test]
fn a_second_sigterm_forces() {
    let (mut daemon, address) = Daemon::listening(&["--deadline", "600"]);
    let mut peer = TcpStream::connect(address).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    peer.write_all(b"slow 500000\nquick\n").unwrap();
    let mut byte = [0];
    peer.read_exact(&mut byte).unwrap();
    let begun = Instant::now();
    daemon.signal(Signal::TERM);
    daemon.says("terminating");
    daemon.signal(Signal::INT);
    daemon.says("forcing");
    assert_eq!(daemon.report(), [0, 0, 0, 1]);
    assert!(daemon.exit().success());
    assert!(begun.elapsed() < PATIENCE);
    let end = peer.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(end.kind(), std::io::ErrorKind::ConnectionReset);
}

/// Lets a worker leave the port that two share, while clients make `connections`.
fn leave_a_shared_port(connections: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let [mut leaving, staying] =
        [(); 2].map(|()| Daemon::inheriting(listener.try_clone().unwrap().into()));
    drop(listener);
    let load = Load::new(address, |_| Habit::AskOnce);
    load.wait_for(|counts| &counts.connections, connections / 2);
    leaving.signal(Signal::TERM);
    let report = leaving.report();
    assert!(leaving.exit().success());
    load.wait_for(|counts| &counts.connections, connections.div_ceil(2));
    let counts = load.end();
    println!("ended, finished, failed, forced: {report:?}; {counts:?}");
    assert_eq!(read(&counts), [0; 5], "{counts:?}");
    drop(staying);
}

#[test]
fn a_worker_that_leaves_a_shared_port_refuses_no_peer() {
    leave_a_shared_port(4000);
}

#[test]
#[ignore = "a long load: NETLOOP_CONNECTIONS, or 100,000 connections"]
fn a_worker_that_leaves_refuses_none_of_100_000_peers() {
    let connections = env::var("NETLOOP_CONNECTIONS").ok();
    leave_a_shared_port(connections.map_or(100_000, |count| count.parse().unwrap()));
}
