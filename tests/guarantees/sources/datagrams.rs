//! UDP sockets of the program as sources: the rows of libuv that hold without a UDP socket of the loop's own.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use netloop::{Interest, SourceContext, SourceId};

use super::{Notes, Stage, Watch, udp};

// The first callback closes all sources, with datagrams in each.
#[test]
fn watcher_cross_stop() {
    const SOURCES: usize = 2500;
    let mut stage = Stage::new();
    let ids: Rc<RefCell<Vec<SourceId>>> = Rc::default();
    let (sender, _) = udp();
    for _ in 0..SOURCES {
        let (socket, address) = udp();
        sender.send_to(b"x", address).unwrap();
        let all = Rc::clone(&ids);
        let handler = Watch::new("udp").on_readable(move |cx| {
            for id in all.borrow().iter() {
                cx.sockets.source(*id).close();
            }
        });
        let id = stage.add(socket, Interest::READABLE, handler);
        ids.borrow_mut().push(id);
    }
    stage.run_to_its_end();
    assert_eq!(stage.count("udp readable"), 1);
    assert_eq!(stage.count("udp close"), SOURCES);
    assert_eq!(stage.notes.len(), SOURCES + 1);
}

// One turn, with an empty datagram that is a datagram and not an end.
#[test]
fn udp_recv_in_a_row() {
    let mut stage = Stage::new();
    let (socket, address) = udp();
    let (sender, _) = udp();
    for length in [1, 2, 3, 4, 0] {
        sender.send_to(&[b'x'; 4][..length], address).unwrap();
    }
    let handler =
        Watch::new("udp").on_readable(|cx: &mut SourceContext<'_, mio::net::UdpSocket, Notes>| {
            if let Ok(length) = cx.try_io(Interest::READABLE, |socket| socket.recv(&mut [0; 8])) {
                cx.shared.push(length.to_string());
            }
        });
    stage.add(socket, Interest::READABLE, handler);
    stage.turn();
    let lengths: Vec<_> = stage.notes.iter().filter(|note| note.len() == 1).collect();
    assert_eq!(lengths, ["1", "2", "3", "4", "0"]);
}

// Closing in the callback of an error is safe, and the callback comes once.
#[cfg(target_os = "linux")]
#[test]
fn udp_recv_cb_close_pollerr() {
    let mut stage = Stage::new();
    let (socket, _) = udp();
    let (closed, address) = udp();
    drop(closed);
    socket.connect(address).unwrap();
    socket.send(b"x").unwrap();
    let handler =
        Watch::new("udp").on_readable(|cx: &mut SourceContext<'_, mio::net::UdpSocket, Notes>| {
            let received = cx.try_io(Interest::READABLE, |socket| socket.recv(&mut [0; 8]));
            assert_eq!(
                received.unwrap_err().kind(),
                io::ErrorKind::ConnectionRefused
            );
            cx.close();
        });
    stage.add(socket, Interest::READABLE, handler);
    stage.run_to_its_end();
    assert_eq!(stage.notes, ["udp readable", "udp close"]);
}

// A sender without a reader learns of the refusal by its next send, and can close.
#[cfg(target_os = "linux")]
#[test]
fn udp_send_pollerr_no_recv() {
    let mut stage = Stage::new();
    let (socket, _) = udp();
    let (closed, address) = udp();
    drop(closed);
    socket.connect(address).unwrap();
    let mut sends = 0;
    let handler = Watch::new("udp").on_writable(
        move |cx: &mut SourceContext<'_, mio::net::UdpSocket, Notes>| {
            sends += 1;
            match cx.try_io(Interest::WRITABLE, |socket| socket.send(b"x")) {
                Ok(_) => assert!(sends < 1000, "no refusal"),
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
                    cx.close();
                }
            }
        },
    );
    stage.add(socket, Interest::WRITABLE, handler);
    stage.run_to_its_end();
    assert_eq!(stage.count("udp close"), 1);
    assert_eq!(stage.count("udp readable"), 0);
}
