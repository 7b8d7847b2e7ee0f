//! Getters of sockets and servers, and the text that their views show of them.

use std::time::Duration;

use netloop::{
    Budget, CloseReason, Context, EventLoop, KeepAlive, ListenOptions, SocketHandler,
    SocketOptions, State, Wait,
};

use crate::support::{Peer, Recorder, Scene, scratch_path};

#[test]
fn every_option_of_a_socket_can_be_asked() {
    let mut scene = Scene::new();
    let keep_alive = KeepAlive::after(Duration::from_secs(60));
    let options = SocketOptions::new()
        .allow_half_open(true)
        .no_delay(false)
        .keep_alive(keep_alive)
        .high_water_mark(2_000)
        .low_water_mark(1_000)
        .max_queued_bytes(3_000)
        .idle_timeout(Duration::from_secs(4))
        .close_timeout(Duration::from_secs(5))
        .type_of_service(0x20);
    let (id, _peer) = scene.accepted(options, Recorder::new("us"));
    let socket = scene.socket(id);
    assert!(socket.allows_half_open());
    assert!(!socket.no_delay());
    assert_eq!(socket.keep_alive(), Some(keep_alive));
    assert_eq!(
        (
            socket.high_water_mark(),
            socket.low_water_mark(),
            socket.max_queued_bytes()
        ),
        (2_000, 1_000, 3_000)
    );
    assert_eq!(socket.idle_timeout(), Some(Duration::from_secs(4)));
    assert_eq!(socket.close_timeout(), Some(Duration::from_secs(5)));
    assert_eq!(socket.type_of_service(), Some(0x20));
}

#[test]
fn a_setting_is_answered_as_it_was_set_last() {
    let mut scene = Scene::new();
    let keep_alive = KeepAlive::new().probes(3);
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let (other, _other_peer) = scene.accepted(SocketOptions::new(), Recorder::new("other"));
    let mut socket = scene.socket(id);
    assert_eq!((socket.no_delay(), socket.keep_alive()), (true, None));
    socket.set_no_delay(false).unwrap();
    socket.set_keep_alive(keep_alive).unwrap();
    assert_eq!(
        (socket.no_delay(), socket.keep_alive()),
        (false, Some(keep_alive))
    );
    // Sockets of one server share their options until one of them differs.
    let other = scene.socket(other);
    assert_eq!((other.no_delay(), other.keep_alive()), (true, None));
}

#[test]
fn a_dead_socket_answers_as_a_queue_that_takes_nothing() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    let socket = scene.socket(id);
    assert_eq!(
        (
            socket.high_water_mark(),
            socket.low_water_mark(),
            socket.max_queued_bytes()
        ),
        (0, 0, 0)
    );
    assert_eq!((socket.no_delay(), socket.keep_alive()), (false, None));
    assert_eq!((socket.close_timeout(), socket.peer_path()), (None, None));
}

#[test]
fn a_server_answers_its_limit_and_whether_it_is_held() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().max_connections(7);
    let (server, _) = scene.listen(options, |_| Recorder::new("guest"));
    let mut view = scene.event_loop.server(server);
    assert_eq!(view.max_connections(), Some(7));
    view.set_max_connections(None);
    assert_eq!(view.max_connections(), None);
    assert!(view.is_held());
    view.release();
    assert!(!view.is_held());
    view.hold();
    assert!(view.is_held());
}

#[test]
fn a_view_shows_the_socket_as_it_is() {
    let mut scene = Scene::new();
    let (id, peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let address = scene.socket(id).peer_address().unwrap();
    let mut socket = scene.socket(id);
    socket.cork();
    write!(socket, "12345");
    assert_eq!(
        format!("{socket:?}"),
        format!("Socket {{ id: {id}, state: Open, peer: {address}, queued: 5 }}")
    );
    drop(peer);
    socket.destroy();
    scene.drive_to_close("us");
    let socket = scene.socket(id);
    assert_eq!(socket.state(), State::Closed);
    assert_eq!(
        format!("{socket:?}"),
        format!("Socket {{ id: {id}, state: Closed, queued: 0 }}")
    );
}

#[test]
fn a_view_shows_the_server_as_it_is() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("guest"));
    let _peer = Peer::connect(address);
    scene.drive("the connection", |world| world.newest.is_some());
    assert_eq!(
        format!("{:?}", scene.event_loop.server(server)),
        format!("Server {{ id: {server}, state: Listening, on: {address}, connections: 1 }}")
    );
    assert_eq!(
        format!("{:?}", scene.event_loop.sockets()),
        "Sockets { sockets: 1, servers: 1 }"
    );
    scene.event_loop.server(server).close();
    assert_eq!(
        format!("{:?}", scene.event_loop.server(server)),
        format!("Server {{ id: {server}, state: Closed, connections: 1 }}")
    );
}

