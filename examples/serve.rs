//! A server for load generators: `serve PORT MODE [--idle-timeout SECONDS] [--read-buffer BYTES]`, on 127.0.0.1.
//!
//! | MODE | what it does |
//! |---|---|
//! | `echo` | sends everything back |
//! | `discard` | reads and drops |
//! | `flood` | writes for ever, as fast as the peer reads |
//! | `broadcast` | sends each chunk that it receives to all other connections |
//!
//! ```text
//! $ cargo run --release --example serve -- 7000 echo
//! listening 127.0.0.1:7000
//! ```
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};
use netloop::{
    CloseReason, Context, EventLoop, EventLoopOptions, Flow, SocketHandler, SocketId, SocketOptions,
};

/// The bytes of a flood. They live for ever, so that none of them is ever copied.
static FLOOD: [u8; 256 << 10] = [b'x'; 256 << 10];

/// The members of the broadcast.
type Members = Vec<SocketId>;

struct Echo;

impl SocketHandler<Members> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_, Members>) {
        cx.socket.resume();
    }
}

struct Discard;

impl SocketHandler<Members> for Discard {
    fn on_data(&mut self, _: &mut Context<'_, Members>, _: &[u8]) {}
}

struct Flood;

impl Flood {
    fn pour(cx: &mut Context<'_, Members>) {
        while cx.socket.write_static(&FLOOD) == Flow::Open {}
    }
}

impl SocketHandler<Members> for Flood {
    fn on_connect(&mut self, cx: &mut Context<'_, Members>) {
        Self::pour(cx);
    }
    fn on_data(&mut self, _: &mut Context<'_, Members>, _: &[u8]) {}
    fn on_drain(&mut self, cx: &mut Context<'_, Members>) {
        Self::pour(cx);
    }
}

struct Broadcast;

impl SocketHandler<Members> for Broadcast {
    fn on_connect(&mut self, cx: &mut Context<'_, Members>) {
        cx.shared.push(cx.socket.id());
    }
    fn on_data(&mut self, cx: &mut Context<'_, Members>, data: &[u8]) {
        let speaker = cx.socket.id();
        let others = cx.shared.iter().copied().filter(|&id| id != speaker);
        let mut sockets = cx.socket.sockets();
        for (id, flow) in sockets.broadcast(others, data) {
            if flow == Flow::Full {
                sockets.socket(id).destroy();
            }
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, Members>, _: CloseReason) {
        let gone = cx.socket.id();
        cx.shared.retain(|&member| member != gone);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const USAGE: &str = "usage: serve PORT echo|discard|flood|broadcast [--idle-timeout SECONDS] [--read-buffer BYTES]";
    let mut port: Option<u16> = None;
    let mut mode: Option<String> = None;
    let mut idle = None;
    let mut read_buffer = None;
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Long("idle-timeout") => {
                idle = Some(Duration::from_secs(arguments.value()?.parse()?));
            }
            Arg::Long("read-buffer") => read_buffer = Some(arguments.value()?.parse()?),
            Arg::Value(value) if port.is_none() => port = Some(value.parse()?),
            Arg::Value(value) if mode.is_none() => mode = Some(value.string()?),
            _ => return Err(USAGE.into()),
        }
    }
    let (Some(port), Some(mode)) = (port, mode) else {
        return Err(USAGE.into());
    };

    let mut options = EventLoopOptions::new();
    if let Some(bytes) = read_buffer {
        options = options.read_buffer_bytes(bytes);
    }
    let mut event_loop: EventLoop<Members> = EventLoop::with_options(options)?;
    let address = ("127.0.0.1", port);
    let options = SocketOptions::new().idle_timeout(idle);
    let server = match mode.as_str() {
        "echo" => event_loop.listen_with(address, options, |_, _| Echo)?,
        "discard" => event_loop.listen_with(address, options, |_, _| Discard)?,
        "flood" => event_loop.listen_with(address, options, |_, _| Flood)?,
        "broadcast" => event_loop.listen_with(address, options, |_, _| Broadcast)?,
        _ => return Err(USAGE.into()),
    };
    if let Some(address) = event_loop.server(server).address() {
        println!("listening {address}");
    }
    event_loop.run(&mut Members::new())?;
    Ok(())
}
