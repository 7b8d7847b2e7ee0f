//! A headless app of Bevy as the host, such as the server of a game, and the loop as a guest.
//!
//! ```text
//! $ cargo run --manifest-path examples/embed_bevy/Cargo.toml     # or, with an address: ... -- 0.0.0.0:7006
//! listening 127.0.0.1:7006
//! second 1: 0 players, 0 bytes
//! second 2: 1 players, 6 bytes
//! ```
//!
//! The loop is a resource of the main thread. One system gives it a turn at the beginning of each frame, and one a flush at
//! the end. Between them the network is entities and events like any other: a player is an entity, and its bytes are events.
//!
//! `bevy_app` and `bevy_ecs` without their defaults are 56 crates, which build in 35 s of processor time (AMD EPYC).

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bevy_app::{App, AppExit, First, Last, ScheduleRunnerPlugin, Update};
use bevy_ecs::prelude::*;
use netloop::{
    Budget, CatchUp, CloseReason, Context, EventLoop, Flow, SocketHandler, SocketId, Ticker, Wait,
};

#[cfg(test)]
#[allow(dead_code, reason = "the client alone is used")]
#[path = "../../embed_poll/src/echo.rs"]
mod echo;

const STEPS_PER_SECOND: u32 = 60;

/// The time between the beginnings of two frames.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / STEPS_PER_SECOND as u64);

/// The network's part of a frame.
const SHARE: Duration = Duration::from_millis(2);

/// An event of the network, on its way from a handler to the systems.
enum News {
    Joined(SocketId),
    Received(SocketId, Vec<u8>),
    Left(SocketId),
}

/// The connection of a player.
struct Seat;

impl SocketHandler<Vec<News>> for Seat {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<News>>) {
        cx.shared.push(News::Joined(cx.socket.id()));
    }

    fn on_data(&mut self, cx: &mut Context<'_, Vec<News>>, data: &[u8]) {
        cx.shared
            .push(News::Received(cx.socket.id(), data.to_vec()));
    }

    fn on_drain(&mut self, cx: &mut Context<'_, Vec<News>>) {
        cx.socket.resume();
    }

    fn on_close(&mut self, cx: &mut Context<'_, Vec<News>>, _: CloseReason) {
        cx.shared.push(News::Left(cx.socket.id()));
    }
}

/// The loop, with the state that its handlers share. It stays on the main thread, as the loop must.
struct Network {
    event_loop: EventLoop<Vec<News>>,
    news: Vec<News>,
    players: HashMap<SocketId, Entity>,
}

#[derive(Component)]
struct Player {
    socket: SocketId,
}

/// The bytes that a player has sent.
#[derive(Event)]
struct Received {
    player: Entity,
    bytes: Vec<u8>,
}

/// The app's own time: steps on a schedule that the network does not move.
#[derive(Resource)]
struct Clock {
    ticker: Ticker,
    steps: u64,
}

/// The number of bytes of all players.
#[derive(Resource, Default)]
struct Total(u64);

/// Gives the loop its turn, and makes entities and events of the news.
fn turn(
    mut network: NonSendMut<'_, Network>,
    mut commands: Commands<'_, '_>,
    mut received: EventWriter<'_, Received>,
) -> Result {
    let Network {
        event_loop,
        news,
        players,
    } = &mut *network;
    event_loop.turn(news, Wait::No, Budget::new().time(SHARE / 2))?;
    for news in news.drain(..) {
        match news {
            News::Joined(socket) => {
                let player = commands.spawn(Player { socket }).id();
                players.insert(socket, player);
            }
            News::Received(socket, bytes) => {
                if let Some(&player) = players.get(&socket) {
                    received.write(Received { player, bytes });
                }
            }
            News::Left(socket) => {
                if let Some(player) = players.remove(&socket) {
                    commands.entity(player).despawn();
                }
            }
        }
    }
    Ok(())
}

