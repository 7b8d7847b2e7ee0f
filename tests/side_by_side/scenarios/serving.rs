//! Servers.

use super::super::peer::Peer;
use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("a_server_from_listening_to_close", "H1 H5 H6", whole_life),
    Scenario::alone("addresses_of_an_accepted_socket", "G2 G3 H10", addresses),
    Scenario::alone(
        "destroy_in_the_connection_handler",
        "T38 H10",
        destroy_in_connection,
    ),
    Scenario::alone(
        "pause_in_the_connection_handler",
        "H10 D2",
        pause_in_connection,
    ),
    Scenario::alone(
        "close_with_live_connections",
        "T35 H5",
        close_with_connections,
    ),
    Scenario::alone("the_order_of_the_last_closes", "T1 T35 H6", order_of_closes),
    Scenario::alone("close_twice", "T36 H6", close_twice),
    Scenario::alone("close_again_after_the_close", "T36 H6", close_again),
    Scenario::alone("listen_and_close_in_one_turn", "T34 H4", listen_and_close),
    Scenario::alone("the_port_is_taken", "H2", port_taken),
    Scenario::alone("an_address_that_is_not_ours", "H2", foreign_address),
    Scenario::alone("one_connection_too_many", "H8", one_too_many),
    Scenario::alone("a_slot_is_free_again", "H8", slot_is_free),
    Scenario::alone("a_slot_is_free_at_once", "H8", slot_is_free_at_once),
    Scenario::alone("no_connection_at_all_is_wanted", "H8", max_0),
    Scenario::alone("a_server_for_both_families", "G4", dual_stack),
];

fn whole_life(stage: &mut Stage<'_>) -> Step {
    stage.on("s.listening", "listens s")?;
    stage.on("s.close", "listens s; address s")?;
    let (_, peer) = stage.server_with_peer("")?;
    stage.tell("address s; listens s; connections s")?;
    stage.wait("s", "connections=1")?;
    peer.finish()?;
    stage.wait("s1", "close")?;
    stage.tell("connections s")?;
    stage.wait("s", "connections=0")?;
    stage.tell("close s; listens s; address s")?;
    stage.wait("s", "close")
}

fn addresses(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "addresses s1; note s1")?;
    stage.on("s1.end", "addresses s1")?;
    stage.on("s1.close", "addresses s1; note s1")?;
    let (_, mut peer) = stage.server_with_peer("")?;
    peer.write(4)?;
    peer.finish()?;
    stage.wait("s1", "close")
}

fn destroy_in_connection(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "destroy s1; destroyed s1")?;
    let (_, mut peer) = stage.server_with_peer("")?;
    stage.wait("s1", "close")?;
    stage.tell("connections s")?;
    stage.wait("s", "connections")?;
    stage.peer_reads_to_end(&mut peer)
}

fn pause_in_connection(stage: &mut Stage<'_>) -> Step {
    let gate = stage.gate();
    stage.on("s.connection", &format!("pause s1; stall s {gate}"))?;
    let (_, mut peer) = stage.server_with_peer("")?;
    peer.write(5)?;
    stage.open_gate()?;
    stage.let_pass(30);
    stage.tell("state s1; resume s1")?;
    stage.wait_bytes("s1", 5)?;
    peer.finish()?;
    stage.wait("s1", "close")
}

fn close_with_connections(stage: &mut Stage<'_>) -> Step {
    let (address, mut first) = stage.server_with_peer("")?;
    let second = Peer::connect(address)?;
    stage.wait("s", "connection(s2)")?;
    stage.tell("close s; listens s; connections s")?;
    stage.wait("s", "connections=2")?;
    let newcomer = match Peer::connect(address) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => format!("{:?}", error.kind()),
    };
    stage.note("newcomer", &newcomer);
    stage.tell("write s1 4")?;
    stage.peer_reads(&mut first, 4)?;
    first.finish()?;
    stage.wait("s1", "close")?;
    stage.tell("connections s")?;
    stage.wait("s", "connections=1")?;
    stage.tell("destroy s2")?;
    stage.wait("s2", "close")?;
    stage.wait("s", "close")?;
    drop(second);
    Ok(())
}

fn order_of_closes(stage: &mut Stage<'_>) -> Step {
    stage.show_together(&["s", "s1"]);
    stage.on("s.connection", "close s")?;
    let (_, peer) = stage.server_with_peer("")?;
    peer.finish()?;
    stage.wait("s1", "close")?;
    stage.wait("s", "close")
}

fn close_twice(stage: &mut Stage<'_>) -> Step {
    let (_, peer) = stage.server_with_peer("")?;
    stage.tell("close s; close s; listens s")?;
    peer.finish()?;
    stage.wait("s", "close")
}

fn close_again(stage: &mut Stage<'_>) -> Step {
    stage.listen("")?;
    stage.tell("close s")?;
    stage.wait("s", "close")?;
    stage.tell("close s; listens s")
}

fn listen_and_close(stage: &mut Stage<'_>) -> Step {
    stage.tell("listen s; close s; listens s")?;
    stage.wait("s", "close")
}

fn port_taken(stage: &mut Stage<'_>) -> Step {
    let (_listener, port) = stage.raw_listener()?;
    stage.tell(&format!("listen s port={port}"))?;
    stage.let_pass(10);
    Ok(())
}

fn foreign_address(stage: &mut Stage<'_>) -> Step {
    stage.tell("listen s host=192.0.2.1")?;
    stage.let_pass(10);
    Ok(())
}

fn one_too_many(stage: &mut Stage<'_>) -> Step {
    let (address, mut first) = stage.server_with_peer("max=1")?;
    let mut second = Peer::connect(address)?;
    stage.wait("s", "drop")?;
    stage.peer_reads_to_end(&mut second)?;
    stage.tell("connections s; write s1 2")?;
    stage.peer_reads(&mut first, 2)?;
    first.finish()?;
    stage.wait("s1", "close")
}

fn slot_is_free(stage: &mut Stage<'_>) -> Step {
    let (address, first) = stage.server_with_peer("max=1")?;
    stage.tell("destroy s1")?;
    let _second = Peer::connect(address)?;
    stage.wait("s", "connection(s2)")?;
    let mut third = Peer::connect(address)?;
    stage.wait("s", "drop")?;
    stage.peer_reads_to_end(&mut third)?;
    stage.tell("max s 2")?;
    let _fourth = Peer::connect(address)?;
    stage.wait("s", "connection(s3)")?;
    drop(first);
    Ok(())
}

fn slot_is_free_at_once(stage: &mut Stage<'_>) -> Step {
    // Both newcomers are there when the loop looks.
    let gate = stage.gate();
    stage.on("s.listening", &format!("stall s {gate}"))?;
    stage.on("s.connection@1", "destroy s1")?;
    let address = stage.listen("max=1")?;
    let _first = Peer::connect(address)?;
    let _second = Peer::connect(address)?;
    stage.open_gate()?;
    stage.wait_in_vain("s", "connection(s2)")?;
    stage.tell("connections s")?;
    stage.wait("s", "connections")
}

fn max_0(stage: &mut Stage<'_>) -> Step {
    let address = stage.listen("max=0")?;
    let mut peer = Peer::connect(address)?;
    stage.wait_in_vain("s", "drop")?;
    peer.finish()?;
    stage.peer_reads_to_end(&mut peer)
}

fn dual_stack(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "addresses s1")?;
    let address = stage.listen("host=::")?;
    let peer = Peer::connect((stage.local(), address.port()).into())?;
    stage.wait("s", "connection(s1)")?;
    peer.finish()?;
    stage.wait("s1", "close")
}