#[test]
fn a_loop_shows_what_it_has_and_whether_it_goes_on() {
    let mut event_loop: EventLoop<String> = EventLoop::new().unwrap();
    assert_eq!(
        format!("{event_loop:?}"),
        "EventLoop { sockets: 0, servers: 0, datagram_sockets: 0, sources: 0, timers: 0, calls: 0, queued: 0, is_alive: false, .. }"
    );
    event_loop.after(Duration::from_secs(60), |_| {});
    event_loop.defer(|cx| *cx.shared = format!("{cx:?}"));
    assert_eq!(
        format!("{event_loop:?}"),
        "EventLoop { sockets: 0, servers: 0, datagram_sockets: 0, sources: 0, timers: 1, calls: 1, queued: 0, is_alive: true, .. }"
    );
    let mut shown = String::new();
    event_loop
        .turn(&mut shown, Wait::No, Budget::new())
        .unwrap();
    assert_eq!(
        shown,
        "LoopContext { sockets: Sockets { sockets: 0, servers: 0 }, .. }"
    );
}

#[test]
fn a_context_shows_its_socket() {
    struct Show;

    impl SocketHandler<String> for Show {
        fn on_data(&mut self, _: &mut Context<'_, String>, _: &[u8]) {}
        fn on_close(&mut self, cx: &mut Context<'_, String>, _: CloseReason) {
            *cx.shared = format!("{cx:?}");
        }
    }

    let mut event_loop = EventLoop::new().unwrap();
    let id = event_loop.connect("127.0.0.1:1", Show).unwrap();
    event_loop.socket(id).destroy();
    let mut shown = String::new();
    event_loop.run(&mut shown).unwrap();
    assert_eq!(
        shown,
        format!("Context {{ socket: Socket {{ id: {id}, state: Closed, queued: 0 }}, .. }}")
    );
}

#[test]
fn a_server_on_a_name_shows_that_it_is_looked_up() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .listen("localhost:0", |_, _| Recorder::new("guest"))
        .unwrap();
    assert_eq!(
        format!("{:?}", scene.event_loop.server(server)),
        format!("Server {{ id: {server}, state: LookingUp, on: localhost:0, connections: 0 }}")
    );
}

#[test]
fn the_options_of_tcp_are_told_after_the_close_of_tcp_alone() {
    let options = SocketOptions::new()
        .no_delay(true)
        .keep_alive(KeepAlive::new())
        .type_of_service(0x10);
    let told = |socket: &netloop::Socket<'_>| {
        let options = (socket.no_delay(), socket.keep_alive());
        format!("{options:?} {:?}", socket.type_of_service())
    };
    let telling = || Recorder::new("us").on("close", move |cx, _| cx.shared.note(told(&cx.socket)));
    let all = format!("{:?} Some(16)", (true, Some(KeepAlive::new())));
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(options.clone(), telling());
    scene.socket(id).destroy();
    scene.drive_to_close("us");
    assert_eq!(scene.world.notes, [all.as_str()]);
    // Nothing listens there: the connect fails later.
    let mut scene = Scene::new();
    scene.connect("127.0.0.1:1", options.clone(), telling());
    scene.drive_to_close("us");
    assert_eq!(scene.world.notes, [all.as_str()]);
    #[cfg(unix)]
    {
        let none = "(false, None) None";
        for detaches in [false, true] {
            let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
            let mut scene = Scene::new();
            let adopted = scene.event_loop.adopt(ours, options.clone(), telling());
            let id = adopted.unwrap();
            match detaches {
                true => drop(scene.socket(id).detach().unwrap()),
                false => scene.socket(id).destroy(),
            }
            scene.drive_to_close("us");
            assert_eq!(scene.world.notes, [none], "detaches: {detaches}");
        }
        let nowhere = scratch_path();
        let mut scene = Scene::new();
        let id = scene.connect(nowhere.path.as_path(), options, telling());
        assert_eq!(told(&scene.socket(id)), none, "before the failure is told");
        scene.drive_to_close("us");
        assert_eq!(scene.world.notes, [none], "no such path");
    }
}

#[cfg(unix)]
#[test]
fn a_view_shows_the_path_of_a_unix_socket() {
    let scratch = scratch_path();
    let mut scene = Scene::new();
    scene
        .event_loop
        .listen(scratch.path.as_path(), |_, _| Recorder::new("guest"))
        .unwrap();
    let id = scene.connect(
        scratch.path.as_path(),
        SocketOptions::new(),
        Recorder::new("us"),
    );
    scene.drive("the connection", |world| world.trace("us") == "connect");
    let path = scratch.path.display();
    assert_eq!(
        format!("{:?}", scene.socket(id)),
        format!("Socket {{ id: {id}, state: Open, peer: {path}, queued: 0 }}")
    );
}
