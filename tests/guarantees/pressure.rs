//! The hook for pressure, and the bytes that a host has written between two turns.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use netloop::{
    Budget, DatagramContext, DatagramHandler, DatagramOptions, EventLoop, EventLoopOptions,
    HostQuery, Limits, SocketOptions, Wait,
};

use crate::support::{PATIENCE, Peer, Recorder, Scene, World};

fn scene_with(limit: usize) -> Scene {
    let limits = Limits::new().max_total_queued_bytes(limit);
    let options = EventLoopOptions::new().limits(limits);
    Scene {
        event_loop: EventLoop::with_options(options).unwrap(),
        world: World::default(),
    }
}

// The host's own bytes are told in its next turn, whichever queue they wait in: none of these asks for a flush.
#[test]
fn pressure_of_the_hosts_bytes_is_told_in_its_next_turn() {
    for budget in [Budget::new(), Budget::new().steps(1_000)] {
        for kind in ["blocked", "datagrams"] {
            let mut scene = scene_with(100_000);
            scene
                .event_loop
                .on_pressure(|cx, _| cx.shared.note("pressure"));
            let (ours, _peer) = Peer::pair_with_small_sender();
            let options = SocketOptions::new();
            let handler = Recorder::new("us");
            let id = scene.event_loop.adopt(ours, options, handler).unwrap();
            let (_open, opened) = mpsc::channel::<()>();
            let opened = Mutex::new(opened);
            let resolver = move |_: &HostQuery<'_>| {
                let _ = opened.lock().unwrap().recv_timeout(PATIENCE);
                Ok(Vec::new())
            };
            let options = DatagramOptions::new()
                .resolver(Arc::new(resolver))
                .max_queued_bytes(1 << 20);
            let looking_up = scene.event_loop.connect_udp("here.test:7", options, Silent);
            let looking_up = looking_up.unwrap();
            while scene.socket(id).queued_bytes() == 0 {
                scene.socket(id).write(&[0; 4_000]).ignore();
                scene.turn();
            }
            let turn = |scene: &mut Scene| {
                let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
                turn.unwrap();
            };
            turn(&mut scene);
            assert_eq!(scene.world.notes, [] as [&str; 0], "{kind}");
            match kind {
                "blocked" => scene.socket(id).write(&[0; 91_000]).ignore(),
                _ => {
                    for _ in 0..91 {
                        let mut socket = scene.event_loop.datagram_socket(looking_up);
                        assert!(socket.send(&[0; 1_000]).is_accepted());
                    }
                }
            }
            turn(&mut scene);
            assert_eq!(scene.world.notes, ["pressure"], "{kind}");
        }
    }
}

struct Silent;

impl DatagramHandler<World> for Silent {
    fn on_message(&mut self, _: &mut DatagramContext<'_, World>, _: SocketAddr, _: &[u8]) {}
}
