//! Filters under the sockets of a scene: the same tests then hold for filtered sockets. `NETLOOP_FILTERED=1` puts filters
//! in that change nothing.

use std::io::IoSlice;
use std::sync::OnceLock;

use netloop::{ConnectOptions, Decoded, Filter, FilterOutput, ListenOptions, Result};

/// Whether sockets of scenes have filters.
pub(crate) fn is_on() -> bool {
    static ON: OnceLock<bool> = OnceLock::new();
    *ON.get_or_init(|| std::env::var_os("NETLOOP_FILTERED").is_some())
}

/// `options`, with a filter that changes nothing if filters are on.
pub(crate) fn of_server(options: ListenOptions) -> ListenOptions {
    match is_on() {
        true => options.filter(|| Ok(Nothing)),
        false => options,
    }
}

/// As [`of_server`], of a client.
pub(crate) fn of_client(options: ConnectOptions) -> ConnectOptions {
    match is_on() {
        true => options.filter(|| Ok(Nothing)),
        false => options,
    }
}

/// A filter that changes nothing.
struct Nothing;

impl Filter for Nothing {
    fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
        Ok(Decoded::used(input.len()).in_place(0..input.len()))
    }
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
        to_peer.extend_from_slice(&bytes[0]);
        Ok(bytes[0].len())
    }
}
