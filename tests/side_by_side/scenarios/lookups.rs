//! Connecting by name, with a resolver that answers as the scenario says. The other host, 127.0.0.2, refuses, unless a
//! scenario digs a black hole there.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("a_name_with_one_address", "B1 I4", one_address),
    Scenario::alone(
        "a_name_whose_first_address_is_dead",
        "B1 I5 I6 I8",
        first_dead,
    ),
    Scenario::alone("a_name_whose_addresses_are_all_dead", "T4 I9", all_dead),
    Scenario::alone(
        "a_name_of_which_only_the_first_address_is_tried",
        "I1",
        first_only,
    ),
    Scenario::alone("a_name_that_does_not_exist", "B3", no_such_name),
    Scenario::alone("a_name_whose_first_address_hangs", "T27 I7", first_hangs),
    Scenario::alone(
        "a_name_whose_only_good_address_is_slow",
        "I7 I11",
        slow_but_good,
    ),
    Scenario::alone("destroy_during_the_lookup", "A4 B5", destroy_in_lookup),
    Scenario::alone(
        "destroy_during_the_lookup_of_one_address",
        "A4",
        destroy_in_single_lookup,
    ),
    Scenario::alone("destroy_in_the_lookup_event", "I3", destroy_in_lookup_event),
    Scenario::alone(
        "destroy_when_the_first_attempt_has_failed",
        "I3 I6",
        destroy_in_failed_attempt,
    ),
    Scenario::alone(
        "destroy_while_the_first_attempt_hangs",
        "T27",
        destroy_in_attempt,
    ),
    Scenario::alone("a_resolver_that_answers_at_once", "B1", answers_at_once),
    Scenario::alone("writes_during_the_lookup", "B7 C4", writes_in_lookup),
];

fn one_address(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "tried c; addresses c; end c")?;
    let peer = stage.client_with_peer("host=one.test lookup=127.0.0.1")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn first_dead(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "tried c; addresses c; end c")?;
    let peer = stage.client_with_peer("host=two.test lookup=127.0.0.2,127.0.0.1")?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn all_dead(stage: &mut Stage<'_>) -> Step {
    stage.on("c.error", "tried c; state c")?;
    let port = stage.dead_port()?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1"
    ))?;
    stage.wait("c", "close")
}

fn first_only(stage: &mut Stage<'_>) -> Step {
    let (_listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 first_only"
    ))?;
    stage.wait("c", "close")
}

fn no_such_name(stage: &mut Stage<'_>) -> Step {
    stage.tell("connect c port=80 host=none.test lookup=none; state c")?;
    stage.wait("c", "close")
}

fn first_hangs(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    let _hole = stage.black_hole(stage.other(), port)?;
    stage.on("c.connect", "addresses c; end c")?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 attempt_delay=50"
    ))?;
    let peer = listener.accept()?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn slow_but_good(stage: &mut Stage<'_>) -> Step {
    let port = stage.dead_port()?;
    let mut hole = stage.black_hole(stage.other(), port)?;
    stage.on("c.connect", "addresses c; destroy c")?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 attempt_delay=50"
    ))?;
    stage.wait("c", "attemptTimeout")?;
    // The kernel sends its next SYN a second after the first.
    hole.open()?;
    stage.wait("c", "close")
}

fn destroy_in_lookup(stage: &mut Stage<'_>) -> Step {
    let (_listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 lookup_ms=30; state c; destroy c"
    ))?;
    stage.wait("c", "close")?;
    stage.let_pass(40);
    Ok(())
}

fn destroy_in_single_lookup(stage: &mut Stage<'_>) -> Step {
    let (_listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port} host=one.test lookup=127.0.0.1 lookup_ms=30 first_only; destroy c"
    ))?;
    stage.wait("c", "close")?;
    stage.let_pass(40);
    Ok(())
}

fn destroy_in_lookup_event(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.on("c.lookup", "destroy c")?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.1,127.0.0.2"
    ))?;
    stage.wait("c", "close")?;
    stage.note_connection(&listener)
}

fn destroy_in_failed_attempt(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    stage.on("c.attemptFailed", "destroy c")?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1"
    ))?;
    stage.wait("c", "close")?;
    stage.note_connection(&listener)
}

fn destroy_in_attempt(stage: &mut Stage<'_>) -> Step {
    let (listener, port) = stage.raw_listener()?;
    let _hole = stage.black_hole(stage.other(), port)?;
    stage.on("c.attemptTimeout", "destroy c")?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 attempt_delay=50"
    ))?;
    stage.wait("c", "close")?;
    stage.note_connection(&listener)
}

fn answers_at_once(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c")?;
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port} host=one.test lookup=127.0.0.1 lookup_at_once; state c"
    ))?;
    let peer = listener.accept()?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn writes_in_lookup(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 2")?;
    let (listener, port) = stage.raw_listener()?;
    stage.tell(&format!(
        "connect c port={port} host=two.test lookup=127.0.0.2,127.0.0.1 lookup_ms=20; write c 3; write c 4; queue c"
    ))?;
    let mut peer = listener.accept()?;
    stage.peer_reads(&mut peer, 9)?;
    peer.finish()?;
    stage.wait("c", "close")
}
