//! The state that all callbacks share, and the report of it.

use std::fmt::Write;

use netloop::{Accepted, Context, LoopContext, SocketHandler};

use crate::options::Options;
use crate::upstreams::Upstreams;

pub(crate) struct Proxy {
    pub(crate) options: Options,
    pub(crate) upstreams: Upstreams,
    pub(crate) counts: Counts,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) clients: u64,
    /// The clients that have left.
    pub(crate) closed: u64,
    pub(crate) without_header: u64,
    /// The clients that no upstream has taken.
    pub(crate) without_server: u64,
}

impl Proxy {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            upstreams: Upstreams::new(options.upstreams.len()),
            counts: Counts::default(),
            options,
        }
    }
}

/// A reader of the statistics, which gets them and an end.
pub(crate) struct Reader;

impl SocketHandler<Proxy> for Reader {
    fn on_data(&mut self, _: &mut Context<'_, Proxy>, _: &[u8]) {}
}

/// Sends the statistics to a peer that has connected.
pub(crate) fn report(cx: &mut LoopContext<'_, Proxy>, reader: &Accepted) -> Reader {
    let text = text(cx);
    let mut socket = cx.sockets.socket(reader.id);
    socket.end_with(text.as_bytes()).ignore();
    Reader
}

fn text(cx: &LoopContext<'_, Proxy>) -> String {
    let Proxy {
        options,
        upstreams,
        counts,
    } = &*cx.shared;
    let statistics = cx.statistics();
    let mut text = format!(
        "clients: {} now, {} in all, {} without a valid header, {} without a server\n\
         bytes: {} received, {} sent, {} queued\n",
        counts.clients - counts.closed,
        counts.clients,
        counts.without_header,
        counts.without_server,
        statistics.bytes_received,
        statistics.bytes_sent,
        statistics.queued_bytes,
    );
    for (place, state) in options.upstreams.iter().zip(upstreams.states()) {
        let left_out = match state.is_left_out(cx.now()) {
            true => ", left out",
            false => "",
        };
        let (connections, failures) = (state.connections, state.failures);
        // A `String` takes everything.
        let _ = writeln!(
            text,
            "{place}: {connections} connections, {failures} failures{left_out}"
        );
    }
    text
}