/// Answers each player with its own bytes: the system that a game would have in this place.
fn echo(
    mut network: NonSendMut<'_, Network>,
    mut received: EventReader<'_, '_, Received>,
    players: Query<'_, '_, &Player>,
    mut total: ResMut<'_, Total>,
) {
    for Received { player, bytes } in received.read() {
        total.0 += bytes.len() as u64;
        // A player that has left in the same frame is no entity any more.
        let Ok(player) = players.get(*player) else {
            continue;
        };
        let mut socket = network.event_loop.socket(player.socket);
        // Flow control: reads no further until the answer has left.
        if socket.write(bytes) == Flow::Full {
            socket.pause();
        }
    }
}

fn step(mut clock: ResMut<'_, Clock>) {
    let due = clock.ticker.due(Instant::now());
    clock.steps += u64::from(due.count);
}

/// Sends what the frame has written.
fn flush(mut network: NonSendMut<'_, Network>) {
    network.event_loop.flush(Budget::new().time(SHARE / 2));
}

fn report(
    clock: Res<'_, Clock>,
    total: Res<'_, Total>,
    players: Query<'_, '_, &Player>,
    mut next: Local<'_, u64>,
    mut exit: EventWriter<'_, AppExit>,
) {
    if clock.steps < *next + u64::from(STEPS_PER_SECOND) {
        return;
    }
    *next += u64::from(STEPS_PER_SECOND);
    let second = *next / u64::from(STEPS_PER_SECOND);
    let (players, bytes) = (players.iter().count(), total.0);
    let mut output = std::io::stdout();
    if writeln!(output, "second {second}: {players} players, {bytes} bytes").is_err() {
        exit.write(AppExit::error());
    }
}

/// Makes the app, and returns it with the address that it listens on.
fn app(address: &str) -> netloop::Result<(App, Option<SocketAddr>)> {
    let mut event_loop = EventLoop::new()?;
    let server = event_loop.listen(address, |_, _| Seat)?;
    let address = event_loop.server(server).address();
    let mut app = App::new();
    app.add_plugins(ScheduleRunnerPlugin::run_loop(FRAME))
        .add_event::<Received>()
        .insert_non_send_resource(Network {
            event_loop,
            news: Vec::new(),
            players: HashMap::new(),
        })
        .insert_resource(Clock {
            ticker: Ticker::per_second(STEPS_PER_SECOND, Instant::now())
                .catch_up(CatchUp::Burst(5)),
            steps: 0,
        })
        .init_resource::<Total>()
        .add_systems(First, turn)
        .add_systems(Update, (step, echo))
        .add_systems(Last, flush);
    Ok((app, address))
}

