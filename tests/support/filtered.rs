//! Filters under the sockets of a scene: the same tests then hold for filtered sockets. `NETLOOP_FILTERED=1` puts filters
//! in that change nothing, `NETLOOP_FILTERED=records` those of [`Records`], which both ends must have.

use std::io::IoSlice;
use std::sync::OnceLock;

use netloop::{ConnectOptions, Decoded, Filter, FilterOutput, ListenOptions, Result};

use super::Records;

/// The filters of sockets of scenes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Filters {
    None,
    Nothing,
    Records,
}

fn filters() -> Filters {
    static FILTERS: OnceLock<Filters> = OnceLock::new();
    *FILTERS.get_or_init(|| match std::env::var_os("NETLOOP_FILTERED") {
        None => Filters::None,
        Some(kind) if kind == "records" => Filters::Records,
        Some(_) => Filters::Nothing,
    })
}

/// Whether sockets of scenes have filters.
pub(crate) fn is_on() -> bool {
    filters() != Filters::None
}

/// `options`, with a filter if filters are on.
pub(crate) fn of_server(options: ListenOptions) -> ListenOptions {
    match filters() {
        Filters::None => options,
        Filters::Nothing => options.filter(|| Ok(Nothing)),
        Filters::Records => options.filter(|| Ok(Records::default())),
    }
}

/// As [`of_server`], of a client.
pub(crate) fn of_client(options: ConnectOptions) -> ConnectOptions {
    match filters() {
        Filters::None => options,
        Filters::Nothing => options.filter(|| Ok(Nothing)),
        Filters::Records => options.filter(|| Ok(Records::default())),
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
