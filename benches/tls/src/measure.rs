//! The rounds, and the table of their results.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use netloop_tls::provider;
use rustls::client::Resumption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::client;

const ROUNDS: usize = 11;

/// A server that runs.
struct Server {
    child: Child,
    port: u16,
    config: Arc<ClientConfig>,
}

impl Server {
    fn start(kind: &str) -> Self {
        let program = std::env::current_exe().expect("this program");
        let mut child = Command::new(program)
            .args(["serve", kind])
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let output = child.stdout.take().expect("it is piped");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let port = lines.next().expect("a port").parse().expect("a port");
        let pem: String = lines
            .take_while(|line| !line.starts_with("END OF"))
            .map(|line| line + "\n")
            .collect();
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate");
        roots.add(certificate).expect("an authority");
        let mut config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("the versions of the provider")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Self {
            child,
            port,
            config: Arc::new(config),
        }
    }

    /// The processor time of the server until now, in nanoseconds.
    fn processor_time(&self) -> u64 {
        let path = format!("/proc/{}/schedstat", self.child.id());
        let text = fs::read_to_string(path).expect("the server runs");
        let time = text.split_whitespace().next().expect("three numbers");
        time.parse().expect("a number")
    }

    /// The processor time of the server for each of `count` operations, in nanoseconds.
    fn time(&self, load: &Load, count: usize) -> f64 {
        let before = self.processor_time();
        match load.length {
            Some(length) => client::echo(self.port, &self.config, length, count),
            None => client::handshakes(self.port, &self.config, count),
        }
        (self.processor_time() - before) as f64 / count as f64
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Load {
    name: &'static str,
    /// The length of an echo; `None` is a handshake.
    length: Option<usize>,
    /// The operations of a round.
    count: usize,
}

const LOADS: [Load; 4] = [
    Load {
        name: "echo of 64 B",
        length: Some(64),
        count: 20_000,
    },
    Load {
        name: "echo of 16 KiB",
        length: Some(16 << 10),
        count: 5_000,
    },
    Load {
        name: "echo of 64 KiB",
        length: Some(64 << 10),
        count: 2_000,
    },
    Load {
        name: "handshake",
        length: None,
        count: 500,
    },
];

pub(crate) fn run() {
    let ours = Server::start("netloop");
    let theirs = Server::start("by_hand");
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load: {}", load.trim());
    println!("| load | netloop | by hand | ratio (middle half of {ROUNDS} rounds) |");
    println!("|---|--:|--:|---|");
    for load in &LOADS {
        let mut rounds = Vec::new();
        for round in 0..=ROUNDS {
            let count = if round == 0 {
                load.count / 10
            } else {
                load.count
            };
            let (a, b);
            if round % 2 == 0 {
                a = ours.time(load, count);
                b = theirs.time(load, count);
            } else {
                b = theirs.time(load, count);
                a = ours.time(load, count);
            }
            // The first round warms up.
            if round > 0 {
                rounds.push((a, b, a / b));
            }
        }
        let at = |part: fn(&(f64, f64, f64)) -> f64, place: usize| {
            let mut values: Vec<f64> = rounds.iter().map(part).collect();
            values.sort_by(f64::total_cmp);
            values[place]
        };
        println!(
            "| {} | {:.1} µs | {:.1} µs | {:.3} ({:.3} to {:.3}) |",
            load.name,
            at(|it| it.0, ROUNDS / 2) / 1e3,
            at(|it| it.1, ROUNDS / 2) / 1e3,
            at(|it| it.2, ROUNDS / 2),
            at(|it| it.2, ROUNDS / 4),
            at(|it| it.2, ROUNDS - 1 - ROUNDS / 4),
        );
    }
}
