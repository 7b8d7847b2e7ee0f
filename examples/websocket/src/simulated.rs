//! The whole server in virtual time: its deadlines, its clients that do not read, and networks of every kind.

mod client;

use std::time::Duration;

use netloop::simulation::{Faults, Host, Options as Network, Simulation};
use netloop::{CloseReason, Context, SocketHandler};

use crate::options::Options;
use crate::server::{self, Server};

use client::{BINARY, CLOSE, Client, PING, PONG, Seen, TEXT, frame};

/// A server, and the machine of its clients.
struct World {
    simulation: Simulation,
    server: Host<Server>,
    clients: Host<Vec<Seen>>,
}

impl World {
    fn new(seed: u64, network: Network) -> Self {
        let options = Options {
            address: "10.0.0.1:7003".to_owned(),
            ..Options::default()
        };
        let mut simulation = Simulation::new(seed, network).unwrap();
        let mut server = simulation.host(Server::new(options.clone())).unwrap();
        server::listen(&mut server.event_loop, &options).unwrap();
        let clients = simulation.host(Vec::new()).unwrap();
        Self {
            simulation,
            server,
            clients,
        }
    }

    fn connect(&mut self, client: Client) {
        self.clients
            .shared
            .resize_with(client.place + 1, Seen::default);
        self.clients
            .event_loop
            .connect("10.0.0.1:7003", client)
            .unwrap();
    }

