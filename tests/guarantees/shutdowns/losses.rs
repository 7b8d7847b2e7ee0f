//! Shutdowns of sockets whose bytes are lost at a timeout.

use std::time::Duration;

use netloop::{AtShutdown, SocketOptions};

use crate::support::{Peer, PeerEnd, let_time_pass};

use super::{LONG, Stage};

/// A socket that ends with bytes in its queue, and its peer, which does not read.
fn ending_with_a_queue(close_timeout: Duration) -> (Stage, Peer) {
    let options = SocketOptions::new().close_timeout(close_timeout);
    let mut stage = Stage::of_sockets(AtShutdown::End, options);
    let mut peer = stage.peer();
    peer.write(b"big");
    let id = stage.world.newest.unwrap();
    stage.drive(|stage| stage.event_loop.socket(id).queued_bytes() > 0);
    // The close timeout counts behind the answer of the socket, which is asked once its queue is empty: so the test ends it.
    stage.event_loop.socket(id).end();
    (stage, peer)
}

#[test]
fn a_timeout_at_which_bytes_are_lost_is_no_finish() {
    let (mut stage, mut peer) = ending_with_a_queue(Duration::from_millis(30));
    stage.shutdown(LONG);
    assert_eq!(stage.counts(), [0, 0, 1, 0]);
    assert_eq!(stage.read_to_end(&mut peer).1, PeerEnd::Reset);
}

// A socket with bytes to send is busy before it is asked, too.
#[test]
fn bytes_lost_before_the_question_are_no_end() {
    let timeout = Duration::from_millis(30);
    let (mut stage, _peer) = ending_with_a_queue(timeout);
    stage.shutdown(LONG);
    // The shutdown looks at the socket in this turn, and would ask it in the next one, in which the timeout has passed.
    stage.turn();
    let_time_pass(timeout + Duration::from_millis(5));
    assert_eq!(stage.counts(), [0, 0, 1, 0]);
}
