//! Queues of UDP sockets: during a lookup, against a naive queue with a policy and limits; in a slow network, against
//! what arrives.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use arbitrary::{Result, Unstructured};
use netloop::simulation::{Flavour, Host, Options, Simulation, SimulationEnd};
use netloop::{
    Budget, DatagramContext, DatagramFlow, DatagramHandler, DatagramId, DatagramOptions,
    DropPolicy, Error, EventLoopOptions, Limits, PacketInfo,
};

const SINK: &str = "10.0.0.1:7000";

/// The limit of UDP over IPv4, which the kernel refuses to exceed.
const LONGEST: usize = 65_507;

/// The bytes that the entry of a queued datagram counts for.
const ENTRY: usize = size_of::<(Option<SocketAddr>, PacketInfo, usize)>();

const MOST_SENDS: usize = 400;

/// The events of both machines.
#[derive(Default)]
struct World {
    /// The received datagrams with their senders. `true` stands for a cut one.
    arrived: Vec<(SocketAddr, Vec<u8>, bool)>,
    /// The datagrams that the sink was told of in this step.
    in_step: u32,
    drains: Vec<u32>,
    errors: Vec<u32>,
    closes: Vec<u32>,
}

type Shared = Rc<RefCell<World>>;

/// A socket with its number.
struct Party(usize);

impl DatagramHandler<Shared> for Party {
    fn on_message(&mut self, cx: &mut DatagramContext<'_, Shared>, from: SocketAddr, data: &[u8]) {
        let world = &mut *cx.shared.borrow_mut();
        world.arrived.push((from, data.to_vec(), false));
        world.in_step += 1;
    }
    fn on_truncated(
        &mut self,
        cx: &mut DatagramContext<'_, Shared>,
        from: SocketAddr,
        data: &[u8],
    ) {
        let world = &mut *cx.shared.borrow_mut();
        world.arrived.push((from, data.to_vec(), true));
        world.in_step += 1;
    }
    fn on_drain(&mut self, cx: &mut DatagramContext<'_, Shared>) {
        assert_eq!(cx.socket.queued_datagrams(), 0);
        cx.shared.borrow_mut().drains[self.0] += 1;
    }
    fn on_error(&mut self, cx: &mut DatagramContext<'_, Shared>, error: &Error) {
        assert_eq!(error.code(), "EMSGSIZE");
        assert!(!cx.socket.is_closed(), "an error has closed a socket");
        cx.shared.borrow_mut().errors[self.0] += 1;
    }
    fn on_close(&mut self, cx: &mut DatagramContext<'_, Shared>) {
        assert_eq!(cx.socket.queued_bytes(), 0);
        cx.shared.borrow_mut().closes[self.0] += 1;
    }
}

/// The options of a sender, and its queue as the documentation describes it.
struct Model {
    policy: DropPolicy,
    high: usize,
    most: usize,
    queue: VecDeque<Vec<u8>>,
    accepted: Vec<Vec<u8>>,
    sends: u64,
    dropped: u64,
    /// Whether `on_drain` is due once the queue is empty.
    owes_drain: bool,
    is_closing: bool,
    is_closed: bool,
}

impl Model {
    fn draw(input: &mut Unstructured<'_>) -> Result<Self> {
        Ok(Self {
            policy: *input.choose(&[DropPolicy::Oldest, DropPolicy::Newest])?,
            high: *input.choose(&[0, 100, 3000, 64 << 10])?,
            most: *input.choose(&[0, 200, 5000, 64 << 10])?,
            queue: VecDeque::new(),
            accepted: Vec::new(),
            sends: 0,
            dropped: 0,
            owes_drain: false,
            is_closing: false,
            is_closed: false,
        })
    }

    fn options(&self) -> DatagramOptions {
        DatagramOptions::new()
            .drop_policy(self.policy)
            .high_water_mark(self.high)
            .max_queued_bytes(self.most)
    }

    fn bytes(&self) -> usize {
        self.queue.iter().map(Vec::len).sum()
    }

