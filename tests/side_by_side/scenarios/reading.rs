//! Reading: pausing, and what the peer does meanwhile.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("pause_holds_data_back", "D2 F1", pause),
    Scenario::alone("pause_between_two_chunks", "D2", pause_in_data),
    Scenario::alone("the_last_of_pause_and_resume_wins", "D2 B7", last_wins),
    Scenario::alone("paused_before_connect", "T21b D3 D4", paused_before_connect),
    Scenario::alone("pause_on_connect_reads_nothing", "D3 H10", pause_on_connect),
    Scenario::alone(
        "the_end_of_the_peer_while_paused",
        "T21a D4",
        end_while_paused,
    ),
    Scenario::alone(
        "the_end_of_the_peer_behind_paused_data",
        "D4",
        end_behind_data,
    ),
    Scenario::alone("a_reset_while_paused", "T24 D5", reset_while_paused),
    Scenario::alone(
        "a_reset_behind_paused_data",
        "T24 D5 D9",
        reset_behind_paused_data,
    ),
    Scenario::alone(
        "a_late_write_to_a_peer_that_closed_behind_paused_data",
        "D5 C3",
        late_write_while_paused,
    ),
    Scenario::alone(
        "both_sides_end_behind_paused_data",
        "D4",
        both_end_behind_paused_data,
    ),
    Scenario::alone("destroy_in_the_first_data_event", "T22 D8", destroy_in_data),
    Scenario::alone("data_arrives_after_our_end", "T12 D7", data_after_end),
    Scenario::alone("nobody_wants_the_data", "T25 D6", no_consumer),
];

fn pause(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "pause c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.write(1000)?;
    stage.let_pass(30);
    stage.tell("state c; resume c; state c")?;
    stage.wait_bytes("c", 1000)?;
    stage.tell("note c")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn pause_in_data(stage: &mut Stage<'_>) -> Step {
    stage.on("c.data@1", "pause c")?;
    let mut peer = stage.client_with_peer("")?;
    peer.write(5)?;
    stage.wait_bytes("c", 5)?;
    peer.write(6)?;
    stage.let_pass(30);
    stage.tell("state c; resume c")?;
    stage.wait_bytes("c", 11)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn last_wins(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!("connect c port={port}; pause c; resume c"))?;
    let mut peer = listener.accept()?;
    peer.write(5)?;
    stage.wait_bytes("c", 5)?;
    stage.tell("pause c; resume c; pause c")?;
    peer.write(6)?;
    stage.let_pass(30);
    stage.tell("state c; pause c; resume c")?;
    stage.wait_bytes("c", 11)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn paused_before_connect(stage: &mut Stage<'_>) -> Step {
    let peer = stage.client_with_peer("paused")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.let_pass(40);
    stage.tell("note c; resume c")?;
    stage.wait("c", "close")
}

fn pause_on_connect(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("paused")?;
    peer.write(10)?;
    peer.finish()?;
    stage.let_pass(40);
    stage.tell("note s1; resume s1")?;
    stage.wait("s1", "close")
}

fn end_while_paused(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "pause c")?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    stage.let_pass(10);
    peer.finish()?;
    stage.wait_in_vain("c", "close")?;
    stage.tell("state c; resume c")?;
    stage.wait("c", "close")
}

fn end_behind_data(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "pause c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.write(10)?;
    peer.finish()?;
    stage.let_pass(40);
    stage.tell("state c; resume c")?;
    stage.wait("c", "close")
}

fn reset_while_paused(stage: &mut Stage<'_>) -> Step {
    let (_, peer) = stage.server_with_peer("paused")?;
    peer.reset()?;
    stage.wait_in_vain("s1", "close")?;
    stage.tell("state s1; resume s1")?;
    stage.wait("s1", "close")
}

fn reset_behind_paused_data(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("paused")?;
    stage.wait("s", "connection")?;
    peer.write(1000)?;
    stage.let_pass(30);
    peer.reset()?;
    stage.let_pass(50);
    stage.tell("note s1; resume s1")?;
    stage.wait("s1", "close")
}

fn late_write_while_paused(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("paused")?;
    stage.wait("s", "connection")?;
    peer.write(1000)?;
    peer.finish()?;
    drop(peer);
    stage.let_pass(30);
    stage.tell("write s1 3")?;
    stage.let_pass(50);
    stage.tell("note s1; resume s1")?;
    stage.wait("s1", "close")
}

fn both_end_behind_paused_data(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("paused")?;
    stage.wait("s", "connection")?;
    stage.tell("end s1")?;
    peer.write(1000)?;
    peer.finish()?;
    stage.let_pass(50);
    stage.tell("note s1; resume s1")?;
    stage.wait("s1", "close")
}

fn destroy_in_data(stage: &mut Stage<'_>) -> Step {
    stage.on("c.data@1", "destroy c")?;
    stage.leave_amounts_out("c");
    let (listener, port) = stage.raw_listener()?;
    let gate = stage.gate();
    stage.on("c.connect", &format!("stall c {gate}"))?;
    stage.tell(&format!("connect c port={port}"))?;
    let mut peer = listener.accept()?;
    peer.write(200_000)?;
    stage.open_gate()?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn data_after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c; state c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.write(5_000_000)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn no_consumer(stage: &mut Stage<'_>) -> Step {
    let (_, mut peer) = stage.server_with_peer("no_consumer")?;
    peer.write(3)?;
    peer.finish()?;
    stage.wait_in_vain("s1", "close")?;
    stage.tell("state s1; connections s")?;
    stage.wait("s", "connections")
}
