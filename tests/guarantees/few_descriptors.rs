//! A server without descriptors is woken by a close that frees one.

use std::net::SocketAddr;

use netloop::{
    DatagramContext, DatagramHandler, DatagramId, DatagramOptions, ListenOptions, ServerId,
};

use super::faults::{FEW_DESCRIPTORS, connections, take_descriptors};
use crate::servers::{echoing, serve};
use crate::support::{Peer, Recorder, Scene, World, in_own_process, loopback};

struct Silent;

impl DatagramHandler<World> for Silent {
    fn on_message(&mut self, _: &mut DatagramContext<'_, World>, _: SocketAddr, _: &[u8]) {}
}

// A1: the descriptor is that of another kind of socket, or of another server.
#[test]
fn the_close_of_any_socket_wakes_a_server_without_descriptors() {
    in_own_process(FEW_DESCRIPTORS, || {
        let mut scene = Scene::new();
        let (_, address) = serve(&mut scene, ListenOptions::new(), echoing());
        let (other, _) = scene.listen(ListenOptions::new(), |_| Recorder::new("other"));
        let (server, its_address) = scene.listen(ListenOptions::new(), |_| Recorder::new("open"));
        let _open = Peer::connect(its_address);
        scene.drive_until("open", "connect");
        let options = DatagramOptions::new();
        let udp = scene.event_loop.bind_udp(loopback(), options, Silent);
        let udp = udp.unwrap();
        scene.settle();
        // Each failure turns one away.
        let _crowd: Vec<Peer> = (0..30).map(|_| Peer::connect(address)).collect();
        let _taken = take_descriptors();
        let closes: [fn(&mut Scene, DatagramId, [ServerId; 2]); 3] = [
            |scene, udp, _| scene.event_loop.datagram_socket(udp).close(),
            |scene, _, [other, _]| scene.close(other),
            // Its connection stays open, and `on_close` comes behind that of the connection.
            |scene, _, [_, server]| scene.close(server),
        ];
        for (number, close) in (1..).zip(closes) {
            // The rest is longer than the turns of this test.
            scene.drive_with("a long rest", |scene| {
                scene.event_loop.statistics().descriptor_shortages >= 7 * number
            });
            let accepted = connections(&scene.world);
            close(&mut scene, udp, [other, server]);
            scene.turn();
            scene.turn();
            assert_eq!(connections(&scene.world), accepted + 1, "{number}");
        }
    });
}