    /// Queues a datagram, while `others` bytes of other sockets are queued, of `total` that are allowed.
    fn push(&mut self, bytes: &[u8], others: usize, total: usize) -> DatagramFlow {
        if self.is_closed || self.is_closing {
            return DatagramFlow::Closed;
        }
        self.sends += 1;
        let fits = |it: &Self| {
            let weight = it.bytes() + bytes.len() + (it.queue.len() + 1) * ENTRY;
            let is_alone = it.queue.is_empty();
            (is_alone || weight <= it.most) && others + it.bytes() + bytes.len() <= total
        };
        while !fits(self) {
            self.owes_drain = true;
            self.dropped += 1;
            if self.policy == DropPolicy::Newest || self.queue.is_empty() {
                return DatagramFlow::Dropped;
            }
            self.queue.pop_front();
        }
        self.queue.push_back(bytes.to_vec());
        match self.bytes() >= self.high {
            true => {
                self.owes_drain = true;
                DatagramFlow::Full
            }
            false => DatagramFlow::Open,
        }
    }

    fn close(&mut self) {
        if !self.is_closed {
            self.dropped += self.queue.len() as u64;
            self.queue.clear();
            self.is_closed = true;
        }
    }
}

/// The sink, the senders and their models.
struct Run {
    simulation: Simulation,
    sink: Host<Shared>,
    sender: Host<Shared>,
    models: Vec<Model>,
    ids: Vec<DatagramId>,
    total: usize,
    /// The longest datagram that the sink receives whole, and the datagrams that it receives in one turn.
    cut: usize,
    per_turn: u32,
    world: Shared,
    sent: u8,
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let mut run = Run::draw(input)?;
    let first = input.int_in_range(0..=60)?;
    run.fill(first, input)?;
    run.settle();
    run.check_queued();
    while !input.is_empty() && run.models.iter().map(|it| it.sends).sum::<u64>() < MOST_SENDS as u64
    {
        run.send_on(input)?;
    }
    run.end();
    Ok(())
}

impl Run {
    fn draw(input: &mut Unstructured<'_>) -> Result<Self> {
        let is_slow: bool = input.arbitrary()?;
        let options = Options {
            flavour: *input.choose(&Flavour::ALL)?,
            lookup_time: Duration::from_millis(50),
            bytes_per_second: is_slow.then_some(1_000_000),
            // The sink drops nothing: its kernel has space for all that comes at once.
            capacity: if is_slow { 150_000 } else { 64 << 20 },
            ..Options::new()
        };
        let mut simulation = Simulation::new(input.arbitrary()?, options).expect("a descriptor");
        simulation.set_name("here.test", &[[10, 0, 0, 2].into()]);
        let world = Shared::default();
        let buffer = *input.choose(&[1 << 10, 128 << 10])?;
        let most = *input.choose(&[0, 50, 1000, 65_535])?;
        let per_turn = *input.choose(&[1, 3, 32])?;
        let total = *input.choose(&[3000, 20_000, 1 << 20])?;
        let limits = |total| Limits::unlimited().max_total_queued_bytes(total);
        let sink = EventLoopOptions::new().read_buffer_bytes(buffer);
        let mut sink = simulation
            .host_with(Rc::clone(&world), sink)
            .expect("a loop");
        let sender = EventLoopOptions::new().limits(limits(total));
        let mut sender = simulation
            .host_with(Rc::clone(&world), sender)
            .expect("a loop");
        if input.ratio(1, 4)? {
            sender.budget = Budget::new().steps(input.int_in_range(1..=4)?);
        }
        let receiving = DatagramOptions::new()
            .max_datagram_bytes(most)
            .receives_per_turn(per_turn);
        let bound = sink.event_loop.bind_udp(SINK, receiving, Party(0));
        bound.expect("the port is free");
        let mut models = Vec::new();
        let mut ids = Vec::new();
        for number in 1..=input.int_in_range(1..=3)? {
            let model = Model::draw(input)?;
            let bound = sender
                .event_loop
                .bind_udp("here.test:0", model.options(), Party(number));
            ids.push(bound.expect("the name is one"));
            models.push(model);
        }
        let count = models.len() + 1;
        {
            let world = &mut *world.borrow_mut();
            world.drains = vec![0; count];
            world.errors = vec![0; count];
            world.closes = vec![0; count];
        }
        Ok(Self {
            simulation,
            sink,
            sender,
            models,
            ids,
            total,
            cut: most.min(buffer - 1),
            per_turn,
            world,
            sent: 0,
        })
    }

