//! Names: looked up as for TCP, while datagrams wait.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use netloop::{
    DatagramFlow, DatagramOptions, DropPolicy, Error, EventLoop, EventLoopOptions, Family,
    HostQuery, Limits, PanicPolicy, Syscall,
};

use crate::support::PATIENCE;

use super::{Stage, Watch, loopback, peer};

fn answering(addresses: Vec<SocketAddr>) -> DatagramOptions {
    let resolver = move |query: &HostQuery<'_>| match query.host {
        "here.test" => Ok(addresses.clone()),
        _ => Err(Error::with_code("ENOTFOUND", "only here.test is known")),
    };
    DatagramOptions::new().resolver(Arc::new(resolver))
}

#[test]
fn a_name_is_bound_after_its_lookup() {
    let mut stage = Stage::new();
    let host = loopback().ip();
    let options = answering(vec![SocketAddr::new(host, 0)]);
    let handler = Watch::echo("a");
    let bound = stage.event_loop.bind_udp("here.test:0", options, handler);
    let id = bound.unwrap();
    assert_eq!(stage.socket(id).local_address(), None);
    let error = stage.socket(id).set_ttl(3).unwrap_err();
    assert_eq!(error.code(), Error::DATAGRAM_NOT_RUNNING);
    stage.drive_to("a listening");
    let address = stage.socket(id).local_address().unwrap();
    assert_eq!(address.ip(), host);
    let (peer, _) = peer();
    peer.send_to(b"x", address).unwrap();
    stage.drive_to("a x");
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 1);
}

#[test]
fn datagrams_to_a_name_wait_for_its_lookup() {
    let mut stage = Stage::new();
    let (peer, peer_address) = peer();
    let options =
        answering(vec![SocketAddr::new(peer_address.ip(), 0)]).local_address(loopback().ip());
    let to = ("here.test", peer_address.port());
    let handler = Watch::new("a");
    let id = stage.event_loop.connect_udp(to, options, handler).unwrap();
    assert_eq!(stage.socket(id).send(b"one"), DatagramFlow::Open);
    assert_eq!(stage.socket(id).send(b"two"), DatagramFlow::Open);
    assert_eq!(stage.socket(id).queued_datagrams(), 2);
    stage.drive_to("a connect");
    stage.settle_for_a_while();
    let mut buffer = [0; 8];
    for word in [b"one", b"two"] {
        assert_eq!(peer.recv(&mut buffer).unwrap(), 3);
        assert_eq!(&buffer[..3], word);
    }
    assert_eq!(stage.socket(id).peer_address(), Some(peer_address));
    assert_eq!(stage.notes, ["a listening", "a connect"]);
}

// As in Node, where the lookup keeps the process.
#[test]
fn a_released_socket_keeps_run_going_until_its_name_is_found() {
    let mut stage = Stage::new();
    let options = answering(vec![SocketAddr::new(loopback().ip(), 0)]);
    let bound = stage
        .event_loop
        .bind_udp("here.test:0", options, Watch::new("a"));
    stage.socket(bound.unwrap()).release();
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a listening"]);
}

#[test]
fn a_second_socket_finds_the_address_of_a_name_for_the_first() {
    let mut stage = Stage::new();
    let (peer, peer_address) = peer();
    let (bound, from) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let options =
        answering(vec![SocketAddr::new(peer_address.ip(), 0)]).local_address(loopback().ip());
    let to = ("here.test", peer_address.port());
    let asking = Watch::new("b").on_connect(move |cx| {
        let to = cx.socket.peer_address().unwrap();
        let mut sockets = cx.socket.sockets();
        sockets.datagram_socket(bound).send_to(to, b"one").ignore();
        cx.socket.close();
    });
    stage.event_loop.connect_udp(to, options, asking).unwrap();
    stage.drive_to("b close");
    let mut buffer = [0; 8];
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (3, from));
}

#[test]
fn a_name_that_is_not_found_closes_the_socket() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_error(|cx, error| {
        assert_eq!(error.syscall(), Some(Syscall::Lookup));
        assert_eq!(error.hostname(), Some("nowhere.test"));
        assert!(cx.socket.is_closed());
    });
    let options = answering(Vec::new());
    let made = stage
        .event_loop
        .connect_udp("nowhere.test:7", options, handler);
    let id = made.unwrap();
    assert_eq!(stage.socket(id).send(b"lost"), DatagramFlow::Open);
    assert_eq!(stage.event_loop.statistics().queued_bytes, 4);
    stage.run_to_its_end();
    assert_eq!(stage.event_loop.statistics().queued_bytes, 0);
    assert_eq!(stage.notes, ["a ENOTFOUND", "a close"]);
    assert_eq!(stage.event_loop.statistics().datagrams_dropped, 1);
}

