//! The chat room with members of every make: netcat, a Node script, the example client, and bare sockets.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::Command;

use crate::programs::{Program, example, has, has_netcat, start_server};
use crate::support::loopback;
use crate::transcript::Transcript;

/// Starts the chat server on an address of the test's own, and says which.
pub(crate) fn start_chat_server() -> (Program, SocketAddr) {
    start_server("chat_server", &[&loopback().to_string()])
}

/// Shows what it hears, answers `ping` in the room, and ends when it hears `bye`.
const NODE_MEMBER: &str = r#"
const net = require('node:net');
const readline = require('node:readline');
const [host, port, nickname] = process.argv.slice(1);
const socket = net.connect(Number(port), host);
socket.write(`${nickname}\n`);
const lines = readline.createInterface({ input: socket });
lines.on('line', (line) => {
  process.stdout.write(`${line}\n`);
  if (line.endsWith(': ping')) socket.write(`pong, ${line.split(':')[0]}\n`);
  if (line.endsWith(': bye')) socket.end();
});
"#;

/// The programs that a room of these tests is full of, each under its own name.
#[derive(Clone, Copy)]
enum Make {
    Netcat,
    Node,
    Client,
}

impl Make {
    /// Those that are installed.
    fn all() -> Vec<Self> {
        let mut all = vec![Self::Client];
        if has_netcat() {
            all.push(Self::Netcat);
        }
        if has("node") {
            all.push(Self::Node);
        }
        all
    }

    fn nickname(self) -> &'static str {
        match self {
            Self::Netcat => "netcat",
            Self::Node => "node",
            Self::Client => "client",
        }
    }

    /// Starts the program, and waits until the server has welcomed it.
    fn join(self, address: SocketAddr) -> Program {
        let (host, port) = (address.ip().to_string(), address.port().to_string());
        let nickname = self.nickname();
        let mut program = match self {
            Self::Netcat => {
                // Without -N, netcat keeps its side open when its input ends.
                let mut netcat = Program::start(Command::new("nc").args([&host, &port]));
                netcat.output.expect("* your nickname?\n");
                netcat.say(nickname);
                netcat
            }
            Self::Node => Program::start(Command::new("node").args([
                "-e",
                NODE_MEMBER,
                &host,
                &port,
                nickname,
            ])),
            Self::Client => {
                Program::start(example("chat_client").args([&address.to_string(), nickname]))
            }
        };
        let welcome = format!("* welcome, {nickname}");
        program.output.expect(&welcome);
        program.output.next_line();
        program
    }
}

/// A member that is a bare socket.
struct Bare {
    socket: TcpStream,
    output: Transcript,
}

impl Bare {
    fn connect(name: &str, address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the server listens");
        let reading = socket.try_clone().expect("there are descriptors left");
        Self {
            socket,
            output: Transcript::of(name, reading),
        }
    }

    /// Connects, and waits until the server has welcomed it.
    fn join(nickname: &str, address: SocketAddr) -> Self {
        let mut member = Self::connect(nickname, address);
        member.say(nickname);
        member.output.expect("* welcome, ");
        member.output.next_line();
        member
    }

    fn say(&mut self, line: &str) {
        self.send(format!("{line}\n").as_bytes());
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket
            .write_all(bytes)
            .expect("the server takes what members say");
    }
}

/// Checks that `member` hears exactly `lines`, one after the other.
fn hears(member: &mut Transcript, lines: &[&str]) {
    for line in lines {
        assert_eq!(member.next_line(), *line);
    }
}

#[test]
fn netcat_a_node_script_and_the_client_talk_to_each_other() {
    if !has_netcat() || !has("node") {
        return;
    }
    let (mut server, address) = start_chat_server();
    let mut netcat = Make::Netcat.join(address);
    let mut node = Make::Node.join(address);
    netcat.output.expect("* node joined\n");
    let mut client = Make::Client.join(address);
    netcat.output.expect("* client joined\n");
    node.output.expect("* client joined\n");

    netcat.say("hello from netcat");
    node.output.expect("netcat: hello from netcat\n");
    client.output.expect("netcat: hello from netcat\n");
    client.say("ping");
    netcat.output.expect("client: ping\nnode: pong, client\n");
    client.output.expect("node: pong, client\n");
    client.say("bye");
    netcat.output.expect("client: bye\n* node left\n");
    client.output.expect("* node left\n");
    assert!(node.wait().success(), "Node saw an ordinary end");
    client.end_input();
    assert!(client.wait().success());
    netcat.output.expect("* client left\n");

    let netcat_heard = "* your nickname?\n\
        * welcome, netcat (others here: 0)\n\
        * node joined\n\
        * client joined\n\
        client: ping\n\
        node: pong, client\n\
        client: bye\n\
        * node left\n\
        * client left\n";
    assert_eq!(netcat.output.so_far(), netcat_heard);
    let node_heard = "* your nickname?\n\
        * welcome, node (others here: 1)\n\
        * client joined\n\
        netcat: hello from netcat\n\
        client: ping\n\
        client: bye\n";
    assert_eq!(node.output.to_the_end(), node_heard);
    let client_heard = "* your nickname?\n\
        * welcome, client (others here: 2)\n\
        netcat: hello from netcat\n\
        node: pong, client\n\
        * node left\n";
    assert_eq!(client.output.to_the_end(), client_heard);
    assert_eq!(client.errors.to_the_end(), "");
    assert!(server.is_running());
}

