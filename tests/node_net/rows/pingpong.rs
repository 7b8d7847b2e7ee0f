//! The games of ping and pong: `net-pingpong`, `net-pingpong-delay` and `net-pingpong@pummel`.

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use netloop::{
    CloseReason, Context, Endpoint, Error, IntoEndpoint, ServerId, Socket, SocketHandler,
    SocketOptions, State,
};

use crate::support::{Scene, World, has_ipv6, loopback, scratch_path};

/// One game of ping and pong.
#[derive(Clone, Copy)]
struct Game {
    rounds: u32,
    /// The wait of the client before each PING.
    delay: Option<Duration>,
    /// The address from which the server sees the client come.
    client: Option<IpAddr>,
}

/// Sends PING and awaits PONG; its last PING comes with its end.
struct Pinger {
    game: Game,
    pongs: u32,
    sent: u32,
}

impl Pinger {
    fn go_on(&self, cx: &mut Context<'_, World>) {
        let is_last = self.pongs + 1 == self.game.rounds;
        match self.game.delay {
            None => ping(&mut cx.socket, is_last),
            Some(delay) => {
                let id = cx.socket.id();
                cx.after(delay, move |cx| {
                    ping(&mut cx.sockets.socket(id), is_last);
                });
            }
        }
    }
}

fn ping(socket: &mut Socket<'_>, is_last: bool) {
    assert_eq!(socket.state(), State::Open);
    let flow = socket.write(b"PING");
    assert!(flow.is_accepted());
    socket.notify_when_sent(1);
    assert!(socket.queued_bytes() <= 4);
    if is_last {
        socket.end();
        assert!(!socket.is_writable());
        assert_eq!(socket.state(), State::ReadOnly);
    }
}

impl SocketHandler<World> for Pinger {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        assert_eq!(cx.socket.state(), State::Open);
        self.go_on(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        assert_eq!(data, b"PONG");
        self.pongs += 1;
        let is_over = self.pongs == self.game.rounds;
        let state = if is_over {
            State::ReadOnly
        } else {
            State::Open
        };
        assert_eq!(cx.socket.state(), state);
        if !is_over {
            self.go_on(cx);
        }
    }
    fn on_sent(&mut self, _: &mut Context<'_, World>, _: u64, sent: Result<(), &Error>) {
        assert!(sent.is_ok());
        self.sent += 1;
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert_eq!(cx.socket.state(), State::Closed);
        let (pongs, sent) = (self.pongs, self.sent);
        cx.shared
            .note(format!("client: {pongs} pongs, {sent} sent, {reason:?}"));
    }
}

/// Answers each PING with PONG, and the end with its own, which it has to do by itself.
struct Ponger {
    game: Game,
    server: ServerId,
    pings: u32,
}

impl SocketHandler<World> for Ponger {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        assert_eq!(data, b"PING");
        assert_eq!(cx.socket.state(), State::Open);
        assert_eq!(cx.socket.accepted_by(), Some(self.server));
        let connections = cx.socket.sockets().server(self.server).connection_count();
        assert_eq!(connections, 1);
        let client = cx.socket.peer_address().map(|address| address.ip());
        assert_eq!(client, self.game.client);
        self.pings += 1;
        let flow = cx.socket.write(b"PONG");
        assert!(flow.is_accepted());
        assert!(cx.socket.queued_bytes() <= 4);
    }
    fn on_end(&mut self, cx: &mut Context<'_, World>) {
        assert!(cx.socket.is_writable());
        assert_eq!(cx.socket.state(), State::WriteOnly);
        cx.socket.end();
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert!(!cx.socket.is_writable());
        assert_eq!(cx.socket.state(), State::Closed);
        let pings = self.pings;
        cx.shared.note(format!("server: {pings} pings, {reason:?}"));
    }
}

/// Plays `game` on a server at `place`, which the client reaches at what `reach` makes of its port.
fn play(place: impl IntoEndpoint, reach: impl FnOnce(u16) -> Endpoint, game: Game) {
    let mut scene = Scene::new();
    // Zero is never.
    let options = SocketOptions::new()
        .allow_half_open(true)
        .idle_timeout(Duration::ZERO);
    let server = scene
        .event_loop
        .listen_with(place, options, move |_, accepted| Ponger {
            game,
            server: accepted.server,
            pings: 0,
        })
        .unwrap();
    // A name is looked up first.
    scene.drive_with("the server listening", |scene| {
        scene.event_loop.server(server).is_listening()
    });
    let address = scene.event_loop.server(server).address();
    let pinger = Pinger {
        game,
        pongs: 0,
        sent: 0,
    };
    let place = reach(address.map_or(0, |address| address.port()));
    scene.event_loop.connect(place, pinger).unwrap();
    scene.drive("both ends closed", |world| world.notes.len() == 2);
    let rounds = game.rounds;
    scene.world.notes.sort();
    assert_eq!(
        scene.world.notes,
        [
            format!("client: {rounds} pongs, {rounds} sent, Graceful"),
            format!("server: {rounds} pings, Graceful")
        ]
    );
}

/// Plays `game` on TCP: the server binds `host`, and sees the client as `client`.
fn play_on(host: &str, to: &str, client: &str, game: Game) {
    let game = Game {
        client: Some(client.parse().unwrap()),
        ..game
    };
    play(
        (host, 0),
        |port| (to.to_owned(), port).into_endpoint().unwrap(),
        game,
    );
}

const GAME: Game = Game {
    rounds: 1001,
    delay: None,
    client: None,
};

#[test]
fn net_pingpong() {
    let scratch = scratch_path();
    let path = &scratch.path;
    play(path, |_| Endpoint::Path(path.clone()), GAME);
    play_on("localhost", "localhost", &localhost(), GAME);
    if has_ipv6() {
        play_on("::1", "::1", "::1", GAME);
    }
}

/// The address that the system has for the name.
fn localhost() -> String {
    let listener = TcpListener::bind(("localhost", 0)).unwrap();
    listener.local_addr().unwrap().ip().to_string()
}

#[test]
fn net_pingpong_delay() {
    let game = Game {
        rounds: 101,
        delay: Some(Duration::from_millis(1)),
        ..GAME
    };
    let host = loopback().ip().to_string();
    play_on(&host, &host, "127.0.0.1", game);
}

// A server without a host is one on `[::]` here.
#[test]
fn net_pingpong_pummel() {
    let host = loopback().ip().to_string();
    play_on(&host, &host, "127.0.0.1", GAME);
    if has_ipv6() {
        play_on("::", &host, "::ffff:127.0.0.1", GAME);
        play_on("::", "::1", "::1", GAME);
        play_on("::1", "::1", "::1", GAME);
    }
}
