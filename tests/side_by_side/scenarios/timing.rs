//! The idle timeout.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("the_idle_timeout_closes_nothing", "E1 E3", tells_once),
    Scenario::alone(
        "the_idle_timeout_comes_again_after_activity",
        "T28 E3",
        comes_again,
    ),
    Scenario::alone("activity_puts_the_idle_timeout_off", "E2", put_off),
    Scenario::alone("the_idle_timeout_can_be_switched_off", "E5", switched_off),
    Scenario::alone(
        "the_idle_timeout_while_connecting",
        "T30 E1",
        while_connecting,
    ),
    Scenario::alone("the_idle_timeout_while_paused", "E1", while_paused),
    Scenario::alone("the_idle_timeout_after_our_end", "E1", after_end),
    Scenario::alone("the_idle_timeout_of_a_write_that_stalls", "T29 E4", stalled),
    Scenario::alone(
        "the_idle_timeout_of_which_nobody_thinks",
        "on_timeout",
        forgotten,
    ),
];

fn tells_once(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "set_timeout c 40")?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "timeout")?;
    stage.let_pass(100);
    stage.tell("state c; end c 2")?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn comes_again(stage: &mut Stage<'_>) -> Step {
    let _peer = stage.client_with_peer("timeout=40")?;
    stage.wait("c", "timeout")?;
    stage.let_pass(100);
    stage.tell("write c 1")?;
    stage.wait_times("c", "timeout", 2)?;
    stage.tell("destroy c")?;
    stage.wait("c", "close")
}

fn put_off(stage: &mut Stage<'_>) -> Step {
    let mut peer = stage.client_with_peer("timeout=400")?;
    for _ in 0..9 {
        stage.let_pass(60);
        peer.write(1)?;
    }
    stage.wait("c", "timeout")?;
    stage.tell("destroy c")?;
    stage.wait("c", "close")
}

fn switched_off(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "set_timeout c 40; set_timeout c 0")?;
    let peer = stage.client_with_peer("timeout=50")?;
    stage.wait("c", "connect ")?;
    stage.let_pass(120);
    peer.finish()?;
    stage.wait("c", "close")
}

fn while_connecting(stage: &mut Stage<'_>) -> Step {
    let hole = stage.black_hole(stage.local(), 0)?;
    stage.tell(&format!(
        "connect c port={} timeout=50; write c 3",
        hole.port()?
    ))?;
    stage.wait("c", "timeout")?;
    stage.tell("state c; destroy c")?;
    stage.wait("c", "close")
}

fn while_paused(stage: &mut Stage<'_>) -> Step {
    stage.on("s1.timeout", "state s1; destroy s1")?;
    let (_, _peer) = stage.server_with_peer("paused")?;
    stage.tell("set_timeout s1 40")?;
    stage.wait("s1", "close")
}

fn after_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "set_timeout c 60; end c")?;
    stage.on("c.timeout", "destroy c")?;
    let mut peer = stage.client_with_peer("")?;
    stage.peer_reads_to_end(&mut peer)?;
    stage.wait("c", "close")
}

fn stalled(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "set_timeout c 60; write c 12000000; state c")?;
    stage.on("c.timeout", "destroy c")?;
    stage.leave_amounts_out("c");
    let _peer = stage.client_with_peer("")?;
    stage.wait("c", "close")
}

fn forgotten(stage: &mut Stage<'_>) -> Step {
    let peer = stage.client_with_peer("timeout=40 default_timeout")?;
    stage.wait("c", "timeout")?;
    stage.wait_in_vain("c", "close")?;
    stage.tell("state c")?;
    peer.finish()?;
    stage.wait("c", "close")
}
