//! Writing: order, the queue, backpressure, completions, and what comes too late.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

/// More than the kernel takes while the peer does not read.
const LARGE: usize = 12_000_000;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("writes_before_connect_go_first", "C4 F2", before_connect),
    Scenario::alone(
        "the_high_water_mark_while_connecting",
        "T15 C1 B8",
        high_water,
    ),
    Scenario::alone(
        "a_megabyte_that_the_kernel_takes_at_once",
        "T15 C1",
        taken_at_once,
    ),
    Scenario::alone("completions_come_once_and_in_order", "C3", completions),
    Scenario::alone("cork_gathers", "F2", cork),
    Scenario::alone("drain_comes_once_for_many_full_writes", "C2 F3", drain),
    Scenario::alone("no_drain_after_end", "T16 C2", no_drain_after_end),
    Scenario::alone(
        "more_than_the_limit_of_the_queue",
        "no limit",
        beyond_the_limit,
    ),
    Scenario::alone("write_after_end", "T18 C6", after_end),
    Scenario::alone(
        "write_in_and_after_the_end_of_the_peer",
        "T19 C8",
        after_peer_end,
    ),
    Scenario::alone("write_after_destroy", "C7", after_destroy),
    Scenario::alone(
        "write_and_destroy_in_one_handler",
        "T6 T13 C10",
        write_and_destroy,
    ),
    Scenario::alone(
        "write_and_destroy_with_completions",
        "T6 C3 C10",
        write_and_destroy_told,
    ),
    Scenario::alone("write_and_reset_in_one_handler", "C10 C13", write_and_reset),
    Scenario::alone("cork_and_destroy_in_one_handler", "C10", cork_and_destroy),
    Scenario::alone(
        "write_then_destroy_in_a_later_turn",
        "T13 C10",
        write_then_destroy,
    ),
    Scenario::alone("destroy_with_a_queue", "T5 C9", destroy_with_queue),
    Scenario::alone("destroy_soon_sends_the_queue", "T23 C11", destroy_soon),
    Scenario::alone(
        "the_peer_ends_while_much_is_queued",
        "T20 C12",
        peer_ends_first,
    ),
];

fn before_connect(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "queue c; write c 6")?;
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; write c 5; queue c; write c 4; queue c; note c"
    ))?;
    let mut peer = listener.accept()?;
    stage.peer_reads(&mut peer, 15)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn high_water(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; write c 1; write c 65534; queue c; write c 1; queue c"
    ))?;
    let mut peer = listener.accept()?;
    stage.peer_reads(&mut peer, 65_536)?;
    stage.wait("c", "drain")?;
    stage.tell("queue c; write c 1; end c")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn taken_at_once(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 1000000")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads(&mut peer, 1_000_000)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn completions(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5 1; write c 3 2; write c 0 3; end c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait_times("c", "sent", 3)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn cork(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "cork c; write c 5; write c 3; queue c; note c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "note")?;
    stage.let_pass(20);
    stage.tell("queue c; write c 2; uncork c")?;
    stage.peer_reads(&mut peer, 10)?;
    stage.tell("queue c; end c")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn drain(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        &format!("write c {LARGE}; write c 1000; write c 1000; note c"),
    )?;
    stage.on("c.drain@1", "queue c; write c 7; end c 2")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "note")?;
    stage.peer_reads(&mut peer, LARGE + 2000)?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn no_drain_after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", &format!("write c {LARGE} 1; end c 1; state c"))?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "state")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn beyond_the_limit(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        &format!("write c {LARGE}; write c {LARGE}; end c"),
    )?;
    stage.leave_amounts_out("c");
    let mut peer = stage.client_with_peer("")?;
    // netloop closes with a RST, which may have arrived already: then there is nothing to finish (ENOTCONN).
    let _ = peer.finish();
    // Only then: a peer that reads at once may empty the kernel as fast as it is filled.
    stage.wait_times("c", "write(", 2)?;
    let _ = peer.read_to_end()?;
    stage.wait("c", "close")
}

fn after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c 4; write c 3; state c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn after_peer_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.end", "write c 3")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.wait("c", "close")?;
    stage.tell("write c 2")?;
    stage.peer_reads_to_end(&mut peer)
}

fn after_destroy(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        "destroy c; write c 3; end c 2; write c 1; note c",
    )?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn write_and_destroy(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5; write c 3; destroy c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn write_and_destroy_told(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        "write c 5 1; write c 3 2; destroy_with c ERR_OTHER",
    )?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn write_and_reset(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5; reset c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.let_pass(10);
    stage.peer_reads_to_end(&mut peer)
}

fn cork_and_destroy(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "cork c; write c 5; destroy c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn write_then_destroy(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5 1")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "sent")?;
    stage.tell("destroy c")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn destroy_with_queue(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        &format!("write c {LARGE} 1; write c 3 2; end c; destroy c; destroyed c"),
    )?;
    stage.leave_amounts_out("c");
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.wait_times("c", "sent", 2)?;
    let _ = peer.read_to_end()?;
    Ok(())
}

fn destroy_soon(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        "write c 8000000 1; destroy_soon c; destroyed c; state c",
    )?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "state")?;
    stage.let_pass(20);
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}

fn peer_ends_first(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", &format!("write c {LARGE} 1"))?;
    stage.on("c.end", "state c")?;
    let mut peer = stage.client_with_peer("")?;
    peer.finish()?;
    stage.wait("c", "end")?;
    stage.tell("state c")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}
