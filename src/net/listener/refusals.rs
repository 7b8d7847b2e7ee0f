//! The refused connections of a server that its handler has not been told of.

use std::net::SocketAddr;

use crate::net::values::AcceptLimit;

/// The refused connections of one burst of accepts, by the limit that they were over.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// In the order of [`AcceptLimit::ALL`].
    rows: [Row; AcceptLimit::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    count: u64,
    last_peer: Option<SocketAddr>,
}

impl Refusals {
    /// Counts a connection of `peer` that was over `limit`.
    pub(super) fn note(&mut self, limit: AcceptLimit, peer: Option<SocketAddr>) {
        let row = &mut self.rows[limit as usize];
        row.count += 1;
        row.last_peer = peer;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.count == 0)
    }

    /// Takes the connections that were over one limit: the limit, their number, and the peer of the last one.
    pub(super) fn take(&mut self) -> Option<(AcceptLimit, u64, Option<SocketAddr>)> {
        let rows = AcceptLimit::ALL.into_iter().zip(&mut self.rows);
        let (limit, row) = rows.into_iter().find(|(_, row)| row.count > 0)?;
        let Row { count, last_peer } = std::mem::take(row);
        Some((limit, count, last_peer))
    }
}
