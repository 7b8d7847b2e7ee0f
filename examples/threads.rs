//! An echo server with a loop for each core, in one of two ways. With `share`, each loop listens on the same port, and the
//! kernel spreads the connections (Linux). With `hand-over`, the first loop accepts, and hands the connections round. At
//! the end of the input all loops stop together: each lets its connections end, for a second at most.
//!
//! ```text
//! $ cargo run --example threads -- 3 127.0.0.1:7000 hand-over
//! listening 127.0.0.1:7000
//! ^D
//! loop 1: 1 connections, 6 bytes
//! loop 2: 1 connections, 3 bytes
//! loop 3: 0 connections, 0 bytes
//! ```
//!
//! And meanwhile, of two clients the second:
//!
//! ```text
//! $ nc 127.0.0.1 7000
//! loop 2
//! no
//! no
//! ```
use std::error::Error;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use netloop::{
    Context, EventLoop, Hold, ListenOptions, LoopContext, Remote, ServerId, SocketHandler,
    SocketOptions, Statistics,
};

/// The time that connections have to end, once all loops stop.
const FAREWELL: Duration = Duration::from_secs(1);

/// The state of one loop, which its own thread alone uses.
struct World {
    number: usize,
    server: Option<ServerId>,
    connections: u64,
    is_stopping: bool,
}

impl World {
    fn new(number: usize) -> Self {
        Self {
            number,
            server: None,
            connections: 0,
            is_stopping: false,
        }
    }
}

/// The handles of a loop's thread for the others. The loop goes on while there is the `Hold`.
type Handles = (Remote<World>, Hold<World>);

struct Echo;

impl Echo {
    /// Greets a new connection. An adopted socket is connected already, and gets no `on_connect`.
    fn greet(world: &mut World) -> String {
        world.connections += 1;
        format!("loop {}\n", world.number)
    }
}

impl SocketHandler<World> for Echo {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        let greeting = Self::greet(cx.shared);
        let _ = cx.socket.write(greeting.as_bytes());
    }
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        let _ = cx.socket.write(data);
    }
}

/// Hands each new connection to the next loop.
struct HandOver {
    to: Remote<World>,
}

impl SocketHandler<World> for HandOver {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        let Some((stream, _nothing_unsent)) = cx.socket.detach() else {
            return;
        };
        let adopt = move |cx: &mut LoopContext<'_, World>| {
            let greeting = Echo::greet(cx.shared);
            let Ok(id) = cx.adopt(stream, SocketOptions::new(), Echo) else {
                return;
            };
            let mut socket = cx.sockets.socket(id);
            let _ = socket.write(greeting.as_bytes());
            if cx.shared.is_stopping {
                socket.end();
            }
        };
        // A loop that cannot keep up, or is gone, gives the connection back, and it is served here.
        if let Err(refused) = self.to.try_post(adopt) {
            refused.into_call()(&mut cx.as_loop());
        }
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
}

/// Lets every connection of this loop send what it has to send, and ends the loop.
fn stop(cx: &mut LoopContext<'_, World>) {
    cx.shared.is_stopping = true;
    if let Some(server) = cx.shared.server {
        cx.sockets.server(server).close();
    }
    for id in cx.sockets.ids() {
        cx.sockets.socket(id).end();
    }
    let last_moment = cx.after(FAREWELL, |cx| cx.stop());
    cx.timer(last_moment).release();
}

/// Makes a loop that listens on `shared`, if there is a port to share.
fn new_loop(
    number: usize,
    shared: Option<SocketAddr>,
) -> netloop::Result<(EventLoop<World>, World)> {
    let mut event_loop = EventLoop::new()?;
    let mut world = World::new(number);
    if let Some(address) = shared {
        let options = ListenOptions::new().reuse_port(true);
        world.server = Some(event_loop.listen_with(address, options, |_, _| Echo)?);
    }
    Ok((event_loop, world))
}

fn run(mut event_loop: EventLoop<World>, mut world: World) -> netloop::Result<(World, Statistics)> {
    event_loop.run(&mut world)?;
    let statistics = event_loop.statistics();
    Ok((world, statistics))
}

/// A thread with a loop of its own, which returns what it has counted.
type Thread = JoinHandle<netloop::Result<(World, Statistics)>>;

/// Starts a thread with a loop of its own, and returns the thread with the loop's handles.
fn start(number: usize, shared: Option<SocketAddr>) -> netloop::Result<(Thread, Handles)> {
    let (made, is_made) = mpsc::channel();
    let thread = thread::spawn(move || {
        // A loop cannot move to another thread, so its own thread makes it.
        let (event_loop, world) = match new_loop(number, shared) {
            Ok(made) => made,
            Err(error) => {
                let _ = made.send(Err(error));
                return Err(netloop::Error::other("the loop was not made"));
            }
        };
        let remote = event_loop.remote();
        let hold = remote.hold();
        let _ = made.send(Ok((remote, hold)));
        run(event_loop, world)
    });
    let handles = is_made.recv().expect("the thread sends one answer")?;
    Ok((thread, handles))
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let threads = match arguments.next() {
        Some(threads) => threads.parse()?,
        None => thread::available_parallelism()?.get(),
    };
    let address: SocketAddr = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:7000".into())
        .parse()?;
    let default = if cfg!(target_os = "linux") {
        "share"
    } else {
        "hand-over"
    };
    let shares = match arguments.next().as_deref().unwrap_or(default) {
        "share" => true,
        "hand-over" => false,
        _ => return Err("threads [THREADS] [ADDRESS] [share | hand-over]".into()),
    };

    // The first loop runs on this thread. If the port is 0, the others share the one that it was given.
    let (mut event_loop, mut world) = new_loop(1, shares.then_some(address))?;
    let first_address =
        |event_loop: &mut EventLoop<World>, server| event_loop.server(server).address();
    let shared = world
        .server
        .and_then(|server| first_address(&mut event_loop, server));
    let mut remotes = vec![event_loop.remote()];
    let mut holds = vec![remotes[0].hold()];
    let mut workers = Vec::new();
    for number in 2..=threads {
        let (worker, (remote, hold)) = start(number, shared)?;
        workers.push(worker);
        remotes.push(remote);
        holds.push(hold);
    }
    if !shares {
        let mut next = remotes.clone().into_iter().cycle();
        let server =
            event_loop.listen(address, move |_, _| next.next().map(|to| HandOver { to }))?;
        world.server = Some(server);
    }
    let listening = world
        .server
        .and_then(|server| first_address(&mut event_loop, server));
    println!("listening {}", listening.unwrap_or(address));

    thread::spawn(move || {
        let _ = io::stdin().read_to_end(&mut Vec::new());
        for remote in &remotes {
            let _ = remote.post(stop);
        }
        // Each loop ends with its last connection.
        drop(holds);
    });
    let mut ended = vec![run(event_loop, world)?];
    for worker in workers {
        ended.push(worker.join().expect("no handler panics")?);
    }
    for (
        World {
            number,
            connections,
            ..
        },
        statistics,
    ) in ended
    {
        println!(
            "loop {number}: {connections} connections, {} bytes",
            statistics.bytes_received
        );
    }
    Ok(())
}
