//! Connections that come and go, beside a loop by hand.
//!
//! Each is ended with a reset by the side that connected: an ordinary end would leave its port unusable for a minute,
//! and there are not enough ports for a measurement.

use std::io::{self, Read};
use std::net::SocketAddr;
use std::time::Duration;

use criterion::Criterion;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use netloop::{Budget, CloseReason, Context, EventLoop, Result, SocketHandler, Wait};
use socket2::SockRef;

use crate::measure::Group;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(
        criterion,
        "accept: connect, accept, reset, both ends on one thread",
    );
    netloop(&mut group).expect("loopback connects");
    mio(&mut group).expect("loopback connects");
}

/// The end that is accepted: it counts when it is gone.
struct Accepted;

impl SocketHandler<usize> for Accepted {
    fn on_data(&mut self, _: &mut Context<'_, usize>, _: &[u8]) {}
    fn on_close(&mut self, cx: &mut Context<'_, usize>, _: CloseReason) {
        *cx.shared += 1;
    }
}

struct Connecting;

impl SocketHandler<usize> for Connecting {
    fn on_connect(&mut self, cx: &mut Context<'_, usize>) {
        let reset = cx.socket.reset();
        reset.expect("a TCP socket can be reset");
    }
    fn on_data(&mut self, _: &mut Context<'_, usize>, _: &[u8]) {}
}

fn netloop(group: &mut Group<'_>) -> Result<()> {
    let mut event_loop: EventLoop<usize> = EventLoop::new()?;
    let server = event_loop.listen("127.0.0.1:0", |_, _| Accepted)?;
    let address = event_loop.server(server).address();
    let address = address.expect("a server has an address");
    let mut gone = 0;
    group.each("netloop", None, || {
        gone = 0;
        let connecting = event_loop.connect(address, Connecting);
        connecting.expect("the arguments are right");
        while gone == 0 {
            let turn = event_loop.turn(&mut gone, Wait::Forever, Budget::UNLIMITED);
            turn.expect("polling works");
        }
    });
    Ok(())
}

fn mio(group: &mut Group<'_>) -> io::Result<()> {
    const LISTENER: Token = Token(0);
    const CONNECTING: Token = Token(1);
    const ACCEPTED: Token = Token(2);
    let both = Interest::READABLE | Interest::WRITABLE;
    let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connect_and_reset = move || -> io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        poll.registry().register(&mut stream, CONNECTING, both)?;
        let mut connecting = Some(stream);
        let mut accepted: Option<TcpStream> = None;
        loop {
            poll.poll(&mut events, None)?;
            for event in &events {
                match event.token() {
                    CONNECTING if event.is_writable() => {
                        if let Some(stream) = connecting.take() {
                            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
                        }
                    }
                    LISTENER => {
                        let (mut stream, _) = listener.accept()?;
                        poll.registry().register(&mut stream, ACCEPTED, both)?;
                        accepted = Some(stream);
                    }
                    _ => {
                        let read = accepted.as_mut().map(|stream| stream.read(&mut [0]));
                        if read.is_some_and(|read| {
                            read.is_err_and(|error| error.kind() != io::ErrorKind::WouldBlock)
                        }) {
                            return Ok(());
                        }
                    }
                }
            }
        }
    };
    group.each("mio by hand", None, || {
        connect_and_reset().expect("loopback connects");
    });
    Ok(())
}
