//! Pipes whose source does not come to its end: the peer of the target gets a reset, and takes no part for the whole.
//!
//! The rules: I5; reliability C9.

use std::time::Duration;

use netloop::{CloseReason, Error, SocketId, SocketOptions};

use crate::support::{Peer, PeerEnd, Received, Recorder, Scene, assert_same_bytes, pattern};

/// Much more than the buffers of both connections hold.
const MUCH: usize = 4 << 20;

const BRIEF: Duration = Duration::from_millis(20);

/// A pipe, which is in one direction unless `both` is set. The sockets are called `source` and `target`.
struct Pipe {
    scene: Scene,
    source: SocketId,
    target: SocketId,
    from: Option<Peer>,
    to: Peer,
}

impl Pipe {
    fn new(both: bool, from: SocketOptions, to: SocketOptions) -> Self {
        let [source, target] = ["source", "target"]
            .map(|name| Recorder::new(name).on("timeout", |cx, _| cx.socket.destroy()));
        let mut scene = Scene::new();
        let (source, from) = scene.adopted(from, source);
        let (target, to) = scene.adopted(to, target);
        let mut cx = scene.event_loop.context(&mut scene.world);
        assert!(match both {
            true => cx.pipe_both(source, target),
            false => cx.pipe(source, target),
        });
        Self {
            scene,
            source,
            target,
            from: Some(from),
            to,
        }
    }

    fn plain(both: bool) -> Self {
        Self::new(both, SocketOptions::new(), SocketOptions::new())
    }

    /// Sends a part of a message, and waits until the target has taken it.
    fn pass_a_part(&mut self) {
        let from = self.from.as_mut().unwrap();
        self.scene.peer_writes(from, b"a part");
        assert_eq!(self.scene.peer_reads(&mut self.to, 6), b"a part");
    }

    /// Sends until the pipe is full, and returns the number of bytes.
    fn fill(&mut self) -> usize {
        let bytes = pattern(MUCH, 1);
        let from = self.from.as_mut().unwrap();
        let (mut sent, source) = (0, self.source);
        self.scene.drive_with("backpressure", |scene| {
            sent += from.write_some(&bytes[sent..]);
            scene.socket(source).is_paused()
        });
        sent + from.write_some(&bytes[sent..])
    }

    #[track_caller]
    fn received(&mut self) -> Received {
        let received = self.scene.peer_reads_to_end(&mut self.to);
        self.scene.drive_to_close("target");
        received
    }
}

