//! The table of a soak, with the bounds that it is judged by.

use crate::table::{Table, processor, thousands};
use crate::traffic::Tally;

use super::{Counts, Options};

/// The goals of a minute.
const CONNECTIONS_A_MINUTE: u64 = 200_000;
const BYTES_A_MINUTE: u64 = 10 << 30;

/// The bound of the CPU time of a turn, in microseconds.
const LONGEST_TURN_US: u64 = 50_000;

/// The turns in a row that may do nothing, without a report of the kernel: a fault makes each with some per cent.
const LONGEST_IDLE_ROW: u64 = 10;

/// The heap that two loops without connections may have kept, in bytes. A new one has 160 KiB, most of it the buffer that
/// it reads into.
const HEAP_KEPT: u64 = 128 << 10;

/// The heap that may be left when the loops are gone, in bytes: the runtime's own, such as buffers of the output.
const HEAP_LOST: u64 = 8 << 10;

/// Prints the counts of both processes with their bounds. Returns whether all bounds hold.
pub(super) fn print(options: &Options, server: &Counts, client: &Counts) -> bool {
    let Options {
        seconds,
        connections,
        seed,
        budget_ms,
        ..
    } = options;
    println!(
        "\nsoak: {seconds} s, {connections} connections, a budget of {budget_ms} ms a turn, seed {seed}, on {}\n",
        processor()
    );
    let sum = |of: fn(&Tally) -> u64| -> u64 {
        let loops = server.loops.iter().chain(&client.loops);
        loops.map(of).sum()
    };
    let opened: u64 = client.loops.iter().map(|tally| tally.connected).sum();
    let most_open: u64 = client.loops.iter().map(|tally| tally.most_open).sum();
    let mut table = Table::default();
    table.at_least(
        "connections that were opened",
        opened,
        CONNECTIONS_A_MINUTE * seconds / 60,
    );
    table.at_least(
        "connections open at a time",
        most_open,
        connections * 95 / 100,
    );
    let received = sum(|tally| tally.received);
    table.at_least(
        "bytes received and compared",
        received,
        BYTES_A_MINUTE * seconds / 60,
    );
    table.equal("streams that lost a byte", sum(|tally| tally.lost), 0);
    table.equal(
        "streams with a wrong byte, or one twice",
        sum(|tally| tally.wrong),
        0,
    );
    table.equal(
        "failures without a plan or a fault",
        sum(|tally| tally.unexplained),
        0,
    );
    table.equal(
        "callbacks out of order, or not once",
        sum(|tally| tally.disorder),
        0,
    );
    table.equal("spins of the loops", sum(|tally| tally.spins), 0);
    books(&mut table, &server.loops[0], &client.loops[0]);
    for (name, counts) in [("server", server), ("client", client)] {
        process(&mut table, name, counts);
    }
    table.print()
}

/// Compares the books of the two ends of the connections that no fault breaks.
fn books(table: &mut Table, server: &Tally, client: &Tally) {
    table.equal(
        "server: whole, as at the client",
        server.whole,
        client.whole,
    );
    let short = server.cut_short + server.headless;
    table.equal(
        "server: cut short as planned, as at the client",
        short,
        client.cut_short,
    );
    table.equal(
        "server: accepted, as at the client",
        server.connected,
        client.connected,
    );
    table.at_most(
        "server: reset before the first byte",
        server.headless,
        client.reset_at_once,
    );
}

fn process(table: &mut Table, name: &str, counts: &Counts) {
    let broken: u64 = counts.loops.iter().map(|tally| tally.broken).sum();
    table.tell(&format!("{name}: broken by a fault"), thousands(broken));
    for (number, tally) in (1..).zip(&counts.loops) {
        let of = |what: &str| format!("{name}, loop {number}: {what}");
        table.at_most(
            &of("longest turn, µs of CPU time"),
            tally.longest_turn_us,
            LONGEST_TURN_US,
        );
        table.at_most(
            &of("turns in a row without work"),
            tally.longest_idle_row,
            LONGEST_IDLE_ROW,
        );
        let share = format!(
            "{} of {}",
            thousands(tally.idle_turns),
            thousands(tally.turns)
        );
        table.tell(&of("turns without work"), share);
        table.tell(&of("CPU time, ms"), thousands(tally.cpu_ms));
    }
    let remains = &counts.remains;
    table.equal(
        &format!("{name}: descriptors left"),
        remains.descriptors_left,
        0,
    );
    table.equal(
        &format!("{name}: descriptors lost"),
        remains.descriptors_lost,
        0,
    );
    table.at_most(
        &format!("{name}: heap kept by the empty loops"),
        remains.heap_kept,
        HEAP_KEPT,
    );
    table.at_most(&format!("{name}: heap lost"), remains.heap_lost, HEAP_LOST);
}
