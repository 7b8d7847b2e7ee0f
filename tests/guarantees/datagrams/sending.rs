//! Sending: at once, through a bounded queue where the kernel has no space, and with the reason where it fails.

use std::rc::Rc;

use netloop::{BlockList, DatagramFlow, DatagramOptions, Error};

use super::{Stage, Watch, peer};

#[test]
fn a_datagram_leaves_within_the_call() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (peer, peer_address) = peer();
    assert_eq!(
        stage.socket(id).send_to(peer_address, b"now"),
        DatagramFlow::Open
    );
    let mut buffer = [0; 8];
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (3, address));
    assert_eq!(
        stage.socket(id).send_to(peer_address, b""),
        DatagramFlow::Open
    );
    assert_eq!(peer.recv_from(&mut buffer).unwrap(), (0, address));
    assert_eq!(stage.socket(id).sent_datagrams(), 2);
    assert!(stage.notes.is_empty());
}

#[test]
fn a_datagram_that_is_too_long_is_dropped_with_the_reason() {
    let mut stage = Stage::new();
    let handler = Watch::new("a").on_error(|cx, error| {
        cx.shared.push(error.to_string());
        assert!(!cx.socket.is_closed());
    });
    let (id, _) = stage.bind(DatagramOptions::new(), handler);
    let (peer, peer_address) = peer();
    let flow = stage.socket(id).send_to(peer_address, &vec![1; 70_000]);
    assert_eq!(flow, DatagramFlow::Dropped);
    assert!(!flow.is_accepted());
    stage.drive_to("a EMSGSIZE");
    assert!(stage.has(&format!("send EMSGSIZE {peer_address}")));
    assert_eq!(
        stage.socket(id).send_to(peer_address, b"short"),
        DatagramFlow::Open
    );
    assert_eq!(peer.recv(&mut [0; 8]).unwrap(), 5);
    let statistics = stage.event_loop.statistics();
    assert_eq!(
        (statistics.datagrams_dropped, statistics.datagram_errors),
        (1, 1)
    );
}

#[test]
fn a_blocked_destination_gets_nothing() {
    let mut stage = Stage::new();
    let (_peer, peer_address) = peer();
    let mut list = BlockList::new();
    list.add_address(peer_address.ip());
    let options = DatagramOptions::new().send_block_list(Rc::new(list));
    let (id, _) = stage.bind(options.clone(), Watch::new("a"));
    assert_eq!(
        stage.socket(id).send_to(peer_address, b"x"),
        DatagramFlow::Dropped
    );
    stage.drive_to(&format!("a {}", Error::IP_BLOCKED));
    let refused = stage.socket(id).connect(peer_address);
    assert_eq!(refused.unwrap_err().code(), Error::IP_BLOCKED);
    let refused = stage
        .event_loop
        .connect_udp(peer_address, options, Watch::new("b"));
    assert_eq!(refused.unwrap_err().code(), Error::IP_BLOCKED);
}

#[test]
fn a_dead_id_sends_nothing() {
    let mut stage = Stage::new();
    let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    stage.socket(id).close();
    assert_eq!(
        stage.socket(id).send_to(address, b"x"),
        DatagramFlow::Closed
    );
    stage.run_to_its_end();
    assert_eq!(
        stage.socket(id).send_to(address, b"x"),
        DatagramFlow::Closed
    );
    let (reused, _) = stage.bind(DatagramOptions::new(), Watch::new("b"));
    assert_ne!(id, reused);
    assert_eq!(
        stage.socket(id).send_to(address, b"x"),
        DatagramFlow::Closed
    );
    let error = stage.socket(id).set_ttl(3).unwrap_err();
    assert_eq!(error.code(), Error::DATAGRAM_NOT_RUNNING);
    stage.socket(id).close();
    assert!(!stage.socket(reused).is_closed());
}

