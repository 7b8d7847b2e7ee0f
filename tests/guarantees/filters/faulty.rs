//! Filters that panic, or remove what is not theirs: they cost their own connection, and no byte is lost in silence.

use std::cell::Cell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::rc::Rc;

use netloop::{
    Decoded, EventLoop, EventLoopOptions, Filter, FilterOutput, Limits, ListenOptions, Result,
};

use crate::support::{Peer, Recorder, Scene, Seen, pattern};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Make,
    Begin,
    IsReady,
    PeerAddress,
    Decode,
    Encode,
    PeerEnded,
    End,
}

const METHODS: [Method; 8] = [
    Method::Make,
    Method::Begin,
    Method::IsReady,
    Method::PeerAddress,
    Method::Decode,
    Method::Encode,
    Method::PeerEnded,
    Method::End,
];

/// A filter that panics in one of its methods, and counts the panics.
struct Panicking {
    method: Method,
    panics: Rc<Cell<u32>>,
}

impl Panicking {
    fn new(method: Method, panics: &Rc<Cell<u32>>) -> Self {
        let filter = Self {
            method,
            panics: Rc::clone(panics),
        };
        filter.enter(Method::Make);
        filter
    }

    fn enter(&self, method: Method) {
        if self.method == method {
            self.panics.set(self.panics.get() + 1);
            panic!("in {method:?}");
        }
    }
}

impl Filter for Panicking {
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<()> {
        self.enter(Method::Begin);
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.enter(Method::IsReady);
        true
    }
    fn peer_address(&self) -> Option<SocketAddr> {
        self.enter(Method::PeerAddress);
        None
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.enter(Method::Decode);
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        self.enter(Method::Encode);
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn peer_ended(&mut self) -> Result<()> {
        self.enter(Method::PeerEnded);
        Ok(())
    }
    fn end(&mut self, _: &mut Vec<u8>) -> Result<()> {
        self.enter(Method::End);
        Ok(())
    }
}

fn echo() -> Recorder {
    Recorder::new("theirs").reacting(|cx, seen| {
        if let Seen::Data(bytes) = seen {
            cx.socket.write(bytes).ignore();
        }
    })
}

#[test]
fn a_panic_in_a_filter_costs_its_own_connection() {
    for method in METHODS {
        for is_stacked in [false, true] {
            let mut scene = Scene::new();
            let panics = Rc::default();
            let counted = Rc::clone(&panics);
            let mut options = ListenOptions::new();
            if is_stacked {
                let none = Rc::default();
                // No filter is made in this method, so this filter does not panic.
                options = options.filter(move || {
                    Ok(Panicking {
                        method: Method::Make,
                        panics: Rc::clone(&none),
                    })
                });
            }
            let options = options.filter(move || Ok(Panicking::new(method, &counted)));
            let (_, address) = scene.listen(options, |_| echo());
            let mut peer = Peer::connect(address);
            peer.write(b"hello");
            peer.half_close();
            scene.drive("the end", |world| {
                world.has("server", "failed") || world.has("theirs", "close")
            });
            let place = format!("{method:?}, stacked: {is_stacked}");
            let (server, theirs) = (scene.world.trace("server"), scene.world.trace("theirs"));
            let is_told = server.ends_with("failed:ERR_HANDLER_PANICKED")
                || theirs.ends_with("error:ERR_HANDLER_PANICKED close:Error");
            assert!(is_told, "{place}: {server}; {theirs}");
            assert_eq!(panics.get(), 1, "{place}");
            scene.settle();
            assert_eq!(scene.event_loop.sockets().ids().count(), 0, "{place}");
            let counted = u64::from(method != Method::Make);
            assert_eq!(scene.event_loop.statistics().panics, counted, "{place}");
        }
    }
}

#[test]
fn a_panic_in_a_filter_that_starts_late_closes_the_socket() {
    for method in [Method::Begin, Method::IsReady] {
        let mut scene = Scene::new();
        let (_, address) = scene.listen(ListenOptions::new(), |_| echo());
        let mut peer = Peer::connect(address);
        peer.write(b"hello");
        scene.drive("the data", |world| world.received_length("theirs") == 5);
        let id = scene.world.id("theirs");
        let panics = Rc::default();
        let filter = Panicking::new(method, &panics);
        scene.socket(id).start_filter(filter, b"").unwrap();
        peer.write(b"hello");
        peer.half_close();
        scene.drive_to_close("theirs");
        let trace = scene.world.trace("theirs");
        let is_told = trace.ends_with("error:ERR_HANDLER_PANICKED close:Error");
        assert!(is_told, "{method:?}: {trace}");
        assert_eq!(panics.get(), 1, "{method:?}");
    }
}

// Small writes of all callbacks lie in one buffer of the loop, until the callback is over.
#[test]
fn bytes_whose_filter_panics_reach_no_other_peer() {
    for length in [7, 20_000] {
        let mut scene = Scene::new();
        let panics = Rc::default();
        let counted = Rc::clone(&panics);
        let options =
            ListenOptions::new().filter(move || Ok(Panicking::new(Method::Encode, &counted)));
        let (_, faulty) = scene.listen(options, move |_| {
            Recorder::new("faulty").on("data", move |cx, _| {
                cx.socket.write(&vec![b'!'; length]).ignore();
            })
        });
        let (_, address) = scene.listen(ListenOptions::new(), |_| echo());
        let mut bystander = Peer::connect(address);
        let mut peer = Peer::connect(faulty);
        peer.write(b"hello");
        scene.drive_to_close("faulty");
        bystander.write(b"my own");
        assert_eq!(scene.peer_reads(&mut bystander, 6), b"my own", "{length}");
        bystander.half_close();
        assert!(scene.peer_reads_to_end(&mut bystander).bytes.is_empty());
    }
}

#[test]
fn a_panic_in_the_making_of_a_filter_takes_no_place() {
    let limits = Limits::new()
        .max_connections(1)
        .max_connections_per_network(1);
    let mut scene = Scene::new();
    scene.event_loop = EventLoop::with_options(EventLoopOptions::new().limits(limits)).unwrap();
    let made = Cell::new(0);
    let options = ListenOptions::new().max_connections(1).filter(move || {
        made.set(made.get() + 1);
        assert!(made.get() > 2, "a fault of the program");
        Ok(Removes)
    });
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peers: Vec<_> = (0..2).map(|_| Peer::connect(address)).collect();
    for peer in &mut peers {
        assert!(scene.peer_reads_to_end(peer).bytes.is_empty());
    }
    let _peer = Peer::connect(address);
    scene.drive_until("theirs", "connect");
}

/// Passes all bytes as they are, and empties the buffer of the bytes for the peer when some are received.
struct Removes;

impl Filter for Removes {
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
        output.to_peer().clear();
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}

#[test]
fn a_filter_that_removes_bytes_for_the_peer_fails() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().filter(|| Ok(Removes));
    let (_, address) = scene.listen(options, |_| {
        // More than the kernel takes while the peer does not read.
        Recorder::new("theirs").on("connect", |cx, _| {
            cx.socket.write(&pattern(32 << 20, 1)).ignore();
        })
    });
    let mut peer = Peer::connect(address);
    scene.drive_until("theirs", "connect");
    scene.settle();
    let id = scene.world.id("theirs");
    assert!(scene.socket(id).queued_bytes() > 0);
    peer.write(b"x");
    scene.drive_to_close("theirs");
    assert_eq!(scene.world.error("theirs").code(), "ERR_FILTER");
}
