//! The servers, each a process of its own.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};

/// The events of a batch, as in netloop's own loop.
const EVENTS: usize = 1024;

const NODE: &str = "const socket = require('node:dgram').createSocket('udp4');\
    socket.on('message', (data, from) => socket.send(data, from.port, from.address));\
    socket.bind(0, '127.0.0.1', () => console.log('listening 127.0.0.1:' + socket.address().port));";

/// A server that runs, and ends with this value.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Server {
    fn start(name: &str, command: &mut Command) -> Result<Self, Box<dyn Error>> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or("it was asked for")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening ");
        Ok(Self {
            name: name.to_owned(),
            address: address.ok_or("it does not say where it listens")?.parse()?,
            child,
        })
    }

    /// Returns the processor time that the process has taken, in user space and in the kernel.
    pub(crate) fn processor_time(&self) -> io::Result<Duration> {
        let statistics = fs::read_to_string(format!("/proc/{}/schedstat", self.child.id()))?;
        let nanoseconds = statistics.split_whitespace().next();
        let nanoseconds = nanoseconds.and_then(|word| word.parse().ok());
        let nanoseconds = nanoseconds.ok_or_else(|| io::Error::other("no time"))?;
        Ok(Duration::from_nanos(nanoseconds))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts all servers that this machine has, and says which it does not have.
pub(crate) fn start_all() -> Vec<Server> {
    let mut servers = Vec::new();
    let own = || {
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command.arg("--serve");
        Ok::<_, Box<dyn Error>>(command)
    };
    for (name, server) in [
        (
            "netloop",
            own().and_then(|mut it| Server::start("netloop", it.arg("netloop"))),
        ),
        (
            "mio",
            own().and_then(|mut it| Server::start("mio", it.arg("mio"))),
        ),
        (
            "libuv",
            build_libuv().and_then(|path| Server::start("libuv", &mut Command::new(path))),
        ),
        (
            "Node",
            Server::start("Node", Command::new("node").args(["-e", NODE])),
        ),
    ] {
        match server {
            Ok(server) => servers.push(server),
            Err(error) => eprintln!("without {name}: {error}"),
        }
    }
    servers
}

/// Compiles the peer in C with the libuv of the system.
fn build_libuv() -> Result<String, Box<dyn Error>> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libuv_udp.c");
    let program = format!("{}/libuv-udp", env!("CARGO_TARGET_TMPDIR"));
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-o", &program, source, "-luv"]);
    match compiler.status()?.success() {
        true => Ok(program),
        false => Err("the system has no libuv to compile with".into()),
    }
}

/// Serves in this process, until it is killed.
pub(crate) fn serve(name: &str) -> Result<(), Box<dyn Error>> {
    match name {
        "netloop" => serve_with_netloop(),
        "mio" => serve_with_mio(),
        other => Err(format!("there is no server called {other}").into()),
    }
}

struct Echo;

impl DatagramHandler for Echo {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_>) {
        if let Some(address) = cx.socket.local_address() {
            println!("listening {address}");
        }
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
        cx.socket.send_to(from, data).ignore();
    }
}

fn serve_with_netloop() -> Result<(), Box<dyn Error>> {
    let mut event_loop = EventLoop::new()?;
    event_loop.bind_udp("127.0.0.1:0", DatagramOptions::new(), Echo)?;
    event_loop.run(&mut ())?;
    Ok(())
}

/// The loop that a program would write by hand: it receives until a receive would block, as an edge asks for.
fn serve_with_mio() -> Result<(), Box<dyn Error>> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(EVENTS);
    let mut socket = UdpSocket::bind("127.0.0.1:0".parse()?)?;
    println!("listening {}", socket.local_addr()?);
    let directions = Interest::READABLE;
    poll.registry()
        .register(&mut socket, Token(0), directions)?;
    let mut buffer = vec![0; 65_536];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for _ in &events {
            loop {
                match socket.recv_from(&mut buffer) {
                    Ok((length, from)) => {
                        // A datagram that the kernel has no space for is lost.
                        let _ = socket.send_to(&buffer[..length], from);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}
