//! Connecting to an address: options, failures, and what is done meanwhile.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone(
        "addresses_before_in_and_after_the_connection",
        "G1 G2",
        addresses,
    ),
    Scenario::alone(
        "the_peer_address_that_nobody_had_asked_for",
        "G3",
        late_address,
    ),
    Scenario::alone(
        "connect_from_another_local_address",
        "T33 G2",
        local_address,
    ),
    Scenario::alone("connect_to_a_dead_port", "T3 B4", refused),
    Scenario::alone(
        "connect_to_a_dead_port_with_writes_queued",
        "T3 A1 C9",
        refused_with_writes,
    ),
    Scenario::alone("connect_to_port_0", "B4", port_0),
    Scenario::alone("destroy_in_the_turn_of_connect", "T7 B5", destroy_at_once),
    Scenario::alone(
        "destroy_in_the_turn_of_connect_with_writes_queued",
        "T8 A1",
        destroy_with_writes,
    ),
    Scenario::alone(
        "destroy_while_connecting_hangs",
        "T30 B5",
        destroy_while_hanging,
    ),
    Scenario::alone(
        "destroy_in_the_connect_handler",
        "A4 A8",
        destroy_in_connect,
    ),
    Scenario::alone("reset_while_connecting", "T11 B6", reset_while_connecting),
    Scenario::alone(
        "reset_then_destroy_while_connecting",
        "B6",
        reset_then_destroy,
    ),
    Scenario::alone("end_while_connecting", "C5", end_while_connecting),
    Scenario::alone(
        "destroy_soon_while_connecting",
        "C11",
        destroy_soon_while_connecting,
    ),
    Scenario::alone(
        "everything_is_harmless_in_the_close_handler",
        "T42 A8",
        harmless,
    ),
];

fn addresses(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "addresses c; note c; state c")?;
    stage.on("c.data", "addresses c; note c")?;
    stage.on("c.end", "addresses c")?;
    stage.on("c.close", "addresses c; note c; destroyed c")?;
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; addresses c; note c; destroyed c"
    ))?;
    let mut peer = listener.accept()?;
    peer.write(3)?;
    stage.wait_bytes("c", 3)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn late_address(stage: &mut Stage<'_>) -> Step {
    stage.on("c.close", "addresses c")?;
    let peer = stage.client_with_peer("")?;
    stage.wait("c", "connect ")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn local_address(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "addresses c; end c")?;
    let peer = stage.client_with_peer("local=127.0.0.2")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn refused(stage: &mut Stage<'_>) -> Step {
    stage.on("c.error", "state c; destroyed c; destroy c; reset c")?;
    stage.on("c.close", "addresses c; destroy c")?;
    let port = stage.dead_port()?;
    stage.tell(&format!("connect c port={port}; state c"))?;
    stage.wait("c", "close")
}

fn refused_with_writes(stage: &mut Stage<'_>) -> Step {
    let port = stage.dead_port()?;
    stage.tell(&format!(
        "connect c port={port}; write c 5 1; write c 3 2; end c; queue c"
    ))?;
    stage.wait("c", "close")?;
    stage.wait_times("c", "sent", 2)
}

fn port_0(stage: &mut Stage<'_>) -> Step {
    stage.tell("connect c port=0; state c")?;
    stage.wait("c", "close")
}

fn destroy_at_once(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; destroy c; destroyed c; state c; destroy c"
    ))?;
    stage.wait("c", "close")?;
    stage.note_connection(&listener)
}

fn destroy_with_writes(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; write c 5 1; write c 3 2; end c; destroy c; write c 1"
    ))?;
    stage.wait("c", "close")?;
    stage.wait_times("c", "sent", 2)?;
    stage.note_connection(&listener)
}

fn destroy_while_hanging(stage: &mut Stage<'_>) -> Step {
    let hole = stage.black_hole(stage.local(), 0)?;
    stage.on("c.timeout", "destroy c")?;
    stage.tell(&format!("connect c port={} timeout=60", hole.port()?))?;
    stage.wait("c", "close")
}

fn destroy_in_connect(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.connect",
        "destroy c; destroy c; destroyed c; state c; write c 4",
    )?;
    let mut peer = stage.client_with_peer("")?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn reset_while_connecting(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!("connect c port={port}; reset c; destroyed c"))?;
    let mut peer = listener.accept()?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn reset_then_destroy(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!("connect c port={port}; reset c; destroy c"))?;
    stage.wait("c", "close")?;
    stage.note_connection(&listener)
}

fn end_while_connecting(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; write c 2; end c 3; end c; queue c; state c"
    ))?;
    let mut peer = listener.accept()?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.write(5)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn destroy_soon_while_connecting(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port}; write c 5; destroy_soon c; destroyed c"
    ))?;
    let mut peer = listener.accept()?;
    stage.wait("c", "close")?;
    stage.peer_reads_to_end(&mut peer)
}

fn harmless(stage: &mut Stage<'_>) -> Step {
    stage.on(
        "c.close",
        "set_options c; pause c; resume c; set_timeout c 10; cork c; uncork c; end c; destroy c; write c 1; state c",
    )?;
    let peer = stage.client_with_peer("")?;
    peer.finish()?;
    stage.wait("c", "close")?;
    stage.let_pass(30);
    stage.tell("state c; destroy c; write c 1")
}
