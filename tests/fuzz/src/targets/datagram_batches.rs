//! Bursts of datagrams over loopback, in batches where the system has them. Each arrives once, in order, at its own
//! address, and whole or cut to the limit.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use arbitrary::{Result, Unstructured};
use netloop::{Budget, DatagramContext, DatagramHandler, DatagramOptions, EventLoop, Wait};

const LOOPBACK: &str = "127.0.0.1:0";

/// The limit on the bytes of a burst: less than the kernel's buffers hold by default, with the overhead of each datagram.
const MOST_BYTES: usize = 40_000;
const MOST_DATAGRAMS: u8 = 60;

const PATIENCE: Duration = Duration::from_secs(60);

/// The datagrams that one receiver was told of. `true` stands for a cut one.
type Arrived = Vec<Vec<(Vec<u8>, bool)>>;

/// A receiver with its number.
struct Receiver(usize);

impl DatagramHandler<Arrived> for Receiver {
    fn on_message(&mut self, cx: &mut DatagramContext<'_, Arrived>, _: SocketAddr, data: &[u8]) {
        cx.shared[self.0].push((data.to_vec(), false));
    }
    fn on_truncated(&mut self, cx: &mut DatagramContext<'_, Arrived>, _: SocketAddr, data: &[u8]) {
        cx.shared[self.0].push((data.to_vec(), true));
    }
}

/// A sender, which receives nothing.
struct Sender;

impl DatagramHandler<Arrived> for Sender {
    fn on_message(&mut self, _: &mut DatagramContext<'_, Arrived>, _: SocketAddr, _: &[u8]) {
        panic!("nothing is sent here");
    }
}

pub(crate) fn play(input: &mut Unstructured<'_>) -> Result<()> {
    let mut arrived = Arrived::new();
    let mut event_loop: EventLoop<Arrived> = EventLoop::new().expect("a loop");
    let cut = *input.choose(&[0, 20, 1000, 65_535])?;
    let mut receivers = Vec::new();
    for number in 0..input.int_in_range(1..=2)? {
        let options = DatagramOptions::new()
            .in_batches(input.arbitrary()?)
            .max_datagram_bytes(cut)
            .receives_per_turn(*input.choose(&[1, 32])?);
        let bound = event_loop.bind_udp(LOOPBACK, options, Receiver(number));
        let socket = event_loop.datagram_socket(bound.expect("a free port"));
        receivers.push(socket.local_address().expect("it is bound"));
        arrived.push(Vec::new());
    }
    // A socket without the loop: what arrives is what is on the wire.
    let wire = UdpSocket::bind(LOOPBACK).expect("a free port");
    wire.set_read_timeout(Some(PATIENCE)).expect("an option");
    let on_wire = wire.local_addr().expect("it is bound");
    let options = DatagramOptions::new()
        .in_batches(input.ratio(3, 4)?)
        .max_queued_bytes(1 << 20);
    let sender = event_loop.bind_udp(LOOPBACK, options, Sender);
    let sender = sender.expect("a free port");
    for round in 0..input.int_in_range(1..=3_u8)? {
        let mut expected: Arrived = vec![Vec::new(); receivers.len() + 1];
        let (mut count, mut bytes) = (0_u8, 0);
        while count < MOST_DATAGRAMS && bytes < MOST_BYTES && !input.is_empty() {
            let to = input.choose_index(expected.len())?;
            let longest = *input.choose(&[0, 3, 100, 1200, 9000])?;
            let length = input.int_in_range(0..=longest)?;
            // A row of one length is sent in one call.
            for _ in 0..*input.choose(&[1, 1, 2, 20])? {
                let datagram = vec![round.wrapping_mul(100).wrapping_add(count); length];
                let address = receivers.get(to).copied().unwrap_or(on_wire);
                let mut socket = event_loop.datagram_socket(sender);
                assert!(socket.send_to(address, &datagram).is_accepted());
                let is_cut = to < receivers.len() && length > cut;
                let seen = if is_cut { cut } else { length };
                expected[to].push((datagram[..seen].to_vec(), is_cut));
                count += 1;
                bytes += length + 800;
                if count == MOST_DATAGRAMS || bytes >= MOST_BYTES {
                    break;
                }
            }
        }
        let awaited: usize = expected[..receivers.len()].iter().map(Vec::len).sum();
        let deadline = Instant::now() + PATIENCE;
        while event_loop.datagram_socket(sender).queued_datagrams() > 0
            || arrived.iter().map(Vec::len).sum::<usize>() < awaited
        {
            assert!(
                Instant::now() < deadline,
                "not all of {awaited} have arrived"
            );
            let wait = Wait::For(Duration::from_millis(50));
            let turn = event_loop.turn(&mut arrived, wait, Budget::new());
            turn.expect("a turn");
        }
        let mut buffer = [0; 65_536];
        let plain = expected.pop().expect("the socket without the loop");
        for (datagram, _) in plain {
            let length = wire.recv(&mut buffer).expect("a datagram");
            assert!(buffer[..length] == datagram, "another datagram on the wire");
        }
        for (number, expected) in expected.into_iter().enumerate() {
            let arrived = std::mem::take(&mut arrived[number]);
            assert!(arrived == expected, "other datagrams for {number}");
        }
    }
    Ok(())
}
