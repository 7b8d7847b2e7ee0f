//! Filters between a handler and a peer that sends anything, in the simulated network, against functions that decode a
//! whole stream at once.

mod code;
mod coder;
mod ends;
mod script;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::simulation::{Host, Simulation, SimulationEnd};
use netloop::{CloseReason, ConnectOptions, EventLoopOptions, Limits, ListenOptions};

use super::text::text;
use code::{Kind, Outcome, Stream};
use coder::{Coder, MOST_AHEAD};
use ends::{Filtered, Phase, RawPeer, Shared, State};
use script::{Action, Plan, Start};

const ADDRESS: &str = "10.0.0.2:1000";

/// The virtual time within which all sockets come to their end.
const PATIENCE: Duration = Duration::from_secs(1_000_000);

/// More answers of a filter than its limit: the answers of all that one read decodes.
const MOST_ANSWERS: usize = 512 << 10;

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let plan = Plan::draw(input)?;
    let simulation =
        Simulation::new(plan.seed, plan.network.clone()).expect("a descriptor is free");
    let state = Rc::new(RefCell::new(State::new(plan)));
    let mut run = Run::new(simulation, &state);
    run.play();
    run.end();
    let state = state.borrow();
    assert_eq!(state.handlers, 0, "a handler was not dropped");
    check_wire(&state, true);
    Ok(())
}

/// The two machines.
struct Run {
    simulation: Simulation,
    /// The client and the server, one of which has the filters.
    hosts: [Host<Shared>; 2],
    state: Shared,
}

impl Run {
    fn new(mut simulation: Simulation, state: &Shared) -> Self {
        let (filtered, is_calm, buffer) = {
            let plan = &state.borrow().plan;
            (plan.filtered(), plan.is_calm, plan.read_buffer)
        };
        let hosts = [0, 1].map(|_| {
            let limits = match is_calm {
                true => Limits::unlimited(),
                false => Limits::new(),
            };
            let options = EventLoopOptions::new()
                .limits(limits)
                .read_buffer_bytes(buffer);
            let host = simulation.host_with(Rc::clone(state), options);
            host.expect("a simulated loop")
        });
        let mut run = Self {
            simulation,
            hosts,
            state: Rc::clone(state),
        };
        run.begin(filtered);
        run
    }

    /// Listens and connects.
    fn begin(&mut self, filtered: usize) {
        let state = &self.state;
        let (start, socket) = {
            let plan = &state.borrow().plan;
            (plan.start, plan.socket.clone())
        };
        let has_filters = |host: usize| host == filtered && start == Start::AtOnce;
        let of_host = |host: usize| match host == filtered {
            true => socket.clone(),
            false => netloop::SocketOptions::new().allow_half_open(true),
        };
        let mut listen = ListenOptions::from(of_host(1));
        let mut connect = ConnectOptions::from(of_host(0));
        for layer in 0..state.borrow().plan.stack.len() {
            let make = {
                let state = Rc::clone(state);
                move || Ok(coder(&state.borrow(), layer))
            };
            if has_filters(1) {
                listen = listen.filter(make);
            } else if has_filters(0) {
                connect = connect.filter(make);
            }
        }
        let [client, server] = &mut self.hosts;
        let accepting = Rc::clone(state);
        let listening = match filtered {
            1 => server
                .event_loop
                .listen_with(ADDRESS, listen, move |_, _| Filtered::new(&accepting)),
            _ => server
                .event_loop
                .listen_with(ADDRESS, listen, move |_, _| RawPeer::new(&accepting)),
        };
        let listening = listening.expect("the port is free");
        state.borrow_mut().server = Some(listening);
        let connecting = match filtered {
            0 => {
                let handler = Filtered::new(state);
                client.event_loop.connect_with(ADDRESS, connect, handler)
            }
            _ => {
                let handler = RawPeer::new(state);
                client.event_loop.connect_with(ADDRESS, connect, handler)
            }
        };
        let id = Some(connecting.expect("the address is one"));
        let state = &mut *state.borrow_mut();
        match filtered {
            0 => state.filtered.id = id,
            _ => state.raw.id = id,
        }
    }

