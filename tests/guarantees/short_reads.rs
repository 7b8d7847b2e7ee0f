//! Reads that the kernel ends before its buffer is empty: no byte behind such a place waits for the peer's next word.

use std::io::Write;
use std::net::TcpStream;

use netloop::SocketOptions;
use socket2::SockRef;

use crate::support::{Peer, Recorder, Scene};

/// Sends bytes with an urgent byte among them. The kernel ends a read in front of the urgent byte.
fn send_around_an_urgent_byte(mut peer: &TcpStream) {
    peer.write_all(b"before").unwrap();
    SockRef::from(peer).send_out_of_band(b"!").unwrap();
    peer.write_all(b" and behind").unwrap();
}

#[test]
fn bytes_behind_an_urgent_byte_wait_for_nothing() {
    let mut scene = Scene::new();
    let (_, peer) = scene.accepted(SocketOptions::new(), Recorder::new("accepted"));
    let peer = peer.into_stream();
    for round in 1..=3 {
        send_around_an_urgent_byte(&peer);
        scene.drive("all bytes", |world| {
            world.received("accepted") == b"before and behind".repeat(round)
        });
    }
}

#[test]
fn an_urgent_byte_that_comes_during_a_read_hides_nothing() {
    let mut scene = Scene::new();
    let (ours, peer) = Peer::pair();
    let peer = peer.into_stream();
    let writer = peer.try_clone().unwrap();
    let mut has_sent = false;
    let recorder = Recorder::new("adopted").on("data", move |_, _| {
        if !std::mem::replace(&mut has_sent, true) {
            send_around_an_urgent_byte(&writer);
        }
    });
    let options = SocketOptions::new();
    let id = scene.event_loop.adopt(ours, options, recorder).unwrap();
    (&peer).write_all(b"first ").unwrap();
    scene.drive("all bytes", |world| {
        world.received("adopted") == b"first before and behind"
    });
    // Also while it is paused, and behind an answer that is queued.
    scene.socket(id).pause();
    send_around_an_urgent_byte(&peer);
    scene.settle();
    scene.socket(id).resume();
    scene.drive("all bytes", |world| world.received_length("adopted") == 40);
}

#[cfg(unix)]
mod unix {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use netloop::ListenOptions;
    use socket2::MsgHdr;

    use super::*;
    use crate::support::{Reception, scratch_path};

    /// Sends `bytes` with a descriptor beside them (SCM_RIGHTS). The kernel ends a read behind them.
    fn send_with_descriptor(stream: &UnixStream, bytes: &[u8]) {
        let mut control = Vec::new();
        // cmsg_len: the header of 16 bytes on 64-bit systems, and one descriptor.
        let header = size_of::<usize>() + 2 * size_of::<i32>();
        control.extend_from_slice(&(header + size_of::<i32>()).to_ne_bytes());
        control.extend_from_slice(&libc::SOL_SOCKET.to_ne_bytes());
        control.extend_from_slice(&libc::SCM_RIGHTS.to_ne_bytes());
        control.extend_from_slice(&stream.as_raw_fd().to_ne_bytes());
        control.resize(control.len().next_multiple_of(size_of::<usize>()), 0);
        let buffers = [std::io::IoSlice::new(bytes)];
        let message = MsgHdr::new().with_buffers(&buffers).with_control(&control);
        let sent = SockRef::from(stream).sendmsg(&message, 0).unwrap();
        assert_eq!(sent, bytes.len());
    }

    fn send_in_three_parts(mut peer: &UnixStream) {
        peer.write_all(b"one ").unwrap();
        send_with_descriptor(peer, b"two ");
        peer.write_all(b"three").unwrap();
    }

    #[test]
    fn bytes_behind_a_passed_descriptor_wait_for_nothing() {
        let scratch = scratch_path();
        let mut scene = Scene::new();
        let reception = Reception::new("server", |_| Recorder::new("accepted"));
        scene.serve(scratch.path.as_path(), ListenOptions::new(), reception);
        let peer = UnixStream::connect(&scratch.path).unwrap();
        let (ours, other) = UnixStream::pair().unwrap();
        let recorder = Recorder::new("adopted");
        let options = SocketOptions::new();
        scene.event_loop.adopt(ours, options, recorder).unwrap();
        for (name, peer) in [("accepted", &peer), ("adopted", &other)] {
            send_in_three_parts(peer);
            scene.drive("all bytes", |world| {
                world.received(name) == b"one two three"
            });
        }
    }

    #[test]
    fn a_unix_peer_that_reads_in_pieces_gets_all_bytes() {
        let (ours, peer) = UnixStream::pair().unwrap();
        let mut scene = Scene::new();
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), Recorder::new("us"))
            .unwrap();
        let bytes = crate::support::pattern(4 << 20, 7);
        let _ = scene.socket(id).write(&bytes);
        scene.socket(id).end();
        peer.set_read_timeout(Some(Duration::from_millis(1)))
            .unwrap();
        let mut got = Vec::new();
        scene.drive_with("the end", |_| {
            let mut piece = [0; 3_000];
            match std::io::Read::read(&mut &peer, &mut piece) {
                Ok(length) => {
                    got.extend_from_slice(&piece[..length]);
                    length == 0
                }
                Err(_) => false,
            }
        });
        crate::support::assert_same_bytes(&got, &bytes);
    }
}
