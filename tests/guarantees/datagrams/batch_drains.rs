//! The drains of sockets in batches (feature `udp-batch`): one a flush, and none while the kernel has space.

use std::net::SocketAddr;

use netloop::{DatagramContext, DatagramFlow, DatagramHandler, DatagramOptions};

use super::{Notes, Stage, Watch, loopback, peer};

fn batched() -> DatagramOptions {
    DatagramOptions::new().in_batches(true)
}

#[test]
fn sends_beyond_the_high_watermark_owe_one_drain_a_flush() {
    for high in [0, 10] {
        let mut stage = Stage::new();
        let (_peer, to) = peer();
        let (id, _) = stage.bind(batched().high_water_mark(high), Watch::new("a"));
        stage.drive_to("a listening");
        for number in 0..100_u8 {
            let flow = stage.socket(id).send_to(to, &[number; 1200]);
            assert_eq!(flow, DatagramFlow::Full, "at {number}");
        }
        stage.settle_for_a_while();
        assert_eq!(stage.socket(id).sent_datagrams(), 100);
        assert_eq!(stage.socket(id).dropped_datagrams(), 0);
        assert_eq!(stage.count("a drain"), 1, "{high}");
    }
}

#[test]
fn a_handler_that_sends_on_at_each_drain_is_called_once_a_turn() {
    const TURNS: usize = 10;

    struct Source(SocketAddr);
    impl DatagramHandler<Notes> for Source {
        fn on_listening(&mut self, cx: &mut DatagramContext<'_, Notes>) {
            self.on_drain(cx);
        }
        fn on_message(&mut self, _: &mut DatagramContext<'_, Notes>, _: SocketAddr, _: &[u8]) {}
        fn on_drain(&mut self, cx: &mut DatagramContext<'_, Notes>) {
            cx.shared.push("drain".to_owned());
            assert!(cx.shared.len() < 10 * TURNS, "endless drains");
            for _ in 0..100 {
                cx.socket.send_to(self.0, &[7; 1200]).ignore();
            }
        }
    }
    for high in [0, 10, 10_000] {
        let mut stage = Stage::new();
        let (_peer, to) = peer();
        let options = batched().high_water_mark(high);
        let bound = stage.event_loop.bind_udp(loopback(), options, Source(to));
        bound.unwrap();
        for turn in 1..=TURNS {
            stage.turn();
            assert!(stage.notes.len() <= turn + 1, "{high}");
        }
    }
}

#[test]
fn a_batch_leaves_before_it_reaches_the_high_watermark() {
    let mut stage = Stage::new();
    let (_peer, to) = peer();
    let options = batched()
        .max_queued_bytes(20 << 10)
        .high_water_mark(15 << 10);
    let (id, _) = stage.bind(options, Watch::new("a"));
    stage.drive_to("a listening");
    for number in 0..100_u8 {
        let flow = stage.socket(id).send_to(to, &[number; 1000]);
        assert_eq!(flow, DatagramFlow::Open, "at {number}");
    }
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).sent_datagrams(), 100);
    assert_eq!(stage.count("a drain"), 0);
}

#[test]
fn the_drain_of_a_batch_is_told_behind_its_flush() {
    let mut stage = Stage::new();
    let (peer, to) = peer();
    let (id, _) = stage.bind(batched().high_water_mark(10), Watch::new("a"));
    stage.drive_to("a listening");
    stage.settle_for_a_while();
    assert_eq!(stage.socket(id).send_to(to, &[7; 20]), DatagramFlow::Full);
    stage.settle_for_a_while();
    assert_eq!(peer.recv(&mut [0; 64]).unwrap(), 20);
    assert_eq!(stage.count("a drain"), 1);
    // The host may flush before the turn.
    assert_eq!(stage.socket(id).send_to(to, &[7; 20]), DatagramFlow::Full);
    assert!(!stage.event_loop.flush(netloop::Budget::new()));
    stage.settle_for_a_while();
    assert_eq!(stage.count("a drain"), 2);
}
