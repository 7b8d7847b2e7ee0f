//! A hand-written loop on mio: what the crate beneath costs when nothing is built on it.

use std::io;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

use super::room::Room;
use super::service::{Service, announce};

const LISTENER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    let mut poll = Poll::new()?;
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    announce(listener.local_addr()?)?;
    let mut events = Events::with_capacity(EVENTS);
    let mut room: Room<TcpStream> = Room::new(service);
    loop {
        match poll.poll(&mut events, room.wait()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        room.begin_turn();
        for event in &events {
            if event.token() == LISTENER {
                accept(&listener, poll.registry(), &mut room)?;
            } else {
                let hang_up = event.is_read_closed() || event.is_error();
                room.serve(event.token().0, event.is_readable(), hang_up);
            }
        }
        room.end_turn();
    }
}

/// mio reports edges, so the queue of connections has to be emptied.
fn accept(
    listener: &TcpListener,
    registry: &Registry,
    room: &mut Room<TcpStream>,
) -> io::Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        let place = Token(room.next_place());
        registry.register(&mut stream, place, Interest::READABLE | Interest::WRITABLE)?;
        room.enter(stream);
    }
    Ok(())
}
