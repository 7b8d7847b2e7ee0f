//! The peers, in the order of the report's lists. To add one, describe it here.

use super::service::Mode;
use super::{
    Descriptor, Origin, liar, mio_loop, netloop, raw_epoll, threads, tokio_tasks, tokio_tuned,
};

const EVERY_MODE: &[Mode] = &Mode::ALL;
const NO_BROADCAST: &[Mode] = &[Mode::Echo, Mode::Messages, Mode::Discard, Mode::Flood];
/// The peer below which nobody should get: the least that the kernel can be asked for.
pub(crate) const FLOOR: &str = "raw_epoll";
const MANY: usize = 1_000_000;

pub(crate) static DESCRIPTORS: &[Descriptor] = &[
    Descriptor {
        name: "netloop",
        describes: "this library, with its defaults",
        origin: Origin::Here {
            built_on: Some("netloop"),
            serve: netloop::serve,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "netloop_idle",
        describes: "this library, with an idle timeout of 30 s for each socket also where others have none",
        origin: Origin::Here {
            built_on: Some("netloop"),
            serve: netloop::serve_with_idle_timeout,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: false,
    },
    Descriptor {
        name: "netloop_busy",
        describes: "this library, looking for events for 100 µs before it sleeps",
        origin: Origin::Here {
            built_on: Some("netloop"),
            serve: netloop::serve_with_busy_poll,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: false,
    },
    Descriptor {
        name: FLOOR,
        describes: "the floor: an edge-triggered epoll loop by hand, one shared 128 KiB read buffer",
        origin: Origin::Here {
            built_on: None,
            serve: raw_epoll::serve,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "mio",
        describes: "the same loop by hand on mio",
        origin: Origin::Here {
            built_on: Some("mio"),
            serve: mio_loop::serve,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "tokio",
        describes: "current_thread, idiomatic: a task and a 16 KiB buffer per connection",
        origin: Origin::Here {
            built_on: Some("tokio"),
            serve: tokio_tasks::serve,
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "tokio_tuned",
        describes: "current_thread, tuned: all tasks read into one shared 128 KiB buffer",
        origin: Origin::Here {
            built_on: Some("tokio"),
            serve: tokio_tuned::serve,
        },
        most_connections: MANY,
        modes: &[Mode::Echo],
        by_default: true,
    },
    Descriptor {
        name: "threads",
        describes: "std, blocking: a thread and a 128 KiB buffer per connection",
        origin: Origin::Here {
            built_on: None,
            serve: threads::serve,
        },
        most_connections: 1000,
        modes: NO_BROADCAST,
        by_default: false,
    },
    Descriptor {
        name: "libuv",
        describes: "libuv in C: one try_write for all answers to a read and all that is heard in a turn; queued writes for the rest",
        origin: Origin::Compiled {
            library: "libuv",
            source: "libuv.c",
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "node",
        describes: "Node's net, idiomatic: on('data') and write, pause and drain; a write for each message and member",
        origin: Origin::Script {
            runtime: "node",
            before: &[],
            script: "node.js",
            after: &[],
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "node_tuned",
        describes: "Node's net, tuned: onread into a reused buffer, one socket per connection; corked messages and broadcast",
        origin: Origin::Script {
            runtime: "node",
            before: &[],
            script: "node.js",
            after: &["--tuned"],
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "bun",
        describes: "Bun running the idiomatic Node script",
        origin: Origin::Script {
            runtime: "bun",
            before: &[],
            script: "node.js",
            after: &[],
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "bun_tuned",
        describes: "Bun.listen: shared handlers, one write for all answers to a read and all that is heard in a turn, drain for the rest",
        origin: Origin::Script {
            runtime: "bun",
            before: &[],
            script: "bun.js",
            after: &[],
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
    Descriptor {
        name: "deno",
        describes: "Deno.listen: one async loop and a 16 KiB buffer per connection; a write for each message and member",
        origin: Origin::Script {
            runtime: "deno",
            before: &["run", "--allow-net"],
            script: "deno.js",
            after: &[],
        },
        most_connections: MANY,
        modes: EVERY_MODE,
        by_default: true,
    },
];

/// Not a peer: it is there to be caught.
pub(crate) static LIAR: Descriptor = Descriptor {
    name: "liar",
    describes: "a server that is wrong in every mode",
    origin: Origin::Here {
        built_on: None,
        serve: liar::serve,
    },
    most_connections: MANY,
    modes: EVERY_MODE,
    by_default: false,
};
