//! A script of calls, by handlers and from outside, on connections in a simulated network whose faults the input draws.
//! The records of each side check its promises.

mod action;
mod records;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::simulation::{Host, Options, Simulation, SimulationEnd};
use netloop::{CloseReason, Context, Error, SocketHandler, SocketOptions};

use action::Action;
use records::{Phase, Side};

/// The connections of a run are few, so that the script reaches each of them often.
const MOST_CONNECTIONS: usize = 3;
const MOST_SIDES: usize = 2 * MOST_CONNECTIONS;
const MOST_ACTIONS: usize = 400;

/// The virtual time within which all sockets come to their end. A network of one byte a round trip needs hours.
const PATIENCE: Duration = Duration::from_secs(1_000_000);

/// The state of a run, which all handlers share.
struct Script {
    /// The actions that are left. Each callback takes the next one, and so do the calls from outside.
    actions: VecDeque<Action>,
    /// The two sides of each connection: the client's has an even number, the server's is the next one.
    sides: Vec<Side>,
    /// The handlers that are alive.
    handlers: usize,
    /// Whether the actions are played, so that every side ends.
    is_over: bool,
}

type Shared = Rc<RefCell<Script>>;

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let seed = input.arbitrary()?;
    let mut options = Options::from_seed(input.arbitrary()?);
    if input.ratio(1, 3)? {
        options.faults = Default::default();
    }
    let count = input.int_in_range(1..=MOST_CONNECTIONS)?;
    let longest_write = (64 * options.capacity + 64).min(64 << 10);
    let socket_options = (0..2 * count)
        .map(|_| socket_options(input))
        .collect::<Result<Vec<_>>>()?;
    let mut actions = VecDeque::new();
    while !input.is_empty() && actions.len() < MOST_ACTIONS {
        actions.push_back(Action::draw(input, longest_write)?);
    }
    let script = Rc::new(RefCell::new(Script {
        actions,
        sides: (0..2 * count).map(Side::new).collect(),
        handlers: 0,
        is_over: false,
    }));
    let simulation = Simulation::new(seed, options).expect("a descriptor is free");
    run(simulation, &script, &socket_options);
    let script = script.borrow();
    assert_eq!(script.handlers, 0, "a handler was not dropped");
    for side in &script.sides {
        side.check_at_the_end();
    }
    Ok(())
}

/// Plays the script, then lets every socket end.
fn run(mut simulation: Simulation, script: &Shared, options: &[SocketOptions]) {
    let mut client = simulation
        .host(Rc::clone(script))
        .expect("a simulated loop");
    let mut server = simulation
        .host(Rc::clone(script))
        .expect("a simulated loop");
    let mut servers = Vec::new();
    for (port, pair) in options.chunks(2).enumerate() {
        let side = 2 * port;
        let address = format!("10.0.0.2:{}", 1000 + port);
        let listen = pair[1].clone();
        let accept = move |cx: &mut netloop::LoopContext<'_, Shared>, _: &netloop::Accepted| {
            Checked::new(&Rc::clone(cx.shared), side + 1)
        };
        let listening = server
            .event_loop
            .listen_with(address.as_str(), listen, accept);
        servers.push(listening.expect("the port is free"));
        let handler = Checked::new(script, side);
        let id = client
            .event_loop
            .connect_with(address.as_str(), pair[0].clone(), handler);
        script.borrow_mut().sides[side].id = Some(id.expect("the address is one"));
    }
    let mut turns = 0;
    while let Some(action) = next_action(script) {
        on_side(
            action,
            turns % options.len(),
            &mut client,
            &mut server,
            script,
        );
        turns += 1;
        let time = Duration::from_millis(if turns % 8 == 0 { 2_000 } else { 3 });
        let hosts = &mut [&mut client as _, &mut server as _];
        simulation
            .run_for(hosts, time)
            .unwrap_or_else(|error| panic!("{error}: {simulation:?}"));
    }
    simulation.end_faults();
    script.borrow_mut().is_over = true;
    for id in servers {
        server.event_loop.server(id).close();
    }
    for side in 0..options.len() {
        for last in Action::LAST {
            on_side(last, side, &mut client, &mut server, script);
        }
    }
    let hosts = &mut [&mut client as _, &mut server as _];
    let end = simulation.run_for(hosts, PATIENCE);
    let end = end.unwrap_or_else(|error| panic!("{error}: {simulation:?}"));
    assert_eq!(end, SimulationEnd::Quiescent, "{:?}", script.borrow().sides);
    for host in [&client, &server] {
        let statistics = host.event_loop.statistics();
        assert_eq!(
            (statistics.sockets, statistics.queued_bytes),
            (0, 0),
            "{:?}",
            script.borrow().sides
        );
    }
    drop((client, server));
    assert_eq!(simulation.open_sockets(), 0, "{simulation:?}");
}

