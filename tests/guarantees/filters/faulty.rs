//! Filters that panic, or remove what is not theirs: they cost their own connection, and no byte is lost in silence.

use std::cell::Cell;
use std::io::IoSlice;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use netloop::{Decoded, Filter, FilterOutput, Limits, ListenOptions, Result};

use crate::caught_panics::catching;
use crate::panics::OWN_FAULT;
use crate::support::{Peer, Recorder, Scene, pattern};

/// Passes all bytes as they are, and panics in one of its calls.
struct Panics(&'static str);

impl Panics {
    fn pass(&self, place: &str) {
        if self.0 == place {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl Filter for Panics {
    fn begin(&mut self, _: &mut Vec<u8>) -> Result<()> {
        self.pass("begin");
        Ok(())
    }
    fn is_ready(&self) -> bool {
        self.pass("is_ready");
        true
    }
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        self.pass("decode");
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        self.pass("encode");
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
    fn end(&mut self, _: &mut Vec<u8>) -> Result<()> {
        self.pass("end");
        Ok(())
    }
    fn peer_ended(&mut self) -> Result<()> {
        self.pass("peer_ended");
        Ok(())
    }
    fn peer_address(&self) -> Option<SocketAddr> {
        self.pass("peer_address");
        None
    }
}

#[test]
fn a_panic_in_any_call_of_a_filter_closes_its_socket() {
    for (place, is_early) in [
        ("begin", true),
        ("is_ready", true),
        ("peer_address", true),
        ("decode", false),
        ("encode", false),
        ("end", false),
        ("peer_ended", false),
    ] {
        let (mut scene, told) = catching(Limits::new());
        let options = ListenOptions::new().filter(move || Ok(Panics(place)));
        let (_, address) = scene.listen(options, |_| {
            Recorder::new("theirs").on("data", |cx, _| cx.socket.write(b"answer").ignore())
        });
        let mut peer = Peer::connect(address);
        peer.write(b"hello");
        peer.half_close();
        let (name, word) = match is_early {
            true => ("server", "failed"),
            false => ("theirs", "close"),
        };
        scene.drive_with(place, |scene| scene.world.has(name, word));
        assert_eq!(
            scene.world.error(name).code(),
            "ERR_HANDLER_PANICKED",
            "{place}"
        );
        assert_eq!(told.borrow().len(), 1, "{place}");
        scene.settle();
        assert_eq!(scene.event_loop.sockets().ids().count(), 0, "{place}");
    }
}

// The panic goes on through `turn`, and the bytes of that call are lost.
#[test]
fn a_filter_that_has_panicked_is_not_called_again() {
    let mut scene = Scene::new();
    let options = ListenOptions::new().filter(|| Ok(Panics("decode")));
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peer = Peer::connect(address);
    scene.drive_until("theirs", "connect");
    peer.write(b"lost");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        scene.drive_with("a panic", |_| false);
    }));
    assert!(panicked.is_err_and(|it| it.downcast_ref() == Some(&OWN_FAULT)));
    peer.write(b"more");
    peer.half_close();
    scene.drive_to_close("theirs");
    let trace = "connect error:ERR_HANDLER_PANICKED close:Error";
    assert_eq!(scene.world.trace("theirs"), trace);
}

#[test]
fn a_panic_in_the_making_of_a_filter_takes_no_place() {
    let limits = Limits::new()
        .max_connections(1)
        .max_connections_per_network(1);
    let (mut scene, told) = catching(limits);
    let made = Cell::new(0);
    let options = ListenOptions::new().max_connections(1).filter(move || {
        made.set(made.get() + 1);
        match made.get() {
            ..=2 => std::panic::panic_any(OWN_FAULT),
            _ => Ok(Panics("never")),
        }
    });
    let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
    let mut peers: Vec<_> = (0..2).map(|_| Peer::connect(address)).collect();
    for peer in &mut peers {
        assert!(scene.peer_reads_to_end(peer).bytes.is_empty());
    }
    assert_eq!(told.borrow().len(), 2);
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