/// A way in which a source goes without an end.
type Cut = (&'static str, fn(&mut Pipe));

const CUTS: [Cut; 5] = [
    ("a reset", |pipe| pipe.from.take().unwrap().reset()),
    ("a destroy", |pipe| pipe.scene.socket(pipe.source).destroy()),
    ("a destroy with an error", |pipe| {
        let error = Error::other("enough");
        pipe.scene.socket(pipe.source).destroy_with(error);
    }),
    ("a close behind its queue", |pipe| {
        pipe.scene.socket(pipe.source).destroy_soon();
    }),
    ("an idle timeout", |pipe| {
        pipe.scene.socket(pipe.source).set_idle_timeout(BRIEF);
    }),
];

#[test]
fn a_source_that_does_not_end_resets_the_target() {
    for both in [false, true] {
        for (name, cut) in CUTS {
            let mut pipe = Pipe::plain(both);
            pipe.pass_a_part();
            cut(&mut pipe);
            let received = pipe.received();
            assert_eq!(received.bytes, b"", "{name}");
            assert_eq!(received.end, PeerEnd::Reset, "{name}, both: {both}");
        }
    }
}

#[test]
fn the_queue_is_sent_before_the_reset() {
    for both in [false, true] {
        for (name, cut) in &CUTS[..4] {
            let mut pipe = Pipe::plain(both);
            let sent = pipe.fill();
            let source = pipe.source;
            // The source fails while the target has a queue, and closes at once.
            cut(&mut pipe);
            let queued = pipe.scene.socket(pipe.target).queued_bytes();
            assert!(queued > 0, "{name}");
            if *name == "a reset" {
                pipe.scene.socket(source).resume();
            }
            let received = pipe.received();
            let got = received.bytes.len();
            assert!(got <= sent, "{name}: {got} of {sent}");
            assert_same_bytes(&received.bytes, &pattern(MUCH, 1)[..got]);
            assert_eq!(received.end, PeerEnd::Reset, "{name}, both: {both}");
            assert_eq!(pipe.scene.world.count("target", "close"), 1);
            let reason = pipe.scene.world.close_reason("target");
            assert_ne!(reason, Some(CloseReason::TimedOut), "the queue was sent");
        }
    }
}

#[test]
fn the_wait_for_the_queue_before_the_reset_is_bounded() {
    let options = SocketOptions::new().close_timeout(BRIEF);
    let mut pipe = Pipe::new(true, SocketOptions::new(), options);
    pipe.fill();
    pipe.scene.socket(pipe.source).destroy();
    // Its peer reads nothing.
    pipe.scene.drive_to_close("target");
    let reason = pipe.scene.world.close_reason("target");
    assert_eq!(reason, Some(CloseReason::TimedOut));
    assert_eq!(pipe.received().end, PeerEnd::Reset);
}

#[test]
fn a_held_source_that_times_out_resets_the_target() {
    let options = SocketOptions::new().unread_timeout(BRIEF);
    let mut pipe = Pipe::new(true, options, SocketOptions::new());
    pipe.fill();
    pipe.from.take().unwrap().reset();
    pipe.scene.drive_to_close("source");
    assert_eq!(pipe.received().end, PeerEnd::Reset);
}

#[test]
fn a_target_that_is_idle_in_a_message_resets_its_peer() {
    let mut pipe = Pipe::plain(false);
    pipe.scene.socket(pipe.target).set_idle_timeout(BRIEF);
    pipe.pass_a_part();
    assert_eq!(pipe.received().end, PeerEnd::Reset);
    let reason = pipe.scene.world.close_reason("target");
    assert_eq!(reason, Some(CloseReason::TimedOut));
}

#[test]
fn a_target_that_the_user_ended_ends_as_the_user_chose() {
    let ends: [fn(&mut Pipe); 3] = [
        |pipe| pipe.scene.socket(pipe.target).end(),
        |pipe| pipe.scene.socket(pipe.target).destroy_soon(),
        |pipe| pipe.scene.socket(pipe.target).destroy(),
    ];
    for end in ends {
        for both in [false, true] {
            let mut pipe = Pipe::plain(both);
            pipe.pass_a_part();
            end(&mut pipe);
            pipe.scene.socket(pipe.source).destroy();
            assert_eq!(pipe.received().end, PeerEnd::Fin);
        }
    }
}

#[test]
fn two_pipes_one_way_are_cut_like_one_both_ways() {
    for source_first in [false, true] {
        for (name, cut) in &CUTS {
            let mut pipe = Pipe::plain(false);
            let (source, target) = (pipe.source, pipe.target);
            let mut cx = pipe.scene.event_loop.context(&mut pipe.scene.world);
            assert!(cx.pipe(target, source));
            if source_first {
                assert!(cx.pipe(source, target));
            }
            pipe.pass_a_part();
            cut(&mut pipe);
            assert_eq!(pipe.received().end, PeerEnd::Reset, "{name}");
        }
    }
}

#[test]
fn a_late_destroy_soon_makes_no_end_of_a_cut() {
    let mut scene = Scene::new();
    let (target, mut to) = scene.adopted(SocketOptions::new(), Recorder::new("target"));
    let source = Recorder::new("source").on("close", move |cx, _| {
        let mut target = cx.socket.socket(target);
        target.destroy_soon();
        target.end();
    });
    let (source, mut from) = scene.adopted(SocketOptions::new(), source);
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe(source, target));
    scene.peer_writes(&mut from, b"a part");
    assert_eq!(scene.peer_reads(&mut to, 6), b"a part");
    from.reset();
    assert_eq!(scene.peer_reads_to_end(&mut to).end, PeerEnd::Reset);
    scene.drive_to_close("target");
}

#[test]
fn a_source_of_one_way_keeps_its_own_side_of_the_user() {
    let mut pipe = Pipe::plain(false);
    assert!(pipe.scene.socket(pipe.source).write(b"502").is_accepted());
    pipe.scene.socket(pipe.target).reset().unwrap();
    let mut from = pipe.from.take().unwrap();
    let received = pipe.scene.peer_reads_to_end(&mut from);
    assert_eq!(received.bytes, b"502");
    assert_eq!(received.end, PeerEnd::Fin, "no pipe sends here");
}

#[test]
fn a_source_that_ended_ends_the_target_whatever_follows() {
    for both in [false, true] {
        for (name, cut) in CUTS {
            let mut pipe = Pipe::plain(both);
            let from = pipe.from.as_mut().unwrap();
            pipe.scene.peer_writes(from, b"the whole");
            from.half_close();
            pipe.scene.drive_until("source", "end");
            cut(&mut pipe);
            let received = pipe.scene.peer_reads_to_end(&mut pipe.to);
            assert_eq!(received.bytes, b"the whole", "{name}");
            assert_eq!(received.end, PeerEnd::Fin, "{name}, both: {both}");
        }
    }
}

#[test]
fn the_end_of_a_source_that_is_closing_is_passed_on() {
    let mut scene = Scene::new();
    let (source, from) = scene.adopted(SocketOptions::new(), Recorder::new("source"));
    let (target, mut to) = scene.adopted(SocketOptions::new(), Recorder::new("target"));
    let _ = scene.socket(source).write(&vec![0; MUCH]);
    from.half_close();
    scene.drive_until("source", "end");
    // Both sides have ended, and the queue keeps the socket open.
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe(source, target));
    assert_eq!(scene.peer_reads_to_end(&mut to).end, PeerEnd::Fin);
}

