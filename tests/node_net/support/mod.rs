//! The stage for the table: a loop, what its handlers were told, real peers beside it, and the recipes with which the
//! hard cases become sure ones.

#[allow(
    dead_code,
    reason = "shared with the tests of the guarantees, which use the rest"
)]
#[path = "../../support/bytes.rs"]
mod bytes;
mod life;
#[allow(
    dead_code,
    clippy::needless_pass_by_ref_mut,
    reason = "shared with the tests of the guarantees, which use the rest"
)]
#[path = "../../support/peer.rs"]
mod peer;
mod recipes;
mod recorder;
mod scene;
mod seen;

pub(crate) use bytes::{assert_same_bytes, pattern};
pub(crate) use peer::{Peer, PeerEnd};
pub(crate) use recipes::{
    BlackHole, Child, DeadPort, Looked, Observed, answering, failing, has_ipv6, observe,
    scratch_path,
};
pub(crate) use recorder::{Reception, Recorder};
pub(crate) use scene::{PATIENCE, Scene};
pub(crate) use seen::{Seen, World};
