//! The client's loop of a traffic.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::time::Instant;

use netloop::{ConnectOptions, Result};

use super::driver::Driver;
use super::gate::Gate;
use super::pattern::mix;
use super::plan::{Ending, Plan, Side};
use super::server::socket_options;
use super::stream::Stream;
use super::tally::Tally;
use super::world::World;
use super::{Traffic, Until};

/// The connects that may be under way at a time. A backlog has capacity for them all.
const MOST_CONNECTING: u64 = 256;

/// Keeps the connections of `traffic` open with the servers that `told` names, and replaces each that closes, until the
/// traffic ends. Sets `is_over` after the last close.
pub(crate) fn load(
    traffic: &Traffic,
    told: &Receiver<Vec<SocketAddr>>,
    is_over: &AtomicBool,
    gate: &Gate,
) -> Result<Tally> {
    let world = World::new(traffic.longest_hold, traffic.faults.may_break());
    let event_loop = traffic.faults.event_loop(traffic.seed + 1)?;
    let mut driver = Driver::new(event_loop, world, traffic.budget);
    gate.pass();
    let addresses = told.recv().expect("the server tells its addresses");
    let began = Instant::now();
    let mut started = 0;
    loop {
        let is_enough = match traffic.until {
            Until::Time(time) => began.elapsed() >= time,
            Until::Connections(most) => started >= most,
        };
        if is_enough && started == driver.world.tally.closed && driver.has_rested() {
            break;
        }
        while !is_enough && may_start(&driver, traffic, started) {
            start(&mut driver, traffic, &addresses, started)?;
            started += 1;
        }
        if !driver.turn()? {
            break;
        }
    }
    is_over.store(true, Ordering::Relaxed);
    let tally = &mut driver.world.tally;
    tally.unexplained += started - tally.closed;
    Ok(driver.finish(gate))
}

fn may_start(driver: &Driver, traffic: &Traffic, started: u64) -> bool {
    let tally = &driver.world.tally;
    let connecting = started - tally.connected - tally.unconnected;
    started - tally.closed < traffic.connections && connecting < MOST_CONNECTING
}

fn start(
    driver: &mut Driver,
    traffic: &Traffic,
    addresses: &[SocketAddr],
    number: u64,
) -> Result<()> {
    let key = mix(traffic.seed, number);
    let plan = Plan::of(key, traffic.longest_hold);
    // The other way to end: the loop ends this side behind `on_end`.
    let stays_open = plan.ending == Ending::HalfClose(Side::Server);
    let options = ConnectOptions::new().socket(socket_options().allow_half_open(stays_open));
    let place = usize::try_from(number).unwrap_or(0) % addresses.len();
    let stream = Stream::client(key, plan, &driver.drops);
    driver
        .event_loop
        .connect_with(addresses[place], options, stream)
        .map(drop)
}
