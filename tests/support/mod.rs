//! The stage on which every guarantee is shown: a loop, what its handlers have seen, and real peers beside it.

mod bytes;
mod child;
mod life;
mod peer;
mod recorder;
mod running;
mod scene;
mod time;

pub(crate) use bytes::{assert_same_bytes, pattern};
pub(crate) use child::{descriptors, in_own_process, with_failing_calls};
pub(crate) use peer::{BlackHole, DeadPort, Peer, PeerEnd, Received};
pub(crate) use recorder::{Reception, Recorder, Seen, World};
pub(crate) use running::spend;
pub(crate) use scene::{Disturbed, PATIENCE, Scene, until_undisturbed};
pub(crate) use time::let_time_pass;
