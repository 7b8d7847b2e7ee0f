//! The servers, the rounds, and the table.

use std::error::Error;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use lexopt::{Arg, Parser, ValueExt};
use netloop_benches::bars::{self, Bench, Measured};
use netloop_benches::cores::{ends, on_core};
use netloop_benches::process::Server;
use netloop_benches::statistics::{in_turn, median, quartile, ratios};
use netloop_benches::table::Table;

const USAGE: &str =
    "options: --rounds NUMBER, --operations THOUSANDS, --with PATH (another build of resp)";

/// The tests of redis-benchmark, and the depths of its pipelines.
const TESTS: [&str; 3] = ["ping_mbulk", "set", "get"];
const DEPTHS: [u32; 2] = [1, 16];

fn start_resp(program: &Path) -> Result<Server, String> {
    let mut command = Command::new(program);
    command.args(["--listen", "127.0.0.1:0"]);
    on_core(ends().0, || Server::start(&mut command))
}

fn start_redis() -> Result<Server, Box<dyn Error>> {
    // The port is free until another program asks for one.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new("redis-server");
    command
        .args(["--port", &address.port().to_string()])
        .args(["--bind", "127.0.0.1", "--io-threads", "1"])
        .args(["--save", "", "--appendonly", "no"])
        .current_dir(std::env::temp_dir());
    Ok(on_core(ends().0, || {
        Server::start_at(address, &mut command)
    })?)
}

/// Returns the microseconds of one operation.
fn cost(server: &Server, test: &str, depth: u32, operations: u32) -> Result<f64, Box<dyn Error>> {
    let before = server.processes().cpu();
    let mut command = Command::new("redis-benchmark");
    command
        .args(["-h", "127.0.0.1", "-p", &server.address.port().to_string()])
        .args(["-q", "-t", test, "-c", "50"])
        .args(["-n", &operations.to_string(), "-P", &depth.to_string()]);
    let output = on_core(ends().1, || command.output())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let spent = server.processes().cpu() - before;
    Ok(spent.as_secs_f64() * 1e6 / f64::from(operations))
}

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let mut rounds = 9;
    let mut thousands = 200;
    let mut others: Vec<PathBuf> = Vec::new();
    let mut arguments = Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            // cargo says so.
            Arg::Long("bench") => {}
            Arg::Long("rounds") => rounds = arguments.value()?.parse::<usize>()?.max(1),
            Arg::Long("operations") => thousands = arguments.value()?.parse::<u32>()?,
            Arg::Long("with") => others.push(arguments.value()?.into()),
            _ => return Err(USAGE.into()),
        }
    }
    let resp = start_resp(Path::new(env!("CARGO_BIN_EXE_resp")))?;
    let mut servers = vec![
        ("redis".to_owned(), start_redis()?),
        ("resp".to_owned(), resp),
    ];
    for path in &others {
        servers.push((path.display().to_string(), start_resp(path)?));
    }
    let mut table = Table::new(&[
        "test",
        "server",
        "µs an operation",
        "of Redis's",
        "quartiles",
    ]);
    let mut outcomes = Vec::new();
    for (test, depth) in TESTS
        .iter()
        .flat_map(|test| DEPTHS.map(|depth| (test, depth)))
    {
        let workload = format!("{test}, pipeline {depth}");
        // About a second each.
        let operations = thousands * 1000 * if depth == 1 { 1 } else { 8 };
        let measure = |place: usize| cost(&servers[place].1, test, depth, operations);
        let costs = in_turn(rounds, servers.len(), measure)?;
        for ((name, _), own) in servers.iter().zip(&costs) {
            let ratios = ratios(own, &costs[0]);
            let at = |quarters| quartile(&ratios, quarters).unwrap_or_default();
            table.push([
                workload.clone(),
                name.clone(),
                format!("{:.2}", median(own).unwrap_or_default()),
                format!("{:.3}", at(2)),
                format!("{:.3} to {:.3}", at(1), at(3)),
            ]);
            if name == "resp" {
                let measured = Measured::Rounds(ratios);
                outcomes.extend(bars::judge(Bench::Resp, &workload, |_| measured.clone()));
            }
        }
    }
    println!("{}", table.markdown());
    bars::print(&outcomes);
    Ok(())
}