// Linux says whether the end came before the reset that answers a late word.
#[cfg(target_os = "linux")]
#[test]
fn a_source_that_closed_cleanly_is_whole_despite_its_reset() {
    for length in [0, 300 << 10] {
        let mut scene = Scene::new();
        let bytes = pattern(length, 2);
        let (ours, mut from) = Peer::roomy_pair();
        let (target, mut to) = scene.adopted(SocketOptions::new(), Recorder::new("target"));
        let options = SocketOptions::new().pause_on_connect(true);
        let source = Recorder::new("source");
        let source = scene.event_loop.adopt(ours, options, source).unwrap();
        scene.begin_filters(source, &mut from);
        from.write(&bytes);
        from.close();
        let mut cx = scene.event_loop.context(&mut scene.world);
        assert!(cx.pipe_both(source, target));
        scene.socket(source).pause();
        scene.peer_writes(&mut to, b"a late word");
        scene.drive_with("the word", |scene| scene.socket(source).bytes_written() > 0);
        scene.peer_writes(&mut to, b"another, which meets the reset");
        if length > 0 {
            scene.drive_with("the report", |scene| scene.socket(source).is_peer_gone());
            scene.socket(source).resume();
        }
        let received = scene.peer_reads_to_end(&mut to);
        assert_same_bytes(&received.bytes, &bytes);
        assert_eq!(received.end, PeerEnd::Fin);
        scene.drive_to_close("source");
        assert_eq!(
            scene.world.trace("source"),
            "end error:EPIPE close:Reset",
            "{length}"
        );
    }
}

#[test]
fn the_idle_timeout_rests_while_the_pipe_is_full() {
    for both in [false, true] {
        let timeout = Duration::from_millis(100);
        let mut pipe = Pipe::plain(both);
        pipe.scene.socket(pipe.source).set_idle_timeout(timeout);
        let sent = pipe.fill();
        pipe.scene.let_pass(timeout * 2);
        assert_eq!(pipe.scene.world.trace("source"), "", "it could not send");
        let mut got = 0;
        let to = &mut pipe.to;
        pipe.scene.drive_with("the bytes", |_| {
            while got < sent {
                match to.read_some(64 << 10) {
                    Ok(Some(more)) => got += more.len(),
                    Ok(None) => break,
                    Err(end) => panic!("{end:?} after {got} of {sent} bytes"),
                }
            }
            got == sent
        });
        // Now it could.
        pipe.scene.drive_until("source", "timeout");
        assert_eq!(pipe.received().end, PeerEnd::Reset);
    }
}

#[test]
fn the_idle_timeout_goes_on_while_the_user_pauses_a_source() {
    let mut pipe = Pipe::plain(true);
    pipe.scene.socket(pipe.source).set_idle_timeout(BRIEF);
    pipe.fill();
    pipe.scene.socket(pipe.source).pause();
    pipe.scene.drive_until("source", "timeout");
}

// No drain comes behind the end, and no byte of the source has a destination.
#[test]
fn a_source_paused_for_its_pipe_reads_on_when_the_target_ends() {
    let mut pipe = Pipe::new(
        false,
        SocketOptions::new(),
        SocketOptions::new().close_timeout(None),
    );
    pipe.fill();
    pipe.scene.socket(pipe.target).end();
    pipe.scene.drive_to_close("source");
    assert_eq!(pipe.scene.world.trace("source"), "close:Local");
}

#[test]
fn a_source_that_the_user_pauses_is_paused_behind_the_drain() {
    let mut pipe = Pipe::plain(false);
    let sent = pipe.fill();
    pipe.scene.socket(pipe.source).pause();
    let queued = pipe.scene.socket(pipe.target).bytes_written();
    let passed = usize::try_from(queued).unwrap();
    assert!(passed < sent);
    pipe.scene.peer_reads(&mut pipe.to, passed);
    pipe.scene.drive_until("target", "drain");
    pipe.scene.settle();
    assert!(pipe.scene.socket(pipe.source).is_paused());
    assert_eq!(pipe.scene.socket(pipe.source).bytes_read(), queued);
    pipe.scene.socket(pipe.source).resume();
    pipe.scene.peer_reads(&mut pipe.to, sent - passed);
}

#[cfg(unix)]
#[test]
fn a_unix_target_sends_its_queue_and_closes() {
    use std::io::Read;
    let mut scene = Scene::new();
    let (source, mut from) = scene.adopted(SocketOptions::new(), Recorder::new("source"));
    let (ours, mut to) = std::os::unix::net::UnixStream::pair().unwrap();
    let duplicate = ours.try_clone().unwrap();
    let target = Recorder::new("target");
    let target = scene
        .event_loop
        .adopt(ours, SocketOptions::new(), target)
        .unwrap();
    let mut cx = scene.event_loop.context(&mut scene.world);
    assert!(cx.pipe_both(source, target));
    scene.peer_writes(&mut from, b"a part");
    scene.drive_with("the part", |scene| scene.socket(target).bytes_written() > 0);
    from.reset();
    scene.drive_to_close("target");
    assert_eq!(scene.world.error("target").code(), "ECONNRESET");
    let mut bytes = Vec::new();
    to.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes, b"a part");
    drop(duplicate);
}
