//! A single-threaded network event loop with the semantics of Node's `net`. There is a handler for each socket,
//! explicit backpressure, idle timeouts, and a loop that a loop of your own can call.
//!
//! A whole server, which is `examples/echo.rs`:
//!
//! ```no_run
#![doc = include_str!("../examples/echo.rs")]
//! ```
//!
//! # Where to begin
//!
//! | you want to | read |
//! |---|---|
//! | write a first server | [`guide::first_server`] |
//! | come from Node | [`guide::from_node`] |
//! | write a server or a client | [`EventLoop`], then [`SocketHandler`], which gives the order of the events |
//! | know what a handler can do | [`Context`] with its [`Socket`]; where there is no socket, [`LoopContext`] with its [`Sockets`] |
//! | write a helper once, for handlers, timers and the host | [`Context::as_loop`], [`EventLoop::context`] |
//! | refuse connections, or give them different handlers | [`EventLoop::listen`] and [`IntoHandler`] |
//! | learn of a server's own events | [`ServerHandler`] |
//! | meet slow and hostile peers | [`guide::timeouts_and_limits`], [`Limits`] |
//! | set limits, watermarks and timeouts | [`SocketOptions`], [`ListenOptions`], [`ConnectOptions`] |
//! | do something later | [`Socket::after`] for one socket, [`EventLoop::after`], [`EventLoop::every`] and [`EventLoop::defer`] for the loop |
//! | end a server without losing a response | [`EventLoop::shutdown`], [`SocketHandler::on_shutdown`] |
//! | switch protocols after a handshake | [`LoopContext::replace_handler`] |
//! | join two sockets, as a proxy does | [`LoopContext::pipe_both`] |
//! | end a socket, or understand why one has closed | [`guide::errors_and_closing`], [`Error`], [`CloseReason`] |
//! | keep the memory bounded | [`guide::backpressure`] |
//! | copy a pattern: a proxy, a timeout a request, connecting again | [`guide::patterns`] |
//! | encrypt a connection, or put a filter of your own under a handler | [`guide::tls`], [`Filter`] |
//! | test a server in virtual time, with faults | [`guide::testing`], [`simulation`] |
//! | call the loop from a loop of your own | [`guide::embedding`]: games, GUIs, other loops, one loop a core |
//! | make steps at a fixed rate, as a game does | [`Ticker`] |
//! | reach the loop from another thread | [`Remote`] |
//! | send and receive datagrams (UDP) | [`guide::datagrams`], [`EventLoop::bind_udp`], [`DatagramHandler`] |
//! | put a source of your own into the loop: a pipe, a child process, another loop | [`EventLoop::add_source`], [`SourceHandler`] |
//! | handle signals of the operating system | `EventLoop::on_signal`, with the feature `signals` |
//! | read lines or text | [`text`] |
//! | know the speed of the loop, measure it, tune it | [`performance`], [`EventLoopOptions`] |
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | brings | systems |
//! |---|---|---|
//! | `simulation` | [`simulation`]: a network in memory, with virtual time and faults from a seed, to test programs in | all |
//! | `signals` | `EventLoop::on_signal`: signals of the operating system as calls of the loop, and the crate signal-hook | Unix |
//! | `tls` | [`ListenOptions`] and [`ConnectOptions`] with TLS: [`guide::tls`], and the crate rustls | all |
//! | `precise` | `EventLoopOptions::precise`: waits and timers finer than a millisecond, and the crate rustix | Linux |
//! | `udp-batch` | datagrams that the kernel takes and gives several at a time, and the crate quinn-udp | all |
//!
//! A test needs `simulation` only under `[dev-dependencies]`: `cargo add --dev netloop --features simulation`.
//!
//! # The floors, top to bottom
//!
//! Calls go down, events come back up as values, and only the top floor calls handlers. [`guide::architecture`] has the
//! picture, one turn of the loop phase by phase, and the invariants.
//!
//! - **event loop**: [`EventLoop`], the handlers, timers, deferred calls, posts. This floor decides which handler is
//!   called, and when.
//! - **net**: connections, servers and UDP sockets as state machines, seen through [`Socket`], [`Server`],
//!   [`DatagramSocket`] and [`Sockets`]. This floor calls no handler.
//! - **[`reactor`]**: level-triggered readiness on top of the kernel's edge-triggered reports, for any source that mio
//!   can poll.
//! - **ground**: data structures without I/O and without a clock: slots whose old keys never find a later entry, the
//!   timer wheel, the send buffer, the lists that make the turn fair. Private, like **system** beside it, which makes
//!   all calls to the kernel.
#![forbid(unsafe_code)]
// docs.rs builds with `docsrs`, so that its pages show at each item the features and systems that the item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod guide;
pub mod reactor;
#[cfg(feature = "simulation")]
pub mod simulation;
/// A simulated network, for testing whole servers in virtual time, from a seed (feature `simulation`). These pages were
/// built without the feature: `cargo doc --features netloop/simulation` shows the module, and [`guide::testing`] a whole test.
#[cfg(all(doc, not(feature = "simulation")))]
pub mod simulation {}
pub mod text;

