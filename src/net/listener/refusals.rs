//! The refused connections of a server that its handler has not been told of.

use std::net::SocketAddr;

use crate::net::values::AcceptLimit;

/// Connections that were closed over a limit. No variant of `ServerEvent`: the two addresses would make each event so
/// large that moving it calls `memcpy`.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) limit: AcceptLimit,
    pub(crate) count: u64,
    /// The address that the peers connected to, if the server listens on one address.
    pub(crate) local: Option<SocketAddr>,
    /// The peer of the last refused connection.
    pub(crate) peer: Option<SocketAddr>,
}

#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// Invariant: the number of rows whose count is not zero. Each accept asks whether this number is zero.
    used: u8,
    /// In the order of [`AcceptLimit::ALL`].
    rows: [Row; AcceptLimit::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    count: u64,
    last_peer: Option<SocketAddr>,
}

impl Refusals {
    pub(super) fn note(&mut self, limit: AcceptLimit, peer: Option<SocketAddr>) {
        let row = &mut self.rows[limit as usize];
        self.used += u8::from(row.count == 0);
        row.count += 1;
        row.last_peer = peer;
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Takes the connections over one limit: the limit, their number, and the last peer.
    #[cold]
    pub(super) fn take(&mut self) -> Option<(AcceptLimit, u64, Option<SocketAddr>)> {
        let rows = AcceptLimit::ALL.into_iter().zip(&mut self.rows);
        let (limit, row) = rows.into_iter().find(|(_, row)| row.count > 0)?;
        let Row { count, last_peer } = std::mem::take(row);
        self.used -= 1;
        Some((limit, count, last_peer))
    }
}
