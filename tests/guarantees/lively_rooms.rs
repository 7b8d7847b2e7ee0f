//! Rooms in which members speak while others are being heard: a broadcast to many waits for further speakers, and not
//! for ever. It does not wait longer than the sends take, so a thread that did not run for as long as that shows
//! nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use netloop::{
    Budget, Context, EventLoop, HostQuery, SocketHandler, SocketId, SocketOptions, Turn, Wait,
};

use crate::support::{Disturbed, PATIENCE, Peer, host, until_undisturbed};

/// A broadcast to this many members waits for further speakers.
const MANY: usize = 64;

/// The state that all members share.
#[derive(Default)]
struct Room {
    members: Vec<SocketId>,
    /// The peer of the first speaker, kept so that it does not end.
    speaker: Option<Box<dyn Write>>,
    /// The peer of the member that speaks as soon as another is heard, and how often it still does.
    hasty: Option<(Box<dyn Write>, usize)>,
    /// A call for the moment when a message has been passed on.
    then: Option<Box<dyn FnOnce()>>,
    has_looked_up: bool,
    /// The bytes that still waited for the last member whenever a message came, before that message.
    waiting: Vec<usize>,
}

/// Says what it hears to all other members.
struct Member;

impl SocketHandler<Room> for Member {
    fn on_data(&mut self, cx: &mut Context<'_, Room>, data: &[u8]) {
        let last = *cx.shared.members.last().unwrap();
        let waiting = cx.socket.socket(last).queued_bytes();
        cx.shared.waiting.push(waiting);
        let speaker = cx.socket.id();
        let others = cx.shared.members.iter().copied();
        let others = others.filter(|&member| member != speaker);
        assert!(cx.socket.sockets().broadcast(others, data).is_empty());
        if let Some(then) = cx.shared.then.take() {
            then();
        }
        if let Some((peer, times)) = &mut cx.shared.hasty {
            if *times > 0 {
                *times -= 1;
                peer.write_all(b"and me").unwrap();
            }
        }
    }
}

/// A room in which `others` hear the first member, which has sent a message, and the second is hasty. Returns also the
/// peers of the members that only listen.
fn room(others: usize, times: usize) -> (EventLoop<Room>, Room, Vec<Peer>) {
    let mut event_loop = EventLoop::new().unwrap();
    let mut room = Room::default();
    let mut peers = Vec::new();
    for _ in 0..=others {
        let (ours, peer) = Peer::roomy_pair();
        let id = event_loop.adopt(ours, SocketOptions::new(), Member);
        room.members.push(id.unwrap());
        peers.push(peer);
    }
    let mut speaker = peers.remove(0);
    speaker.write(b"I");
    room.speaker = Some(Box::new(speaker.into_stream()));
    room.hasty = Some((Box::new(peers.remove(0).into_stream()), times));
    (event_loop, room, peers)
}

/// A room as [`room`] makes it, of Unix sockets.
#[cfg(unix)]
fn room_of_unix_sockets(
    others: usize,
    times: usize,
) -> (EventLoop<Room>, Room, Vec<std::os::unix::net::UnixStream>) {
    let mut event_loop = EventLoop::new().unwrap();
    let mut room = Room::default();
    let mut peers = Vec::new();
    for _ in 0..=others {
        let (ours, peer) = std::os::unix::net::UnixStream::pair().unwrap();
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        let id = event_loop.adopt(ours, SocketOptions::new(), Member);
        room.members.push(id.unwrap());
        peers.push(peer);
    }
    let mut speaker = peers.remove(0);
    speaker.write_all(b"I").unwrap();
    room.speaker = Some(Box::new(speaker));
    room.hasty = Some((Box::new(peers.remove(0)), times));
    (event_loop, room, peers)
}

/// The first turn in which a member is heard.
fn turn(event_loop: &mut EventLoop<Room>, room: &mut Room, budget: Budget) -> Turn {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let turn = event_loop.turn(room, Wait::Until(deadline), budget);
        let turn = turn.unwrap();
        if turn.events > 0 {
            return turn;
        }
        assert!(Instant::now() < deadline, "nobody was heard");
    }
}

#[test]
fn speakers_during_a_large_flush_are_heard_in_the_same_flush() {
    until_undisturbed(|| {
        let (mut event_loop, mut room, mut peers) = room(MANY, 3);
        let turn = turn(&mut event_loop, &mut room, Budget::new());
        if turn.events < 4 {
            return Disturbed::Yes;
        }
        assert_eq!(room.waiting, [0, 1, 7, 13], "nothing was sent in between");
        for peer in &mut peers {
            let heard = peer.read_some(100).unwrap().unwrap();
            assert_eq!(heard, b"Iand meand meand me");
        }
        Disturbed::No
    });
}

// A short read of a Unix socket proves nothing, so each speaker is read once more.
#[cfg(unix)]
#[test]
fn unix_speakers_during_a_large_flush_are_heard_in_it_too() {
    use std::io::Read;

    until_undisturbed(|| {
        let (mut event_loop, mut room, mut peers) = room_of_unix_sockets(MANY, 3);
        let turn = turn(&mut event_loop, &mut room, Budget::new());
        if turn.events < 4 {
            return Disturbed::Yes;
        }
        assert_eq!(room.waiting, [0, 1, 7, 13], "nothing was sent in between");
        for peer in &mut peers {
            let mut heard = [0; 100];
            let length = peer.read(&mut heard).unwrap();
            assert_eq!(&heard[..length], b"Iand meand meand me");
        }
        Disturbed::No
    });
}