    /// Makes the next datagram.
    fn datagram(&mut self, input: &mut Unstructured<'_>) -> Result<Vec<u8>> {
        let longest = *input.choose(&[0, 1, 60, 1200, 5000, LONGEST + 100])?;
        let length = input.int_in_range(0..=longest)?;
        self.sent = self.sent.wrapping_add(1);
        Ok(vec![self.sent; length])
    }

    /// Sends while the name is looked up: each answer and each count is that of the model.
    fn fill(&mut self, sends: usize, input: &mut Unstructured<'_>) -> Result<()> {
        for _ in 0..sends {
            let at = input.choose_index(self.ids.len())?;
            let bytes = self.datagram(input)?;
            let others: usize = self.models.iter().map(Model::bytes).sum();
            let model = &mut self.models[at];
            let others = others - model.bytes();
            let mut socket = self.sender.event_loop.datagram_socket(self.ids[at]);
            match input.int_in_range(0..=60_u8)? {
                0 => {
                    socket.close();
                    model.close();
                }
                1 => {
                    socket.close_soon();
                    match model.queue.is_empty() {
                        true => model.close(),
                        false => model.is_closing = true,
                    }
                }
                _ => {
                    let to: SocketAddr = SINK.parse().expect("an address");
                    let flow = socket.send_to(to, &bytes);
                    assert_eq!(flow, model.push(&bytes, others, self.total));
                }
            }
            assert_eq!(socket.queued_datagrams(), model.queue.len());
            assert_eq!(socket.queued_bytes(), model.bytes());
            assert_eq!(socket.dropped_datagrams(), model.dropped);
            let queued: usize = self.models.iter().map(Model::bytes).sum();
            let statistics = self.sender.event_loop.statistics();
            assert_eq!(statistics.queued_bytes, queued);
        }
        Ok(())
    }

    /// Runs until nothing more happens, and checks the budget of each turn.
    fn settle(&mut self) {
        let hosts: &mut [&mut dyn netloop::simulation::AnyHost] =
            &mut [&mut self.sink, &mut self.sender];
        loop {
            self.world.borrow_mut().in_step = 0;
            let worked = self.simulation.step(hosts).expect("no loop spins");
            assert!(self.world.borrow().in_step <= self.per_turn);
            if !worked {
                match self.simulation.advance(hosts, None) {
                    None => {}
                    Some(end) => break assert_eq!(end, SimulationEnd::Quiescent),
                }
            }
        }
    }

    /// Takes the datagrams that have arrived from a sender.
    fn arrived(&mut self, at: usize) -> Vec<(Vec<u8>, bool)> {
        let socket = self.sender.event_loop.datagram_socket(self.ids[at]);
        let from = socket.local_address();
        let arrived = &mut self.world.borrow_mut().arrived;
        let all = std::mem::take(arrived).into_iter();
        let (of_it, others) = all.partition(|(sender, ..)| Some(*sender) == from);
        *arrived = others;
        let of_it: Vec<(SocketAddr, Vec<u8>, bool)> = of_it;
        of_it
            .into_iter()
            .map(|(_, bytes, is_cut)| (bytes, is_cut))
            .collect()
    }

    /// Cuts a datagram as the sink does.
    fn cut(&self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let length = bytes.len().min(self.cut);
        (bytes[..length].to_vec(), bytes.len() > self.cut)
    }

