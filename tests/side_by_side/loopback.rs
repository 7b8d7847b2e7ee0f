//! Two addresses of this machine that nobody else uses.

use std::net::Ipv4Addr;

/// What scenarios and traces call so.
const LOCAL_NAME: &str = "127.0.0.1";
const OTHER_NAME: &str = "127.0.0.2";

/// What scenarios and traces call 127.0.0.1 and 127.0.0.2. On a machine where other tests run at the same time, late
/// connects of theirs reach ports of 127.0.0.1 that were theirs a moment ago; on Linux all of 127.0.0.0/8 is this machine,
/// so that each process can have addresses of its own.
#[derive(Clone, Copy)]
pub(crate) struct Loopback {
    /// Where scenarios listen and connect.
    pub(crate) local: Ipv4Addr,
    /// Another host.
    pub(crate) other: Ipv4Addr,
}

impl Loopback {
    pub(crate) fn of_this_process() -> Self {
        let [_, high, middle, low] = std::process::id().to_be_bytes();
        // The last byte keeps off 127.0.0.1, whatever the process is called.
        let address = |last: u8| Ipv4Addr::new(127, middle, low, 16 + 2 * (high % 100) + last);
        Self {
            local: address(0),
            other: address(1),
        }
    }

    /// The words of a scenario, with its addresses as they are.
    pub(crate) fn place(self, text: &str) -> String {
        text.replace(LOCAL_NAME, &self.local.to_string())
            .replace(OTHER_NAME, &self.other.to_string())
    }

    /// What was seen, with the addresses as scenarios call them.
    pub(crate) fn name(self, text: &str) -> String {
        text.replace(&self.local.to_string(), LOCAL_NAME)
            .replace(&self.other.to_string(), OTHER_NAME)
    }
}

#[test]
fn names_and_places_are_exchanged_both_ways() {
    let loopback = Loopback::of_this_process();
    let named = "lookup(127.0.0.2), local=127.0.0.1:4000";
    let placed = loopback.place(named);
    assert!(!placed.contains(LOCAL_NAME) && !placed.contains(OTHER_NAME));
    assert_eq!(loopback.name(&placed), named);
}