    /// Plays the actions, and looks at both ends between them.
    fn play(&mut self) {
        let (is_calm, filtered) = {
            let plan = &self.state.borrow().plan;
            (plan.is_calm, plan.filtered())
        };
        let mut steps = 0_u32;
        loop {
            let Some(action) = self.state.borrow_mut().actions.pop_front() else {
                break;
            };
            self.apply(action, filtered);
            steps += 1;
            let time = match (is_calm, steps % 4) {
                (true, 0) => Duration::from_secs(1),
                (true, _) => Duration::from_millis(1),
                (false, 0) => Duration::from_secs(2),
                (false, _) => Duration::from_millis(3),
            };
            self.advance(time);
            self.check_counts(filtered);
            if is_calm && steps % 4 == 0 {
                self.check_calm(filtered);
                check_wire(&self.state.borrow(), false);
            }
        }
    }

    fn apply(&mut self, action: Action, filtered: usize) {
        let id = {
            let state = self.state.borrow();
            match action.is_of_raw() {
                true => state.raw.id,
                false => state.filtered.id,
            }
        };
        let host = match action.is_of_raw() {
            true => 1 - filtered,
            false => filtered,
        };
        if let Some(id) = id {
            let mut socket = self.hosts[host].event_loop.socket(id);
            action.apply(&mut socket, &mut self.state.borrow_mut());
        }
    }

    fn advance(&mut self, time: Duration) -> SimulationEnd {
        let [client, server] = &mut self.hosts;
        let end = self.simulation.run_for(&mut [client, server], time);
        end.unwrap_or_else(|error| panic!("{error}: {:?}", self.state.borrow()))
    }

    /// Checks the bounds on memory: the bytes that are encoded ahead of the kernel, and the answers of filters.
    fn check_counts(&mut self, filtered: usize) {
        let state = self.state.borrow();
        let Some(id) = state.filtered.id else {
            return;
        };
        let socket = self.hosts[filtered].event_loop.socket(id);
        if socket.is_destroyed() {
            return;
        }
        let top = state.counts.last().expect("there is a filter");
        let encoded = top.encoded.get();
        let sent = state.filtered.offered - socket.queued_bytes() as u64;
        let plain = state.filtered.plain as u64;
        assert!(
            encoded == 0 || encoded + plain <= sent + MOST_AHEAD as u64,
            "{encoded} bytes are encoded, and {sent} sent: {state:?}"
        );
        let has_runs = state
            .plan
            .stack
            .iter()
            .any(|options| options.code.kind == Kind::Runs);
        if has_runs || state.filtered.has_ended {
            return;
        }
        let taken = state.raw.received.len() + 2 * state.plan.network.capacity;
        for counts in &state.counts {
            let answered = usize::try_from(counts.answered.get()).expect("a length");
            assert!(
                answered <= taken + MOST_ANSWERS,
                "{answered} bytes of answers, of which {taken} were taken: {state:?}"
            );
        }
    }

