//! Plays random scripts against the parts of the library that a peer's bytes or a program's calls reach in any order.
//!
//! ```text
//! cargo fuzz                              each target, for a second
//! cargo fuzz --seconds 60 wheel slots     two of them, for a minute each
//! cargo fuzz --runs 1000                  each target, from a thousand seeds that are always the same
//! cargo fuzz --seed 0x4d2000001f4 wheel   one input again; a failure names its seed
//! cargo fuzz lines --file FILE            an input of a fuzzer that hands over files, such as AFL
//! ```

mod found;
mod targets;

use std::alloc::System;
use std::cell::Cell;
use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use arbitrary::Unstructured;
use arbtest::arbtest;
use lexopt::prelude::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use targets::{TARGETS, Target};

/// Counts, for the targets that bound the memory of a run.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The least and the greatest length of a random input. Longer ones would be few in the same time, and hard to read.
const SHORTEST: u32 = 16;
const LONGEST: u32 = 4096;

/// The bytes of the inputs of a run from fixed seeds: short scripts and long ones in turn.
const SIZES: [u64; 4] = [32, 256, 1024, 8192];

/// The choice of inputs.
enum Inputs {
    /// Random ones, for a time.
    Time(Duration),
    /// The same ones in each run, this many.
    Runs(u64),
    /// The one of this seed.
    Seed(u64),
    /// The bytes of a file.
    File(PathBuf),
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut inputs = Inputs::Time(Duration::from_secs(1));
    let mut chosen = Vec::new();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("seconds") => inputs = Inputs::Time(Duration::from_secs(parser.value()?.parse()?)),
            Long("runs") => inputs = Inputs::Runs(parser.value()?.parse()?),
            Long("seed") => inputs = Inputs::Seed(parser.value()?.parse_with(found::seed)?),
            Long("file") => inputs = Inputs::File(parser.value()?.into()),
            Value(name) => chosen.push(targets::named(&name.string()?)?),
            _ => return Err(argument.unexpected().into()),
        }
    }
    if chosen.is_empty() {
        chosen.extend(TARGETS);
    }
    for target in chosen {
        let began = Instant::now();
        let runs = play(&target, &inputs)?;
        println!(
            "{:<12} {runs:>9} runs in {:>5.1} s: no difference",
            target.name,
            began.elapsed().as_secs_f64()
        );
    }
    Ok(())
}

/// Plays `target` on `inputs`, and returns the number of runs. A difference panics, below a line with the seed.
fn play(target: &Target, inputs: &Inputs) -> Result<u64, Box<dyn Error>> {
    let runs = Cell::new(0);
    let property = |input: &mut Unstructured<'_>| {
        runs.set(runs.get() + 1);
        (target.play)(input)
    };
    match inputs {
        Inputs::Time(time) => arbtest(property)
            .size_min(SHORTEST)
            .size_max(LONGEST)
            .budget(*time)
            .run(),
        Inputs::Runs(count) => {
            for run in 0..*count {
                arbtest(property).seed(fixed_seed(run)).run();
            }
        }
        Inputs::Seed(seed) => arbtest(property).seed(*seed).run(),
        Inputs::File(file) => {
            // An input that ends before its script does is a shorter script.
            let _ = property(&mut Unstructured::new(&std::fs::read(file)?));
        }
    }
    Ok(runs.get())
}

/// Returns a seed of arbtest: the number of the input in its upper half, the length of the input in its lower half.
fn fixed_seed(run: u64) -> u64 {
    let sizes = SIZES.iter().cycle();
    let number = run.wrapping_mul(0x9e37_79b9) << 32;
    sizes
        .skip((run % 4) as usize)
        .take(1)
        .fold(number, |seed, size| seed | size)
}
