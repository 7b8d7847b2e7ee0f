//! The decisions of a connect to a name: the addresses that are tried, their order, and the result of each (RFC 8305).
//!
//! Decisions only: no lookup, no connect and no clock.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::error::Error;
use crate::net::values::Endpoint;
use crate::reactor::Key;

use super::options::ConnectOptions;
use super::resolver::is_of;

/// The limit on the addresses of one name that are tried; a hostile answer may hold thousands.
const MOST_ADDRESSES: usize = 16;

/// A connect to a name, from the lookup to the end of the last attempt.
#[derive(Debug)]
pub(crate) struct Dial {
    host: String,
    port: u16,
    pub(crate) options: Rc<ConnectOptions>,
    /// The addresses in the order in which they are tried; `None` until the lookup has answered.
    candidates: Option<Vec<Candidate>>,
    /// The tick at which the next address is tried beside the attempts under way. Invariant: `Some` only while an attempt
    /// is under way and an address waits.
    next_attempt_tick: Option<u64>,
}

/// One address of the name. Invariant: no two candidates of a dial have the same address.
#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    state: CandidateState,
}

/// The progress of one address. Addresses leave `Waiting` in order.
#[derive(Debug)]
enum CandidateState {
    /// The address is still to be tried.
    Waiting,
    /// The attempt with this key, a source of its own, is under way.
    Racing(Key),
    /// The attempt is over without an error: it won, or it was abandoned.
    Over,
    /// The system was asked to connect, and the connect failed.
    Failed(Error),
    /// The system was never asked: the block list has the address, or the local address could not be bound.
    Refused(Error),
}

impl CandidateState {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Refused(error) => Some(error),
            Self::Waiting | Self::Racing(_) | Self::Over => None,
        }
    }

    /// Whether the system was asked to connect to the address.
    fn was_attempted(&self) -> bool {
        matches!(self, Self::Racing(_) | Self::Over | Self::Failed(_))
    }
}

