//! The rounds: each server under each load by turns, and the table.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use lexopt::{Arg, Parser, ValueExt};
use netloop_benches::cores::{ends, on_core};
use netloop_benches::machine::{processor, read};
use netloop_benches::statistics::quartile;

use crate::raw;
use crate::servers::Server;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

const USAGE: &str = "usage: beside [--rounds N] [--seconds N] [--only NAME,..]";

/// A load of `wrk`.
struct Load {
    connections: u32,
    /// The requests that are sent at once.
    pipeline: u32,
}

const LOADS: [Load; 4] = [
    Load {
        connections: 1,
        pipeline: 1,
    },
    Load {
        connections: 100,
        pipeline: 1,
    },
    Load {
        connections: 1,
        pipeline: 16,
    },
    Load {
        connections: 100,
        pipeline: 16,
    },
];

struct Options {
    rounds: usize,
    seconds: u32,
    only: Option<String>,
}

/// The figures of one server under one load in one round.
#[derive(Clone, Copy)]
struct Run {
    /// Processor time for each request.
    microseconds: f64,
    requests_per_second: f64,
}

pub(crate) fn run() -> Outcome<()> {
    let mut options = Options {
        rounds: 8,
        seconds: 1,
        only: None,
    };
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            // The program itself is one of the servers.
            Arg::Long("serve-raw") => return Ok(raw::serve()?),
            Arg::Long("rounds") => options.rounds = arguments.value()?.parse()?,
            Arg::Long("seconds") => options.seconds = arguments.value()?.parse()?,
            Arg::Long("only") => options.only = Some(arguments.value()?.string()?),
            // Added by cargo.
            Arg::Long("bench") => {}
            _ => return Err(USAGE.into()),
        }
    }
    let folder = std::env::temp_dir().join(format!("netloop-http-beside-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let table = measure(&options, &folder);
    fs::remove_dir_all(&folder)?;
    println!("{}\n\n{}", machine(), table?);
    Ok(())
}

fn measure(options: &Options, folder: &Path) -> Outcome<String> {
    let mut servers = Server::start_all(folder)?;
    if let Some(only) = &options.only {
        servers.retain(|server| only.split(',').any(|name| name == server.name));
    }
    let mut table = String::from(
        "| load | server | µs of processor for a request | times the epoll loop | requests a second |\n\
         |---|---|---:|---:|---:|\n",
    );
    for load in &LOADS {
        let script = folder.join("pipeline.lua");
        fs::write(&script, load.script())?;
        let mut runs: Vec<Vec<Run>> = vec![Vec::new(); servers.len()];
        for round in 0..options.rounds {
            for turn in 0..servers.len() {
                let place = (round + turn) % servers.len();
                runs[place].push(load.run(&servers[place], &script, options.seconds)?);
            }
            eprint!(
                "\r{}: round {} of {} ",
                load.name(),
                round + 1,
                options.rounds
            );
        }
        eprintln!();
        let floor = servers.iter().position(|server| server.name == "raw epoll");
        for (server, own) in servers.iter().zip(&runs) {
            let times: Vec<f64> = own.iter().map(|run| run.microseconds).collect();
            let rates: Vec<f64> = own.iter().map(|run| run.requests_per_second).collect();
            let ratios = floor.map(|floor| {
                let pairs = times.iter().zip(&runs[floor]);
                let ratios: Vec<f64> = pairs
                    .map(|(time, floor)| time / floor.microseconds)
                    .collect();
                shown(&ratios, 2)
            });
            table += &format!(
                "| {} | {} {} | {} | {} | {:.0} |\n",
                load.name(),
                server.name,
                server.version,
                shown(&times, 2),
                ratios.unwrap_or_default(),
                quartile(&rates, 2).unwrap_or_default(),
            );
        }
    }
    Ok(table)
}

impl Load {
    fn name(&self) -> String {
        let connections = match self.connections {
            1 => "1 connection".to_owned(),
            connections => format!("{connections} connections"),
        };
        match self.pipeline {
            1 => connections,
            pipeline => format!("{connections}, pipelines of {pipeline}"),
        }
    }

    fn script(&self) -> String {
        let requests = format!(
            "local requests = {{}}
             for i = 1, {} do requests[i] = wrk.format(nil, '/') end
             pipeline = table.concat(requests)",
            self.pipeline
        );
        format!("init = function(args) {requests} end\nrequest = function() return pipeline end\n")
    }

    fn run(&self, server: &Server, script: &Path, seconds: u32) -> Outcome<Run> {
        let before = server.process.processes().cpu();
        let mut wrk = Command::new("wrk");
        wrk.arg("-t1")
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{seconds}s"));
        if self.pipeline > 1 {
            wrk.arg("-s").arg(script);
        }
        wrk.arg(format!("http://{}/", server.process.address));
        let wrk = wrk.stdin(Stdio::null()).stdout(Stdio::piped());
        let report = on_core(ends().1, || wrk.spawn())?
            .wait_with_output()?
            .stdout;
        let cpu = server.process.processes().cpu() - before;
        let report = String::from_utf8(report)?;
        if report.contains("Socket errors") || report.contains("Non-2xx") {
            return Err(format!("{}: {report}", server.name).into());
        }
        let value = |name: &str| -> Option<f64> {
            let line = report.lines().find(|line| line.contains(name))?;
            line.split_whitespace().find_map(|word| word.parse().ok())
        };
        let requests = value(" requests in ").filter(|requests| *requests > 0.0);
        let requests = requests.ok_or("wrk counts no requests")?;
        Ok(Run {
            microseconds: cpu.as_secs_f64() * 1e6 / requests,
            requests_per_second: value("Requests/sec:").unwrap_or_default(),
        })
    }
}

/// The processor, and the load of the machine at the end.
fn machine() -> String {
    let [name, family, model] = ["model name", "cpu family", "model"].map(processor);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default();
    format!("{name}, family {family}, model {model}; load {load}")
}

/// The median, with the least and the most.
fn shown(values: &[f64], places: usize) -> String {
    let [least, median, most] =
        [0, 2, 4].map(|quarters| quartile(values, quarters).unwrap_or_default());
    format!("{median:.places$} ({least:.places$} to {most:.places$})")
}