    /// Checks a connection on which nothing happens any more, in a network without faults.
    fn check_calm(&mut self, filtered: usize) {
        let sockets = self.hosts[filtered].event_loop.statistics().sockets;
        let state = self.state.borrow();
        let is_paused = state.filtered.id.is_some_and(|id| {
            let socket = self.hosts[filtered].event_loop.socket(id);
            !socket.is_destroyed() && socket.is_paused()
        });
        let is_flawed = state.counts.iter().any(|counts| counts.is_flawed.get());
        let is_cut = state.filtered.was_cut || state.raw.was_cut || is_flawed;
        if is_paused
            || state.filtered.is_corked
            || is_cut
            || state.raw.is_paused
            || !state.has_filters()
        {
            return;
        }
        let decoded = state.decode(state.raw.sent);
        let top = decoded.last().expect("there is a filter");
        assert_eq!(
            state.filtered.received,
            top.bytes.len(),
            "bytes are decoded, and not delivered: {state:?}"
        );
        let context = || format!("{state:?}");
        match top.outcome {
            Outcome::Open => {
                assert_eq!(sockets, 1, "{}", context());
                assert!(state.filtered.phase < Phase::Ended, "{}", context());
            }
            Outcome::Ended => assert!(state.filtered.saw_end, "no end: {}", context()),
            Outcome::Failed => {
                assert_eq!(sockets, 0, "no failure: {}", context());
                let is_told = matches!(state.filtered.phase, Phase::New | Phase::Closed);
                assert!(is_told && !state.filtered.saw_end, "{}", context());
            }
        }
        if top.outcome == Outcome::Open && !state.filtered.has_ended && !state.loses_output() {
            let on_wire = state.decode_output();
            for (received, sent) in decoded.iter().zip(&on_wire) {
                assert!(
                    received.pings == sent.pongs,
                    "{} bytes of pings, and {} of answers: {}",
                    received.pings.len(),
                    sent.pongs.len(),
                    context()
                );
            }
        }
    }

    /// Lets both sides end.
    fn end(&mut self) {
        let filtered = self.state.borrow().plan.filtered();
        self.simulation.end_faults();
        self.state.borrow_mut().is_over = true;
        let server = self.state.borrow().server;
        if let Some(id) = server {
            self.hosts[1].event_loop.server(id).close();
        }
        for action in Action::LAST {
            self.apply(action, filtered);
        }
        let end = self.advance(PATIENCE);
        let state = Rc::clone(&self.state);
        assert_eq!(end, SimulationEnd::Quiescent, "{:?}", state.borrow());
        for host in &mut self.hosts {
            let statistics = host.event_loop.statistics();
            let left = (statistics.sockets, statistics.queued_bytes);
            assert_eq!(left, (0, 0), "{:?}", state.borrow());
            // A panic of a filter is an error of its socket, also where a filter of these tests asserts.
            assert_eq!(statistics.panics, 0, "{:?}", state.borrow());
        }
        let simulation = &mut self.simulation;
        for host in &mut self.hosts {
            let empty = simulation
                .host(Rc::clone(&state))
                .expect("a simulated loop");
            drop(std::mem::replace(host, empty));
        }
        assert_eq!(simulation.open_sockets(), 0, "{simulation:?}");
    }
}

/// The filter of a layer.
fn coder(state: &State, layer: usize) -> Coder {
    Coder::new(state.plan.stack[layer], &state.counts[layer])
}

/// Checks the bytes that the raw peer has received: they decode to what was written, and to all of it at a clean end.
fn check_wire(state: &State, is_over: bool) {
    let plain = state.filtered.plain;
    let received = &state.raw.received;
    let length = plain.min(received.len());
    assert!(received[..length] == text(0, length), "{state:?}");
    let layers: Vec<Stream> = state.decode_output();
    let top = layers.last().expect("there is a filter");
    let written = state.filtered.written.saturating_sub(plain as u64);
    let offered = state.filtered.offered.saturating_sub(plain as u64);
    assert!(top.bytes.len() as u64 <= offered, "{state:?}");
    let expected = text(plain as u64, top.bytes.len());
    assert!(top.bytes == expected, "other bytes: {state:?}");
    let is_clean = state.filtered.reason == Some(CloseReason::Graceful);
    if is_over && is_clean && !state.raw.was_cut && state.has_filters() && !state.loses_output() {
        assert_eq!(top.bytes.len() as u64, written, "{state:?}");
        assert!(state.raw.saw_end, "{state:?}");
        let is_ended = top.outcome == Outcome::Ended;
        let has_end = state.plan.stack.last().expect("a filter").code.kind == Kind::Frames;
        assert!(is_ended || !has_end, "{state:?}");
    }
}