impl Dial {
    /// A dial whose lookup is under way.
    pub(crate) fn new(host: String, port: u16, options: Rc<ConnectOptions>) -> Self {
        Self {
            host,
            port,
            options,
            candidates: None,
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

    /// Takes over the answer of the lookup: the addresses of the family that was asked for, without duplicates, the
    /// families in turn, beginning with that of the first. Returns whether any is left.
    pub(crate) fn set_addresses(&mut self, found: &[SocketAddr]) -> bool {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for &address in found.iter().filter(|address| self.wants(address)) {
            let address = at_port(address, self.port);
            if addresses.len() < MOST_ADDRESSES && !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        if !self.options.auto_select_family {
            addresses.truncate(1);
        }
        let candidates = interleave(&addresses).into_iter().map(|address| Candidate {
            address,
            state: CandidateState::Waiting,
        });
        self.candidates = Some(candidates.collect());
        self.has_waiting()
    }

    /// The part of an answer that the handler is told: all of it, or the only address that is tried.
    pub(crate) fn to_be_told(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let told = match found.iter().position(|address| self.wants(address)) {
            Some(first) if !self.options.auto_select_family => &found[first..=first],
            _ => found,
        };
        told.iter()
            .map(|&address| at_port(address, self.port))
            .collect()
    }

    fn wants(&self, address: &SocketAddr) -> bool {
        is_of(self.options.family, *address)
    }

    pub(crate) fn is_looking_up(&self) -> bool {
        self.candidates.is_none()
    }

    /// The next address to try. The caller tells the dial what became of it before it asks again.
    pub(crate) fn next_candidate(&mut self) -> Option<SocketAddr> {
        self.next_attempt_tick = None;
        self.candidates()
            .iter()
            .find(|candidate| matches!(candidate.state, CandidateState::Waiting))
            .map(|candidate| candidate.address)
    }

    /// Notes that the attempt `key` on `address` is under way. If another address waits, it is tried at `next_tick`.
    pub(crate) fn began(&mut self, key: Key, address: SocketAddr, next_tick: u64) {
        self.set_state(address, CandidateState::Racing(key));
        self.next_attempt_tick = self.has_waiting().then_some(next_tick);
    }

    /// Notes that the attempt on `address` is over. Its error, if it has one, follows with [`failed`](Self::failed).
    pub(crate) fn ended(&mut self, address: SocketAddr) {
        self.set_state(address, CandidateState::Over);
    }

    /// Notes that connecting to `address` has failed.
    pub(crate) fn failed(&mut self, address: SocketAddr, error: Error) {
        self.set_state(address, CandidateState::Failed(error));
    }

    /// Notes that `address` cannot be tried.
    pub(crate) fn refused(&mut self, address: SocketAddr, error: Error) {
        self.set_state(address, CandidateState::Refused(error));
    }

    pub(crate) fn next_attempt_tick(&self) -> Option<u64> {
        self.next_attempt_tick
    }

    /// The address of the newest attempt that is under way: the one whose delay is over when the next one begins.
    pub(crate) fn newest_attempt(&self) -> Option<SocketAddr> {
        self.candidates()
            .iter()
            .rev()
            .find(|candidate| matches!(candidate.state, CandidateState::Racing(_)))
            .map(|candidate| candidate.address)
    }

    /// Whether every address was tried and none is under way.
    pub(crate) fn is_exhausted(&self) -> bool {
        let is_done = |candidate: &Candidate| {
            !matches!(
                candidate.state,
                CandidateState::Waiting | CandidateState::Racing(_)
            )
        };
        !self.is_looking_up() && self.candidates().iter().all(is_done)
    }

    /// Abandons the attempts that are under way, and returns their sources, which the caller closes.
    pub(crate) fn abandon_attempts(&mut self) -> Vec<Key> {
        self.next_attempt_tick = None;
        let mut keys = Vec::new();
        for candidate in self.candidates.iter_mut().flatten() {
            if let CandidateState::Racing(key) = candidate.state {
                keys.push(key);
                candidate.state = CandidateState::Over;
            }
        }
        keys
    }

    /// The addresses that the system was asked to connect to, in order; none if the name had a single address.
    pub(crate) fn attempted(&self) -> Vec<SocketAddr> {
        if !self.has_several() {
            return Vec::new();
        }
        self.candidates()
            .iter()
            .filter(|candidate| candidate.state.was_attempted())
            .map(|candidate| candidate.address)
            .collect()
    }

    /// The error of a dial that is exhausted: the only one there is, or one that lists those of all addresses in order.
    pub(crate) fn failure(&self) -> Error {
        let mut errors: Vec<Error> = self
            .candidates()
            .iter()
            .filter_map(|candidate| candidate.state.error().cloned())
            .collect();
        if !self.has_several() {
            if let Some(error) = errors.pop() {
                return error;
            }
        }
        Error::aggregate(self.endpoint(), errors)
    }

    fn candidates(&self) -> &[Candidate] {
        self.candidates.as_deref().unwrap_or_default()
    }

    /// Whether the name had more than one address: only then is a failure told as one of several.
    fn has_several(&self) -> bool {
        self.candidates().len() > 1
    }

    fn has_waiting(&self) -> bool {
        self.candidates()
            .iter()
            .any(|candidate| matches!(candidate.state, CandidateState::Waiting))
    }

    fn set_state(&mut self, address: SocketAddr, state: CandidateState) {
        let mut candidates = self.candidates.iter_mut().flatten();
        if let Some(candidate) = candidates.find(|candidate| candidate.address == address) {
            candidate.state = state;
        }
    }
}

/// The address with `port` in the place of port 0.
pub(crate) fn at_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    if address.port() == 0 {
        address.set_port(port);
    }
    address
}

/// Mixes the families in turn, beginning with that of the first address; the rest of the longer list comes last.
fn interleave(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let Some(first) = addresses.first() else {
        return Vec::new();
    };
    let (leading, other): (Vec<SocketAddr>, Vec<SocketAddr>) = addresses
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
mod tests;