#[test]
fn an_unusable_address_of_a_name_is_passed_over() {
    let mut stage = Stage::new();
    let (_peer, peer_address) = peer();
    // No machine has the first address, and the second is of the other family.
    let nowhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let addresses = [nowhere, Ipv6Addr::LOCALHOST.into(), peer_address.ip()];
    let addresses = addresses.map(|ip| SocketAddr::new(ip, 0)).to_vec();
    let options = answering(addresses).family(Family::IPv4);
    let bound = stage
        .event_loop
        .bind_udp("here.test:0", options, Watch::new("a"));
    let id = bound.unwrap();
    stage.drive_to("a listening");
    let address = stage.socket(id).local_address().unwrap();
    assert_eq!(address.ip(), peer_address.ip());
}

#[test]
fn a_socket_that_closes_in_its_lookup_is_never_bound() {
    let mut stage = Stage::new();
    let options = answering(vec![loopback()]);
    let bound = stage
        .event_loop
        .bind_udp("here.test:0", options, Watch::new("a"));
    let id = bound.unwrap();
    assert!(stage.socket(id).send_to(loopback(), b"lost").is_accepted());
    stage.socket(id).close();
    assert_eq!(stage.event_loop.statistics().queued_bytes, 0);
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a close"]);
}

#[test]
fn datagrams_of_closed_sockets_leave_their_space_to_others() {
    let limits = Limits::new().max_total_queued_bytes(10_000);
    let options = EventLoopOptions::new().limits(limits);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    for (round, name) in ["here.test:0", "nowhere.test:0"]
        .iter()
        .cycle()
        .take(8)
        .enumerate()
    {
        let options = answering(vec![loopback()]).drop_policy(DropPolicy::Newest);
        let bound = stage.event_loop.bind_udp(*name, options, Watch::new("a"));
        let id = bound.unwrap();
        for _ in 0..2 {
            let flow = stage.socket(id).send_to(loopback(), &[7; 4000]);
            assert!(flow.is_accepted(), "round {round}: {flow:?}");
        }
        let flow = stage.socket(id).send_to(loopback(), &[7; 4000]);
        assert_eq!(flow, DatagramFlow::Dropped);
        match *name {
            "here.test:0" => stage.socket(id).close(),
            // The lookup fails, which closes the socket.
            _ => stage.drive("the end", |stage| !stage.event_loop.is_alive()),
        }
    }
    stage.run_to_its_end();
}

// The queue takes several services to leave, and the datagram has arrived before the first of them.
#[test]
fn a_socket_that_closes_soon_receives_nothing() {
    let mut stage = Stage::new();
    let (peer, to) = peer();
    let handler = Watch::new("a").on_listening(move |cx| {
        let address = cx.socket.local_address().unwrap();
        peer.send_to(b"late", address).unwrap();
        cx.socket.close_soon();
        cx.socket.resume();
        assert!(!cx.socket.is_closed(), "the queue is not sent yet");
    });
    let options = answering(vec![SocketAddr::new(to.ip(), 0)]);
    let bound = stage.event_loop.bind_udp("here.test:0", options, handler);
    let id = bound.unwrap();
    for _ in 0..500 {
        assert!(stage.socket(id).send_to(to, b"x").is_accepted());
    }
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["a listening", "a close"]);
    assert_eq!(stage.event_loop.statistics().datagrams_sent, 500);
}

#[test]
fn a_pause_within_the_lookup_ends_with_its_resume_alone() {
    for resumes in [false, true] {
        let mut stage = Stage::new();
        let options = answering(vec![SocketAddr::new(loopback().ip(), 0)]);
        let bound = stage
            .event_loop
            .bind_udp("here.test:0", options, Watch::new("a"));
        let id = bound.unwrap();
        stage.socket(id).pause();
        if resumes {
            stage.socket(id).resume();
        }
        stage.drive_to("a listening");
        let address = stage.socket(id).local_address().unwrap();
        peer().0.send_to(b"x", address).unwrap();
        if !resumes {
            stage.settle_for_a_while();
            assert!(!stage.has("a x"));
            stage.socket(id).resume();
        }
        stage.drive_to("a x");
    }
}

