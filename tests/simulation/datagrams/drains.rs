//! The drain of a UDP socket after its datagram was dropped for the sake of other queues.

use std::net::SocketAddr;

use netloop::simulation::{Host, Options, Simulation};
use netloop::{
    DatagramContext, DatagramFlow, DatagramHandler, DatagramOptions, EventLoopOptions, Limits,
};

#[test]
fn a_drop_by_the_common_limit_is_followed_by_a_drain() {
    let options = Options {
        bytes_per_second: Some(1_000_000),
        capacity: 2_000,
        ..Options::new()
    };
    let mut simulation = Simulation::new(1, options).unwrap();
    let limits = Limits::unlimited().max_total_queued_bytes(1_500);
    let options = EventLoopOptions::new().limits(limits);
    let mut host: Host<Vec<&str>> = simulation.host_with(Vec::new(), options).unwrap();
    let mut ids = ["hog", "victim"].into_iter().map(|name| {
        let bound = host
            .event_loop
            .bind_udp("10.0.0.1:0", DatagramOptions::new(), Drain(name));
        bound.unwrap()
    });
    let (hog, victim) = (ids.next().unwrap(), ids.next().unwrap());
    drop(ids);
    let nowhere: SocketAddr = "10.0.0.9:7".parse().unwrap();
    let mut send = |id| {
        let mut socket = host.event_loop.datagram_socket(id);
        socket.send_to(nowhere, &[7; 1_000])
    };
    let flows: Vec<DatagramFlow> = (0..3).map(|_| send(hog)).collect();
    assert_eq!(flows, [DatagramFlow::Open; 3], "the last one is queued");
    let flows: Vec<DatagramFlow> = (0..3).map(|_| send(victim)).collect();
    // The kernel is full, and the queue of the other socket leaves no space.
    let expected = [
        DatagramFlow::Open,
        DatagramFlow::Open,
        DatagramFlow::Dropped,
    ];
    assert_eq!(flows, expected);
    simulation.run(&mut [&mut host]).unwrap();
    assert_eq!(host.shared, ["victim"]);
}

/// Notes its drains.
struct Drain(&'static str);

impl DatagramHandler<Vec<&'static str>> for Drain {
    fn on_message(
        &mut self,
        _: &mut DatagramContext<'_, Vec<&'static str>>,
        _: SocketAddr,
        _: &[u8],
    ) {
    }
    fn on_drain(&mut self, cx: &mut DatagramContext<'_, Vec<&'static str>>) {
        cx.shared.push(self.0);
    }
}
