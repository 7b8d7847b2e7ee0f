//! Graceful ends, and local ones.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("the_client_ends_first", "T1 A7 C5", client_first),
    Scenario::alone("the_peer_ends_first", "A5 D10", peer_first),
    Scenario::alone("the_server_ends_at_once", "T2 H10", server_at_once),
    Scenario::alone(
        "a_late_reply_on_a_half_open_client",
        "A7 C8",
        half_open_client,
    ),
    Scenario::alone(
        "a_deferred_answer_of_a_half_open_server",
        "T41",
        half_open_server,
    ),
    Scenario::alone("both_end_at_once", "T40 A7", both_at_once),
    Scenario::alone("end_twice", "T17 C5", end_twice),
    Scenario::alone("end_in_the_end_handler", "D10", end_in_end),
    Scenario::alone("destroy_in_the_end_handler", "A4 A8", destroy_in_end),
    Scenario::alone("destroy_after_our_end", "A4 A5", destroy_after_end),
    Scenario::alone(
        "destroy_soon_does_not_wait_for_the_peer",
        "C11",
        destroy_soon,
    ),
    Scenario::alone("an_echo_that_ends", "D1 F1 F2", echo),
];

fn client_first(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5; end c 3; note c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.write(5)?;
    stage.wait_bytes("c", 5)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn peer_first(stage: &mut Stage<'_>) -> Step {
    stage.on("c.end", "destroyed c")?;
    let mut peer = stage.client_with_peer("")?;
    peer.write(5)?;
    peer.finish()?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn server_at_once(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "write s1 3; end s1 2; note s1")?;
    let (_, mut peer) = stage.server_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("s1", "close")
}

fn half_open_client(stage: &mut Stage<'_>) -> Step {
    let mut peer = stage.client_with_peer("half_open")?;
    stage.wait("c", "connect ")?;
    peer.write(5)?;
    peer.finish()?;
    stage.wait("c", "end")?;
    stage.let_pass(20);
    stage.tell("state c; write c 4; end c 2")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}

fn half_open_server(stage: &mut Stage<'_>) -> Step {
    stage.on("s1.end", "write s1 5")?;
    let (_, mut peer) = stage.server_with_peer("half_open")?;
    peer.write(3)?;
    peer.finish()?;
    stage.peer_reads(&mut peer, 5)?;
    stage.tell("state s1; end s1 6")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("s1", "close")
}

fn both_at_once(stage: &mut Stage<'_>) -> Step {
    // The loop sleeps until the peer's FIN is there; then its own end is the first that it does.
    let gate = stage.gate();
    stage.on("c.connect", &format!("stall c {gate}; end c 2"))?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.open_gate()?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}

fn end_twice(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c; end c")?;
    stage.on("c.close", "end c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.tell("end c")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn end_in_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.end", "write c 2; end c 3; state c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}

fn destroy_in_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.end", "destroy c; destroyed c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn destroy_after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c 5")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.tell("state c; destroy c; state c")?;
    stage.wait("c", "close")
}

fn destroy_soon(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5; destroy_soon c; destroyed c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn echo(stage: &mut Stage<'_>) -> Step {
    stage.on("s1.data", "write s1 5; note s1")?;
    let (_, mut peer) = stage.server_with_peer("")?;
    for _ in 0..3 {
        peer.write(5)?;
        stage.peer_reads(&mut peer, 5)?;
    }
    peer.finish()?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("s1", "close")
}
