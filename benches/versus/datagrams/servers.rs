//! The servers, each a process of its own.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};
use netloop_benches::build;
use netloop_benches::cores::on_core;
use netloop_benches::process::Server;

/// The events of a batch, as in netloop's own loop.
const EVENTS: usize = 1024;

const NODE: &str = "const socket = require('node:dgram').createSocket('udp4');\
    socket.on('message', (data, from) => socket.send(data, from.port, from.address));\
    socket.bind(0, '127.0.0.1', () => console.log('listening 127.0.0.1:' + socket.address().port));";

/// Starts all servers that this machine has, and says which it does not have.
pub(crate) fn start_all(core: usize) -> Vec<(&'static str, Server)> {
    let own = |name: &str| {
        let mut command = Command::new(build::this_program()?);
        command.args(["datagrams", "--serve", name]);
        Ok::<_, String>(command)
    };
    let libuv = || {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/libuv_udp.c");
        let program = build::libuv(source, Path::new(env!("CARGO_TARGET_TMPDIR")))?.1;
        Ok(Command::new(program))
    };
    let mut node = Command::new("node");
    node.args(["-e", NODE]);
    let mut servers = Vec::new();
    for (name, command) in [
        ("netloop", own("netloop")),
        ("mio", own("mio")),
        ("libuv", libuv()),
        ("Node", Ok(node)),
    ] {
        match command.and_then(|mut command| on_core(core, || Server::start(&mut command))) {
            Ok(server) => servers.push((name, server)),
            Err(error) => eprintln!("without {name}: {error}"),
        }
    }
    servers
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
    let registry = poll.registry();
    registry.register(&mut socket, Token(0), Interest::READABLE)?;
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
