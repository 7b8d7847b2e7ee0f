//! The floor: an edge-triggered epoll loop by hand, with nothing between it and the system calls.
//!
//! It is what a careful C programmer would write for this one purpose, and no more general than that: what a library
//! costs is what it costs beyond this.

use std::io;
use std::net::TcpStream;

use super::room::Room;
use super::service::{Service, announce};
use crate::system::{self, EDGE, Epoll, HANG_UP, PEER_END, READABLE, WRITABLE};

const LISTENER: u64 = u64::MAX;
const EVENTS: usize = 1024;
/// Connections taken per wake-up, so that a storm of them does not starve the others.
const ACCEPTS_PER_TURN: usize = 64;

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    listener.set_nonblocking(true)?;
    let mut epoll = Epoll::new(EVENTS)?;
    epoll.add(&listener, LISTENER, READABLE)?;
    announce(listener.local_addr()?)?;
    let mut room: Room<TcpStream> = Room::new(service);
    loop {
        let wait_ms = room.wait().map_or(-1, |wait| {
            i32::try_from(wait.as_millis() + 1).unwrap_or(i32::MAX)
        });
        let count = epoll.wait(if wait_ms == 1 { 0 } else { wait_ms })?;
        room.begin_turn();
        for position in 0..count {
            let (token, readiness) = epoll.event(position);
            if token == LISTENER {
                accept(&listener, &epoll, &mut room)?;
            } else {
                let place = usize::try_from(token).expect("tokens are places");
                room.serve(place, readiness & READABLE != 0, readiness & HANG_UP != 0);
            }
        }
        room.end_turn();
    }
}

fn accept(
    listener: &std::net::TcpListener,
    epoll: &Epoll,
    room: &mut Room<TcpStream>,
) -> io::Result<()> {
    for _ in 0..ACCEPTS_PER_TURN {
        match system::accept(listener) {
            Ok(stream) => {
                epoll.add(
                    &stream,
                    room.next_place() as u64,
                    READABLE | WRITABLE | PEER_END | EDGE,
                )?;
                room.enter(stream);
            }
            // Nobody left, a peer that is already gone, or a full table of descriptors: the next wake-up tries again.
            Err(_) => break,
        }
    }
    Ok(())
}