    /// Everything that was queued has arrived, in order, but what is too long for a datagram.
    fn check_queued(&mut self) {
        for at in 0..self.ids.len() {
            let queue = std::mem::take(&mut self.models[at].queue);
            let too_long = queue.iter().filter(|bytes| bytes.len() > LONGEST).count();
            let fitting = queue.iter().filter(|bytes| bytes.len() <= LONGEST);
            let expected: Vec<_> = fitting.map(|bytes| self.cut(bytes)).collect();
            if !self.models[at].is_closing && !self.models[at].is_closed {
                let errors = self.world.borrow().errors[at + 1];
                assert_eq!(errors as usize, too_long);
                assert!(self.arrived(at) == expected, "other datagrams");
            }
            let model = &mut self.models[at];
            model.dropped += too_long as u64;
            if model.is_closing {
                model.is_closed = true;
            }
            self.check_told(at);
        }
        self.world.borrow_mut().arrived.clear();
    }

    /// Sends a few datagrams to a kernel that may be full, and lets them leave.
    fn send_on(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        let at = input.choose_index(self.ids.len())?;
        let mut lost = false;
        for _ in 0..input.int_in_range(1..=12_u8)? {
            let bytes = self.datagram(input)?;
            let mut socket = self.sender.event_loop.datagram_socket(self.ids[at]);
            let to: SocketAddr = SINK.parse().expect("an address");
            let dropped = socket.dropped_datagrams();
            let flow = socket.send_to(to, &bytes);
            let lost_here = socket.dropped_datagrams() - dropped;
            let model = &mut self.models[at];
            assert_eq!(flow == DatagramFlow::Closed, model.is_closed);
            if model.is_closed {
                return Ok(());
            }
            model.sends += 1;
            let is_dropped = flow == DatagramFlow::Dropped;
            // The socket or the kernel refuses a datagram that is too long, at once or later.
            let by_limit = lost_here > 0 && (!is_dropped || bytes.len() <= LONGEST);
            model.owes_drain |= flow == DatagramFlow::Full || by_limit;
            if flow.is_accepted() {
                model.accepted.push(bytes);
            }
            lost |= lost_here > 0;
            let weight = socket.queued_bytes() + socket.queued_datagrams() * ENTRY;
            assert!(weight <= model.most || socket.queued_datagrams() == 1);
            assert!(self.sender.event_loop.statistics().queued_bytes <= self.total);
        }
        self.settle();
        let arrived = self.arrived(at);
        let accepted = std::mem::take(&mut self.models[at].accepted);
        let sendable = accepted.iter().filter(|bytes| bytes.len() <= LONGEST);
        let mut expected = sendable.map(|bytes| self.cut(bytes));
        if self.models[at].policy == DropPolicy::Newest || !lost {
            let expected: Vec<_> = expected.collect();
            assert!(arrived == expected, "other datagrams");
        } else {
            // Some of the older ones are missing.
            let is_part = arrived
                .iter()
                .all(|one| expected.any(|other| other == *one));
            assert!(is_part, "other datagrams");
        }
        self.check_told(at);
        Ok(())
    }

    /// Checks the counts of a socket with an empty queue, and whether it was told of the drain.
    fn check_told(&mut self, at: usize) {
        let socket = self.sender.event_loop.datagram_socket(self.ids[at]);
        let model = &mut self.models[at];
        let mut world = self.world.borrow_mut();
        let drains = std::mem::take(&mut world.drains[at + 1]);
        assert_eq!(world.closes[at + 1], u32::from(model.is_closed));
        if model.is_closed {
            return;
        }
        assert_eq!(socket.queued_datagrams(), 0);
        assert_eq!(
            socket.sent_datagrams() + socket.dropped_datagrams(),
            model.sends
        );
        let owed = std::mem::take(&mut model.owes_drain);
        assert!(drains >= u32::from(owed), "no drain");
        assert!(owed || drains == 0, "a drain that was not owed");
    }

    fn end(mut self) {
        for &id in &self.ids {
            self.sender.event_loop.datagram_socket(id).close();
        }
        self.settle();
        assert!(
            self.world.borrow().closes[1..]
                .iter()
                .all(|closes| *closes == 1)
        );
        assert_eq!(self.sender.event_loop.statistics().queued_bytes, 0);
        drop((self.sink, self.sender));
        assert_eq!(self.simulation.open_sockets(), 0);
    }
}
