//! Accepts in a turn, also beside other work, and the events of refused connections: one for a burst, in order, and never
//! lost (A7, A9; `budget_accept` of libuv's).

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use netloop::{AcceptLimit, BlockList, Budget, Limits, ListenOptions, SocketOptions, Wait};

use crate::accept_limits::{
    Door, connect, connect_from, drive_to_decided, serve_plain as serve, with_limits,
};
use crate::support::{Peer, Recorder, Scene, client_host, host, loopback, unless_lost};

// The rest stays in the backlog, and no edge comes for it.
#[test]
fn a_server_accepts_as_often_in_a_turn_as_its_limit_says() {
    unless_lost(|| {
        const PEERS: usize = 23;
        let mut blocked = BlockList::new();
        blocked.add_address(host("host2"));
        let blocked = Rc::new(blocked);
        for (source, most) in [
            ("host1", None),
            ("host1", Some(0)),
            ("host1", Some(7)),
            ("host2", None),
        ] {
            let mut scene = Scene::new();
            let limits = Limits::unlimited().accepts_per_turn(5);
            let options = with_limits(limits)
                .max_connections(most)
                .block_list(Rc::clone(&blocked));
            let (door, _, address) = serve(&mut scene, options);
            let _peers: Vec<Peer> = (0..PEERS)
                .map(|_| connect_from(host(source), address))
                .collect();
            for turn in 1..=PEERS.div_ceil(5) {
                let made = scene.turn();
                let it = scene.event_loop.statistics();
                let decided = it.accepted + it.dropped_over_limit + it.dropped_blocked;
                let decided = usize::try_from(decided).unwrap();
                assert_eq!(
                    decided,
                    PEERS.min(turn * 5),
                    "from {source}, limit {most:?}"
                );
                assert_eq!(made.more, decided < PEERS, "from {source}, limit {most:?}");
            }
            let blocked = if source == "host2" { PEERS } else { 0 };
            assert_eq!(door.decided(), PEERS - blocked);
        }
    });
}

#[test]
fn a_burst_is_one_event_before_the_next_connection() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let (door, _, address) = serve(&mut scene, with_limits(limits));
    let (one, two) = (client_host(1), client_host(2));
    let sources = [one, one, one, two, two, one];
    let peers: Vec<Peer> = sources
        .iter()
        .map(|&from| connect_from(from, address))
        .collect();
    scene.turn();
    assert_eq!(door.events(), "connection over connection over");
    let told = door.book.borrow().told.clone();
    assert_eq!((told[0].refused, told[1].refused), (2, 2));
    // The last one of each burst.
    assert_eq!(told[0].peer_address, Some(peers[2].address()));
    assert_eq!(told[1].peer_address, Some(peers[5].address()));
}

#[test]
fn limits_of_one_burst_come_as_an_event_each() {
    let mut scene = Scene::new();
    let limits = Limits::new()
        .max_connections(2)
        .max_connections_per_network(1);
    let (door, _, address) = serve(&mut scene, with_limits(limits));
    let (one, two) = (client_host(1), client_host(2));
    let sources = [one, one, two, two, one];
    let _peers: Vec<Peer> = sources
        .iter()
        .map(|&from| connect_from(from, address))
        .collect();
    scene.turn();
    assert_eq!(door.events(), "connection over connection over");
    assert_eq!(door.refused(AcceptLimit::Network), 1);
    assert_eq!(door.refused(AcceptLimit::Server), 2);

    let (door, server, address) = serve(
        &mut scene,
        with_limits(Limits::new().max_connections_per_network(0)),
    );
    scene.event_loop.server(server).set_max_connections(0);
    let _peers = connect(address, 3);
    // The budget ends the burst behind the first, and its event is not put off.
    let budget = Budget::new().steps(1);
    while door.decided() == 0 {
        scene
            .event_loop
            .turn(
                &mut scene.world,
                Wait::For(Duration::from_millis(1)),
                budget,
            )
            .unwrap();
    }
    assert_eq!(door.decided(), 1);
    scene.event_loop.server(server).set_max_connections(None);
    drive_to_decided(&mut scene, &door, 3);
    assert_eq!(door.refused(AcceptLimit::Server), 1);
    assert_eq!(door.refused(AcceptLimit::Network), 2);
}

#[test]
fn refused_peers_are_told_before_the_close_of_their_server() {
    for drains in [false, true] {
        let mut scene = Scene::new();
        let door = Door {
            closes_when_over: !drains,
            ..Door::default()
        };
        let options = ListenOptions::new().max_connections(0);
        let server = scene
            .event_loop
            .serve(loopback(), options, door.clone())
            .unwrap();
        let address = scene.address_of(server);
        scene.settle();
        let peers = connect(address, 40);
        if drains {
            // The server accepts the peers that wait, and closes behind them.
            scene
                .event_loop
                .shutdown(Duration::from_secs(60), |_, _| {});
        }
        scene.drive("the close", |_| door.events().ends_with("close"));
        match drains {
            true => {
                assert_eq!(door.decided(), 40);
                assert_eq!(door.events(), "over over close");
            }
            false => {
                assert_eq!(door.decided(), 32);
                assert_eq!(door.events(), "over close");
            }
        }
        drop(peers);
    }
}

#[test]
fn a_wildcard_server_makes_no_call_to_learn_an_address() {
    let mut scene = Scene::new();
    let door = Door::default();
    let options = ListenOptions::new().max_connections(0);
    let server = scene
        .event_loop
        .serve("0.0.0.0:0", options, door.clone())
        .unwrap();
    let port = scene.address_of(server).port();
    let peer = Peer::connect(SocketAddr::new(host("host1"), port));
    drive_to_decided(&mut scene, &door, 1);
    let told = door.book.borrow().told[0];
    assert_eq!(told.local_address, None);
    assert_eq!(told.peer_address, Some(peer.address()));
}

