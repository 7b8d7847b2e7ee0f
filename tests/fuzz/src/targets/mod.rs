//! The fuzz targets. Each plays a script, which it reads from the input, against a part of the library and a model of it.

mod addresses;
mod block_list;
mod connection;
mod datagram_batches;
mod datagrams;
mod drawing;
mod filters;
mod lines;
mod proxy_header;
mod send_buffer;
mod slots;
mod text;
#[cfg(feature = "tls")]
mod tls;
mod utf8;
mod wheel;

use std::error::Error;

use arbitrary::{Result, Unstructured};

/// A part of the library with its model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    /// Panics where the part and its model differ. Returns an error if the input ends too early for a script.
    pub(crate) play: fn(&mut Unstructured<'_>) -> Result<()>,
}

pub(crate) const TARGETS: &[Target] = &[
    Target {
        name: "lines",
        play: lines::play,
    },
    Target {
        name: "utf8",
        play: utf8::play,
    },
    Target {
        name: "addresses",
        play: addresses::play,
    },
    Target {
        name: "block_list",
        play: block_list::play,
    },
    Target {
        name: "proxy_header",
        play: proxy_header::play,
    },
    Target {
        name: "slots",
        play: slots::play,
    },
    Target {
        name: "wheel",
        play: wheel::play,
    },
    Target {
        name: "send_buffer",
        play: send_buffer::play,
    },
    Target {
        name: "connection",
        play: connection::play,
    },
    Target {
        name: "filters",
        play: filters::play,
    },
    Target {
        name: "datagrams",
        play: datagrams::play,
    },
    Target {
        name: "datagram_batches",
        play: datagram_batches::play,
    },
    #[cfg(feature = "tls")]
    Target {
        name: "tls",
        play: tls::play,
    },
];

pub(crate) fn named(name: &str) -> std::result::Result<Target, Box<dyn Error>> {
    let target = TARGETS.iter().find(|target| target.name == name);
    target.copied().ok_or_else(|| {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        let names = names.join(", ");
        format!("no target is called {name}; there are {names}").into()
    })
}
