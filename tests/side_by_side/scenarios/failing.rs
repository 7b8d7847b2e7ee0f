//! Resets, broken pipes, and errors of one's own.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("the_peer_resets", "A3 A5", peer_resets),
    Scenario::alone(
        "the_peer_resets_after_its_data_was_read",
        "A5 F1",
        resets_after_data,
    ),
    Scenario::alone(
        "the_peer_resets_right_behind_its_data",
        "T10 D9",
        resets_behind_data,
    ),
    Scenario::alone("the_peer_resets_after_our_end", "A5", resets_after_end),
    Scenario::alone(
        "the_peer_resets_while_much_is_queued",
        "T14 C9",
        resets_with_queue,
    ),
    Scenario::alone("the_peer_closes_with_unread_data", "X4", closes_unread),
    Scenario::alone("a_late_write_to_a_peer_that_is_gone", "T26 A6", late_write),
    Scenario::alone("we_reset", "C13", we_reset),
    Scenario::alone("we_reset_an_accepted_socket", "C13", we_reset_accepted),
    Scenario::alone(
        "destroy_with_an_error_then_with_another",
        "T6 A2 A3",
        two_errors,
    ),
    Scenario::alone(
        "destroy_with_an_error_then_without",
        "A2 A3",
        error_then_none,
    ),
    Scenario::alone("destroy_in_the_error_handler", "A8", destroy_in_error),
];

fn peer_resets(stage: &mut Stage<'_>) -> Step {
    stage.on("c.error", "state c; destroyed c")?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.reset()?;
    stage.wait("c", "close")
}

fn resets_after_data(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("")?;
    peer.write(5)?;
    stage.wait_bytes("s1", 5)?;
    peer.reset()?;
    stage.wait("s1", "close")
}

fn resets_behind_data(stage: &mut Stage<'_>) -> Step {
    // Both have arrived when the loop looks.
    let gate = stage.gate();
    stage.on("s.connection", &format!("stall s {gate}"))?;
    let (_, mut peer) = stage.server_with_peer("")?;
    peer.write(5)?;
    peer.reset()?;
    stage.open_gate()?;
    stage.wait("s1", "close")
}

fn resets_after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.reset()?;
    stage.wait("c", "close")
}

fn resets_with_queue(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 12000000 1; write c 3 2; state c")?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "state")?;
    peer.reset()?;
    stage.wait("c", "close")?;
    stage.wait_times("c", "sent", 2)
}

fn closes_unread(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5 1")?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "sent")?;
    drop(peer);
    stage.wait("c", "close")
}

fn late_write(stage: &mut Stage<'_>) -> Step {
    let (_, peer) = stage.server_with_peer("half_open")?;
    drop(peer);
    stage.wait("s1", "end")?;
    stage.tell("write s1 3")?;
    stage.wait_in_vain("s1", "close")?;
    stage.tell("write s1 3")?;
    stage.wait("s1", "close")
}

fn we_reset(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "reset c; destroyed c; reset c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn we_reset_accepted(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("")?;
    peer.write(3)?;
    stage.wait_bytes("s1", 3)?;
    stage.tell("reset s1")?;
    stage.wait("s1", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn two_errors(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        "destroy_with c ERR_OTHER; destroy_with c ERR_OTHER; destroyed c; state c",
    )?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn error_then_none(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "destroy_with c ERR_OTHER; destroy c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn destroy_in_error(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.error",
        "destroy c; destroy_with c ERR_OTHER; write c 2; end c",
    )?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.reset()?;
    stage.wait("c", "close")
}
