//! The way of written bytes to the kernel: straight, or through the filters of the connection.

use std::io::{self, IoSlice};

use crate::net::filter::Filters;
use crate::system::Stream;

#[derive(Debug)]
pub(super) struct Transport<'a> {
    pub(super) stream: &'a Stream,
    filters: Option<&'a mut Filters>,
}

impl<'a> Transport<'a> {
    #[inline]
    pub(super) fn new(stream: &'a Stream, filters: Option<&'a mut Filters>) -> Self {
        Self { stream, filters }
    }

    /// Writes as [`Stream::write`] does. `spare` is the outbox's buffer for encoded bytes.
    #[inline]
    pub(super) fn write(
        &mut self,
        slices: &[IoSlice<'_>],
        spare: &mut Vec<u8>,
    ) -> io::Result<usize> {
        match &mut self.filters {
            None => self.stream.write(slices),
            Some(filters) => filters.write(self.stream, slices, spare),
        }
    }

    /// Whether a short write proves that the send buffer is full. It proves nothing if the filters hold a failure for
    /// the next write. The readiness must then stay, because no report of the kernel would lead to that write.
    #[inline]
    pub(super) fn short_write_exhausts(&self) -> bool {
        let filters = self.filters.as_deref();
        self.stream.short_write_exhausts()
            && !filters.is_some_and(|filters| filters.has_late_failure())
    }
}
