//! Processor time an operation, beside a real redis-server: PING, SET and GET by redis-benchmark, at pipelines of 1 and 16.
//!
//! ```text
//! cargo bench -p netloop-resp -- --rounds 9
//! ```
//!
//! The servers take turns within a round, and the order changes from round to round. A server has one core, and the
//! load has the other one if there are two (`taskset`). The time is that of the server's process, in user space and in
//! the kernel (`/proc/PID/stat`), so that other work of the machine counts little. The table has the median of the
//! rounds, and the quartiles of the ratio. The bars are those of `benches/src/bars.rs`, which need eight rounds.

use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use lexopt::{Arg, Parser, ValueExt};
use netloop_benches::bars::{self, Bar, Bench, Measured};
use netloop_benches::statistics::{median, quartile};
use netloop_benches::table::Table;

const USAGE: &str =
    "options: --rounds NUMBER, --operations THOUSANDS, --with PATH (another build of resp)";

/// The tests of redis-benchmark, and the depths of its pipelines.
const TESTS: [&str; 3] = ["ping_mbulk", "set", "get"];
const DEPTHS: [u32; 2] = [1, 16];

/// A process that is killed when it is not needed any more.
struct Server {
    name: String,
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn resp(name: &str, program: &Path) -> Result<Self, Box<dyn Error>> {
        let mut child = on_core(0, program)
            .args(["--listen", "127.0.0.1:0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let output = child.stdout.take().ok_or("the server has no output")?;
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening ");
        Ok(Self {
            name: name.to_owned(),
            address: address.ok_or("the server does not listen")?.parse()?,
            child,
        })
    }

    fn redis() -> Result<Self, Box<dyn Error>> {
        // The port is free until another program asks for one.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = on_core(0, Path::new("redis-server"))
            .args(["--port", &address.port().to_string()])
            .args(["--bind", "127.0.0.1", "--io-threads", "1"])
            .args(["--save", "", "--appendonly", "no"])
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self {
            name: "redis".to_owned(),
            child,
            address,
        };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(address).is_err() {
            if Instant::now() > until {
                return Err("redis-server does not listen".into());
            }
            thread::yield_now();
        }
        Ok(server)
    }

    /// Returns the processor time so far, in ticks of the kernel: 100 are a second.
    fn ticks(&self) -> Result<f64, Box<dyn Error>> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The fields after the name, which is in brackets: user time is the twelfth, system time the next.
        let behind = stat.rsplit(") ").next().unwrap_or_default();
        let mut fields = behind.split(' ').skip(11);
        let mut next =
            || -> Result<f64, Box<dyn Error>> { Ok(fields.next().ok_or("no times")?.parse()?) };
        Ok(next()? + next()?)
    }

    /// Returns the microseconds of one operation.
    fn cost(&self, test: &str, depth: u32, operations: u32) -> Result<f64, Box<dyn Error>> {
        let before = self.ticks()?;
        let output = on_core(1, Path::new("redis-benchmark"))
            .args(["-h", "127.0.0.1", "-p", &self.address.port().to_string()])
            .args(["-q", "-t", test, "-c", "50"])
            .args(["-n", &operations.to_string(), "-P", &depth.to_string()])
            .output()?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into());
        }
        Ok((self.ticks()? - before) * 1e4 / f64::from(operations))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program on one core, if there are several and `taskset` is there.
fn on_core(core: usize, program: &Path) -> Command {
    let cores = thread::available_parallelism().map_or(1, |number| number.get());
    let has_taskset = Command::new("taskset")
        .arg("--version")
        .output()
        .is_ok_and(|output| output.status.success());
    if cores < 2 || !has_taskset {
        return Command::new(program);
    }
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}

fn main() -> Result<(), Box<dyn Error>> {
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
    let mut servers = vec![
        Server::redis()?,
        Server::resp("resp", Path::new(env!("CARGO_BIN_EXE_resp")))?,
    ];
    for path in &others {
        servers.push(Server::resp(&path.display().to_string(), path)?);
    }
    let mut table = Table::new(&[
        "test",
        "server",
        "µs an operation",
        "of Redis's",
        "quartiles",
    ]);
    let mut outcomes = Vec::new();
    for test in TESTS {
        for depth in DEPTHS {
            let workload = format!("{test}, pipeline {depth}");
            // About a second each.
            let operations = thousands * 1000 * if depth == 1 { 1 } else { 8 };
            let mut costs = vec![Vec::new(); servers.len()];
            for round in 0..rounds {
                for place in 0..servers.len() {
                    let place = (place + round) % servers.len();
                    costs[place].push(servers[place].cost(test, depth, operations)?);
                }
            }
            for (server, own) in servers.iter().zip(&costs) {
                let ratios: Vec<_> = own
                    .iter()
                    .zip(&costs[0])
                    .map(|(own, of)| own / of)
                    .collect();
                let at = |quarters| quartile(&ratios, quarters).unwrap_or_default();
                table.push([
                    workload.clone(),
                    server.name.clone(),
                    format!("{:.2}", median(own).unwrap_or_default()),
                    format!("{:.3}", at(2)),
                    format!("{:.3} to {:.3}", at(1), at(3)),
                ]);
                let is_judged = |bar: &Bar| bar.workload == workload && bar.subject == server.name;
                let judged = bars::of(Bench::Resp).into_iter().filter(is_judged);
                outcomes.extend(judged.map(|bar| bar.judge(&Measured::Rounds(ratios.clone()))));
            }
        }
    }
    println!("{}", table.markdown());
    println!("the bars:\n\n{}", bars::table(&outcomes).markdown());
    Ok(())
}
