//! A small name server for a table of its own: UDP and TCP on one port, in one loop. What the table does not have does not
//! exist.
//!
//! ```text
//! $ cargo run --example dns -- 127.0.0.1:7053 game.test=10.0.0.7 game.test=fd00::7
//! listening 127.0.0.1:7053
//! $ dig @127.0.0.1 -p 7053 +short game.test          # in another terminal
//! 10.0.0.7
//! $ dig @127.0.0.1 -p 7053 +short +tcp game.test AAAA
//! fd00::7
//! ```
use std::net::SocketAddr;

use netloop::{
    Context, DatagramContext, DatagramHandler, DatagramOptions, DropPolicy, EventLoop, Limits,
    ListenOptions, SocketHandler,
};

mod message;
mod table;

use message::{LONGEST_OVER_UDP, answer};
use table::Table;

/// Questions by UDP: one a datagram.
struct OverUdp {
    answer: Vec<u8>,
}

impl DatagramHandler<Table> for OverUdp {
    fn on_message(&mut self, cx: &mut DatagramContext<'_, Table>, from: SocketAddr, data: &[u8]) {
        // A datagram that is no question gets no answer: its sender may be an attacker, and the address in it a victim's.
        if answer(data, cx.shared, LONGEST_OVER_UDP, &mut self.answer) {
            cx.socket.send_to(from, &self.answer).ignore();
        }
    }
}

/// Questions by TCP: each after its length in two bytes, which may arrive in pieces.
#[derive(Default)]
struct OverTcp {
    unread: Vec<u8>,
    answer: Vec<u8>,
}

impl SocketHandler<Table> for OverTcp {
    fn on_data(&mut self, cx: &mut Context<'_, Table>, data: &[u8]) {
        self.unread.extend_from_slice(data);
        let mut from = 0;
        while let Some((length, rest)) = self.unread[from..].split_first_chunk() {
            let length = usize::from(u16::from_be_bytes(*length));
            let Some(question) = rest.get(..length) else {
                break;
            };
            if !answer(question, cx.shared, usize::from(u16::MAX), &mut self.answer) {
                return cx.socket.destroy();
            }
            let length = u16::try_from(self.answer.len()).unwrap_or(u16::MAX);
            cx.socket.write(&length.to_be_bytes()).ignore();
            cx.socket.write(&self.answer).ignore();
            from += 2 + question.len();
        }
        self.unread.drain(..from);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .ok_or("usage: dns ADDRESS NAME=ADDRESS ..")?;
    let mut table = Table::parse(arguments)?;
    let mut event_loop = EventLoop::new()?;
    // TCP chooses the port if it is 0: connections use up far more of its ports than datagrams do of theirs.
    let options = ListenOptions::new().limits(Limits::internet());
    let tcp = event_loop.listen_with(address.as_str(), options, |_, _| OverTcp::default())?;
    let address = event_loop.server(tcp).address();
    let address = address.ok_or("a name server has an address, and no path")?;
    // Of a flood, the first questions are as good as the last, so that the queue keeps those that it has.
    let options = DatagramOptions::new()
        .max_datagram_bytes(LONGEST_OVER_UDP)
        .receives_per_turn(64)
        .drop_policy(DropPolicy::Newest);
    let udp = OverUdp { answer: Vec::new() };
    event_loop.bind_udp(address, options, udp)?;
    println!("listening {address}");
    event_loop.run(&mut table)?;
    Ok(())
}
