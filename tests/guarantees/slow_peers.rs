//! The least rates: peers that send too slowly while bytes are expected, and peers that take queued bytes too slowly (F3).

use std::rc::Rc;
use std::time::{Duration, Instant};

use netloop::{CloseReason, Flow, MinRate, SocketOptions};

use super::time_limits::{limited, none};
use crate::support::{
    Disturbed, Peer, PeerEnd, Reception, Recorder, Scene, let_time_pass, loopback,
    until_undisturbed,
};

const GRACE: Duration = Duration::from_millis(100);
const DRIP: Duration = Duration::from_millis(20);

fn rate() -> MinRate {
    MinRate::per_second(240).grace(GRACE)
}

fn expecting() -> Recorder {
    Recorder::new("us").on("connect", |cx, _| cx.socket.expect_bytes(true))
}

/// Lets `peer` send `bytes` each [`DRIP`] until the socket closes or `most` have passed. Returns whether it closed.
fn drip(scene: &mut Scene, peer: &mut Peer, bytes: &[u8], most: u32) -> bool {
    let begun = Instant::now();
    for number in 0..most {
        scene.drive_with("the next drip", |_| begun.elapsed() >= DRIP * number);
        if scene.world.has("us", "close") {
            return true;
        }
        let _ = peer.try_write(bytes);
    }
    false
}

#[test]
fn a_dripper_is_closed_although_every_byte_is_activity() {
    let limits = none()
        .min_receive_rate(rate())
        .idle_timeout(Duration::from_secs(2));
    let mut scene = limited(limits);
    let begun = Instant::now();
    let (_, mut peer) = scene.accepted(SocketOptions::new(), expecting());
    assert!(drip(&mut scene, &mut peer, b".", 1_000));
    assert!(begun.elapsed() >= GRACE, "never within the grace");
    assert!(
        scene
            .world
            .trace("us")
            .ends_with("error:ETIMEDOUT close:TimedOut")
    );
    assert!(
        scene
            .world
            .error("us")
            .to_string()
            .contains("min_receive_rate")
    );
    assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
    assert_eq!(scene.event_loop.statistics().slow_senders, 1);
}

#[test]
fn a_silent_peer_of_whom_bytes_are_expected_is_closed() {
    let mut scene = limited(none().min_receive_rate(rate()));
    let begun = Instant::now();
    let (_, _peer) = scene.accepted(SocketOptions::new(), expecting());
    scene.drive_to_close("us");
    assert!(begun.elapsed() >= GRACE);
}

#[test]
fn a_peer_at_the_rate_is_not_closed() {
    until_undisturbed(|| {
        let mut scene = limited(none().min_receive_rate(rate()));
        let (_, mut peer) = scene.accepted(SocketOptions::new(), expecting());
        // 500 bytes a second, for three seconds.
        let begun = Instant::now();
        let is_closed = drip(&mut scene, &mut peer, b"ten bytes.", 150);
        if begun.elapsed() > DRIP * 200 {
            return Disturbed::Yes;
        }
        assert!(!is_closed);
        Disturbed::No
    });
}

#[test]
fn no_rate_is_asked_while_no_bytes_are_expected() {
    let mut scene = limited(none().min_receive_rate(rate()));
    let (id, _peer) = scene.accepted(SocketOptions::new(), expecting());
    scene.socket(id).expect_bytes(false);
    let (_, _other) = scene.accepted(SocketOptions::new(), Recorder::new("other"));
    let wait = GRACE + Duration::from_millis(1_500);
    scene.let_pass(wait);
    assert!(!scene.world.has("us", "close") && !scene.world.has("other", "close"));
    // Armed again, with all of the grace. A further call does not begin it anew.
    let begun = Instant::now();
    scene.drive_with("the close", |scene| {
        scene.socket(id).expect_bytes(true);
        scene.world.has("us", "close")
    });
    assert!(begun.elapsed() >= GRACE);
}

#[test]
fn the_time_of_a_pause_does_not_count() {
    let mut scene = limited(none().min_receive_rate(rate()));
    let options = SocketOptions::new().pause_on_connect(true);
    let (id, _peer) = scene.accepted(options, expecting());
    scene.let_pass(GRACE + Duration::from_millis(1_500));
    assert!(!scene.world.has("us", "close"));
    let resumed = Instant::now();
    scene.socket(id).resume();
    scene.drive_to_close("us");
    assert!(resumed.elapsed() >= GRACE + Duration::from_secs(1));
}

// I8; reliability E2: the bytes of a time in which the process did not run wait in the kernel.
#[test]
fn a_stall_of_the_process_makes_no_peer_slow() {
    let mut scene = limited(none().min_receive_rate(rate()));
    let (_, mut peer) = scene.accepted(SocketOptions::new(), expecting());
    peer.write(&[0; 2_000]);
    let_time_pass(Duration::from_secs(3));
    scene.settle();
    assert_eq!(scene.world.received_length("us"), 2_000);
    assert!(!scene.world.has("us", "close"));
}

