//! Peers that send all the time, and their neighbours: how many bytes of one are read between two services of another.

use netloop::{Budget, EventLoop, EventLoopOptions, SocketOptions, Wait};

use crate::fairness::{Served, Sink, bytes_of, fill, turn, wide_pair};
use crate::support::{Peer, filtered};

/// The length of the loop's read buffer, of which each sink has many times as much unread: every read is a full one.
const READ: usize = 16 << 10;
const HOSES: usize = 8;

/// A loop with `options` and `count` sinks, as [`bulk`](crate::fairness::bulk) makes it.
pub(crate) fn bulk_with(
    count: usize,
    options: EventLoopOptions,
) -> (EventLoop<Served>, Vec<Peer>, Vec<usize>) {
    let mut event_loop = EventLoop::with_options(options).unwrap();
    let mut peers = Vec::new();
    for number in 0..count {
        let (ours, mut peer) = wide_pair();
        let id = event_loop.adopt(ours, SocketOptions::new(), Sink(number));
        filtered::begin(&mut event_loop, &mut Served::new(), id.unwrap(), &mut peer);
        peers.push(peer);
    }
    let filled = peers.iter_mut().map(fill).collect();
    (event_loop, peers, filled)
}

fn options() -> EventLoopOptions {
    EventLoopOptions::new().read_buffer_bytes(READ)
}

/// Makes a turn, and returns the sockets in the order of serving.
fn served(event_loop: &mut EventLoop<Served>) -> Served {
    let mut served = Served::new();
    turn(event_loop, &mut served, Wait::No, Budget::new());
    served
}

// Reliability F1: 256 KiB a turn.
#[test]
fn a_firehose_takes_one_read_a_turn_while_others_wait() {
    let (mut event_loop, _peers, _) = bulk_with(HOSES, options());
    for number in 0..3 {
        let served = served(&mut event_loop);
        for hose in 0..HOSES {
            assert_eq!(bytes_of(&served, hose), READ, "turn {number}");
        }
    }
}

#[test]
fn a_firehose_alone_takes_two_reads_a_turn() {
    let (mut event_loop, _peers, filled) = bulk_with(1, options());
    let mut read = 0;
    while read < filled[0] {
        let bytes = bytes_of(&served(&mut event_loop), 0);
        let is_first = read == 0;
        assert!(
            bytes <= 2 * READ && (bytes == 2 * READ || !is_first),
            "{bytes}"
        );
        read += bytes;
    }
}

// The neighbour waits for no more than the turn in which its bytes came.
#[test]
fn bytes_that_come_anew_are_read_before_a_firehose_goes_on() {
    let (mut event_loop, _peers, _) = bulk_with(HOSES, options());
    let (ours, mut pinger) = wide_pair();
    event_loop
        .adopt(ours, SocketOptions::new(), Sink(HOSES))
        .unwrap();
    served(&mut event_loop);
    for _ in 0..3 {
        pinger.write(b"ping");
        let served = served(&mut event_loop);
        assert_eq!(served.len(), HOSES + 1, "the others have bytes left");
        assert_eq!(served[0], (HOSES, 4), "{served:?}");
    }
}
