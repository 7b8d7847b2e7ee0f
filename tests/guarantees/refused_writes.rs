//! Notices behind a write that was refused: they fail, as Node's callbacks do (rule C9).

use std::rc::Rc;

use netloop::{Error, Flow, SocketId, SocketOptions};

use crate::support::{Recorder, Scene};

#[test]
fn a_token_behind_a_write_after_the_end_fails() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.write(b"taken"), Flow::Open);
    socket.notify_when_sent(1);
    socket.end();
    socket.notify_when_sent(2);
    assert_eq!(socket.write(b"refused"), Flow::Ended);
    socket.notify_when_sent(3);
    socket.notify_when_sent(4);
    assert_eq!(scene.peer_reads_to_end(&mut peer).bytes, b"taken");
    peer.close();
    scene.drive_to_close("us");
    let code = Error::WRITE_AFTER_END;
    assert_eq!(
        scene.world.trace("us"),
        format!("connect sent:1 sent:2 sent:3:{code} sent:4:{code} end close:Graceful")
    );
}

#[test]
fn a_token_behind_a_refused_write_waits_for_its_turn() {
    let mut scene = Scene::new();
    let (id, mut peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.write(&[0; 8 << 20]), Flow::Full);
    socket.notify_when_sent(1);
    assert_eq!(socket.end_with(b"!"), Flow::Full);
    assert_eq!(write!(socket, "{}", 2), Flow::Ended);
    socket.notify_when_sent(2);
    scene.settle();
    assert_eq!(scene.world.trace("us"), "connect");
    scene.peer_reads_to_end(&mut peer);
    scene.settle();
    let code = Error::WRITE_AFTER_END;
    let trace = format!("connect sent:1 sent:2:{code}");
    assert_eq!(scene.world.trace("us"), trace);
}

// The first write is taken whatever its length, and leaves more in the queue than the limit allows.
#[test]
fn an_empty_write_is_not_refused_beyond_the_limit() {
    type Write = fn(&mut Scene, SocketId) -> Flow;
    let writes: [Write; 6] = [
        |scene, id| scene.socket(id).write(b""),
        |scene, id| scene.socket(id).write_owned(Vec::new()),
        |scene, id| scene.socket(id).write_shared(Rc::new([])),
        |scene, id| scene.socket(id).write_static(b""),
        |scene, id| write!(scene.socket(id), ""),
        |scene, id| scene.event_loop.sockets().broadcast([id], b"")[0].1,
    ];
    let mut scene = Scene::new();
    let options = SocketOptions::new().max_queued_bytes(1_000);
    let (id, mut peer) = scene.accepted(options, Recorder::new("us"));
    assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
    for write in writes {
        assert_eq!(write(&mut scene, id), Flow::Full);
    }
    assert_eq!(scene.socket(id).end_with(b""), Flow::Full);
    assert_eq!(
        scene.peer_reads_to_end(&mut peer).bytes.len(),
        8 << 20,
        "nothing is lost"
    );
}

#[test]
fn a_refused_write_keeps_its_code_when_the_socket_closes() {
    let mut scene = Scene::new();
    let (id, _peer) = scene.accepted(SocketOptions::new(), Recorder::new("us"));
    let mut socket = scene.socket(id);
    assert_eq!(socket.write(&[0; 8 << 20]), Flow::Full);
    socket.notify_when_sent(1);
    socket.end();
    assert_eq!(socket.write(b"refused"), Flow::Ended);
    socket.notify_when_sent(2);
    socket.destroy();
    scene.drive_to_close("us");
    let (closed, ended) = (Error::SOCKET_CLOSED, Error::WRITE_AFTER_END);
    assert_eq!(
        scene.world.trace("us"),
        format!("connect sent:1:{closed} sent:2:{ended} close:Local")
    );
}