// One send takes 64 pieces. The kernel has space for many more: the peer reads all that it was sent.
#[test]
fn a_stall_of_the_process_makes_no_reader_slow() {
    let rate = MinRate::per_second(256 << 10).grace(GRACE);
    let mut scene = limited(none().min_send_rate(rate));
    let (ours, mut peer) = Peer::roomy_pair();
    let options = SocketOptions::new();
    let adopted = scene.event_loop.adopt(ours, options, Recorder::new("us"));
    let id = adopted.unwrap();
    let piece: Rc<[u8]> = [0; 1 << 10].into();
    let mut written = 0;
    while scene.socket(id).queued_bytes() < 4 << 20 {
        let _ = scene.socket(id).write_shared(Rc::clone(&piece));
        written += piece.len();
    }
    let_time_pass(Duration::from_secs(3));
    let mut received = 0;
    scene.drive_with("all bytes", |scene| {
        assert!(!scene.world.has("us", "close"), "{}", scene.world.brief());
        while let Some(more) = peer.read_some(1 << 20).unwrap() {
            received += more.len();
        }
        received == written
    });
}

#[test]
fn a_rate_is_not_measured_while_connecting() {
    let mut scene = limited(none().min_receive_rate(rate()));
    let nobody = crate::support::BlackHole::new();
    let id = scene.connect(nobody.address(), SocketOptions::new(), Recorder::new("us"));
    scene.socket(id).expect_bytes(true);
    scene.let_pass(GRACE + Duration::from_millis(1_300));
    assert!(!scene.world.has("us", "close"));
    let (_listener, address) = crate::support::listener();
    let id = scene.connect(address, SocketOptions::new(), Recorder::new("open"));
    scene.socket(id).expect_bytes(true);
    scene.drive_to_close("open");
}

#[test]
fn a_peer_that_takes_bytes_too_slowly_is_reset() {
    for sips in [false, true] {
        let mut scene = limited(none().min_send_rate(MinRate::per_second(1 << 20).grace(GRACE)));
        let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
        let begun = Instant::now();
        assert_eq!(scene.socket(id).write(&[0; 8 << 20]), Flow::Full);
        let mut next = begun;
        scene.drive_with("the close", |scene| {
            if sips && Instant::now() >= next {
                next += DRIP;
                let _ = peer.read_some(1 << 10);
            }
            scene.world.has("us", "close")
        });
        assert!(begun.elapsed() >= GRACE, "never within the grace");
        assert_eq!(scene.world.close_reason("us"), Some(CloseReason::TimedOut));
        assert!(
            scene
                .world
                .error("us")
                .to_string()
                .contains("min_send_rate")
        );
        assert_eq!(scene.peer_reads_to_end(&mut peer).end, PeerEnd::Reset);
        assert_eq!(scene.event_loop.statistics().slow_receivers, 1);
    }
}

#[test]
fn a_peer_that_takes_bytes_at_the_rate_gets_all() {
    until_undisturbed(|| {
        let mut scene = limited(none().min_send_rate(rate()));
        let (id, mut peer) = scene.adopted(SocketOptions::new(), Recorder::new("us"));
        let length = 256 << 10;
        let _ = scene.socket(id).write(&vec![0; length]);
        let (mut read, mut last) = (0, Instant::now());
        while read < length {
            scene.let_pass(Duration::from_millis(100));
            if last.elapsed() > Duration::from_millis(500) {
                return Disturbed::Yes;
            }
            last = Instant::now();
            if let Ok(Some(bytes)) = peer.read_some(12 << 10) {
                read += bytes.len();
            }
        }
        assert!(!scene.world.has("us", "close"));
        Disturbed::No
    });
}

// Reliability F3: slowloris.
#[test]
fn five_hundred_drippers_go_and_the_others_stay() {
    until_undisturbed(|| {
        let mut scene = limited(none().min_receive_rate(rate()).max_connections(None));
        let reception = Reception::new("server", |number| {
            let name = if number == 0 { "good" } else { "bad" };
            Recorder::new(name)
                .on("connect", |cx, _| cx.socket.expect_bytes(true))
                .on("data", move |cx, seen| {
                    if let (0, crate::support::Seen::Data(bytes)) = (number, seen) {
                        cx.socket.write(bytes).ignore();
                    }
                })
        });
        let server = scene.serve(loopback(), SocketOptions::new(), reception);
        let address = scene.address_of(server);
        let mut good = Peer::connect(address);
        scene.drive_until("good", "connect");
        // The grace and a second of silence are allowed, if the machine does not hold this thread up.
        let (mut last, mut is_late) = (Instant::now(), false);
        let mut keep_rate = || {
            let _ = good.try_write(&[b'!'; 600]);
            is_late |= last.elapsed() >= Duration::from_secs(1);
            last = Instant::now();
            while let Ok(Some(_)) = good.read_some(4096) {}
        };
        let mut drippers = Vec::new();
        for number in 1..=500 {
            drippers.push(Peer::connect(address));
            if number % 50 == 0 {
                keep_rate();
                scene.settle();
            }
        }
        let mut sent = 0;
        let mut next = Instant::now();
        scene.drive_with("the close of all drippers", |scene| {
            if Instant::now() >= next {
                next += Duration::from_millis(500);
                sent += 1;
                // Half a byte a second is half as fast as the others may be.
                for dripper in &mut drippers {
                    let _ = dripper.try_write(b".");
                }
                keep_rate();
            }
            scene.event_loop.statistics().slow_senders >= 500
        });
        if is_late {
            return Disturbed::Yes;
        }
        // Each has had the grace and two seconds at most, in which it sends twice a second.
        assert!(
            sent <= 2 * 30,
            "{sent} drips: the machine cannot be that slow"
        );
        assert!(!scene.world.has("good", "close"));
        assert!(scene.world.received_length("good") >= 600);
        Disturbed::No
    });
}
