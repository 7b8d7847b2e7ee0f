//! A handler that a source replaces, and that panics in its drop: the source loses nothing (I7).

use std::panic::{AssertUnwindSafe, catch_unwind};

use netloop::{Context, Interest, SocketHandler, SocketOptions};

use super::{Notes, Stage, Watch, pair, receive_one};
use crate::panics::OWN_FAULT;
use crate::support::Peer;

/// A handler of a socket that panics when it is dropped.
struct BadDrop;

impl Drop for BadDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::panic::panic_any(OWN_FAULT);
        }
    }
}

impl SocketHandler<Notes> for BadDrop {
    fn on_data(&mut self, _: &mut Context<'_, Notes>, _: &[u8]) {}
}

struct Quiet;

impl SocketHandler<Notes> for Quiet {
    fn on_data(&mut self, _: &mut Context<'_, Notes>, _: &[u8]) {}
}

// The callback itself has returned, so its source lives on, and the kernel reports its rest only once.
#[test]
fn a_drop_that_panics_behind_a_callback_loses_no_readiness() {
    let mut stage = Stage::new();
    let (source, peer) = pair();
    let mut is_first = true;
    let handler = Watch::new("a").on_readable(move |cx| {
        receive_one(cx);
        if std::mem::take(&mut is_first) {
            let (ours, _) = Peer::pair();
            let mut cx = cx.as_loop();
            let id = cx.adopt(ours, SocketOptions::new(), BadDrop).unwrap();
            assert!(cx.replace_handler(id, Quiet, b""));
        }
    });
    stage.add(source, Interest::READABLE, handler);
    for word in [b"one", b"two"] {
        peer.send(word).unwrap();
    }
    let panicked = catch_unwind(AssertUnwindSafe(|| stage.turn()));
    assert_eq!(panicked.unwrap_err().downcast_ref(), Some(&OWN_FAULT));
    stage.drive_to("two");
}
