//! A small protocol with a bug that loopback never shows, found in a simulated network, replayed by its seed, and
//! mended.
//!
//! ```text
//! $ cargo run --features simulation --example simulate
//! found     seed 0: [7, 0, 201] in place of [7, 401, 0, 15]
//!           Simulation { seed: 0, options: Options { flavour: Afd, latency: 0ns, .. }, .. }
//! replayed  seed 0: [7, 0, 201]
//! mended    seed 0: [7, 401, 0, 15]
//! checked   1000 seeds, 486 seconds in the simulation
//! ```
//!
//! In the protocol, a question is one byte with the count of numbers, and then the numbers, a byte each. The answer is
//! their sum in two bytes. The first server takes every piece of data for one question, which is nearly always right in
//! a try by hand.
use std::process::ExitCode;
use std::time::Duration;

use netloop::simulation::{Faults, Options, Simulation};
use netloop::{Context, Result, SocketHandler};

const QUESTIONS: [&[u8]; 4] = [&[1, 7], &[3, 200, 200, 1], &[0], &[5, 1, 2, 3, 4, 5]];
const ANSWERS: [u16; 4] = [7, 401, 0, 15];

/// The server, which answers questions. Without `is_mended`, it has the bug.
#[derive(Default)]
struct Server {
    is_mended: bool,
    /// The beginning of a question whose end has not arrived.
    begun: Vec<u8>,
}

impl SocketHandler for Server {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if !self.is_mended {
            // The bug: `data` may be half a question, or two questions.
            answer(cx, &data[1..]);
            return;
        }
        self.begun.extend_from_slice(data);
        while let Some((&count, numbers)) = self.begun.split_first() {
            let count = usize::from(count);
            if numbers.len() < count {
                return;
            }
            answer(cx, &numbers[..count]);
            self.begun.drain(..=count);
        }
    }
}

fn answer(cx: &mut Context<'_>, numbers: &[u8]) {
    let sum: u16 = numbers.iter().copied().map(u16::from).sum();
    let _ = cx.socket.write(&sum.to_be_bytes());
}

/// The client, which asks one question after the other, and keeps the answers in the shared state.
#[derive(Default)]
struct Client {
    asked: usize,
}

impl Client {
    fn ask(&mut self, cx: &mut Context<'_, Vec<u8>>) {
        match QUESTIONS.get(self.asked) {
            Some(question) => {
                self.asked += 1;
                let _ = cx.socket.write(question);
            }
            None => cx.socket.end(),
        }
    }
}

impl SocketHandler<Vec<u8>> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<u8>>) {
        self.ask(cx);
    }
    fn on_data(&mut self, cx: &mut Context<'_, Vec<u8>>, data: &[u8]) {
        cx.shared.extend_from_slice(data);
        if cx.shared.len() == 2 * self.asked {
            self.ask(cx);
        }
    }
}

/// Runs one simulation. Returns the answers that the client got, the time in the simulation, and its description.
fn run(seed: u64, is_mended: bool) -> Result<(Vec<u16>, Duration, String)> {
    let wild = Options::from_seed(seed);
    // The faults that end a connection are left out: this protocol does not connect again, and so has no answer to
    // them.
    let faults = Faults {
        resets: 0,
        aborted_accepts: 0,
        exhausted_accepts: 0,
        exhausted_connects: 0,
        ..wild.faults
    };
    let mut simulation = Simulation::new(seed, wild.faults(faults))?;
    let mut server = simulation.host(())?;
    let mut client = simulation.host(Vec::new())?;
    server
        .event_loop
        .listen("10.0.0.1:7000", move |_, _| Server {
            is_mended,
            ..Server::default()
        })?;
    client
        .event_loop
        .connect("10.0.0.1:7000", Client::default())?;
    simulation.run(&mut [&mut server, &mut client])?;
    let answers = client
        .shared
        .chunks(2)
        .map(|bytes| {
            bytes
                .iter()
                .fold(0, |sum, &byte| sum << 8 | u16::from(byte))
        })
        .collect();
    Ok((answers, simulation.elapsed(), format!("{simulation:?}")))
}

fn main() -> Result<ExitCode> {
    for seed in 0..1000 {
        let (answers, _, description) = run(seed, false)?;
        if answers != ANSWERS {
            println!("found     seed {seed}: {answers:?} in place of {ANSWERS:?}");
            println!("          {description}");
            let (again, ..) = run(seed, false)?;
            println!("replayed  seed {seed}: {again:?}");
            let (mended, ..) = run(seed, true)?;
            println!("mended    seed {seed}: {mended:?}");
            break;
        }
    }
    let mut time = Duration::ZERO;
    for seed in 0..1000 {
        let (answers, elapsed, description) = run(seed, true)?;
        time += elapsed;
        if answers != ANSWERS {
            println!("not mended: {answers:?}, {description}");
            return Ok(ExitCode::FAILURE);
        }
    }
    println!(
        "checked   1000 seeds, {} seconds in the simulation",
        time.as_secs()
    );
    Ok(ExitCode::SUCCESS)
}
