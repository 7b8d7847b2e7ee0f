//! A turn in which there is little to do, beside a poll by hand.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use criterion::Criterion;
use mio::{Events, Poll, Token};
use netloop::{Budget, Context, EventLoop, SocketHandler, SocketOptions, Wait};
use socket2::{Domain, Socket, Type};

use crate::measure::Group;

const DEFERRED: usize = 1_000;
/// Connections that one listener holds in its queue, where no program accepts them: they need no second descriptor.
const WAITING: usize = 1_000;
const BACKLOG: i32 = 2_000;

/// A handler that never gets anything.
struct Idle;

impl SocketHandler<usize> for Idle {
    fn on_data(&mut self, _: &mut Context<'_, usize>, _: &[u8]) {}
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "turn: with so many idle sockets");
    for size in [0, 10_000] {
        if let Err(error) = idle(&mut group, size) {
            println!("{size} idle sockets cannot be had (ulimit -n?): {error}");
        }
    }
    drop(group);
    let name = "turn: each of 1,000 deferred calls";
    deferred(&mut Group::new(criterion, name));
}

fn idle(group: &mut Group<'_>, size: usize) -> Result<(), Box<dyn Error>> {
    let (listeners, streams) = connections(size)?;
    let mut event_loop = EventLoop::new()?;
    for stream in streams {
        let options = SocketOptions::new().idle_timeout(Duration::from_secs(600));
        event_loop.adopt(stream, options, Idle)?;
    }
    let mut turn = move || event_loop.turn(&mut 0, Wait::No, Budget::new());
    // The first one is told that all of them can be written to.
    turn()?;
    group.each("netloop, with idle timeouts", size, turn);
    drop(listeners);

    let (listeners, streams) = connections(size)?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
    let mut sources = Vec::new();
    for (place, stream) in streams.into_iter().enumerate() {
        stream.set_nonblocking(true)?;
        let mut stream = mio::net::TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(place), both)?;
        sources.push(stream);
    }
    let mut poll = move || {
        let polled = poll.poll(&mut events, Some(Duration::ZERO));
        polled.map(|()| events.is_empty())
    };
    while !poll()? {}
    group.each("mio by hand", size, poll);
    drop((listeners, sources));
    Ok(())
}

fn connections(count: usize) -> io::Result<(Vec<TcpListener>, Vec<TcpStream>)> {
    let (mut listeners, mut streams) = (Vec::new(), Vec::new());
    for _ in 0..count.div_ceil(WAITING) {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from(socket);
        for _ in 0..WAITING {
            streams.push(TcpStream::connect(listener.local_addr()?)?);
        }
        listeners.push(listener);
    }
    Ok((listeners, streams))
}

fn deferred(group: &mut Group<'_>) {
    let mut event_loop: EventLoop<usize> = EventLoop::new().expect("a loop can be made");
    group.rounds("netloop", DEFERRED, 0, |calls| {
        *calls = 0;
        event_loop.defer(|cx| {
            for _ in 0..DEFERRED {
                cx.defer(|cx| *cx.shared += 1);
            }
        });
        while *calls < DEFERRED {
            let turn = event_loop.turn(calls, Wait::No, Budget::new());
            turn.expect("polling works");
        }
    });
    type Call = Box<dyn FnOnce(&mut usize)>;
    let mut calls: VecDeque<Call> = VecDeque::new();
    group.rounds("VecDeque of boxes", DEFERRED, 0, |count| {
        for _ in 0..DEFERRED {
            calls.push_back(Box::new(|count| *count += 1));
        }
        while let Some(call) = calls.pop_front() {
            call(count);
        }
    });
}
