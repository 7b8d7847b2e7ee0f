//! Echoes with both ends on one thread, beside a loop by hand, and tokio.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use criterion::Criterion;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use netloop::{Budget, Context, EventLoop, Flow, SocketHandler, SocketId, SocketOptions, Wait};

use crate::measure::Group;

const LENGTHS: [usize; 2] = [64, 16 << 10];
const PAIRS: [usize; 2] = [1, 100];

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "echo: there and back, both ends on one thread");
    for length in LENGTHS {
        for pairs in PAIRS {
            over_tcp(&mut group, length, pairs).expect("loopback connects");
            #[cfg(target_os = "linux")]
            tokio(&mut group, length, pairs).expect("loopback connects");
        }
    }
    drop(group);
    #[cfg(unix)]
    {
        let mut group = Group::new(criterion, "echo: the same over a pair of Unix sockets");
        for length in LENGTHS {
            for pairs in PAIRS {
                over_unix(&mut group, length, pairs).expect("sockets come in pairs");
            }
        }
    }
}

fn over_tcp(group: &mut Group<'_>, length: usize, pairs: usize) -> io::Result<()> {
    let mut event_loop: EventLoop<Clients> = EventLoop::new()?;
    let server = event_loop.listen("127.0.0.1:0", |_, _| Echo)?;
    let address = event_loop.server(server).address();
    let address = address.expect("a server has an address");
    for _ in 0..pairs {
        event_loop.connect(address, Client::new(length))?;
    }
    let mut clients = Clients::default();
    while clients.connected.len() < pairs {
        event_loop.turn(&mut clients, Wait::Forever, Budget::UNLIMITED)?;
    }
    netloop(group, length, event_loop, clients);

    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let mut ends = Vec::new();
    for _ in 0..pairs {
        let client = std::net::TcpStream::connect(listener.local_addr()?)?;
        client.set_nonblocking(true)?;
        let (server, _) = listener.accept()?;
        for stream in [TcpStream::from_std(client), server] {
            stream.set_nodelay(true)?;
            ends.push(stream);
        }
    }
    mio(group, length, ends)
}

#[cfg(unix)]
fn over_unix(group: &mut Group<'_>, length: usize, pairs: usize) -> io::Result<()> {
    use mio::net::UnixStream;

    let mut event_loop: EventLoop<Clients> = EventLoop::new()?;
    let mut clients = Clients::default();
    for _ in 0..pairs {
        let (client, server) = std::os::unix::net::UnixStream::pair()?;
        event_loop.adopt(server, SocketOptions::new(), Echo)?;
        let client = event_loop.adopt(client, SocketOptions::new(), Client::new(length))?;
        clients.connected.push(client);
    }
    netloop(group, length, event_loop, clients);

    let mut ends = Vec::new();
    for _ in 0..pairs {
        let (client, server) = UnixStream::pair()?;
        ends.extend([client, server]);
    }
    mio(group, length, ends)
}

fn name(of: &str, pairs: usize) -> String {
    match pairs {
        1 => format!("{of}, 1 pair, bytes"),
        _ => format!("{of}, {pairs} pairs, bytes"),
    }
}

/// What the clients share with the measurement.
#[derive(Default)]
struct Clients {
    connected: Vec<SocketId>,
    /// Messages that came back whole.
    answered: usize,
}

struct Echo;

impl SocketHandler<Clients> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Clients>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Clients>) {
        cx.socket.resume();
    }
}

struct Client {
    length: usize,
    received: usize,
}

impl Client {
    fn new(length: usize) -> Self {
        Self {
            length,
            received: 0,
        }
    }
}

impl SocketHandler<Clients> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Clients>) {
        let id = cx.socket.id();
        cx.shared.connected.push(id);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Clients>, data: &[u8]) {
        self.received += data.len();
        if self.received == self.length {
            self.received = 0;
            cx.shared.answered += 1;
        }
    }
}

fn netloop(group: &mut Group<'_>, length: usize, event_loop: EventLoop<Clients>, clients: Clients) {
    let pairs = clients.connected.len();
    let message = vec![b'x'; length];
    let state = (event_loop, clients);
    group.rounds(
        &name("netloop", pairs),
        length,
        pairs,
        state,
        |_| (),
        |state| {
            let (event_loop, clients) = state;
            clients.answered = 0;
            for &client in &clients.connected {
                let _ = event_loop.socket(client).write(&message);
            }
            while clients.answered < pairs {
                let turn = event_loop.turn(clients, Wait::Forever, Budget::UNLIMITED);
                turn.expect("polling works");
            }
        },
    );
}

/// One end of a pair. Clients have even places, and the server's end of each the odd one behind it.
struct End<Stream> {
    stream: Stream,
    received: usize,
}

fn mio<Stream: Read + Write + Source>(
    group: &mut Group<'_>,
    length: usize,
    streams: Vec<Stream>,
) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let pairs = streams.len() / 2;
    let mut ends = Vec::new();
    for mut stream in streams {
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry()
            .register(&mut stream, Token(ends.len()), both)?;
        let received = 0;
        ends.push(End { stream, received });
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 128 << 10];
    let message = vec![b'x'; length];
    group.rounds(
        &name("mio by hand", pairs),
        length,
        pairs,
        ends,
        |_| (),
        |ends| {
            for client in ends.iter_mut().step_by(2) {
                // An empty send buffer takes all of it.
                client.stream.write_all(&message).expect("it is connected");
            }
            let mut answered = 0;
            while answered < pairs {
                poll.poll(&mut events, None).expect("polling works");
                for event in events.iter().filter(|event| event.is_readable()) {
                    answered += ends[event.token().0].serve(event.token(), length, &mut buffer);
                }
            }
        },
    );
    Ok(())
}

/// A task for each of the server's ends. The clients are one task, as what they do is not what is compared.
#[cfg(target_os = "linux")]
fn tokio(group: &mut Group<'_>, length: usize, pairs: usize) -> io::Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let clients: io::Result<Vec<TcpStream>> = runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let mut clients = Vec::new();
        for _ in 0..pairs {
            let client = TcpStream::connect(listener.local_addr()?).await?;
            client.set_nodelay(true)?;
            clients.push(client);
            let (mut server, _) = listener.accept().await?;
            server.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut buffer = vec![0; 128 << 10];
                while let Ok(length @ 1..) = server.read(&mut buffer).await {
                    if server.write_all(&buffer[..length]).await.is_err() {
                        break;
                    }
                }
            });
        }
        Ok(clients)
    });
    let message = vec![b'x'; length];
    let mut answer = vec![0; length];
    group.rounds(
        &name("tokio", pairs),
        length,
        pairs,
        clients?,
        |_| (),
        |clients| {
            runtime.block_on(async {
                for client in clients.iter_mut() {
                    let sent = client.write_all(&message).await;
                    sent.expect("it is connected");
                }
                for client in clients {
                    let received = client.read_exact(&mut answer).await;
                    received.expect("it is connected");
                }
            });
        },
    );
    Ok(())
}

impl<Stream: Read + Write> End<Stream> {
    /// Reads what there is, and sends it back if this is the server's end. Says whether a whole answer has come.
    fn serve(&mut self, token: Token, length: usize, buffer: &mut [u8]) -> usize {
        let Ok(read) = self.stream.read(buffer) else {
            return 0;
        };
        if token.0 % 2 == 1 {
            let sent = self.stream.write_all(&buffer[..read]);
            sent.expect("it is connected, and its send buffer is empty");
            return 0;
        }
        self.received += read;
        if self.received < length {
            return 0;
        }
        self.received = 0;
        1
    }
}
