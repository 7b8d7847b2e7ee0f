//! The server's loop of a traffic.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use netloop::{ListenOptions, Result, SocketOptions};

use super::Traffic;
use super::driver::Driver;
use super::gate::Gate;
use super::stream::Stream;
use super::tally::Tally;
use super::world::World;

/// The number of addresses that a server listens on. Each gives the clients all ports once more.
const ADDRESSES: u8 = 4;

/// Returns the options of all sockets, with a timeout that finds a stream which is stuck.
pub(super) fn socket_options() -> SocketOptions {
    SocketOptions::new()
        .allow_half_open(true)
        .max_queued_bytes(64 << 20)
        .idle_timeout(Duration::from_secs(50))
}

/// Serves `traffic` on addresses of the network 127.`network`.0.0/16, which `tell` is told, until `is_over` and the last
/// connection has closed.
pub(crate) fn serve(
    traffic: &Traffic,
    network: u8,
    tell: &Sender<Vec<SocketAddr>>,
    is_over: &AtomicBool,
    gate: &Gate,
) -> Result<Tally> {
    let world = World::new(traffic.longest_hold, traffic.faults.may_break());
    let event_loop = traffic.faults.event_loop(traffic.seed)?;
    let mut driver = Driver::new(event_loop, world, traffic.budget);
    let mut addresses = Vec::new();
    for number in 1..=ADDRESSES {
        let drops = Rc::clone(&driver.drops);
        let options = ListenOptions::new().backlog(4096).socket(socket_options());
        let address = SocketAddr::from(([127, network, 0, number], 0));
        let server = driver
            .event_loop
            .listen_with(address, options, move |_, _| Stream::server(&drops))?;
        addresses.extend(driver.event_loop.server(server).address());
    }
    gate.pass();
    // The receiver waits for it, or has given up.
    let _ = tell.send(addresses);
    while !is_over.load(Ordering::Relaxed) || driver.world.open > 0 || !driver.has_rested() {
        if !driver.turn()? {
            break;
        }
    }
    Ok(driver.finish(gate))
}
