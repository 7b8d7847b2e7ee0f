//! Two addresses of this machine that no other test uses.

use std::net::IpAddr;

use crate::support::hosts;

/// The names of both in scenarios and traces.
const LOCAL_NAME: &str = "127.0.0.1";
const OTHER_NAME: &str = "127.0.0.2";

/// The addresses that scenarios and traces call 127.0.0.1 and 127.0.0.2. Late connects of other tests reach ports of
/// 127.0.0.1 that were theirs a moment ago.
#[derive(Clone, Copy)]
pub(crate) struct Loopback {
    /// Where scenarios listen and connect.
    pub(crate) local: IpAddr,
    /// Another host.
    pub(crate) other: IpAddr,
}

impl Loopback {
    pub(crate) fn of_this_test() -> Self {
        let [local, other, ..] = hosts();
        Self { local, other }
    }

    /// Puts the real addresses into the text of a scenario.
    pub(crate) fn place(self, text: &str) -> String {
        text.replace(LOCAL_NAME, &self.local.to_string())
            .replace(OTHER_NAME, &self.other.to_string())
    }

    /// Puts the names of scenarios into a trace.
    pub(crate) fn name(self, text: &str) -> String {
        text.replace(&self.local.to_string(), LOCAL_NAME)
            .replace(&self.other.to_string(), OTHER_NAME)
    }
}

#[test]
fn names_and_places_are_exchanged_both_ways() {
    let loopback = Loopback::of_this_test();
    let named = "lookup(127.0.0.2), local=127.0.0.1:4000";
    let placed = loopback.place(named);
    assert!(!placed.contains(LOCAL_NAME) && !placed.contains(OTHER_NAME));
    assert_eq!(loopback.name(&placed), named);
}
