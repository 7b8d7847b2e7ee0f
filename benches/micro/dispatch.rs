//! From the kernel's events to the source that each is for, beside a loop by hand, and calloop.
//!
//! The sources are datagram sockets with one datagram each, which is received outside the measured time: only the poll and
//! the way to the source are measured.

use std::io;
use std::net::SocketAddr;

use criterion::Criterion;
use mio::event::Source;
use mio::net::UdpSocket;
use mio::{Events, Poll, Token};

use netloop::reactor::{Handler, Interest, Key, Phase, Reactor, Registration};
use slab::Slab;

use crate::measure::Group;

const SIZES: [usize; 3] = [1, 64, 1024];

/// A source that only counts its calls.
struct Called(UdpSocket);

impl Handler for Called {
    type Event = ();
    type Resources<'a> = usize;

    fn source(&mut self) -> Option<&mut dyn Source> {
        Some(&mut self.0)
    }
    fn on_readable(
        &mut self,
        registration: &mut Registration<'_>,
        calls: &mut usize,
    ) -> Option<()> {
        *calls += 1;
        registration.would_block(Interest::READABLE);
        None
    }
    fn on_writable(&mut self, _: &mut Registration<'_>, _: &mut usize) -> Option<()> {
        None
    }
    fn on_error(&mut self, _: &mut Registration<'_>, _: &mut usize) -> Option<()> {
        None
    }
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(
        criterion,
        "dispatch: poll, and call the source, for each event",
    );
    for size in SIZES {
        through_the_reactor(&mut group, size).expect("datagrams can be sent to oneself");
        by_hand(&mut group, size).expect("datagrams can be sent to oneself");
        #[cfg(target_os = "linux")]
        calloop(&mut group, size).expect("datagrams can be sent to oneself");
    }
}

fn through_the_reactor(group: &mut Group<'_>, size: usize) -> io::Result<()> {
    let (sockets, addresses) = sockets(size)?;
    let sender = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let mut reactor = Reactor::new(1024)?;
    let keys = sockets
        .into_iter()
        .map(|socket| reactor.insert(Called(socket), Interest::READABLE))
        .collect::<io::Result<Vec<Key>>>()?;
    let prepare = |reactor: &mut Reactor<Called>| {
        for &key in &keys {
            reactor.visit(key, |source, _| drain(&source.0));
        }
        send_to_all(&sender, &addresses);
    };
    group.prepared_rounds("reactor", size, reactor, prepare, |reactor| {
        let mut calls = 0;
        while calls < size {
            reactor.poll(None).expect("polling works");
            reactor.begin(Phase::Serve);
            while reactor.next(&mut calls).is_some() {}
        }
    });
    Ok(())
}

fn by_hand(group: &mut Group<'_>, size: usize) -> io::Result<()> {
    let (sockets, addresses) = sockets(size)?;
    let sender = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let poll = Poll::new()?;
    let mut sources = Slab::new();
    for mut socket in sockets {
        let entry = sources.vacant_entry();
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        poll.registry()
            .register(&mut socket, Token(entry.key()), both)?;
        entry.insert(socket);
    }
    let prepare = |(_, _, sources): &mut (Poll, Events, Slab<UdpSocket>)| {
        for (_, source) in sources {
            drain(source);
        }
        send_to_all(&sender, &addresses);
    };
    let state = (poll, Events::with_capacity(1024), sources);
    group.prepared_rounds("mio by hand", size, state, prepare, |state| {
        let (poll, events, sources) = state;
        let mut calls = 0;
        while calls < size {
            poll.poll(events, None).expect("polling works");
            for event in &*events {
                let is_here = sources.get_mut(event.token().0).is_some();
                calls += usize::from(is_here && event.is_readable());
            }
        }
    });
    Ok(())
}

#[cfg(target_os = "linux")]
fn calloop(group: &mut Group<'_>, size: usize) -> io::Result<()> {
    use std::os::fd::AsFd;

    use calloop::generic::Generic;
    use calloop::{EventLoop, Interest, Mode, PostAction};

    let (sockets, addresses) = sockets(size)?;
    let sender = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let event_loop: EventLoop<'_, usize> = EventLoop::try_new().map_err(io::Error::other)?;
    for socket in &sockets {
        let descriptor = socket.as_fd().try_clone_to_owned()?;
        let source = Generic::new(descriptor, Interest::READ, Mode::Edge);
        let inserted = event_loop.handle().insert_source(source, |_, _, calls| {
            *calls += 1;
            Ok(PostAction::Continue)
        });
        inserted.map_err(|error| io::Error::other(error.error))?;
    }
    let prepare = |_: &mut EventLoop<'_, usize>| {
        for socket in &sockets {
            drain(socket);
        }
        send_to_all(&sender, &addresses);
    };
    group.prepared_rounds("calloop", size, event_loop, prepare, |event_loop| {
        let mut calls = 0;
        while calls < size {
            event_loop
                .dispatch(None, &mut calls)
                .expect("polling works");
        }
    });
    Ok(())
}

fn sockets(count: usize) -> io::Result<(Vec<UdpSocket>, Vec<SocketAddr>)> {
    (0..count)
        .map(|_| {
            let socket = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
            let address = socket.local_addr()?;
            Ok((socket, address))
        })
        .collect()
}

fn drain(socket: &UdpSocket) {
    while socket.recv(&mut [0]).is_ok() {}
}

fn send_to_all(sender: &std::net::UdpSocket, addresses: &[SocketAddr]) {
    for address in addresses {
        sender
            .send_to(b"x", address)
            .expect("a datagram can be sent to oneself");
    }
}
