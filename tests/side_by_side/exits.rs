//! The end of a program whose only socket is released (`unref`): the bytes that have reached the peer by then (J1).

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use netloop::{Context, EventLoop, RunEnd, SocketHandler};
use socket2::SockRef;

use super::loopback::Loopback;
use super::node_version::NodeVersion;

/// The longest that a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The bytes that a program writes, and their time: while it connects, or in its connect event.
#[derive(Clone, Copy, Debug)]
struct Program {
    bytes: usize,
    is_connected: bool,
}

const PROGRAMS: [Program; 3] = [
    Program {
        bytes: 14,
        is_connected: false,
    },
    Program {
        bytes: 8 << 20,
        is_connected: false,
    },
    Program {
        bytes: 8 << 20,
        is_connected: true,
    },
];

impl Program {
    fn run_in_node(self, address: SocketAddr) {
        let write = format!("c.end(Buffer.alloc({}))", self.bytes);
        let deed = match self.is_connected {
            true => format!("c.on('connect', () => {{ c.unref(); {write} }})"),
            false => format!("{write}; c.unref()"),
        };
        let (host, port) = (address.ip(), address.port());
        let script = format!("const c = require('net').connect({port}, '{host}'); {deed}");
        let status = Command::new("node")
            .args(["-e", &script])
            .stdin(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    }

    fn run_in_netloop(self, address: SocketAddr) {
        let mut event_loop: EventLoop = EventLoop::new().unwrap();
        let id = event_loop.connect(address, self).unwrap();
        if !self.is_connected {
            event_loop.socket(id).end_with(&vec![0; self.bytes]);
            event_loop.socket(id).release();
        }
        let end = event_loop.run_for(&mut (), PATIENCE).unwrap();
        assert_eq!(end, RunEnd::Finished);
    }
}

impl SocketHandler for Program {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        if self.is_connected {
            cx.socket.release();
            cx.socket.end_with(&vec![0; self.bytes]);
        }
    }
    fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}

/// A peer that accepts one connection and reads it to its end.
fn peer() -> (SocketAddr, JoinHandle<usize>) {
    let listener = TcpListener::bind((Loopback::of_this_test().local, 0)).unwrap();
    // On Linux the time limit of reading is that of accepting, too.
    let limited = SockRef::from(&listener).set_read_timeout(Some(PATIENCE));
    limited.unwrap();
    let address = listener.local_addr().unwrap();
    let reads = thread::spawn(move || {
        let (mut stream, _): (TcpStream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        bytes.len()
    });
    (address, reads)
}

#[test]
fn a_program_ends_when_its_released_socket_has_sent_all() {
    type Run = fn(Program, SocketAddr);
    let runs: &[(&str, Run)] = &[
        ("netloop", Program::run_in_netloop),
        ("node", Program::run_in_node),
    ];
    let has_node = NodeVersion::of_this_machine().is_ok();
    for program in PROGRAMS {
        for (name, run) in runs.iter().filter(|(name, _)| has_node || *name != "node") {
            let (address, reads) = peer();
            run(program, address);
            assert_eq!(reads.join().unwrap(), program.bytes, "{name}: {program:?}");
        }
    }
}
