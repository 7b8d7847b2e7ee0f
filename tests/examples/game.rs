//! The world of `game`: terminal clients see it move, also beside clients that flood or do not read.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::process::Stdio;

use crate::programs::{Program, example, start_server};
use crate::transcript::PATIENCE;

const ROW: usize = 80;
const ROWS: usize = 20;

/// A terminal: the last whole snapshot.
struct Terminal {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Terminal {
    fn connect(address: std::net::SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the game listens");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("it is longer than zero");
        let mut terminal = Self {
            stream,
            unread: Vec::new(),
        };
        terminal.read_greeting();
        terminal
    }

    /// Reads the line that says which symbol the player is.
    fn read_greeting(&mut self) {
        let mut byte = [0];
        let mut greeting = Vec::new();
        while byte != *b")" {
            self.stream.read_exact(&mut byte).expect("a greeting comes");
            greeting.push(byte[0]);
        }
        let greeting = String::from_utf8(greeting).expect("it is text");
        assert!(greeting.contains("you are "), "{greeting:?}");
    }

    /// Reads the next snapshot, and returns its rows.
    fn next(&mut self) -> Vec<u8> {
        let length = 3 + ROWS * ROW + 13;
        while self.unread.len() < length {
            let mut buffer = [0; 4096];
            let read = match self.stream.read(&mut buffer) {
                // A process that was stopped, and goes on.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("a snapshot comes"),
            };
            assert!(read > 0, "the game has ended");
            self.unread.extend_from_slice(&buffer[..read]);
        }
        let snapshot: Vec<u8> = self.unread.drain(..length).collect();
        assert!(snapshot.starts_with(b"\x1b[H"), "a snapshot is torn");
        snapshot[3..3 + ROWS * ROW].to_vec()
    }

    fn place(&mut self, symbol: u8) -> (usize, usize) {
        let rows = self.next();
        let at = rows.iter().position(|byte| *byte == symbol);
        let at = at.expect("the player is there");
        (at % ROW, at / ROW)
    }
}

#[test]
fn players_see_each_other_move() {
    let (_game, address) = start_server("game", &["127.0.0.1:0"]);
    let mut first = Terminal::connect(address);
    assert_eq!(first.place(b'@'), (0, 0));
    let mut second = Terminal::connect(address);
    second.next();
    first.stream.write_all(b"d").expect("the game reads");
    for terminal in [&mut first, &mut second] {
        let mut snapshots = 0;
        while terminal.place(b'@').0 < 3 {
            snapshots += 1;
            assert!(snapshots < 10_000, "the player does not move");
        }
    }
    first.stream.write_all(b"q").expect("the game reads");
    let mut snapshots = 0;
    while second.next().contains(&b'@') {
        snapshots += 1;
        assert!(snapshots < 10_000, "the player does not leave");
    }
}

#[test]
fn a_player_gets_the_state_of_each_step_by_udp() {
    let (_game, address) = start_server("game", &["127.0.0.1:0"]);
    let updates = UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    updates
        .set_read_timeout(Some(PATIENCE))
        .expect("it is longer than zero");
    let port = updates.local_addr().expect("it is bound").port();
    let mut terminal = Terminal::connect(address);
    write!(terminal.stream, "du{port} ").expect("the game reads");
    let (mut last, mut place) = (0, 0);
    while place < 3 {
        let mut update = [0; 64];
        let length = updates.recv(&mut update).expect("an update comes");
        let (step, players) = update[..length].split_first_chunk().expect("8 bytes");
        let step = u64::from_be_bytes(*step);
        assert!(step > last || last == 0, "loopback reorders nothing");
        assert_eq!((players.len(), players[0]), (3, b'@'));
        assert!(usize::from(players[1]) >= place, "it moves to the right");
        (last, place) = (step, players[1].into());
    }
}

#[test]
fn a_flood_and_a_peer_that_never_reads_stop_no_step() {
    let mut command = example("game");
    command
        .args(["127.0.0.1:0", "--seconds", "2", "--clients", "12"])
        .args(["--floods", "3", "--deaf", "3", "--rows", "51"])
        .stdin(Stdio::null());
    let mut game = Program::start(&mut command);
    assert!(game.wait().success());
    let output = game.output.to_the_end();
    let line = |start: &str| {
        let found = output.lines().find(|line| line.contains(start));
        found.unwrap_or_else(|| panic!("no {start:?} in {output}"))
    };
    let steps = line(" steps, ").split(' ').next().expect("a number");
    assert!(
        steps.parse::<u32>().is_ok_and(|steps| steps >= 120),
        "{output}"
    );
    assert!(
        line("players at the end").starts_with("12 players"),
        "{output}"
    );
    assert!(
        line("bytes a snapshot").contains("; 4096 bytes"),
        "{output}"
    );
    let sent = line(" sent").rsplit(' ').nth(1).expect("a number");
    assert!(sent.parse::<u32>().is_ok_and(|sent| sent > 0), "{output}");
}