    fn run_for(&mut self, time: Duration) {
        let hosts: &mut [&mut dyn netloop::simulation::AnyHost] =
            &mut [&mut self.server, &mut self.clients];
        self.simulation.run_for(hosts, time).unwrap();
    }
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A client that sends its request a byte a second.
struct Trickle(usize);

impl SocketHandler<Vec<Seen>> for Trickle {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<Seen>>) {
        self.on_timer(cx, 0);
    }
    fn on_data(&mut self, _: &mut Context<'_, Vec<Seen>>, _: &[u8]) {}
    fn on_timer(&mut self, cx: &mut Context<'_, Vec<Seen>>, _: u64) {
        let byte = b"GET / HTTP/1.1\r\nA: a"[self.0];
        self.0 += 1;
        cx.socket.write(&[byte]).ignore();
        cx.socket.after(seconds(1), 0);
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<Seen>>, reason: CloseReason) {
        cx.shared[0].close = Some(reason);
    }
}

#[test]
fn a_trickled_request_ends_at_its_deadline() {
    let mut world = World::new(1, Network::new());
    world.clients.shared.push(Seen::default());
    world
        .clients
        .event_loop
        .connect("10.0.0.1:7003", Trickle(0))
        .unwrap();
    world.run_for(seconds(10));
    assert_eq!(world.clients.shared[0].close, None);
    world.run_for(seconds(1));
    assert!(world.clients.shared[0].close.is_some());
}

#[test]
fn a_silent_client_is_asked_and_then_given_up() {
    let mut world = World::new(1, Network::new());
    world.connect(Client {
        answers_pings: false,
        ..Client::new(0, "/echo")
    });
    world.run_for(seconds(29));
    assert_eq!(world.clients.shared[0].frames, []);
    world.run_for(seconds(30));
    let seen = &world.clients.shared[0];
    assert_eq!(
        (&seen.frames[..], seen.close),
        (&[(PING, vec![])][..], None)
    );
    world.run_for(seconds(2));
    assert!(world.clients.shared[0].close.is_some());
}

#[test]
fn a_client_that_answers_pings_stays() {
    let mut world = World::new(1, Network::new());
    world.connect(Client::new(0, "/echo"));
    world.run_for(seconds(3600));
    let seen = &world.clients.shared[0];
    assert_eq!(seen.close, None);
    assert!(
        (118..=120).contains(&seen.frames.len()),
        "{}",
        seen.frames.len()
    );
}

#[test]
fn a_message_that_crawls_is_given_up() {
    let mut world = World::new(1, Network::new());
    let mut client = Client::new(0, "/echo").says(BINARY, &[0; 1000]);
    client.frames.truncate(500);
    world.connect(client);
    world.run_for(seconds(29));
    assert!(
        world.clients.shared[0].close.is_some(),
        "it has paid for 2 seconds"
    );
}

#[test]
fn the_chat_drops_a_member_that_does_not_read() {
    let mut world = World::new(1, Network::new());
    world.connect(Client::new(0, "/").says(TEXT, b"ada"));
    world.run_for(seconds(1));
    world.connect(Client {
        deaf_for: seconds(8),
        ..Client::new(1, "/").says(TEXT, b"bob")
    });
    world.run_for(seconds(1));
    let mut cleo = Client::new(2, "/").says(TEXT, b"cleo");
    for number in 0..300 {
        cleo = cleo.says(TEXT, format!("{number:.>2000}").as_bytes());
    }
    world.connect(cleo);
    // Sooner than the least rate of `Limits::internet` would drop it.
    world.run_for(seconds(3));
    let said: Vec<String> = (0..300)
        .map(|number| format!("said\tcleo\t{number:.>2000}"))
        .collect();
    let [ada, bob, cleo] = &world.clients.shared[..] else {
        unreachable!()
    };
    for (seen, first) in [(ada, "welcome\tada"), (cleo, "welcome\tcleo\tada\tbob")] {
        let texts = seen.texts();
        assert_eq!(texts[0], first);
        assert!(texts.contains(&"left\tbob"));
        let heard: Vec<&str> = texts
            .into_iter()
            .filter(|text| text.starts_with("said"))
            .collect();
        assert_eq!(heard, said);
        assert_eq!(seen.close, None);
    }
    assert!(bob.close.is_none(), "it does not know yet");
    assert_eq!(world.server.shared.room.len(), 2);
    world.run_for(seconds(10));
    assert!(world.clients.shared[1].close.is_some());
}

#[test]
fn the_echo_waits_for_a_client_that_does_not_read() {
    const MESSAGES: usize = 100;
    let mut world = World::new(1, Network::new());
    let mut client = Client {
        deaf_for: seconds(4),
        ..Client::new(0, "/echo")
    };
    for number in 0..MESSAGES {
        client = client.says(BINARY, &vec![u8::try_from(number).unwrap(); 60_000]);
    }
    world.connect(client);
    world.run_for(seconds(3));
    let queued = world.server.event_loop.statistics().queued_bytes;
    assert!((256 << 10..512 << 10).contains(&queued), "{queued}");
    world.run_for(seconds(20));
    let frames = &world.clients.shared[0].frames;
    assert_eq!(frames.len(), MESSAGES);
    for (number, (first, payload)) in frames.iter().enumerate() {
        assert_eq!(*first, BINARY);
        assert!(payload.len() == 60_000 && payload.iter().all(|&byte| usize::from(byte) == number));
    }
}

#[test]
fn a_close_is_answered_although_the_echo_waits() {
    // In some of these the read that fills the queue has the Close frame too, and bytes after it wait in the kernel.
    for messages in 70..90 {
        let mut world = World::new(1, Network::new());
        let mut client = Client {
            deaf_for: seconds(4),
            ..Client::new(0, "/echo")
        };
        for _ in 0..messages {
            client = client.says(BINARY, &[7; 8_000]);
        }
        let close = 3001_u16.to_be_bytes();
        client = client.says(CLOSE, &close);
        for _ in 0..30 {
            client = client.says(BINARY, &[8; 8_000]);
        }
        world.connect(client);
        world.run_for(seconds(6));
        let seen = &world.clients.shared[0];
        assert_eq!(seen.frames.len(), messages + 1);
        assert_eq!(seen.frames[messages], (CLOSE, close.to_vec()));
        assert_eq!(seen.close, Some(CloseReason::Graceful));
        assert_eq!(world.server.event_loop.statistics().sockets, 0);
    }
}

#[test]
fn a_text_behind_a_close_reaches_no_member() {
    let latency = Duration::from_millis(10);
    let network = Network {
        latency,
        ..Network::new()
    };
    let mut world = World::new(1, network);
    world.connect(Client::new(0, "/").says(TEXT, b"ada"));
    world.run_for(seconds(1));
    // In the same read, and in another, before the client has seen the answer.
    let bob = Client::new(1, "/").says(TEXT, b"bob").says(CLOSE, b"");
    world.connect(Client {
        deaf_for: latency / 2,
        late_frames: frame(TEXT, b"too late"),
        ..bob.says(TEXT, b"too late")
    });
    world.run_for(seconds(1));
    let heard = ["welcome\tada", "joined\tbob", "left\tbob"];
    assert_eq!(world.clients.shared[0].texts(), heard);
}

#[test]
fn a_server_that_stops_says_so_to_all() {
    let mut world = World::new(1, Network::new());
    for place in 0..3 {
        world.connect(Client::new(place, if place == 0 { "/echo" } else { "/" }));
    }
    world.run_for(seconds(1));
    world.server.event_loop.defer(server::shut_down);
    world.run_for(seconds(1));
    for seen in &world.clients.shared {
        let [(first, payload)] = &seen.frames[..] else {
            panic!("{:?}", seen.frames)
        };
        assert_eq!(
            (*first, &payload[..2]),
            (CLOSE, &1001_u16.to_be_bytes()[..])
        );
        assert_eq!(seen.close, Some(CloseReason::Graceful));
    }
    assert!(!world.server.event_loop.is_alive());
}

#[test]
fn a_conversation_is_the_same_in_every_network() {
    let pieces: Vec<u8> = (0..4_000_u32)
        .map(|number| number.to_le_bytes()[0])
        .collect();
    let close = [&1000_u16.to_be_bytes()[..], b"bye"].concat();
    for seed in 0..300 {
        let network = Network::from_seed(seed);
        let faults = Faults {
            resets: 0,
            aborted_accepts: 0,
            exhausted_accepts: 0,
            exhausted_connects: 0,
            ..network.faults
        };
        // Bytes that go one at a time over a slow line are too slow for `Limits::internet`.
        let capacity = network.capacity.max(4 << 10);
        let network = Network {
            capacity,
            faults,
            ..network
        };
        let mut world = World::new(seed, network);
        let client = Client::new(0, "/echo")
            .says(TEXT, "žluť".as_bytes())
            .says(0x01, b"\xe2\x82")
            .says(PING, b"between")
            .says(0x00, b"")
            .says(0x80, b"\xac")
            .says(BINARY, &pieces)
            .says(TEXT, b"")
            .says(CLOSE, &close);
        world.connect(client);
        world.run_for(seconds(600));
        let seen = &world.clients.shared[0];
        let expected = [
            (TEXT, "žluť".into()),
            (PONG, b"between".to_vec()),
            (TEXT, "€".into()),
            (BINARY, pieces.clone()),
            (TEXT, vec![]),
            (CLOSE, close[..2].to_vec()),
        ];
        assert_eq!(seen.frames, expected, "{:?}", world.simulation);
        assert_eq!(
            seen.close,
            Some(CloseReason::Graceful),
            "{:?}",
            world.simulation
        );
    }
}
