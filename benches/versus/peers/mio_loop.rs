//! The same loop by hand on mio: the cost of that crate when nothing is built on it.

use std::io;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::service::Service;
use super::sessions::Sessions;

const LISTENER: Token = Token(usize::MAX);
const EVENTS: usize = 1024;

pub(super) fn serve(service: &Service) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::from_std(service.listen()?);
    poll.registry()
        .register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(EVENTS);
    let mut sessions: Sessions<TcpStream> = Sessions::new(service);
    loop {
        match poll.poll(&mut events, sessions.wait()) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        sessions.begin_turn();
        for event in &events {
            if event.token() != LISTENER {
                let hang_up = event.is_read_closed() || event.is_error();
                sessions.serve(event.token().0, event.is_readable(), hang_up);
                continue;
            }
            // mio reports edges, so the queue of connections has to be emptied.
            while let Ok((mut stream, _)) = listener.accept() {
                let place = Token(sessions.next_place());
                let both = Interest::READABLE | Interest::WRITABLE;
                poll.registry().register(&mut stream, place, both)?;
                sessions.enter(stream);
            }
        }
        sessions.end_turn();
    }
}
