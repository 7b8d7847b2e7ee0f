//! UDP sockets: what is promised of their events, their queue, their options and their end (libuv's rows of UDP; I1, I2, I4,
//! I9).

#[cfg(all(feature = "udp-batch", target_os = "linux"))]
mod batch_drains;
#[cfg(all(feature = "udp-batch", target_os = "linux"))]
mod batches;
mod connected;
mod ending;
mod fairness;
mod multicast;
mod names;
mod options;
#[cfg(all(feature = "udp-batch", target_os = "linux"))]
mod packet_info;
mod receiving;
mod rows;
mod sending;
#[cfg(unix)]
mod shared_descriptors;
mod stage;

use stage::{Notes, Stage, Watch, loopback, peer};
