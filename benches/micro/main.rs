//! What the parts cost, each beside its natural peer in the same group: time and allocations for each operation.
//!
//! Only the ratio of two lines of one group means anything, and only from one run on a quiet machine. Where a line says
//! so its time is that of one operation of many that were done in a row.
//!
//! ```text
//! cargo bench --bench micro
//! cargo bench --bench micro -- timers
//! ```

mod accept;
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

fn main() {
    // Many lines in a few minutes: what differs by less than a short measurement can tell makes no difference here.
    let mut criterion = Criterion::default()
        .sample_size(20)
        .nresamples(2_000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .configure_from_args();
    sizes::print();
    timers::measure(&mut criterion);
    slots::measure(&mut criterion);
    send_buffer::measure(&mut criterion);
    dispatch::measure(&mut criterion);
    handlers::measure(&mut criterion);
    turn::measure(&mut criterion);
    wake::measure(&mut criterion);
    echo::measure(&mut criterion);
    accept::measure(&mut criterion);
    block_list::measure(&mut criterion);
    errors::measure(&mut criterion);
    criterion.final_summary();
}
