//! One poll of one machine: the batch of events, as the [`Flavour`] of the simulated kernel reports them.

use crate::readiness::Readiness;
use crate::system::afd::abort_as_error;
use crate::system::simulated::flavour::Flavour;

use super::connections::Connections;
use super::datagrams::Datagrams;
use super::machine::{MachineId, Watched};
use super::ports::Ports;
use super::tcp_socket::{TcpSocket, TcpState};
use super::trace::Note;
use super::watch::Reports;
use super::world::World;

/// The limit on the old events that the flavour `Adversary` remembers for each loop.
const HISTORY: usize = 32;

/// The rate, in a thousand, at which the flavour `Adversary` delays a ready source, and repeats an old event.
const ADVERSITY: u16 = 150;

#[derive(Debug)]
pub(super) struct Poll<'a> {
    pub(super) machine: MachineId,
    pub(super) world: &'a mut World,
    pub(super) connections: &'a mut Connections,
    pub(super) datagrams: &'a mut Datagrams,
    pub(super) ports: &'a mut Ports,
}

impl Poll<'_> {
    pub(super) fn collect(&mut self, batch: &mut Vec<(usize, Readiness)>) {
        batch.clear();
        let is_adverse = self.world.options.flavour == Flavour::Adversary;
        let most = self.world.options.batch.max(1);
        if !self.world.strikes(|faults| faults.empty_polls) {
            self.collect_ready(most, is_adverse, batch);
        }
        if is_adverse {
            self.confuse(most, batch);
        }
        if self.world.strikes(|faults| faults.spurious_events) {
            self.add_spurious(batch);
        }
        let trace = &mut self.world.trace;
        for &(token, readiness) in &*batch {
            trace.note(Note::Event, token as u64, u64::from(readiness.bits()));
        }
        trace.note(Note::Poll, self.machine as u64, batch.len() as u64);
    }

    fn collect_ready(
        &mut self,
        most: usize,
        is_adverse: bool,
        batch: &mut Vec<(usize, Readiness)>,
    ) {
        for _ in 0..self.world.machines.get(self.machine).ready.len() {
            if batch.len() >= most {
                return;
            }
            let machine = self.world.machines.get_mut(self.machine);
            let Some(source) = machine.ready.pop_front() else {
                return;
            };
            if is_adverse && self.world.random.chance(ADVERSITY) {
                self.world.enqueue(self.machine, source);
                continue;
            }
            let Some((token, Reports(reports))) = self.report(source) else {
                continue;
            };
            let reports = reports.into_iter().filter(|report| !report.is_empty());
            batch.extend(reports.map(|report| (token, report)));
        }
    }

    /// Returns the token and the events of a source that was ready; `None` if it is closed or not registered.
    fn report(&mut self, source: Watched) -> Option<(usize, Reports)> {
        let flavour = self.world.options.flavour;
        match source {
            Watched::TcpSocket(key) => {
                let socket = self.connections.get_mut(key)?;
                let level = level_of(socket, flavour);
                socket.window.on_poll();
                let (token, reports) = socket.watch.report(level, flavour)?;
                let addresses = (socket.local, socket.remote);
                self.world.record(self.machine, Some(addresses), || {
                    format!("is told {reports}")
                });
                Some((token, reports))
            }
            Watched::Listener(key) => {
                let listener = self.ports.get_mut(key)?;
                let level = listener.readiness();
                listener.watch.report(level, flavour)
            }
            Watched::UdpSocket(key) => {
                let capacity = self.world.options.capacity;
                let socket = self.datagrams.get_mut(key)?;
                let level = socket.readiness(flavour, capacity);
                socket.watch.report(level, flavour)
            }
        }
    }

    /// Shuffles the batch, and at times adds an old event, whose socket may be closed.
    fn confuse(&mut self, most: usize, batch: &mut Vec<(usize, Readiness)>) {
        let random = &mut self.world.random;
        for last in (1..batch.len()).rev() {
            let other = random.index(last + 1);
            batch.swap(last, other);
        }
        let history = &mut self.world.machines.get_mut(self.machine).history;
        for &event in &*batch {
            if history.len() < HISTORY {
                history.push(event);
            } else {
                history[random.index(HISTORY)] = event;
            }
        }
        if !history.is_empty() && batch.len() < most && random.chance(ADVERSITY) {
            let old = history[random.index(history.len())];
            batch.push(old);
        }
    }

    /// Draws a random socket. If the socket is on this machine, adds an event of this socket, whatever its readiness.
    fn add_spurious(&mut self, batch: &mut Vec<(usize, Readiness)>) {
        let connections = self.connections.len();
        let count = connections + self.datagrams.len();
        if count == 0 {
            return;
        }
        let chosen = self.world.random.index(count);
        let readiness = match self.world.random.chance(500) {
            true => Readiness::READABLE,
            false => Readiness::WRITABLE,
        };
        let watch = match chosen.checked_sub(connections) {
            None => self.connections.nth(chosen).map(|socket| &socket.watch),
            Some(datagrams) => self.datagrams.nth(datagrams),
        };
        if let Some(watch) = watch.filter(|watch| watch.machine == self.machine) {
            batch.extend(watch.token().map(|token| (token, readiness)));
        }
    }
}

fn level_of(socket: &TcpSocket, flavour: Flavour) -> Readiness {
    let level = socket.readiness();
    if flavour != Flavour::Afd || socket.peer.is_none() {
        return level;
    }
    // AFD (the selector of Windows) reports an error only for a failed connect. A reset is reported as the end of both
    // directions, and nothing else ends writing on a connection. `abort_as_error` adds the error, as on Windows.
    let reported = level.difference(Readiness::ERROR | Readiness::WRITE_CLOSED);
    abort_as_error(match socket.state {
        TcpState::Dead => reported | Readiness::READ_CLOSED | Readiness::WRITE_CLOSED,
        TcpState::Connecting | TcpState::Connected => reported,
    })
}