#[cfg(unix)]
#[test]
fn a_unix_room_that_never_falls_silent_is_told_so_far() {
    use std::io::Read;

    let (mut event_loop, mut room, mut peers) = room_of_unix_sockets(MANY, 10_000);
    let turn = turn(&mut event_loop, &mut room, Budget::new());
    let events = usize::try_from(turn.events).unwrap();
    assert!(events <= 1 + room.members.len(), "{events} words");
    for peer in &mut peers {
        let mut heard = [0; 1_000];
        let length = peer.read(&mut heard).unwrap();
        assert_eq!(length, 1 + (events - 1) * "and me".len());
    }
}

#[test]
fn a_small_room_is_told_at_once() {
    let (mut event_loop, mut room, mut peers) = room(MANY - 1, 1);
    let turn = turn(&mut event_loop, &mut room, Budget::new());
    assert_eq!(turn.events, 1);
    for peer in &mut peers {
        assert_eq!(peer.read_some(100).unwrap().unwrap(), b"I");
    }
}

// I9
#[test]
fn a_room_that_never_falls_silent_is_told_what_was_said_so_far() {
    let (mut event_loop, mut room, mut peers) = room(MANY, 10_000);
    let turn = turn(&mut event_loop, &mut room, Budget::new());
    let events = usize::try_from(turn.events).unwrap();
    assert!(events <= 1 + room.members.len(), "{events} words");
    for peer in &mut peers {
        let heard = peer.read_some(1_000).unwrap().unwrap();
        assert_eq!(heard.len(), 1 + (events - 1) * "and me".len());
    }
}

// I9: a budget is for the turn, however often it looks for more.
#[test]
fn a_budget_ends_the_waiting_for_other_speakers() {
    for budget in [1, 3] {
        until_undisturbed(|| {
            let (mut event_loop, mut room, _peers) = room(MANY, 10);
            let turn = turn(&mut event_loop, &mut room, Budget::new().steps(budget));
            assert!(turn.events <= budget);
            // Elsewhere than with epoll a short read proves nothing: the read that finds nothing is a step too.
            let is_exact = cfg!(all(
                target_os = "linux",
                not(mio_unsupported_force_poll_poll)
            ));
            let least = if is_exact { budget } else { budget.div_ceil(2) };
            if turn.events < least {
                return Disturbed::Yes;
            }
            Disturbed::No
        });
    }
}

/// Looks a name up, and never gets further.
struct Asker;

impl SocketHandler<Room> for Asker {
    fn on_data(&mut self, _: &mut Context<'_, Room>, _: &[u8]) {}

    fn on_lookup(
        &mut self,
        cx: &mut Context<'_, Room>,
        _: &str,
        _: Result<SocketAddr, &netloop::Error>,
    ) {
        cx.shared.has_looked_up = true;
    }
}

// The wake-up of a lookup is one edge: a poll in the middle of a turn may not use it up.
#[cfg(all(unix, not(mio_unsupported_force_poll_poll)))]
#[test]
fn a_lookup_that_ends_during_a_large_flush_is_not_lost() {
    use std::os::fd::{AsFd, AsRawFd};

    let (mut event_loop, mut room, _peers) = room(MANY, 0);
    let (release, released) = mpsc::channel();
    let released = std::sync::Mutex::new(released);
    let found = host("host1");
    let resolver = move |_: &HostQuery<'_>| {
        let released = released.lock().unwrap();
        released.recv_timeout(PATIENCE).unwrap();
        Ok(vec![SocketAddr::new(found, 0)])
    };
    let options = netloop::ConnectOptions::new().resolver(std::sync::Arc::new(resolver));
    event_loop
        .connect_with("some.name:9", options, Asker)
        .unwrap();
    // Readable when the answer has woken the loop, and for nothing else: the word has been fetched by then.
    let news = event_loop.as_fd().try_clone_to_owned().unwrap();
    room.then = Some(Box::new(move || {
        release.send(()).unwrap();
        let mut poll = mio::Poll::new().unwrap();
        // In a line of its own: Rust 1.85 drops it at the end of the line.
        let descriptor = news.as_raw_fd();
        let mut source = mio::unix::SourceFd(&descriptor);
        poll.registry()
            .register(&mut source, mio::Token(0), mio::Interest::READABLE)
            .unwrap();
        let mut events = mio::Events::with_capacity(1);
        let deadline = Instant::now() + PATIENCE;
        while events.is_empty() {
            assert!(Instant::now() < deadline, "no answer");
            poll.poll(&mut events, Some(Duration::from_millis(10)))
                .unwrap();
        }
    }));
    while room.waiting.is_empty() {
        turn(&mut event_loop, &mut room, Budget::new());
    }
    assert!(room.has_looked_up || event_loop.poll_timeout() == Some(Duration::ZERO));
}