// A send that does not fit the purpose of the lookup is refused within the call, as it is once the socket is open.
#[test]
fn a_send_within_the_lookup_fits_its_purpose() {
    let mut stage = Stage::new();
    let (peer, to) = peer();
    let options = || answering(vec![SocketAddr::new(to.ip(), 0)]).local_address(to.ip());
    let named = ("here.test", to.port());
    let event_loop = &mut stage.event_loop;
    let bound = event_loop.bind_udp("here.test:0", options(), Watch::new("a"));
    let connected = event_loop.connect_udp(named, options(), Watch::new("b"));
    let (bound, connected) = (bound.unwrap(), connected.unwrap());
    assert_eq!(stage.socket(bound).send(b"lost"), DatagramFlow::Dropped);
    let flow = stage.socket(connected).send_to(loopback(), b"lost");
    assert_eq!(flow, DatagramFlow::Dropped);
    assert_eq!(stage.event_loop.statistics().queued_bytes, 0);
    let flow = stage.socket(bound).send_to(to, b"one");
    assert_eq!(flow, DatagramFlow::Open);
    assert_eq!(stage.socket(connected).send(b"two"), DatagramFlow::Open);
    stage.settle_for_a_while();
    stage.drive_to("a listening");
    stage.drive_to("b connect");
    let mut words = [[0; 3]; 2];
    for word in &mut words {
        assert_eq!(peer.recv(word).unwrap(), 3);
    }
    words.sort_unstable();
    assert_eq!(&words, &[*b"one", *b"two"]);
    let not_connected = format!("a {}", Error::DATAGRAM_NOT_CONNECTED);
    let is_connected = format!("b {}", Error::DATAGRAM_IS_CONNECTED);
    assert_eq!(stage.count(&not_connected), 1);
    assert_eq!(stage.count(&is_connected), 1);
    assert_eq!(stage.event_loop.statistics().datagrams_dropped, 2);
}

#[cfg(unix)]
#[test]
fn a_path_is_no_place_for_a_udp_socket() {
    let mut stage = Stage::new();
    let options = DatagramOptions::new();
    let bound = stage
        .event_loop
        .bind_udp("unix:/tmp/x", options, Watch::new("a"));
    assert_eq!(bound.unwrap_err().code(), Error::INVALID_ARGUMENT);
    assert!(!stage.event_loop.is_alive());
}

// The errors of the last datagrams come with the close: nothing else tells of their loss.
#[test]
fn a_socket_that_closes_soon_is_told_which_datagrams_failed() {
    for length in [100_000, 20] {
        let mut stage = Stage::new();
        let (peer, to) = peer();
        let options = answering(vec![SocketAddr::new(to.ip(), 0)]).local_address(loopback().ip());
        let connected = stage.event_loop.connect_udp(
            ("here.test", to.port()),
            options.max_queued_bytes(usize::MAX),
            Watch::new("a"),
        );
        let id = connected.unwrap();
        assert!(stage.socket(id).send(&[7; 20]).is_accepted());
        assert!(stage.socket(id).send(&vec![7; length]).is_accepted());
        stage.socket(id).close_soon();
        stage.run_to_its_end();
        assert_eq!(peer.recv(&mut [0; 64]).unwrap(), 20);
        let told = match length {
            20 => vec!["a listening", "a connect", "a close"],
            _ => vec!["a listening", "a connect", "a EMSGSIZE", "a close"],
        };
        assert_eq!(stage.notes, told);
    }
}

// A lookup that no socket waits for takes no place: neither in the queue for a thread, nor for a later socket of its name.
#[test]
fn a_socket_that_panics_in_its_lookup_gives_the_lookup_up() {
    let limits = Limits::new().lookup_threads(1).max_waiting_lookups(1);
    let options = EventLoopOptions::new()
        .limits(limits)
        .panic_policy(PanicPolicy::Close);
    let mut stage = Stage::on(EventLoop::with_options(options).unwrap());
    let host = loopback().ip();
    let (open, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let (ask, asked) = mpsc::channel();
    let resolver = move |query: &HostQuery<'_>| {
        let _ = ask.send(query.host.to_owned());
        // Ends when the test drops the sender.
        let _ = opened.lock().unwrap().recv_timeout(PATIENCE);
        Ok(vec![SocketAddr::new(host, 0)])
    };
    let options = DatagramOptions::new().resolver(Arc::new(resolver));
    let bind = |stage: &mut Stage, name: &str, handler| {
        let to = format!("{name}.test:0");
        let bound = stage.event_loop.bind_udp(to, options.clone(), handler);
        bound.unwrap()
    };
    bind(&mut stage, "a", Watch::new("a"));
    assert_eq!(asked.recv_timeout(PATIENCE).as_deref(), Ok("a.test"));
    let handler = Watch::new("b").on_timer(|_, _| panic!("oh"));
    let doomed = bind(&mut stage, "b", handler);
    stage.socket(doomed).after(Duration::ZERO, 0);
    stage.drive_to("b close");
    bind(&mut stage, "c", Watch::new("c"));
    stage.settle_for_a_while();
    assert!(!stage.has("c EAGAIN"), "{:?}", stage.notes);
    drop(open);
    stage.drive_to("c listening");
    assert_eq!(asked.try_iter().collect::<Vec<_>>(), ["c.test"]);
}
