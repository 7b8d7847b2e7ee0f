//! The race of a connect to a name (RFC 8305). The race only decides: `Net` looks up, connects and reads the clock.

use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::error::Error;
use crate::net::values::Endpoint;
use crate::reactor::Key;

use super::options::ConnectOptions;
use super::resolver::is_of;

/// The limit on the addresses of one name that are tried, because a hostile answer may hold thousands.
const MOST_ADDRESSES: usize = 16;

/// A connect to a name, from the start of the lookup until one attempt has succeeded or all have failed.
#[derive(Debug)]
pub(crate) struct ConnectRace {
    host: String,
    port: u16,
    pub(crate) options: Rc<ConnectOptions>,
    /// The addresses in the order in which they are tried; `None` until the lookup has answered.
    candidates: Option<Vec<Candidate>>,
    /// Invariant: `Some` only while an address is in the state `Waiting`.
    next_attempt_tick: Option<u64>,
}

/// Invariant: no two candidates of a race have the same address.
#[derive(Debug)]
struct Candidate {
    address: SocketAddr,
    state: CandidateState,
}

/// The progress of one address. Addresses leave `Waiting` in the order of the list.
#[derive(Debug)]
enum CandidateState {
    Waiting,
    /// The handler is told of the attempt on the address first, and then the attempt begins.
    Announced,
    Racing(Key),
    /// The attempt succeeded, or was given up because another one succeeded or the connection closed.
    Over,
    /// The attempt has failed: the system could not open its socket, or the connect failed.
    Failed(Error),
    /// The system was not asked to connect: the address is on the block list, or the local address could not be bound.
    Refused(Error),
}

impl CandidateState {
    fn error(&self) -> Option<&Error> {
        match self {
            Self::Failed(error) | Self::Refused(error) => Some(error),
            Self::Waiting | Self::Announced | Self::Racing(_) | Self::Over => None,
        }
    }

    /// Whether the handler was told of an attempt on the address.
    fn was_attempted(&self) -> bool {
        matches!(
            self,
            Self::Announced | Self::Racing(_) | Self::Over | Self::Failed(_)
        )
    }
}

impl ConnectRace {
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

    /// Returns whether any address is left to try.
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

    /// Returns the addresses for `on_lookup`. Leaves out an unwanted family, which a custom resolver may have found.
    pub(crate) fn to_be_told(&self, found: &[SocketAddr]) -> Vec<SocketAddr> {
        let most = match self.options.auto_select_family {
            true => usize::MAX,
            false => 1,
        };
        let wanted = found.iter().filter(|address| self.wants(address));
        wanted
            .map(|&address| at_port(address, self.port))
            .take(most)
            .collect()
    }

    fn wants(&self, address: &SocketAddr) -> bool {
        is_of(self.options.family, *address)
    }

    pub(crate) fn is_looking_up(&self) -> bool {
        self.candidates.is_none()
    }

    /// Returns the next address to try. The caller reports its new state before asking for another address.
    pub(crate) fn next_candidate(&mut self) -> Option<SocketAddr> {
        self.next_attempt_tick = None;
        self.candidates()
            .iter()
            .find(|candidate| matches!(candidate.state, CandidateState::Waiting))
            .map(|candidate| candidate.address)
    }

    /// Notes that the attempt on `address` is planned. It begins after the handler was told of it.
    pub(crate) fn announced(&mut self, address: SocketAddr) {
        self.set_state(address, CandidateState::Announced);
    }

    /// Notes that the delay of the newest attempt is over. The caller plans the attempt on the next address.
    pub(crate) fn delay_is_over(&mut self) {
        self.next_attempt_tick = None;
    }

    /// Notes that the attempt on `address` began. If another address waits, it is tried at `next_tick` at the latest.
    pub(crate) fn began(&mut self, key: Key, address: SocketAddr, next_tick: u64) {
        self.set_state(address, CandidateState::Racing(key));
        self.next_attempt_tick = self.has_waiting().then_some(next_tick);
    }

    /// Notes that the attempt on `address` is over. If it failed, the caller calls [`failed`](Self::failed) next.
    pub(crate) fn ended(&mut self, address: SocketAddr) {
        self.set_state(address, CandidateState::Over);
    }

    pub(crate) fn failed(&mut self, address: SocketAddr, error: Error) {
        self.set_state(address, CandidateState::Failed(error));
    }

    /// Notes that the system was not asked to connect.
    pub(crate) fn refused(&mut self, address: SocketAddr, error: Error) {
        self.set_state(address, CandidateState::Refused(error));
    }

    pub(crate) fn next_attempt_tick(&self) -> Option<u64> {
        self.next_attempt_tick
    }

    /// Returns the address of the newest attempt, whose delay ends at [`next_attempt_tick`](Self::next_attempt_tick).
    pub(crate) fn newest_attempt(&self) -> Option<SocketAddr> {
        self.candidates()
            .iter()
            .rev()
            .find(|candidate| matches!(candidate.state, CandidateState::Racing(_)))
            .map(|candidate| candidate.address)
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        let is_done = |candidate: &Candidate| {
            !matches!(
                candidate.state,
                CandidateState::Waiting | CandidateState::Announced | CandidateState::Racing(_)
            )
        };
        !self.is_looking_up() && self.candidates().iter().all(is_done)
    }

    pub(crate) fn attempts(&self) -> Vec<Key> {
        let key_of = |candidate: &Candidate| match candidate.state {
            CandidateState::Racing(key) => Some(key),
            _ => None,
        };
        self.candidates().iter().filter_map(key_of).collect()
    }

    /// Returns the keys of the attempts that were under way; the caller removes their sources.
    pub(crate) fn abandon_attempts(&mut self) -> Vec<Key> {
        self.next_attempt_tick = None;
        let mut keys = Vec::new();
        for candidate in self.candidates.iter_mut().flatten() {
            match candidate.state {
                CandidateState::Racing(key) => keys.push(key),
                CandidateState::Announced => {}
                CandidateState::Waiting
                | CandidateState::Over
                | CandidateState::Failed(_)
                | CandidateState::Refused(_) => continue,
            }
            candidate.state = CandidateState::Over;
        }
        keys
    }

    /// Returns the addresses that the handler was told of; none if the name has only one.
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

    /// Whether the name has more than one address to try. If not, the error of the race lists no attempts.
    fn has_several(&self) -> bool {
        self.candidates().len() > 1
    }

    pub(crate) fn has_waiting(&self) -> bool {
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

/// Returns `address`, with `port` if its own port is 0.
pub(crate) fn at_port(mut address: SocketAddr, port: u16) -> SocketAddr {
    if address.port() == 0 {
        address.set_port(port);
    }
    address
}

/// Alternates the families, beginning with that of the first address. The surplus of the larger family comes last.
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