fn main() -> std::result::Result<AppExit, Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:7006".into());
    let (mut app, address) = app(&address)?;
    if let Some(address) = address {
        writeln!(std::io::stdout(), "listening {address}")?;
    }
    app.add_systems(Update, report.after(step));
    Ok(app.run())
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::net::TcpStream;
    use std::rc::Rc;
    use std::thread::JoinHandle;

    use netloop::Statistics;

    use super::*;

    use super::echo::client::{PATIENCE, talk};

    const LENGTH: usize = 4 << 20;

    /// The figures of a run, as the last frame has left them.
    #[derive(Default)]
    struct Figures {
        /// The beginning of the last frame.
        begun: Option<Instant>,
        /// The statistics at the beginning of each frame.
        statistics: Vec<Statistics>,
        bytes: u64,
        players: usize,
        steps: u64,
    }

    type Shared = Rc<RefCell<Figures>>;

    /// Runs the app until `is_over`, which is asked after each frame.
    fn run(mut app: App, mut is_over: impl FnMut(&Figures) -> bool + 'static) -> Shared {
        let figures = Shared::default();
        app.insert_non_send_resource(Rc::clone(&figures));
        let begun = Instant::now();
        app.add_systems(
            First,
            (|figures: NonSend<'_, Shared>, network: NonSend<'_, Network>| {
                let mut figures = figures.borrow_mut();
                figures.begun = Some(Instant::now());
                figures.statistics.push(network.event_loop.statistics());
            })
            .before(turn),
        );
        app.insert_non_send_resource(Ending(Box::new(move |figures| {
            assert!(begun.elapsed() < PATIENCE, "the app does not end");
            is_over(figures)
        })));
        app.add_systems(Last, end);
        assert_eq!(app.run(), AppExit::Success);
        figures
    }

    struct Ending(Box<dyn FnMut(&Figures) -> bool>);

    fn end(
        figures: NonSend<'_, Shared>,
        mut ending: NonSendMut<'_, Ending>,
        players: Query<'_, '_, &Player>,
        total: Res<'_, Total>,
        clock: Res<'_, Clock>,
        mut exit: EventWriter<'_, AppExit>,
    ) {
        let mut figures = figures.borrow_mut();
        figures.players = players.iter().count();
        figures.bytes = total.0;
        figures.steps = clock.steps;
        if (ending.0)(&figures) {
            exit.write(AppExit::Success);
        }
    }

    #[test]
    fn the_guest_echoes_every_byte_and_the_schedule_keeps_its_time() {
        let (mut app, address) = app("127.0.0.1:0").expect("a port");
        let begun = Instant::now();
        // All steps count, however late the machine is.
        app.insert_resource(Clock {
            ticker: Ticker::per_second(STEPS_PER_SECOND, begun).catch_up(CatchUp::Burst(u32::MAX)),
            steps: 0,
        });
        let mut client = Some(talk(address.expect("it listens"), LENGTH));
        // It leaves as soon as it has every byte, and its entity goes with it.
        let figures = run(app, move |figures| {
            if client.as_ref().is_some_and(JoinHandle::is_finished) {
                let client = client.take().expect("it is there");
                drop(client.join().expect("every byte was right"));
            }
            client.is_none() && figures.players == 0
        });
        let figures = figures.borrow();
        assert_eq!(figures.bytes, LENGTH as u64);
        let last_begun = figures.begun.expect("a frame");
        // One turn a frame: the network has held no frame up by a second one.
        let frames = figures.statistics.len() as u64;
        let last = figures.statistics.last().expect("a frame");
        assert_eq!(last.turns, frames - 1);
        // The steps of the last frame are counted after its beginning.
        let steps = |since: Duration| (since.as_secs_f64() * f64::from(STEPS_PER_SECOND)) as u64;
        assert!(
            figures.steps >= steps(last_begun - begun),
            "{} steps",
            figures.steps
        );
        assert!(
            figures.steps <= steps(begun.elapsed()) + 1,
            "{} steps",
            figures.steps
        );
    }

    #[test]
    fn an_app_at_rest_makes_one_poll_a_frame_and_nothing_else() {
        const FRAMES: usize = 60;
        let (app, address) = app("127.0.0.1:0").expect("a port");
        let client = talk(address.expect("it listens"), 1000);
        let mut idle: Option<TcpStream> = None;
        let mut client = Some(client);
        let mut rests_from = None;
        let figures = run(app, move |figures| {
            if client.as_ref().is_some_and(JoinHandle::is_finished) {
                let client = client.take().expect("it is there");
                idle = Some(client.join().expect("every byte was right"));
                rests_from = Some(figures.statistics.len());
            }
            rests_from.is_some_and(|frame| figures.statistics.len() > frame + FRAMES)
                && idle.is_some()
        });
        let figures = figures.borrow();
        assert_eq!((figures.bytes, figures.players), (1000, 1));
        let frames = figures.statistics.len();
        let (before, last) = (
            figures.statistics[frames - FRAMES],
            figures.statistics[frames - 1],
        );
        let growth = last.since(&before);
        let frames = FRAMES as u64 - 1;
        assert_eq!(
            (growth.turns, growth.polls, growth.events),
            (frames, frames, 0)
        );
    }
}
