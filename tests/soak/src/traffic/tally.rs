//! The counts of one end of the traffic, which a client process prints for its server.

use std::fmt;

/// Makes the counts with their names, for the line that a process prints.
macro_rules! counts {
    ($($(#[$text:meta])* $name:ident,)*) => {
        /// The counts of one end.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Tally {
            $($(#[$text])* pub(crate) $name: u64,)*
        }

        impl Tally {
            fn list(&mut self) -> impl Iterator<Item = (&'static str, &mut u64)> {
                [$((stringify!($name), &mut self.$name),)*].into_iter()
            }
        }
    };
}

counts! {
    /// Connections whose `on_connect` came.
    connected,
    /// Connections whose `on_close` came.
    closed,
    /// Handlers that were dropped.
    dropped,
    /// Connects that failed. Only a fault may do that.
    unconnected,
    /// Connections that exchanged all bytes and ended cleanly, as planned.
    whole,
    /// Connections that were cut short as planned.
    cut_short,
    /// Connections that were cut short by a fault that may break a connection.
    broken,
    /// Connections that ended before the server knew their plan.
    headless,
    /// Connections that the client broke as soon as they were connected.
    reset_at_once,
    /// Received bytes, each of which was compared.
    received,
    /// Bytes that writes have accepted.
    written,
    /// Breach: streams that ended cleanly, and too early.
    lost,
    /// Breach: streams with a wrong byte or with one too many.
    wrong,
    /// Breach: connections that failed without a plan and without a fault.
    unexplained,
    /// Breach: callbacks that came twice, too late or not at all.
    disorder,
    /// The most connections that were open at a time.
    most_open,
    /// Turns of the loops.
    turns,
    /// Turns that did nothing, and had not waited in vain.
    idle_turns,
    /// Breach: spins that the loop has found, and ended.
    spins,
    /// The longest row of turns that did nothing.
    longest_idle_row,
    /// The longest CPU time of a turn, in microseconds.
    longest_turn_us,
    /// CPU time of the loops' threads, in milliseconds.
    cpu_ms,
}

impl Tally {
    /// Reads a line that `Display` has printed.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut tally = Self::default();
        let mut words = line.split(' ');
        for (name, count) in tally.list() {
            let (word, number) = words.next()?.split_once('=')?;
            if word != name {
                return None;
            }
            *count = number.parse().ok()?;
        }
        Some(tally)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = *self;
        for (place, (name, count)) in counts.list().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(formatter, "{space}{name}={count}")?;
        }
        Ok(())
    }
}