#[cfg(unix)]
#[test]
fn peers_without_an_address_belong_to_no_network_and_end() {
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use netloop::Refusal;

    let scratch = crate::support::scratch_path();
    let path = PathBuf::from(scratch.text());
    let mut scene = Scene::new();
    let limits = Limits::new()
        .max_connections(3)
        .max_connections_per_network(0)
        .refusal(Refusal::Reset);
    let door = Door::default();
    scene
        .event_loop
        .serve(path.as_path(), with_limits(limits), door.clone())
        .unwrap();
    let _inside: Vec<_> = (0..3)
        .map(|_| UnixStream::connect(&path).unwrap())
        .collect();
    drive_to_decided(&mut scene, &door, 3);
    assert_eq!(door.accepted(), 3);
    let mut outside = UnixStream::connect(&path).unwrap();
    drive_to_decided(&mut scene, &door, 4);
    assert_eq!(outside.read(&mut [0]).unwrap(), 0);
    let told = door.book.borrow().told[0];
    assert_eq!((told.local_address, told.peer_address), (None, None));
}

/// A shell that lets the test have as many descriptors as the system allows.
#[cfg(target_os = "linux")]
const MANY_DESCRIPTORS: &str = r#"ulimit -n "$(ulimit -H -n)"; exec "$@""#;

// A7: 10,000 peers wait at the doors while a socket inside plays ping-pong.
#[cfg(target_os = "linux")]
#[test]
fn ten_thousand_at_the_doors_delay_a_ping_by_no_turn() {
    use crate::servers::echo;
    use netloop::ServerId;

    crate::support::in_own_process(MANY_DESCRIPTORS, || {
        const PEERS: usize = 10_000;
        let most = std::fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let most: usize = most.trim().parse::<usize>().unwrap().min(5_000);
        let mut scene = Scene::new();
        let (_, mut inside) = scene.accepted(SocketOptions::new(), echo("inside"));
        let doors: Vec<_> = (0..PEERS.div_ceil(most))
            .map(|_| {
                let options = ListenOptions::new().backlog(most.try_into().unwrap());
                serve(&mut scene, options.max_connections(50))
            })
            .collect();
        let mut peers = Vec::new();
        for (_, _, address) in &doors {
            peers.extend(connect(*address, most.min(PEERS - peers.len())));
        }
        let decided = |doors: &[(Door, ServerId, SocketAddr)]| -> usize {
            doors.iter().map(|(door, ..)| door.decided()).sum()
        };
        let mut turns = 0;
        while decided(&doors) < PEERS {
            let before = decided(&doors);
            inside.write(b"x");
            let mut gap = 0;
            while inside.read_some(1) != Ok(Some(b"x".to_vec())) {
                assert!(gap < 2, "the ping waits for {gap} turns");
                scene.turn();
                gap += 1;
            }
            turns += gap;
            assert!(decided(&doors) - before <= 32 * gap * doors.len());
        }
        assert!(turns >= PEERS / (32 * doors.len()), "{turns} turns");
        let accepted: usize = doors.iter().map(|(door, ..)| door.accepted()).sum();
        assert_eq!(accepted, 50 * doors.len());
    });
}

/// The most connections that a listener takes in one turn.
const BURST: usize = 32;

// A7; budget_accept.
#[test]
fn a_crowd_at_the_door_does_not_starve_those_inside() {
    unless_lost(|| {
        let mut scene = Scene::new();
        let pings = Recorder::new("inside");
        let (_, mut inside) = scene.accepted(SocketOptions::new(), pings);
        let (server, address) = scene.listen(ListenOptions::new(), |number| {
            Recorder::new(format!("newcomer {number}"))
        });
        scene.settle();
        let _crowd: Vec<Peer> = (0..300).map(|_| Peer::connect(address)).collect();

        let mut turns = 0;
        let mut accepted = 0;
        while accepted < 300 {
            inside.write(b"x");
            turns += 1;
            let turn = scene.turn();
            assert_eq!(scene.world.received_length("inside"), turns);
            let now = scene.event_loop.server(server).connection_count();
            assert!(
                now > accepted && now - accepted <= BURST,
                "{accepted} {now}"
            );
            accepted = now;
            assert!(turn.more || accepted == 300, "no edge comes for the rest");
            // Elsewhere than with epoll a short read proves nothing: the last ping is read once more, in the next turn.
            if accepted == 300
                && cfg!(all(
                    target_os = "linux",
                    not(mio_unsupported_force_poll_poll)
                ))
            {
                assert!(!turn.more);
            }
        }
        let rest = scene.turn();
        assert_eq!((rest.events, rest.more), (0, false));
        assert_eq!(turns, 300_usize.div_ceil(BURST));
    });
}

// A7
#[test]
fn a_crowd_at_one_door_does_not_keep_another_door_shut() {
    unless_lost(|| {
        let mut scene = Scene::new();
        let (crowded, address) =
            scene.listen(ListenOptions::new(), |_| Recorder::new("newcomer of many"));
        let (other, quiet_address) =
            scene.listen(ListenOptions::new(), |_| Recorder::new("lonely"));
        scene.settle();
        let _crowd: Vec<Peer> = (0..300).map(|_| Peer::connect(address)).collect();
        let _lonely = Peer::connect(quiet_address);
        scene.turn();
        assert_eq!(scene.event_loop.server(crowded).connection_count(), BURST);
        assert_eq!(scene.event_loop.server(other).connection_count(), 1);
    });
}
