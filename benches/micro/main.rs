//! What the parts cost, each beside its natural peer in the same group: time and allocations for each operation.
//!
//! Only the ratio of two lines of one group means anything, and only from one run on a quiet machine. Where a line says
//! so its time is that of one operation of many that were done in a row.
//!
//! ```text
//! cargo micro
//! cargo micro timers
//! cargo micro --groups
//! ```

mod accept;
mod bars;
mod block_list;
mod dispatch;
mod echo;
mod errors;
mod handlers;
mod measure;
mod send_buffer;
mod sizes;
mod slots;
mod timers;
mod turn;
mod wake;

use std::time::Duration;

use criterion::Criterion;

/// What the names of its lines begin with, what is beside what, and who measures it.
type Part = (&'static str, &'static str, fn(&mut Criterion));

const PARTS: [Part; 11] = [
    (
        "timers",
        "the wheel beside a heap, a search tree and tokio; at the end the bars",
        timers::measure,
    ),
    (
        "slots",
        "the table with keys that do not come back beside slab and slotmap",
        slots::measure,
    ),
    (
        "send buffer",
        "the queue of what is to be sent beside vectors",
        send_buffer::measure,
    ),
    (
        "dispatch",
        "from the kernel's events to a source beside mio by hand, calloop and slotmap",
        dispatch::measure,
    ),
    (
        "dispatch: the call",
        "handlers behind a vtable beside those in an enum",
        handlers::measure,
    ),
    ("turn", "turns of the loop beside mio", turn::measure),
    (
        "wake",
        "a post from another thread beside mio and channels",
        wake::measure,
    ),
    (
        "echo",
        "both ends in one thread beside mio and tokio",
        echo::measure,
    ),
    (
        "accept",
        "connect, accept, close beside mio",
        accept::measure,
    ),
    (
        "block list",
        "whether an address is blocked",
        block_list::measure,
    ),
    ("error", "an error is made and told", errors::measure),
];

fn main() {
    let asks = |word: &str| std::env::args().skip(1).any(|argument| argument == word);
    if asks("--groups") || asks("--help") || asks("-h") {
        print_groups();
        if asks("--groups") {
            return;
        }
    }
    // Many lines in a few minutes: what differs by less than a short measurement can tell makes no difference here.
    let mut criterion = Criterion::default()
        .sample_size(measure::SAMPLES)
        .nresamples(2_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .configure_from_args();
    sizes::print();
    for (_, _, measure) in PARTS {
        measure(&mut criterion);
    }
    criterion.final_summary();
    bars::print();
}

fn print_groups() {
    println!("cargo micro [PART OF A NAME]; names begin with");
    for (name, what, _) in PARTS {
        println!("    {name:<18} {what}");
    }
    println!("`-- --list` shows every line; criterion's own options follow with `-- --help`\n");
}
