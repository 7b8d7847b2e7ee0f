//! Filters that know an address of the peer each: the block list and the limit of a network meet every one.

use std::io::IoSlice;
use std::rc::Rc;

use netloop::{
    BlockList, Decoded, Filter, FilterOutput, Limits, ListenOptions, ProxyProtocol, Result,
};

use super::Behind;
use crate::support::{Peer, Recorder, Scene};

/// A filter below `Behind`, which knows another address: one with this number.
struct InFront(u8);

impl Filter for InFront {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn peer_address(&self) -> Option<std::net::SocketAddr> {
        Some(([192, 0, 2, self.0], 1).into())
    }
}

/// Filters that know the address with this number, and the one of `Behind`. With `is_late`, a PROXY header tells the
/// first, so that it is known later than at the accept.
fn two_filters(number: u8, is_late: bool) -> ListenOptions {
    let options = match is_late {
        true => {
            ListenOptions::new().proxy_protocol(ProxyProtocol::new().trust("127.0.0.0/8").unwrap())
        }
        false => ListenOptions::new().filter(move || Ok(InFront(number))),
    };
    options.filter(|| Ok(Behind))
}

fn header(number: u8, is_late: bool) -> String {
    match is_late {
        true => format!("PROXY TCP4 192.0.2.{number} 192.0.2.99 1 2\r\n"),
        false => String::new(),
    }
}

// Each address is looked up: that of a balancer in front, and that of the client behind it.
#[test]
fn each_address_of_stacked_filters_meets_the_block_list() {
    for (is_late, blocked, connects) in [
        (false, "192.0.2.1", 0),
        (false, "192.0.2.7", 0),
        (false, "192.0.2.9", 1),
        (true, "192.0.2.1", 0),
        (true, "192.0.2.7", 0),
        (true, "192.0.2.9", 1),
    ] {
        let mut scene = Scene::new();
        let mut list = BlockList::new();
        list.add(blocked).unwrap();
        let options = two_filters(1, is_late).block_list(Rc::new(list));
        let (server, address) = scene.listen(options, |_| Recorder::new("theirs"));
        let mut peer = Peer::connect(address);
        peer.write(header(1, is_late).as_bytes());
        if connects == 0 {
            scene.peer_reads_to_end(&mut peer);
            let dropped = scene.event_loop.statistics().dropped_blocked;
            assert_eq!(dropped, 1, "{blocked}, {is_late}");
        } else {
            scene.drive_until("theirs", "connect");
            let id = scene.event_loop.server(server).sockets().next().unwrap();
            let behind = Some(([192, 0, 2, 7], 7).into());
            assert_eq!(scene.socket(id).peer_address(), behind);
        }
        assert_eq!(scene.world.count("theirs", "connect"), connects);
    }
}

#[test]
fn the_last_address_of_stacked_filters_has_its_network() {
    let mut scene = Scene::new();
    let limits = Limits::new().max_connections_per_network(1);
    let options = two_filters(0, true).limits(limits);
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let connect = |number| {
        let mut peer = Peer::connect(address);
        peer.write(header(number, true).as_bytes());
        peer
    };
    let first = connect(1);
    scene.drive_until("theirs", "connect");
    scene.peer_reads_to_end(&mut connect(2));
    let refused = scene.event_loop.statistics().dropped_over_network_limit;
    assert_eq!(refused, 1);
    first.close();
    scene.drive_to_close("theirs");
    let _third = connect(3);
    scene.drive_with("the third", |scene| {
        scene.world.count("theirs", "connect") == 2
    });
}
