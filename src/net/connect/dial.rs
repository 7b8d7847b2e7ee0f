//! How a connection is made to a name: which addresses are tried, in which order, and what became of each (RFC 8305).
//!
//! It decides, and does nothing itself: no lookup, no connect, no clock.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use crate::net::error::Error;
use crate::net::values::{Endpoint, Family};
use crate::reactor::Key;

use super::options::ConnectOptions;

/// At most so many addresses of one name are tried; a hostile answer may hold thousands.
const MOST_ADDRESSES: usize = 16;

/// A connection that is being made.
#[derive(Debug)]
pub(crate) struct Dial {
    host: String,
    port: u16,
    pub(crate) options: Rc<ConnectOptions>,
    /// Still to be tried, in this order.
    candidates: VecDeque<SocketAddr>,
    /// Whether the lookup is still under way.
    is_looking_up: bool,
    /// Whether the name had more than one address: only then is a failure told as one of several.
    has_several: bool,
    /// The attempts that are under way, each a source of its own.
    attempts: Vec<(Key, SocketAddr)>,
    attempted: Vec<SocketAddr>,
    /// In the order in which they came, which overlapping attempts may do in any.
    errors: Vec<(SocketAddr, Error)>,
    /// Every address, in the order in which they are tried.
    order: Vec<SocketAddr>,
    /// When the next address is tried beside those that are under way.
    next_attempt_tick: Option<u64>,
}

impl Dial {
    pub(crate) fn new(host: String, port: u16, options: Rc<ConnectOptions>) -> Self {
        Self {
            host,
            port,
            options,
            candidates: VecDeque::new(),
            is_looking_up: true,
            has_several: false,
            attempts: Vec::new(),
            attempted: Vec::new(),
            errors: Vec::new(),
            order: Vec::new(),
            next_attempt_tick: None,
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::Name {
            host: self.host.clone(),
            port: self.port,
        }
    }

    /// Takes over what the lookup found: those of the family that was asked for, without duplicates, the families in
    /// turn, beginning with that of the first. Says whether any is left.
    pub(crate) fn set_addresses(&mut self, found: &[IpAddr]) -> bool {
        self.is_looking_up = false;
        let mut addresses: Vec<IpAddr> = Vec::new();
        for &address in found.iter().filter(|address| self.wants(address)) {
            if addresses.len() < MOST_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if !self.options.auto_select_family {
            addresses.truncate(1);
        }
        self.candidates = interleave(&addresses)
            .into_iter()
            .map(|address| SocketAddr::new(address, self.port))
            .collect();
        self.order = self.candidates.iter().copied().collect();
        self.has_several = self.candidates.len() > 1;
        !self.candidates.is_empty()
    }

    /// Which of those that were found the handler is told of: all, or the only one that is tried.
    pub(crate) fn to_be_told<'a>(&self, found: &'a [IpAddr]) -> &'a [IpAddr] {
        match found.iter().position(|address| self.wants(address)) {
            Some(first) if !self.options.auto_select_family => &found[first..=first],
            _ => found,
        }
    }

    fn wants(&self, address: &IpAddr) -> bool {
        match self.options.family {
            Some(Family::IPv4) => address.is_ipv4(),
            Some(Family::IPv6) => address.is_ipv6(),
            _ => true,
        }
    }

    pub(crate) fn is_looking_up(&self) -> bool {
        self.is_looking_up
    }

    /// The next address to try.
    pub(crate) fn next_candidate(&mut self) -> Option<SocketAddr> {
        self.next_attempt_tick = None;
        self.candidates.pop_front()
    }

    /// The system was asked to connect to `address`.
    pub(crate) fn tried(&mut self, address: SocketAddr) {
        self.attempted.push(address);
    }

    pub(crate) fn has_candidates(&self) -> bool {
        !self.candidates.is_empty()
    }

    /// The attempt `key` is under way. If there is another address, it is tried at `next_tick`.
    pub(crate) fn begun(&mut self, key: Key, address: SocketAddr, next_tick: u64) {
        self.attempts.push((key, address));
        self.next_attempt_tick = self.has_candidates().then_some(next_tick);
    }

    /// The attempt `key` is over.
    pub(crate) fn ended(&mut self, key: Key) {
        self.attempts.retain(|(attempt, _)| *attempt != key);
    }

    pub(crate) fn failed(&mut self, address: SocketAddr, error: Error) {
        self.errors.push((address, error));
    }

    pub(crate) fn next_attempt_tick(&self) -> Option<u64> {
        self.next_attempt_tick
    }