#[doc = include_str!("performance.md")]
#[doc = include_str!("performance_time.svg")]
///
#[doc = include_str!("performance_memory.svg")]
pub mod performance {}

mod event_loop;
mod net;
mod readiness;
// Without `internals`, only `Phase` and `Key` of the modules with this attribute are public, through `reactor`.
#[cfg_attr(not(feature = "internals"), expect(unreachable_pub))]
mod schedule;
#[cfg_attr(not(feature = "internals"), expect(unreachable_pub))]
mod send_buffer;
#[cfg_attr(not(feature = "internals"), expect(unreachable_pub))]
mod slots;
mod system;
mod ticker;
#[cfg_attr(not(feature = "internals"), expect(unreachable_pub))]
mod wheel;

/// The data structures of the ground, for `benches/` to measure. No part of the public API: any release may change it.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    pub mod schedule {
        pub use crate::schedule::*;
    }
    pub mod send_buffer {
        pub use crate::send_buffer::*;
    }
    pub mod slots {
        pub use crate::slots::*;

        pub fn to_token(key: Key) -> usize {
            key.to_token()
        }
    }
    pub mod wheel {
        pub use crate::wheel::*;
    }
}

pub use event_loop::{
    Accepted, AtShutdown, Budget, CallbackOwner, CaughtPanic, Context, DatagramContext,
    DatagramHandler, EventLoop, EventLoopOptions, FailedHandshake, Hold, Hook, HookId, IntoHandler,
    LoopContext, OverLimit, PanicPolicy, PostError, Pressure, Remote, RunEnd, ServerHandler,
    ShutdownReport, SocketHandler, SourceContext, SourceHandler, Stall, StallKind, Statistics,
    Timer, Turn, Wait,
};
#[cfg(all(unix, feature = "signals"))]
pub use event_loop::{Signal, SignalId, SignalWatch};
#[cfg(unix)]
pub use net::Descriptor;
pub use net::{
    AcceptLimit, AcceptRate, BlockList, CloseReason, ConnectOptions, DatagramFlow, DatagramId,
    DatagramOptions, DatagramSocket, Decoded, DropPolicy, Endpoint, Error, Family, Filter,
    FilterOutput, Flow, HostQuery, IntoEndpoint, IntoListener, KeepAlive, Limits, ListenOptions,
    MinRate, MulticastInterface, ProxyHeader, ProxyProtocol, Refusal, Resolver, Result, Server,
    ServerId, Socket, SocketId, SocketOptions, Sockets, Source, SourceId, State, StdListener,
    StdStream, Syscall, TimerId, ip_family, is_ipv4, is_ipv6, parse_socket_address,
    system_resolver,
};
#[cfg(feature = "udp-batch")]
pub use net::{Ecn, PacketInfo};
#[cfg(feature = "tls")]
pub use net::{Tls, TlsFilter, TlsSide};
pub use reactor::{Interest, Readiness};
/// The crate rustls, in the version of the feature `tls`: the TLS configurations of a program must have its types.
#[cfg(feature = "tls")]
pub use rustls;
pub use ticker::{CatchUp, Steps, Ticker};

/// The programs of the README are compiled as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
