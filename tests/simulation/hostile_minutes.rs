//! A server with the limits for strangers among hostile peers of each kind, for ten minutes of virtual time. The times
//! are those of `Limits::internet`, to the tick. `cargo hostile` is the same over the kernel's network, with shorter
//! times.

#[allow(dead_code, reason = "a part of it is for the kernel's network")]
#[path = "../soak/src/hostile/attack.rs"]
mod attack;
#[allow(dead_code, reason = "a part of it is for the kernel's network")]
#[path = "../soak/src/hostile/session.rs"]
mod session;
#[path = "../soak/src/hostile/times.rs"]
mod times;

use std::time::Duration;

use netloop::simulation::{Host, Options, Simulation};
use netloop::{
    CloseReason, Context, EventLoopOptions, Limits, ListenOptions, SocketHandler, SocketOptions,
};

use attack::{Attack, Kind};
use session::{ECHO, Session};
use times::Times;

const SERVER: &str = "10.0.0.1:7000";

/// The time of the attack, and the time within which the last hostile peer goes: the idle timeout, and a little more.
const ATTACK: u32 = 600;
const DRAIN: u32 = 80;

/// The peers of each kind at a time.
const CROWD: usize = 3;

/// The kinds that a limit of time or of memory closes.
const KINDS: [Kind; 8] = [
    Kind::Silent,
    Kind::Slowloris,
    Kind::Endless,
    Kind::Idler,
    Kind::NeverReader,
    Kind::Subscriber,
    Kind::Trickler,
    Kind::HalfOpen,
];

/// A deadline is rounded up to a tick. One more is for the tick of the byte, and a turn takes its time.
const LATE: Duration = Duration::from_millis(3);

/// A peer that sends a message each second, and gets it back.
struct Guest;

/// The messages of the guest that have come back, and whether its connection is lost.
#[derive(Debug, Default)]
struct Visit {
    answers: u32,
    is_lost: bool,
}

impl SocketHandler<Visit> for Guest {
    fn on_connect(&mut self, cx: &mut Context<'_, Visit>) {
        cx.socket.write(&[ECHO, b'g']).ignore();
        cx.socket.after(Duration::from_secs(1), 0);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Visit>, data: &[u8]) {
        assert_eq!(data, b"g");
        cx.shared.answers += 1;
    }
    fn on_timer(&mut self, cx: &mut Context<'_, Visit>, _: u64) {
        cx.socket.write(b"g").ignore();
        cx.socket.after(Duration::from_secs(1), 0);
    }
    fn on_close(&mut self, cx: &mut Context<'_, Visit>, _: CloseReason) {
        cx.shared.is_lost = true;
    }
}

fn server(simulation: &mut Simulation) -> Host<session::World> {
    let times = Times::shorter(1);
    let world = session::World {
        times,
        side_door: None,
        response: Vec::new().into(),
        subscribers: Vec::new(),
        records: Vec::new(),
    };
    let options = EventLoopOptions::new().limits(times.limits());
    let mut server = simulation.host_with(world, options).unwrap();
    assert_eq!(times.limits(), Limits::internet());
    let options = ListenOptions::new().socket(SocketOptions::new().allow_half_open(true));
    let accept = |cx: &mut netloop::LoopContext<'_, session::World>, _: &netloop::Accepted| {
        Session::new(cx.now())
    };
    server
        .event_loop
        .listen_with(SERVER, options, accept)
        .unwrap();
    let message = [b'm'; 64 << 10];
    server.event_loop.every(Duration::from_secs(1), move |cx| {
        drop(cx.sockets.broadcast(&cx.shared.subscribers, &message));
    });
    server
}

#[test]
fn ten_hostile_minutes_leave_no_socket_behind_its_deadline() {
    let mut simulation = Simulation::new(15, Options::new()).unwrap();
    let mut server = server(&mut simulation);
    let crowd = attack::World {
        attacks: true,
        random: fastrand::Rng::with_seed(15),
        records: [attack::Record::default(); Kind::ALL.len()],
    };
    let options = EventLoopOptions::new().limits(Limits::unlimited());
    let mut attackers = simulation.host_with(crowd, options).unwrap();
    let mut guest = simulation.host(Visit::default()).unwrap();
    guest.event_loop.connect(SERVER, Guest).unwrap();
    for second in 0..ATTACK + DRAIN {
        attackers.shared.attacks = second < ATTACK;
        for kind in KINDS {
            let record = &mut attackers.shared.records[kind as usize];
            let missing = if second < ATTACK {
                CROWD - record.alive
            } else {
                0
            };
            record.alive += missing;
            for _ in 0..missing {
                let attack = Attack::new(kind);
                let opened = attackers
                    .event_loop
                    .connect_with(SERVER, kind.options(), attack);
                opened.unwrap();
            }
        }
        let hosts: &mut [&mut dyn netloop::simulation::AnyHost] =
            &mut [&mut server, &mut attackers, &mut guest];
        simulation.run_for(hosts, Duration::from_secs(1)).unwrap();
    }

    let it = server.event_loop.statistics();
    assert_eq!(it.sockets, 1, "the guest is left");
    assert!(!guest.shared.is_lost);
    assert!(
        guest.shared.answers >= ATTACK + DRAIN - 2,
        "{:?}",
        guest.shared
    );
    let counters = [
        it.timed_out_first_bytes,
        it.slow_senders,
        it.timed_out_deadlines,
        it.slow_receivers,
        it.timed_out_closes,
        it.timed_out_half_open,
    ];
    assert!(counters.iter().all(|&count| count > 0), "{it:?}");
    for record in &server.shared.records {
        let deadline = record.deadline.expect("each kind has a limit");
        assert!(record.longest <= deadline + LATE, "{record:?}");
    }
    assert_eq!(
        server.shared.records.len(),
        KINDS.len(),
        "{:?}",
        server.shared.records
    );
}
