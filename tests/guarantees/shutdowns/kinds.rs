//! Shutdowns of sockets and servers of every kind, and in every state.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{AtShutdown, Context, Error, SocketHandler, SocketOptions};

use crate::support::{Peer, PeerEnd, loopback};

use super::{LONG, Session, Stage, World};

#[test]
fn a_server_shuts_down_with_its_own_sockets_only() {
    let mut stage = Stage::new();
    let other = stage
        .event_loop
        .listen(loopback(), |_, _| {
            Session::new(AtShutdown::End, &Rc::default())
        })
        .unwrap();
    let mut ours = stage.peer();
    let address = stage.event_loop.server(other).address().unwrap();
    let mut theirs = Peer::connect(address);
    theirs.write(b"first");
    let mut answer = Vec::new();
    stage.drive(|_| {
        answer.extend(theirs.read_some(5).unwrap().unwrap_or_default());
        answer == b"first"
    });
    let (server, reports) = (stage.server, Rc::clone(&stage.reports));
    stage.event_loop.defer(move |cx| {
        cx.shutdown_server(server, LONG, move |_, report| {
            reports.borrow_mut().push(report);
        });
        assert!(!cx.is_shutting_down(), "the loop goes on");
    });
    assert_eq!(stage.read_to_end(&mut ours), (Vec::new(), PeerEnd::Fin));
    ours.close();
    stage.drive(|stage| !stage.reports.borrow().is_empty());
    assert!(stage.event_loop.server(other).is_listening());
    theirs.write(b"again");
    let mut answer = Vec::new();
    stage.drive(|_| {
        answer.extend(theirs.read_some(5).unwrap().unwrap_or_default());
        answer == b"again"
    });
    // A server that is gone is shut down already.
    let reports = Rc::clone(&stage.reports);
    stage
        .event_loop
        .shutdown_server(server, LONG, move |_, report| {
            reports.borrow_mut().push(report);
        });
    stage.drive(|stage| stage.reports.borrow().len() == 2);
    theirs.close();
    stage.event_loop.server(other).close();
    stage.event_loop.run_for(&mut stage.world, LONG).unwrap();
}

#[test]
fn a_replaced_handler_is_asked_in_place_of_the_old_one() {
    struct Next(Rc<Cell<bool>>);
    impl SocketHandler<World> for Next {
        fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
        fn on_shutdown(&mut self, _: &mut Context<'_, World>) -> AtShutdown {
            self.0.set(true);
            AtShutdown::End
        }
    }
    let mut stage = Stage::new();
    let mut peer = stage.peer();
    peer.write(b"x");
    let mut answer = Vec::new();
    stage.drive(|_| {
        answer.extend(peer.read_some(1).unwrap().unwrap_or_default());
        answer == b"x"
    });
    let id = stage.world.newest.unwrap();
    let is_asked = Rc::new(Cell::new(false));
    let next = Rc::clone(&is_asked);
    stage.event_loop.after(Duration::ZERO, move |cx| {
        assert!(cx.replace_handler(id, Next(next), b""));
    });
    stage.shutdown(LONG);
    assert_eq!(stage.read_to_end(&mut peer).1, PeerEnd::Fin);
    peer.close();
    assert_eq!(stage.counts(), [1, 0, 0, 0]);
    assert!(is_asked.get());
    assert_eq!(stage.world.questions, 0);
}

#[test]
fn a_pipe_passes_on_everything_before_the_deadline() {
    let mut stage = Stage::new();
    let [mut one, mut other] = [Peer::pair(), Peer::pair()].map(|(ours, peer)| {
        let handler = Session::new(AtShutdown::End, &stage.allows);
        let id = stage.event_loop.adopt(ours, SocketOptions::new(), handler);
        (id.unwrap(), peer)
    });
    let mut cx = stage.event_loop.context(&mut stage.world);
    assert!(cx.pipe_both(one.0, other.0));
    stage.turn();
    stage.shutdown(LONG);
    for _ in 0..50 {
        stage.turn();
    }
    one.1.write(b"behind the shutdown");
    one.1.half_close();
    assert_eq!(stage.read_to_end(&mut other.1).0, b"behind the shutdown");
    other.1.write(b"and back");
    other.1.close();
    assert_eq!(stage.read_to_end(&mut one.1).0, b"and back");
    one.1.close();
    assert_eq!(stage.counts(), [0, 2, 0, 0]);
}

