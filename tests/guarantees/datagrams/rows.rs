//! The rows of libuv's suite that concern UDP, under their names. A row whose guarantee is tested elsewhere in these files is
//! cited in the table.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;

use netloop::{DatagramFlow, DatagramId, DatagramOptions};

#[cfg(target_os = "linux")]
use super::stage::dead_port;
use super::{Stage, Watch, peer};

#[test]
fn udp_bind() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let again = stage
        .event_loop
        .bind_udp(address, DatagramOptions::new(), Watch::new("b"));
    assert_eq!(again.unwrap_err().code(), "EADDRINUSE");
    stage.socket(id).close();
    let shared = || DatagramOptions::new().reuse_address(true);
    for name in ["c", "d"] {
        let handler = Watch::new(name);
        stage
            .event_loop
            .bind_udp(address, shared(), handler)
            .unwrap();
    }
    stage.drive_to("d listening");
}

#[test]
fn udp_send_and_recv() {
    let mut stage = Stage::new();
    let server = Watch::new("server").on_message(|cx, from, data| {
        assert_eq!(data, b"PING");
        assert_eq!(cx.socket.send_to(from, b"PONG"), DatagramFlow::Open);
        assert_eq!(cx.socket.queued_bytes(), 0);
        cx.socket.close();
    });
    let (_, address) = stage.bind(DatagramOptions::new(), server);
    let client = Watch::new("client").on_message(move |cx, from, data| {
        assert_eq!((from, data), (address, &b"PONG"[..]));
        cx.socket.close();
    });
    let (client, _) = stage.bind(DatagramOptions::new(), client);
    assert_eq!(
        stage.socket(client).send_to(address, b"PING"),
        DatagramFlow::Open
    );
    stage.run_to_its_end();
    for name in ["server", "client"] {
        assert_eq!(stage.count(&format!("{name} close")), 1);
    }
}

#[test]
fn udp_send_immediate() {
    let mut stage = Stage::new();
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("server"));
    let (client, _) = stage.bind(DatagramOptions::new(), Watch::new("client"));
    let mut socket = stage.socket(client);
    assert_eq!(socket.send_to(address, b"PING"), DatagramFlow::Open);
    assert_eq!(socket.send_to(address, b"PANG"), DatagramFlow::Open);
    stage.drive_to("server PANG");
    assert_eq!(stage.count("server PING"), 1);
}

// Each of the sends to an address that answers nothing is made in a deferred call of its own.
#[test]
fn udp_send_hang_loop() {
    const SENDS: u32 = 1000;
    fn send_on(cx: &mut netloop::LoopContext<'_, super::Notes>, id: DatagramId, left: u32) {
        let nowhere = SocketAddr::from(([192, 0, 2, 1], 9));
        let _ = cx.sockets.datagram_socket(id).send_to(nowhere, b"ping");
        match left {
            0 => cx.sockets.datagram_socket(id).close(),
            left => cx.defer(move |cx| send_on(cx, id, left - 1)),
        }
    }
    let mut stage = Stage::new();
    let any = SocketAddr::from(([0, 0, 0, 0], 0));
    let handler = Watch::new("a");
    let bound = stage
        .event_loop
        .bind_udp(any, DatagramOptions::new(), handler);
    let id = bound.unwrap();
    stage.event_loop.defer(move |cx| send_on(cx, id, SENDS));
    stage.run_to_its_end();
    assert_eq!(stage.count("a close"), 1);
}

#[cfg(target_os = "linux")]
#[test]
fn udp_recv_cb_close_pollerr() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_error(|cx, error| {
        assert_eq!(error.code(), "ECONNREFUSED");
        cx.socket.close();
    });
    let id = stage.connect(dead_port(), handler);
    assert_eq!(stage.socket(id).send(b"x"), DatagramFlow::Open);
    stage.run_to_its_end();
    assert_eq!(stage.count("a ECONNREFUSED"), 1);
    assert_eq!(stage.count("a close"), 1);
}

// A socket that does not receive learns of the refusal all the same, and can close.
#[cfg(target_os = "linux")]
#[test]
fn udp_send_pollerr_no_recv() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_error(|cx, _| cx.socket.close());
    let id = stage.connect(dead_port(), handler);
    stage.socket(id).pause();
    assert_eq!(stage.socket(id).send(b"x"), DatagramFlow::Open);
    stage.run_to_its_end();
    assert_eq!(stage.count("a close"), 1);
}

// One turn, with an empty datagram that is a datagram and not an end.
#[test]
fn udp_recv_in_a_row() {
    let mut stage = Stage::new();
    let (_, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.settle_for_a_while();
    stage
        .event_loop
        .on_check(|cx| cx.shared.push("check".to_owned()));
    let (peer, _) = peer();
    for word in ["1", "2", "3", "4", ""] {
        peer.send_to(word.as_bytes(), address).unwrap();
    }
    stage.turn();
    let expected = ["a listening", "a 1", "a 2", "a 3", "a 4", "a ", "check"];
    assert_eq!(stage.notes, expected);
}

// Six sends to a closed port: six answers, no error but refusals, one close.
#[cfg(target_os = "linux")]
#[test]
fn udp_sendmmsg_error() {
    let mut stage = Stage::new();
    let id = stage.connect(dead_port(), Watch::new("a"));
    let mut socket = stage.socket(id);
    for _ in 0..6 {
        assert_eq!(socket.send(b"hello"), DatagramFlow::Open);
    }
    assert_eq!(socket.queued_datagrams(), 0);
    stage.drive_to("a ECONNREFUSED");
    stage.settle_for_a_while();
    stage.socket(id).close();
    stage.run_to_its_end();
    let others = stage.notes_but("ECONNREFUSED");
    assert_eq!(others, ["a listening", "a connect", "a close"]);
    assert!((1..=6).contains(&stage.count("a ECONNREFUSED")));
}

// The first callback closes all sockets, with datagrams in each.
#[test]
fn watcher_cross_stop() {
    const SOCKETS: usize = 2500;
    let mut stage = Stage::new();
    let ids: Rc<RefCell<Vec<DatagramId>>> = Rc::default();
    let (sender, _) = peer();
    for _ in 0..SOCKETS {
        let all = Rc::clone(&ids);
        let handler = Watch::new("udp").on_message(move |cx, _, _| {
            for id in all.borrow().iter() {
                cx.socket.sockets().datagram_socket(*id).close();
            }
        });
        let (id, address) = stage.bind(DatagramOptions::new(), handler);
        sender.send_to(b"x", address).unwrap();
        ids.borrow_mut().push(id);
    }
    stage.run_to_its_end();
    assert_eq!(stage.count("udp x"), 1);
    assert_eq!(stage.count("udp close"), SOCKETS);
}
