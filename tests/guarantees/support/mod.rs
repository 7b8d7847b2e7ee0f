//! The stage on which every guarantee is shown: a loop, what its handlers have seen, and real peers beside it.

mod bytes;
mod life;
mod peer;
mod recorder;
mod scene;

pub(crate) use bytes::{assert_same_bytes, pattern};
pub(crate) use peer::{BlackHole, Peer, PeerEnd, Received};
pub(crate) use recorder::{Reception, Recorder, Seen, World};
pub(crate) use scene::{PATIENCE, Scene};
