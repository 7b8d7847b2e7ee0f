//! The stage of the tests: a loop, a log of the events that its handlers were told, and real peers beside it.
//!
//! Each test binary includes it by its path.
#![allow(
    dead_code,
    unused_imports,
    clippy::needless_pass_by_ref_mut,
    clippy::unwrap_used,
    reason = "each binary uses a part of it, and a test says what it expects by panicking"
)]

mod arrivals;
mod bytes;
mod child;
pub(crate) mod filtered;
mod life;
mod loopback;
mod losses;
#[cfg(feature = "over_tls")]
mod over_tls;
mod peer;
mod places;
mod program;
mod recorder;
mod records;
mod resolvers;
mod running;
mod scene;
mod scratch;
mod seen;
mod time;
mod wire;

pub(crate) use arrivals::Arrival;
pub(crate) use bytes::{assert_same_bytes, pattern};
#[cfg(target_os = "linux")]
pub(crate) use child::in_own_network;
pub(crate) use child::{
    descriptors, in_own_process, strace_works, with_failing_calls, with_failing_registrations,
    with_failing_wakes,
};
pub(crate) use loopback::{client_host, client_number, host, host_name, hosts, loopback};
pub(crate) use losses::{losses, unless_lost};
pub(crate) use peer::{Peer, PeerEnd, Received, listener};
pub(crate) use places::{BlackHole, DeadPort, has_ipv6};
pub(crate) use program::{Child, Observed, observe};
pub(crate) use recorder::{Reception, Recorder};
pub(crate) use records::{END, HELLO, Records};
pub(crate) use resolvers::{Looked, answering, failing};
pub(crate) use running::spend;
pub(crate) use scene::{
    Disturbed, PATIENCE, Scene, until_undisturbed, until_undisturbed_with_more_time,
};
pub(crate) use scratch::{ScratchPath, scratch_path};
pub(crate) use seen::{Event, Seen, World};
pub(crate) use time::let_time_pass;
