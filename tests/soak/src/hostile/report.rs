//! The table of the hostile hour, with the bounds that it is judged by.

use super::FASTER;
use super::attack::{Kind, micros};
use super::attacker::Outcome;
use super::guests::Latencies;
use super::server::Served;
use super::session::{self, Record};
use crate::table::{Table, processor, thousands};

/// The bound of the guests' p99 under attack, as a multiple of the quiet one.
const WORST_RATIO: f64 = 3.0;

/// The time by which a hostile socket may be gone later than its deadline says, in milliseconds.
const TOLERANCE_MS: u64 = 500;

/// The bound of the resident memory in KiB: the queued bytes that the limits allow, and a quarter more for everything else.
const MOST_RESIDENT: u64 = (256 << 10) + (64 << 10);

/// The phases of a round: quiet, attacked, and the time in which the last hostile peers go.
const PHASES: usize = 3;

/// Prints the outcome with its bounds. Returns whether all bounds hold.
pub(super) fn print(served: &Served, outcome: &Outcome) -> bool {
    println!(
        "\nhostile: {} rounds, all times {FASTER} times shorter than those of Limits::internet, on {}\n",
        outcome.latencies.len() / PHASES,
        processor()
    );
    let mut table = Table::default();
    guests(&mut table, outcome);
    attacks(&mut table, served, outcome);
    counters(&mut table, served);
    let (before, peak) = served.resident;
    table.tell("resident memory before the attack, KiB", thousands(before));
    table.at_most("resident memory at its peak, KiB", peak, MOST_RESIDENT);
    table.tell(
        "longest turn, µs of CPU time",
        thousands(served.longest_turn_us),
    );
    table.tell("CPU time of the server, ms", thousands(served.cpu_ms));
    table.equal("sockets that are left", served.statistics.sockets as u64, 0);
    table.print()
}

fn guests(table: &mut Table, outcome: &Outcome) {
    let mut ratios = Vec::new();
    for (round, phases) in (1..).zip(outcome.latencies.chunks_exact(PHASES)) {
        let [quiet, attacked] = [phases[0], phases[1]];
        let ratio = attacked.p99_us as f64 / quiet.p99_us.max(1) as f64;
        ratios.push(ratio);
        for (
            name,
            Latencies {
                count,
                median_us,
                p99_us,
                longest_us,
            },
        ) in [("quiet", quiet), ("attacked", attacked)]
        {
            let text = format!(
                "{median_us} / {p99_us} / {longest_us} of {}",
                thousands(count)
            );
            table.tell(
                &format!("round {round}, guests, {name}: median / p99 / max, µs"),
                text,
            );
        }
        table.tell(
            &format!("round {round}: ratio of the p99"),
            format!("{ratio:.2}"),
        );
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios.get(ratios.len() / 2).copied().unwrap_or(f64::MAX);
    table.at_most_times(
        "ratio of the p99, median of the rounds",
        median,
        WORST_RATIO,
    );
    table.equal("guests that were lost", outcome.lost_guests, 0);
}

fn attacks(table: &mut Table, served: &Served, outcome: &Outcome) {
    for (kind, record) in Kind::ALL.into_iter().zip(&outcome.records) {
        let name = format!("attacks of kind {kind:?}");
        table.at_least(&name, record.opened, kind.crowd() as u64);
    }
    table.equal("hostile sockets behind all deadlines", outcome.left, 0);
    for record in &served.records {
        let Record {
            wish,
            is_friend,
            count,
            deadline,
            longest,
        } = *record;
        let wish = session::name(wish);
        let place = if is_friend { " at the side door" } else { "" };
        let name = format!("{} sessions, {wish}{place}", thousands(count));
        let name = format!("{name}: longest life, ms");
        let longest = micros(longest) / 1_000;
        match deadline {
            Some(deadline) => {
                table.at_most(&name, longest, micros(deadline) / 1_000 + TOLERANCE_MS);
            }
            None => table.tell(&name, thousands(longest)),
        }
    }
}

fn counters(table: &mut Table, served: &Served) {
    let it = &served.statistics;
    for (name, count) in [
        ("dropped_over_loop_limit", it.dropped_over_loop_limit),
        ("dropped_over_server_limit", it.dropped_over_server_limit),
        ("dropped_over_network_limit", it.dropped_over_network_limit),
        ("dropped_over_rate", it.dropped_over_rate),
        ("dropped_blocked", it.dropped_blocked),
        ("closed_over_limit", it.closed_over_limit),
        ("closed_over_total", it.closed_over_total),
        ("pressures", it.pressures),
        ("timed_out_first_bytes", it.timed_out_first_bytes),
        ("timed_out_deadlines", it.timed_out_deadlines),
        ("timed_out_writes", it.timed_out_writes),
        ("timed_out_closes", it.timed_out_closes),
        ("timed_out_half_open", it.timed_out_half_open),
        ("slow_senders", it.slow_senders),
        ("slow_receivers", it.slow_receivers),
    ] {
        table.at_least(&format!("statistics: {name}"), count, 1);
    }
    table.tell("statistics: accepted", thousands(it.accepted));
}
