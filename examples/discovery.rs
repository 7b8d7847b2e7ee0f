//! Programs that find each other in the local network by multicast. Each says its name once a second, and forgets a
//! name that was silent for three.
//!
//! ```text
//! $ cargo run --example discovery -- ada            # or, on one interface: discovery ada 192.168.1.5
//! I am ada, at 0.0.0.0:7006
//! + ada at 192.168.1.5:7006
//! + grace at 192.168.1.9:7006
//! - grace
//! ```
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use netloop::{DatagramContext, DatagramHandler, DatagramOptions, EventLoop, MulticastInterface};

/// An address of the range that belongs to an organisation, so that no router passes it on to the internet.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 77);
const PORT: u16 = 7006;

const INTERVAL: Duration = Duration::from_secs(1);

/// The announcements that the network may lose in a row.
const MISSES: u32 = 3;

/// The only timer.
const SAY: u64 = 0;

/// The beginning of each datagram. Other programs may send to the group too.
const MAGIC: &[u8] = b"netloop discovery ";

struct Discovery {
    name: String,
    interface: MulticastInterface,
    /// The names in the network, each with its last announcement.
    known: BTreeMap<String, Instant>,
}

impl Discovery {
    fn say(&self, cx: &mut DatagramContext<'_>) {
        let announcement = [MAGIC, self.name.as_bytes()].concat();
        cx.socket.send_to((GROUP, PORT), &announcement).ignore();
        cx.socket.after(INTERVAL, SAY);
    }

    fn forget(&mut self, now: Instant) {
        self.known.retain(|name, last| {
            let is_there = now.saturating_duration_since(*last) <= INTERVAL * MISSES;
            if !is_there {
                println!("- {name}");
            }
            is_there
        });
    }
}

impl DatagramHandler for Discovery {
    fn on_listening(&mut self, cx: &mut DatagramContext<'_>) {
        if let Err(error) = cx.socket.join_multicast(GROUP, self.interface) {
            eprintln!("{error:#}");
            return cx.socket.close();
        }
        println!("I am {}, at {:?}", self.name, cx.socket.local_address());
        self.say(cx);
    }

    fn on_message(&mut self, cx: &mut DatagramContext<'_>, from: SocketAddr, data: &[u8]) {
        let Some(name) = data.strip_prefix(MAGIC).filter(|name| name.len() <= 64) else {
            return;
        };
        let name = String::from_utf8_lossy(name).into_owned();
        if self.known.insert(name.clone(), cx.now()).is_none() {
            println!("+ {} at {from}", name.escape_debug());
        }
    }

    fn on_timer(&mut self, cx: &mut DatagramContext<'_>, _: u64) {
        self.forget(cx.now());
        self.say(cx);
    }

    fn on_error(&mut self, _: &mut DatagramContext<'_>, error: &netloop::Error) {
        eprintln!("{error:#}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments
        .next()
        .ok_or("usage: discovery NAME [INTERFACE]")?;
    let interface = match arguments.next() {
        Some(address) => MulticastInterface::Address(address.parse()?),
        None => MulticastInterface::Any,
    };
    // Several programs of one machine share the port, and each gets what is sent to the group.
    let options = DatagramOptions::new()
        .reuse_address(true)
        .multicast_interface(interface)
        .max_datagram_bytes(128);
    let discovery = Discovery {
        name,
        interface,
        known: BTreeMap::new(),
    };
    let mut event_loop = EventLoop::new()?;
    event_loop.bind_udp((Ipv4Addr::UNSPECIFIED, PORT), options, discovery)?;
    event_loop.run(&mut ())?;
    Ok(())
}
