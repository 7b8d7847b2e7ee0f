//! Each subject as client and as server, against itself and against the other.

use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::pair("pair_echo_that_the_client_ends", "D1 A7", echo),
    Scenario::pair("pair_server_ends_at_once", "T2", server_ends),
    Scenario::pair("pair_client_ends_while_much_comes", "T12 D7", client_ends),
    Scenario::pair("pair_both_end_at_once", "T40", both_end),
    Scenario::pair("pair_deferred_answer", "T41", deferred_answer),
    Scenario::pair("pair_client_resets", "C13", client_resets),
    Scenario::pair("pair_server_destroys_in_connection", "T38", server_destroys),
    Scenario::pair(
        "pair_backpressure_against_a_paused_reader",
        "C2 D2",
        backpressure,
    ),
    Scenario::pair(
        "pair_destroy_soon_against_a_paused_reader",
        "T23 C11",
        destroy_soon,
    ),
    Scenario::pair("pair_by_path", "K", by_path),
];

fn both_close(stage: &mut Stage<'_>) -> Step {
    stage.wait("c", "close")?;
    stage.wait("s1", "close")
}

fn echo(stage: &mut Stage<'_>) -> Step {
    stage.on("s1.data", "write s1 5")?;
    stage.on("c.connect", "write c 5")?;
    stage.on("c.data", "end c")?;
    stage.pair("", "")?;
    both_close(stage)
}

fn server_ends(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "end s1 2")?;
    stage.pair("", "")?;
    both_close(stage)
}

fn client_ends(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c")?;
    stage.on("s.connection", "end s1 12000000")?;
    stage.pair("", "")?;
    both_close(stage)
}

fn both_end(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c")?;
    stage.on("s.connection", "end s1")?;
    stage.pair("", "")?;
    both_close(stage)
}

fn deferred_answer(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "end c 3")?;
    stage.on("s1.end", "write s1 5")?;
    stage.pair("", "half_open")?;
    stage.wait_bytes("c", 5)?;
    stage.tell("end s1 6")?;
    both_close(stage)
}

fn client_resets(stage: &mut Stage<'_>) -> Step {
    stage.pair("", "")?;
    stage.tell("reset c")?;
    both_close(stage)
}

fn server_destroys(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "destroy s1")?;
    stage.pair("", "")?;
    both_close(stage)
}

fn backpressure(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "pause s1")?;
    stage.pair("", "")?;
    stage.tell("write c 12000000 1; write c 10 2")?;
    stage.let_pass(50);
    stage.tell("state c")?;
    stage.tell("resume s1")?;
    stage.wait("c", "drain")?;
    // Both tell these in the turn of the drain or soon after it; the question must not come in between.
    stage.wait("c", "sent(2")?;
    stage.tell("queue c; end c 1")?;
    both_close(stage)
}

fn destroy_soon(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "pause s1")?;
    stage.pair("", "")?;
    stage.tell("write c 8000000; destroy_soon c")?;
    stage.let_pass(50);
    stage.tell("resume s1")?;
    both_close(stage)
}

fn by_path(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5")?;
    stage.on("s1.data", "write s1 5; end s1")?;
    let path = stage.path("pair");
    stage.tell(&format!("listen s path={}", path.display()))?;
    stage.wait("s", "listening")?;
    stage.tell(&format!("connect c path={}", path.display()))?;
    both_close(stage)?;
    stage.tell("close s")?;
    stage.wait("s", "close")
}
