//! Whether loopback has lost something, and tests that play again where it has.

use std::fs::read_to_string;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The most times that a test may meet losses and fail.
const TRIES: u32 = 20;

/// Plays `attempt`, again if it fails and the kernel has lost a packet meanwhile. A lost reset never comes again, and a
/// lost connect takes a second longer.
pub(crate) fn unless_lost(attempt: impl Fn()) {
    for _ in 1..TRIES {
        let before = losses();
        let Err(panic) = catch_unwind(AssertUnwindSafe(&attempt)) else {
            return;
        };
        if losses() == before {
            resume_unwind(panic);
        }
    }
    attempt();
}

/// The number of packets that the kernel says it has thrown away, of all programs.
///
/// Loopback is no wire that loses nothing. Each processor keeps a thousand packets that are not looked at yet
/// (`netdev_max_backlog`), and all sockets together have so much memory (`tcp_mem`). Beside programs that send much,
/// the excess is dropped. Bytes and a FIN come again 200 milliseconds later, and a reset never.
pub(crate) fn losses() -> u64 {
    let backlog = read_to_string("/proc/net/softnet_stat").unwrap_or_default();
    let backlog = backlog.lines().filter_map(|processor| {
        let dropped = processor.split_whitespace().nth(1)?;
        u64::from_str_radix(dropped, 16).ok()
    });
    let counters = read_to_string("/proc/net/netstat").unwrap_or_default();
    backlog.sum::<u64>() + dropped(&counters)
}

/// Adds up the counters of segments that were thrown away, and of connections that were cut for want of memory. The
/// table is a line of names, a line of numbers, and so on.
fn dropped(counters: &str) -> u64 {
    let mut sum = 0;
    let mut lines = counters.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let pairs = names.split_whitespace().zip(numbers.split_whitespace());
        sum += pairs
            .filter(|(name, _)| {
                name.contains("Drop") || name.contains("Prune") || *name == "TCPAbortOnMemory"
            })
            .filter_map(|(_, number)| number.parse::<u64>().ok())
            .sum::<u64>();
    }
    sum
}

#[test]
fn drops_are_added_up_and_nothing_else_is() {
    let counters = "TcpExt: SyncookiesSent PruneCalled TCPRcvQDrop TCPTimeouts\nTcpExt: 1 20 300 4000\n\
                    IpExt: InNoRoutes\nIpExt: 50000\n";
    assert_eq!(dropped(counters), 320);
}