fn socket_options(input: &mut Unstructured<'_>) -> Result<SocketOptions> {
    let high = *input.choose(&[0, 1, 100, 4 << 10, 64 << 10])?;
    let mut options = SocketOptions::new()
        .high_water_mark(high)
        .low_water_mark(*input.choose(&[0, 0, 1, 1000, 1 << 20])?)
        .allow_half_open(input.arbitrary()?)
        .pause_on_connect(input.ratio(1, 6)?)
        .no_delay(input.arbitrary()?);
    if input.ratio(1, 6)? {
        options = options.max_queued_bytes(*input.choose(&[0, 1000, 100_000])?);
    }
    if input.ratio(1, 4)? {
        options = options.idle_timeout(Duration::from_millis(input.int_in_range(1..=5_000)?));
    }
    if input.ratio(1, 4)? {
        options = options.close_timeout(Duration::from_millis(input.int_in_range(1..=5_000)?));
    }
    Ok(options)
}

fn next_action(script: &Shared) -> Option<Action> {
    script.borrow_mut().actions.pop_front()
}

/// Makes a call on one of the sides, as a host does between two turns.
fn on_side(
    action: Action,
    side: usize,
    client: &mut Host<Shared>,
    server: &mut Host<Shared>,
    script: &Shared,
) {
    let Some(id) = script.borrow().sides[side].id else {
        return;
    };
    let host = if side % 2 == 0 { client } else { server };
    let mut socket = host.event_loop.socket(id);
    action.apply(&mut socket, &mut script.borrow_mut().sides[side]);
}

/// A handler that checks each event, and then makes the next call of the script.
struct Checked {
    script: Shared,
    side: usize,
}

impl Checked {
    fn new(script: &Shared, side: usize) -> Self {
        script.borrow_mut().handlers += 1;
        let script = Rc::clone(script);
        Self { script, side }
    }

    /// Lets the records of this side check an event, and then makes the next call of the script on it.
    fn see(&self, cx: &mut Context<'_, Shared>, check: impl FnOnce(&mut Side, &mut Side)) {
        let script = &mut *self.script.borrow_mut();
        let [client, server] = &mut script.sides[self.side & !1..][..2] else {
            unreachable!("a connection has two sides");
        };
        let (side, peer) = match self.side % 2 {
            0 => (client, server),
            _ => (server, client),
        };
        let id = cx.socket.id();
        assert_eq!(*side.id.get_or_insert(id), id, "an event of another socket");
        check(side, peer);
        let side = &mut script.sides[self.side];
        if script.is_over {
            for last in Action::LAST {
                last.apply(&mut cx.socket, side);
            }
        } else if let Some(action) = script.actions.pop_front() {
            action.apply(&mut cx.socket, side);
        }
    }
}

impl Drop for Checked {
    fn drop(&mut self) {
        // A loop that unwinds drops its handlers while the script may be borrowed.
        if let Ok(mut script) = self.script.try_borrow_mut() {
            script.handlers -= 1;
        }
    }
}

impl SocketHandler<Shared> for Checked {
    fn on_connect(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |side, _| {
            side.enter("on_connect", &[Phase::New], Phase::Connected)
        });
    }

    fn on_data(&mut self, cx: &mut Context<'_, Shared>, data: &[u8]) {
        assert!(!data.is_empty() && !cx.socket.is_paused());
        self.see(cx, |side, peer| side.receive(data, peer));
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |side, _| side.drain());
    }

    fn on_end(&mut self, cx: &mut Context<'_, Shared>) {
        self.see(cx, |side, peer| side.see_end(peer));
        if !cx.socket.allows_half_open() {
            self.script.borrow_mut().sides[self.side].has_ended = true;
        }
    }

    fn on_sent(
        &mut self,
        cx: &mut Context<'_, Shared>,
        token: u64,
        sent: std::result::Result<(), &Error>,
    ) {
        let queued = cx.socket.queued_bytes() as u64;
        self.see(cx, |side, _| side.sent(token, sent.is_ok(), queued));
    }

    fn on_timeout(&mut self, cx: &mut Context<'_, Shared>) {
        assert!(cx.socket.idle_timeout().is_some());
        self.see(cx, |side, _| side.stay("on_timeout"));
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Shared>, token: u64) {
        self.see(cx, |side, _| {
            side.stay("on_timer");
            assert!(
                side.timers.remove(&token),
                "a timer that is not armed: {side:?}"
            );
        });
    }

    fn on_error(&mut self, cx: &mut Context<'_, Shared>, _: &Error) {
        self.see(cx, |side, _| side.fail());
    }

    fn on_close(&mut self, cx: &mut Context<'_, Shared>, reason: CloseReason) {
        let (queued, read) = (cx.socket.queued_bytes(), cx.socket.bytes_read());
        self.see(cx, |side, _| {
            assert_eq!(read, side.received, "{side:?}");
            side.close(reason, queued);
        });
    }
}