    /// The attempt that was begun last, if it is still under way: the one whose time is up when the next one begins.
    pub(crate) fn latest_attempt(&self) -> Option<SocketAddr> {
        self.attempts.last().map(|(_, address)| *address)
    }

    pub(crate) fn is_racing(&self) -> bool {
        !self.attempts.is_empty()
    }

    /// The sources of all attempts that are still under way, which are to be closed.
    pub(crate) fn take_attempts(&mut self) -> Vec<Key> {
        self.next_attempt_tick = None;
        self.attempts.drain(..).map(|(key, _)| key).collect()
    }

    pub(crate) fn attempted(&self) -> &[SocketAddr] {
        if self.has_several {
            &self.attempted
        } else {
            &[]
        }
    }

    /// What to tell when all have failed: the one error there is, or one that lists every attempt's.
    pub(crate) fn failure(&mut self) -> Error {
        let mut errors = std::mem::take(&mut self.errors);
        errors.sort_by_key(|(address, _)| self.order.iter().position(|one| one == address));
        let mut errors: Vec<Error> = errors.into_iter().map(|(_, error)| error).collect();
        if !self.has_several {
            if let Some(error) = errors.pop() {
                return error;
            }
        }
        Error::aggregate(self.endpoint(), errors)
    }
}

/// The families in turn, beginning with that of the first address; what is left of the longer list at the end.
fn interleave(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (leading, other): (Vec<IpAddr>, Vec<IpAddr>) = addresses
        .iter()
        .partition(|address| address.is_ipv4() == first.is_ipv4());
    let (mut leading, mut other) = (leading.into_iter(), other.into_iter());
    let mut mixed = Vec::with_capacity(addresses.len());
    while mixed.len() < addresses.len() {
        mixed.extend(leading.next());
        mixed.extend(other.next());
    }
    mixed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &str) -> Vec<IpAddr> {
        text.split_whitespace()
            .map(|address| address.parse().unwrap())
            .collect()
    }

    fn order(options: ConnectOptions, found: &str) -> Vec<String> {
        let mut dial = Dial::new("host".into(), 1, Rc::new(options));
        dial.set_addresses(&addresses(found));
        std::iter::from_fn(|| dial.next_candidate())
            .map(|address| address.ip().to_string())
            .collect()
    }

    #[test]
    fn families_take_turns_beginning_with_that_of_the_first() {
        let options = ConnectOptions::new;
        assert_eq!(
            order(options(), "::1 ::2 ::3 1.1.1.1 2.2.2.2"),
            ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
        );
        assert_eq!(order(options(), "1.1.1.1 ::1"), ["1.1.1.1", "::1"]);
        assert_eq!(order(options(), "::1 ::1 ::2"), ["::1", "::2"]);
    }

    #[test]
    fn a_family_that_was_asked_for_leaves_out_the_other() {
        let only_v4 = ConnectOptions::new().family(Family::IPv4);
        assert_eq!(order(only_v4, "::1 1.1.1.1"), ["1.1.1.1"]);
        let only_v6 = ConnectOptions::new().family(Family::IPv6);
        assert!(order(only_v6, "1.1.1.1").is_empty());
    }

    #[test]
    fn without_selection_only_the_first_is_tried() {
        let first = ConnectOptions::new().auto_select_family(false);
        assert_eq!(order(first, "::1 1.1.1.1"), ["::1"]);
    }

    #[test]
    fn errors_are_told_in_the_order_of_the_attempts_whichever_failed_first() {
        let mut dial = Dial::new("host".into(), 1, Rc::new(ConnectOptions::new()));
        dial.set_addresses(&addresses("1.1.1.1 2.2.2.2 3.3.3.3"));
        let tried: Vec<SocketAddr> = std::iter::from_fn(|| dial.next_candidate()).collect();
        for place in [2, 0, 1] {
            dial.failed(tried[place], Error::other(tried[place].ip().to_string()));
        }
        let told: Vec<String> = dial
            .failure()
            .attempts()
            .iter()
            .map(Error::to_string)
            .collect();
        assert_eq!(told, ["1.1.1.1", "2.2.2.2", "3.3.3.3"]);
    }

    #[test]
    fn a_hostile_answer_is_cut_short() {
        let many: String = (0..1000)
            .map(|n| format!("10.0.{}.{} ", n / 250, n % 250))
            .collect();
        assert_eq!(order(ConnectOptions::new(), &many).len(), MOST_ADDRESSES);
    }
}
