//! Peers of the block list that never stop coming: the turns that drop them are no spin of the loop.

use std::net::TcpStream;
use std::rc::Rc;

use netloop::{BlockList, Budget, ListenOptions, Wait};

use crate::support::{Recorder, Scene, loopback};

/// More than the turns in a row that make a spin.
const TURNS: usize = 1_100;

#[test]
fn a_crowd_of_blocked_peers_closes_no_server() {
    for steps in [1, 4] {
        let budget = Budget::new().steps(steps);
        let mut scene = Scene::new();
        let mut list = BlockList::new();
        list.add_subnet(loopback().ip(), 8).unwrap();
        let options = ListenOptions::new().block_list(Rc::new(list));
        let (server, address) = scene.listen(options, |_| Recorder::new("theirs"));
        scene.settle();
        let mut waiting: Vec<TcpStream> = Vec::new();
        for _ in 0..20 {
            waiting.push(TcpStream::connect(address).unwrap());
        }
        for _ in 0..TURNS {
            for _ in 0..steps {
                waiting.push(TcpStream::connect(address).unwrap());
                waiting.remove(0);
            }
            let turn = scene.event_loop.turn(&mut scene.world, Wait::No, budget);
            assert!(turn.unwrap().more, "some are left");
        }
        let statistics = scene.event_loop.statistics();
        assert_eq!(statistics.spins, 0, "{steps}");
        assert!(scene.event_loop.server(server).is_listening());
        assert!(statistics.dropped_blocked >= TURNS as u64);
    }
}
