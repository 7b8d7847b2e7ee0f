//! The floor: an edge-triggered epoll loop by hand, with nothing between it and the system calls.
//!
//! A careful C programmer would write this for this one purpose, and no more general: the cost of a library is its cost
//! beyond this.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use netloop_benches::epoll::{EDGES, Epoll, EventFlags, HANG_UP};
use rustix::net::{SocketFlags, accept_with};

use super::service::Service;
use super::sessions::Sessions;

const LISTENER: usize = usize::MAX;
const EVENTS: usize = 1024;
/// Connections taken per wake-up, so that a storm of them does not starve the others.
const ACCEPTS_PER_TURN: usize = 64;

pub(super) fn serve(service: &Service) -> io::Result<()> {
    let mut epoll = Epoll::new(EVENTS)?;
    let listener = service.listen()?;
    epoll.add(&listener, LISTENER as u64, EventFlags::IN)?;
    let mut sessions: Sessions<TcpStream> = Sessions::new(service);
    let flags_of_stream = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    loop {
        // The kernel waits for whole milliseconds, and must not wake the loop before the second is over.
        let wait = sessions.wait();
        let wait = wait.map(|wait| wait + Duration::from_millis(u64::from(!wait.is_zero())));
        let count = epoll.wait(wait)?;
        sessions.begin_turn();
        for place in 0..count {
            let (token, flags) = epoll.event(place);
            if token != LISTENER {
                let is_readable = flags.contains(EventFlags::IN);
                sessions.serve(token, is_readable, flags.intersects(HANG_UP));
                continue;
            }
            for _ in 0..ACCEPTS_PER_TURN {
                // No connection left, a peer that is already gone, or a full table of descriptors: the next wake-up tries again.
                let Ok(stream) = accept_with(&listener, flags_of_stream) else {
                    break;
                };
                epoll.add(&stream, sessions.next_place() as u64, EDGES)?;
                sessions.enter(stream.into());
            }
        }
        sessions.end_turn();
    }
}