#[test]
fn a_connect_without_bytes_to_send_is_given_up() {
    let mut stage = Stage::new();
    let hole = crate::support::BlackHole::new();
    let handler = Session::new(AtShutdown::End, &stage.allows);
    stage.event_loop.connect(hole.address(), handler).unwrap();
    stage.shutdown(LONG);
    assert_eq!(stage.counts(), [1, 0, 0, 0]);
}

#[test]
fn a_server_on_a_name_that_is_looked_up_closes() {
    let mut stage = Stage::new();
    stage
        .event_loop
        .listen("localhost:0", |_, _| {
            Session::new(AtShutdown::End, &Rc::default())
        })
        .unwrap();
    stage.shutdown(LONG);
    assert_eq!(stage.counts(), [0; 4]);
}

/// A panic of the question destroys the socket, as that of every callback.
#[test]
fn a_question_that_panics_does_not_stop_the_shutdown() {
    struct Panics;
    impl SocketHandler<World> for Panics {
        fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
        fn on_shutdown(&mut self, _: &mut Context<'_, World>) -> AtShutdown {
            panic!("a question");
        }
        fn on_error(&mut self, cx: &mut Context<'_, World>, error: &Error) {
            cx.shared.closes.push(error.code().to_owned());
        }
    }
    let mut stage = Stage::new();
    let (ours, _peer) = Peer::pair();
    stage
        .event_loop
        .adopt(ours, SocketOptions::new(), Panics)
        .unwrap();
    stage.shutdown(LONG);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        stage.event_loop.run_for(&mut stage.world, LONG)
    }));
    assert!(ran.is_err());
    assert_eq!(stage.counts(), [0, 0, 1, 0]);
    assert_eq!(stage.world.closes, [Error::HANDLER_PANICKED]);
}

#[cfg(unix)]
#[test]
fn the_socket_file_stays_for_the_holder_of_a_duplicate() {
    use std::io::{Read, Write};
    use std::os::unix::net::{UnixListener, UnixStream};

    let folder = std::env::temp_dir().join(format!("netloop-duplicate-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("socket");
    let mut stage = Stage::new();
    let server = stage
        .event_loop
        .listen(path.as_path(), |_, _| {
            Session::new(AtShutdown::End, &Rc::default())
        })
        .unwrap();
    let duplicate = stage
        .event_loop
        .server(server)
        .try_clone_descriptor()
        .unwrap();
    stage.shutdown(LONG);
    assert_eq!(stage.counts(), [0; 4]);
    // The successor adopts the duplicate, and the peer still finds it.
    let mut successor = Stage::new();
    let adopted = UnixListener::from(duplicate);
    let id = successor
        .event_loop
        .listen(adopted, |_, _| {
            Session::new(AtShutdown::End, &Rc::default())
        })
        .unwrap();
    assert_eq!(successor.event_loop.server(id).path(), Some(path.as_path()));
    let mut peer = UnixStream::connect(&path).unwrap();
    peer.write_all(b"hello").unwrap();
    successor.shutdown(LONG);
    successor.counts();
    let mut answer = String::new();
    peer.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "hello");
    // An adopted socket leaves its file too: another program has made it.
    assert!(path.exists());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_server_that_drains_can_be_closed_or_detached() {
    for detaches in [true, false] {
        let mut stage = Stage::new();
        stage.turn();
        let mut peer = Peer::connect(stage.address);
        stage.shutdown(LONG);
        let detached = match detaches {
            true => stage.event_loop.server(stage.server).detach(),
            false => {
                stage.event_loop.server(stage.server).close();
                None
            }
        };
        assert_eq!(stage.counts(), [0; 4]);
        let Some(detached) = detached else {
            assert_eq!(stage.read_to_end(&mut peer).1, PeerEnd::Reset);
            continue;
        };
        // The peer in the backlog goes with the socket.
        let mut successor = Stage::new();
        let end = AtShutdown::End;
        successor
            .event_loop
            .listen(detached, move |_, _| Session::new(end, &Rc::default()))
            .unwrap();
        peer.write(b"quick");
        successor.shutdown(LONG);
        assert_eq!(successor.read_to_end(&mut peer).0, b"quick");
    }
}