// At most 32 errors wait, so that refusals cannot fill the memory.
#[test]
fn errors_beyond_the_bound_are_counted_and_not_told() {
    let mut stage = Stage::new();
    let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
    let (_peer, peer_address) = peer();
    for _ in 0..100 {
        let flow = stage.socket(id).send_to(peer_address, &vec![1; 70_000]);
        assert_eq!(flow, DatagramFlow::Dropped);
    }
    stage.settle_for_a_while();
    assert!(stage.count("a EMSGSIZE") <= 32);
    assert_eq!(stage.event_loop.statistics().datagram_errors, 100);
}

/// The kernel of these tests has no space at times, which loopback never shows by itself.
#[cfg(feature = "simulation")]
mod full_kernels {
    use std::time::Duration;

    use netloop::simulation::{Faults, faulty_event_loop};
    use netloop::{DatagramFlow, DatagramOptions, DropPolicy};

    use super::super::{Stage, Watch, peer};
    use crate::support::PATIENCE;

    fn stage(faults: Faults, seed: u64) -> Stage {
        Stage::on(faulty_event_loop(seed, faults).unwrap())
    }

    fn full() -> Faults {
        Faults {
            spurious_blocks: 1000,
            ..Faults::NONE
        }
    }

    #[test]
    fn a_full_queue_drops_the_oldest_or_the_newest() {
        for policy in [DropPolicy::Oldest, DropPolicy::Newest] {
            let mut stage = stage(full(), 1);
            let options = DatagramOptions::new()
                .drop_policy(policy)
                .high_water_mark(3 * 1000)
                .max_queued_bytes(8 * 1000);
            let (id, _) = stage.bind(options, Watch::new("a"));
            let (_peer, peer_address) = peer();
            let mut flows = Vec::new();
            for number in 0..20 {
                let bytes = [number; 1000];
                flows.push(stage.socket(id).send_to(peer_address, &bytes));
                assert!(stage.socket(id).queued_bytes() <= 8 * 1000);
            }
            assert_eq!(
                flows[..3],
                [DatagramFlow::Open, DatagramFlow::Open, DatagramFlow::Full]
            );
            let last = match policy {
                DropPolicy::Oldest => DatagramFlow::Full,
                DropPolicy::Newest => DatagramFlow::Dropped,
            };
            assert_eq!(flows[19], last);
            let mut socket = stage.socket(id);
            let queued = socket.queued_datagrams() as u64;
            assert!((5..=8).contains(&queued), "{queued}");
            assert_eq!(socket.dropped_datagrams(), 20 - queued);
            socket.close();
            stage.run_to_its_end();
            assert_eq!(stage.event_loop.statistics().datagrams_dropped, 20);
        }
    }

    #[test]
    fn datagrams_that_are_given_up_count_no_more() {
        let mut stage = stage(full(), 5);
        let queued = |stage: &Stage| stage.event_loop.statistics().queued_bytes;
        let options = DatagramOptions::new().max_queued_bytes(8 * 1000);
        let sockets: Vec<_> = ["a", "b", "c"]
            .into_iter()
            .map(|name| stage.bind(options.clone(), Watch::new(name)).0)
            .collect();
        let (_peer, peer_address) = peer();
        for number in 1..=3 {
            for &id in &sockets {
                let flow = stage.socket(id).send_to(peer_address, &[7; 1000]);
                assert!(flow.is_accepted());
            }
            assert_eq!(queued(&stage), 3 * 1000 * number);
        }
        // The policy drops some of them.
        for _ in 0..6 {
            let _ = stage.socket(sockets[0]).send_to(peer_address, &[7; 1500]);
        }
        let of_first = stage.socket(sockets[0]).queued_bytes();
        assert_eq!(queued(&stage), of_first + 6 * 1000);
        stage.socket(sockets[0]).close();
        assert_eq!(queued(&stage), 6 * 1000);
        stage.socket(sockets[1]).close_soon();
        assert_eq!(queued(&stage), 6 * 1000);
        stage.socket(sockets[1]).close();
        assert_eq!(queued(&stage), 3 * 1000);
        stage.event_loop.shutdown(Duration::ZERO, |_, _| ());
        stage.run_to_its_end();
        assert_eq!(queued(&stage), 0);
    }