#[test]
fn a_killed_member_is_noticed_by_its_leave_line_only() {
    for victim in Make::all() {
        let (mut server, address) = start_chat_server();
        let mut ada = Bare::join("ada", address);
        let mut bob = Bare::join("bob", address);
        let mut program = victim.join(address);
        program.kill();
        let name = victim.nickname();
        let comes = format!("* {name} joined");
        let goes = format!("* {name} left");
        hears(&mut ada.output, &["* bob joined", &comes, &goes]);
        hears(&mut bob.output, &[&comes, &goes]);
        ada.say("still here?");
        hears(&mut bob.output, &["ada: still here?"]);
        bob.say("yes");
        hears(&mut ada.output, &["bob: yes"]);
        assert!(server.is_running());
    }
}

#[test]
fn a_member_killed_with_unread_lines_only_leaves() {
    let (mut server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let mut bob = Bare::join("bob", address);
    let mut victim = Make::Client.join(address);
    hears(&mut ada.output, &["* bob joined", "* client joined"]);
    hears(&mut bob.output, &["* client joined"]);
    victim.signal("STOP");
    ada.say("this stays unread");
    hears(&mut bob.output, &["ada: this stays unread"]);
    // Unread bytes at the close make the kernel answer with a reset.
    victim.kill();
    hears(&mut ada.output, &["* client left"]);
    hears(&mut bob.output, &["* client left"]);
    assert!(server.is_running());
}

#[test]
fn a_half_closed_member_leaves_once_all_its_lines_are_told() {
    if !has_netcat() {
        return;
    }
    let (mut server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut netcat = Program::start(Command::new("nc").args(["-N", &host, &port]));
    netcat.type_in(b"netcat\nhello\nno newline at the end");
    netcat.end_input();
    let told = [
        "* netcat joined",
        "netcat: hello",
        "netcat: no newline at the end",
        "* netcat left",
    ];
    hears(&mut ada.output, &told);
    assert!(netcat.wait().success(), "netcat saw the server's end");
    let netcat_heard = "* your nickname?\n* welcome, netcat (others here: 1)\n";
    assert_eq!(netcat.output.to_the_end(), netcat_heard);
    assert!(server.is_running());
}

/// Lets `flooder` talk in rounds, each of which all `others` have to hear before the next, until they hear that
/// `stalled` has left. They must have missed nothing, and noticed nothing else.
fn flood_until_it_is_dropped(flooder: &mut Bare, others: &mut [&mut Transcript], stalled: &str) {
    const LINES_A_ROUND: usize = 64;
    /// More than the kernel's buffers of one connection hold (`tcp_wmem`, `tcp_rmem`) and its member may lag behind.
    const MAX_ROUNDS: usize = 1024;
    let filling = "x".repeat(1024);
    let leave_line = format!("* {stalled} left");
    for round in 0..MAX_ROUNDS {
        let mut spoken = String::new();
        let mut expected = Vec::new();
        for line in 0..LINES_A_ROUND {
            let line = format!("{round} {line} {filling}");
            spoken.push_str(&line);
            spoken.push('\n');
            expected.push(format!("flooder: {line}"));
        }
        flooder.send(spoken.as_bytes());
        let mut have_heard = 0;
        for other in &mut *others {
            let mut is_left = false;
            for expected in &expected {
                let mut heard = other.next_line();
                if heard == leave_line {
                    is_left = true;
                    heard = other.next_line();
                }
                assert_eq!(heard, *expected);
            }
            have_heard += usize::from(is_left);
        }
        if have_heard > 0 {
            // The leave line may be the last of the round, behind all that was said in it.
            flooder.send(b"well\n");
            for other in &mut *others {
                let mut heard = other.next_line();
                if heard == leave_line {
                    have_heard += 1;
                    heard = other.next_line();
                }
                assert_eq!(heard, "flooder: well");
            }
            assert_eq!(have_heard, others.len(), "all hear of it, and once");
            hears(&mut flooder.output, &[&leave_line]);
            return;
        }
    }
    panic!("{stalled} was not dropped after {MAX_ROUNDS} rounds");
}

#[test]
fn a_socket_that_does_not_read_is_dropped_and_delays_no_other() {
    let (mut server, address) = start_chat_server();
    let makes = Make::all().into_iter();
    let mut others: Vec<Program> = makes.map(|make| make.join(address)).collect();
    let mut flooder = Bare::join("flooder", address);
    let mut stalled = TcpStream::connect(address).unwrap();
    stalled.write_all(b"stalled\n").unwrap();
    flooder.output.expect("* stalled joined\n");
    for other in &mut others {
        other.output.expect("* stalled joined\n");
    }
    let mut ears: Vec<&mut Transcript> = others.iter_mut().map(|other| &mut other.output).collect();
    flood_until_it_is_dropped(&mut flooder, &mut ears, "stalled");
    assert!(server.is_running());
    if let Some(most) = server.most_resident_bytes() {
        // The hard limit of a queue is 16 MiB: it was dropped long before that.
        assert!(most < 12 << 20, "the server held {most} bytes");
    }
}

#[test]
fn a_stopped_client_is_dropped_and_says_so_when_it_goes_on() {
    let (mut server, address) = start_chat_server();
    let mut stopped = Make::Client.join(address);
    let mut ada = Bare::join("ada", address);
    let mut flooder = Bare::join("flooder", address);
    ada.output.expect("* flooder joined\n");
    stopped.output.expect("* flooder joined\n");
    stopped.signal("STOP");
    flood_until_it_is_dropped(&mut flooder, &mut [&mut ada.output], "client");
    stopped.signal("CONT");
    stopped.errors.expect("* the server has left");
    stopped.wait();
    assert!(server.is_running());
}

#[test]
fn too_long_a_line_is_left_out_and_the_next_one_is_heard() {
    let (mut server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let mut bob = Bare::join("bob", address);
    let longest = "y".repeat(4096);
    bob.say(&longest);
    bob.say(&"y".repeat(4097));
    for _ in 0..64 {
        bob.send(&[b'z'; 64 << 10]);
    }
    bob.say("");
    bob.say("short");
    let told = ["* bob joined", &format!("bob: {longest}"), "bob: short"];
    hears(&mut ada.output, &told);
    let answer = "* a line has more than 4096 bytes";
    hears(&mut bob.output, &[answer, answer]);
    assert!(server.is_running());
}

#[test]
fn only_one_member_at_a_time_has_a_nickname() {
    let (_server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let mut second = Bare::connect("the second ada", address);
    second.say("ada");
    second.say("");
    second.say(&"a".repeat(33));
    second.say("  eve\r");
    let told = [
        "* your nickname?",
        "* taken; another nickname?",
        "* 1 to 32 characters, please",
        "* 1 to 32 characters, please",
        "* welcome, eve (others here: 1)",
    ];
    hears(&mut second.output, &told);
    hears(&mut ada.output, &["* eve joined"]);
    ada.socket.shutdown(Shutdown::Write).unwrap();
    hears(&mut second.output, &["* ada left"]);
    let _ada = Bare::join("ada", address);
    hears(&mut second.output, &["* ada joined"]);
}

#[test]
fn what_steers_terminals_does_not_reach_other_members() {
    let (_server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let mut eve = Bare::join("eve", address);
    eve.send(b"\x1b[2Jboo\x07 \xff \xc2\x9b1A\r\n");
    hears(
        &mut ada.output,
        &["* eve joined", "eve:  [2Jboo  \u{fffd}  1A"],
    );
}

#[test]
fn a_guest_without_a_nickname_hears_and_tells_nothing() {
    let (_server, address) = start_chat_server();
    let mut ada = Bare::join("ada", address);
    let mut nobody = Bare::connect("nobody", address);
    nobody.output.expect("* your nickname?\n");
    let mut bob = Bare::join("bob", address);
    ada.say("who is there?");
    hears(&mut bob.output, &["ada: who is there?"]);
    nobody.socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(nobody.output.to_the_end(), "* your nickname?\n");
    bob.say("nobody but me");
    hears(&mut ada.output, &["* bob joined", "bob: nobody but me"]);
}
