//! Bursts of 64 datagrams of 1,200 bytes between two sockets of netloop, with batches and without.

use std::error::Error;
use std::net::SocketAddr;
use std::process::Command;

use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop};
use netloop_benches::build::this_program;
use netloop_benches::process::cpu;
use netloop_benches::statistics::{Estimate, Interval, in_turn, ratios};

const BURST: u32 = 64;
const LENGTH: usize = 1200;
const BURSTS: u32 = 4000;

/// Sends a burst for each datagram that it gets.
struct Pitcher {
    to: SocketAddr,
    left: u32,
}

impl Pitcher {
    fn pitch(&mut self, cx: &mut DatagramContext<'_>) {
        if self.left == 0 {
            return cx.stop();
        }
        self.left -= 1;
        for _ in 0..BURST {
            cx.socket.send_to(self.to, &[7; LENGTH]).ignore();
        }
    }
}

impl DatagramHandler for Pitcher {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_>) {
        self.pitch(cx);
    }
    fn on_message(&mut self, cx: &mut DatagramContext<'_>, _: SocketAddr, _: &[u8]) {
        self.pitch(cx);
    }
}

/// Asks for the next burst when it has a whole one.
struct Catcher {
    caught: u32,
}

impl DatagramHandler for Catcher {
    fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
        assert_eq!(data.len(), LENGTH);
        self.caught += 1;
        if self.caught % BURST == 0 {
            cx.socket.send_to(from, b"more").ignore();
        }
    }
}

/// Exchanges all bursts in this process, and prints the processor time of a datagram in nanoseconds.
pub(crate) fn run(kind: &str) -> Result<(), Box<dyn Error>> {
    let options = DatagramOptions::new()
        .in_batches(kind == "batched")
        .receives_per_turn(BURST);
    let mut event_loop = EventLoop::new()?;
    let catcher = Catcher { caught: 0 };
    let catcher = event_loop.bind_udp("127.0.0.1:0", options.clone(), catcher)?;
    let to = event_loop.datagram_socket(catcher).local_address();
    let to = to.ok_or("it is bound")?;
    let pitcher = Pitcher { to, left: BURSTS };
    event_loop.bind_udp("127.0.0.1:0", options, pitcher)?;
    let before = cpu(std::process::id())?;
    event_loop.run(&mut ())?;
    let spent = cpu(std::process::id())? - before;
    println!("{}", spent.as_secs_f64() * 1e9 / f64::from(BURSTS * BURST));
    Ok(())
}

/// Runs both kinds in turn, each in a process of its own, and prints how many times as fast the batches are.
pub(crate) fn compare(rounds: usize) -> Result<(), Box<dyn Error>> {
    let kinds = ["plain", "batched"];
    let times = in_turn(rounds, kinds.len(), |place| {
        let mut command = Command::new(this_program()?);
        let arguments = ["datagrams", "--burst", kinds[place]];
        let output = command.args(arguments).output()?;
        let text = String::from_utf8(output.stdout)?;
        Ok::<f64, Box<dyn Error>>(text.trim().parse()?)
    })?;
    for (plain, batched) in times[0].iter().zip(&times[1]) {
        println!("a burst's datagram: {plain:.0} ns, in batches {batched:.0} ns");
    }
    let estimate = Estimate::of(&ratios(&times[0], &times[1])).ok_or("no round")?;
    let (median, Interval { low, high }) = (estimate.median, estimate.reach());
    println!("batches are {median:.2} times as fast ({low:.2} to {high:.2})");
    Ok(())
}