    // Signals, a full kernel and a lack of memory, at random: what the queue takes arrives, in order.
    #[test]
    fn queued_datagrams_leave_in_order_and_drain_is_told() {
        for seed in 0..20 {
            let faults = Faults {
                interruptions: 200,
                spurious_blocks: 500,
                missing_buffers: 50,
                empty_polls: 100,
                spurious_events: 100,
                ..Faults::NONE
            };
            let mut stage = stage(faults, seed);
            let options = DatagramOptions::new().high_water_mark(100);
            let (id, _) = stage.bind(options, Watch::new("a"));
            let (peer, peer_address) = peer();
            let mut was_full = false;
            for number in 0..100_u8 {
                let flow = stage.socket(id).send_to(peer_address, &[number; 40]);
                assert!(flow.is_accepted(), "{flow:?}");
                was_full |= flow == DatagramFlow::Full;
            }
            stage.drive("an empty queue", |stage| {
                stage.socket(id).queued_datagrams() == 0
            });
            for number in 0..100_u8 {
                let mut buffer = [0; 64];
                assert_eq!(peer.recv(&mut buffer).unwrap(), 40);
                assert_eq!(buffer[..40], [number; 40], "seed {seed}");
            }
            stage.settle_for_a_while();
            assert_eq!(stage.count("a drain"), usize::from(was_full), "seed {seed}");
            assert_eq!(stage.socket(id).sent_datagrams(), 100);
        }
    }

    #[test]
    fn faults_lose_and_double_no_datagram_of_an_echo() {
        for seed in 0..20 {
            let faults = Faults {
                interruptions: 100,
                spurious_blocks: 200,
                missing_buffers: 20,
                empty_polls: 100,
                spurious_events: 100,
                ..Faults::NONE
            };
            let mut stage = stage(faults, seed);
            let (_, address) = stage.bind(DatagramOptions::new(), Watch::echo("a"));
            let (peer, _) = peer();
            peer.set_nonblocking(true).unwrap();
            for number in 0..50_u32 {
                peer.send_to(&number.to_be_bytes(), address).unwrap();
                let mut buffer = [0; 8];
                stage.drive("the echo", |_| peer.recv(&mut buffer).is_ok());
                assert_eq!(buffer[..4], number.to_be_bytes());
            }
            assert!(peer.recv(&mut [0; 8]).is_err(), "twice");
        }
    }

    // udp_ref3
    #[test]
    fn a_released_socket_with_a_queue_keeps_the_loop() {
        let faults = Faults {
            spurious_blocks: 700,
            ..Faults::NONE
        };
        let mut stage = stage(faults, 3);
        let (id, _) = stage.bind(DatagramOptions::new(), Watch::new("a"));
        let (peer, peer_address) = peer();
        stage.settle_for_a_while();
        stage.socket(id).release();
        assert!(!stage.event_loop.is_alive());
        for number in 0..50_u8 {
            let flow = stage.socket(id).send_to(peer_address, &[number]);
            assert!(flow.is_accepted());
        }
        stage.run_to_its_end();
        assert_eq!(stage.socket(id).queued_datagrams(), 0);
        peer.set_read_timeout(Some(PATIENCE)).unwrap();
        for number in 0..50_u8 {
            let mut buffer = [0; 8];
            assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
    }

    #[test]
    fn close_soon_sends_the_queue_and_takes_no_more() {
        let mut stage = stage(
            Faults {
                spurious_blocks: 800,
                ..Faults::NONE
            },
            4,
        );
        let (id, address) = stage.bind(DatagramOptions::new(), Watch::new("a"));
        let (peer, peer_address) = peer();
        for number in 0..20_u8 {
            let _ = stage.socket(id).send_to(peer_address, &[number]);
        }
        peer.send_to(b"unread", address).unwrap();
        stage.socket(id).close_soon();
        assert_eq!(
            stage.socket(id).send_to(peer_address, b"late"),
            DatagramFlow::Closed
        );
        stage.run_to_its_end();
        for number in 0..20_u8 {
            let mut buffer = [0; 8];
            assert_eq!(peer.recv(&mut buffer).unwrap(), 1);
            assert_eq!(buffer[0], number);
        }
        assert_eq!(stage.notes, ["a listening", "a close"]);
    }
}
