//! A wrapper that makes any descriptor a source.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use mio::event::Source;
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

/// A wrapper that makes any descriptor a source of the loop ([`add_source`](crate::EventLoop::add_source)). Examples
/// are a pipe, a timerfd, an inotify, a pidfd, a socket of the standard library, another
/// [`EventLoop`](crate::EventLoop).
///
/// The field is the owner, which must return the same descriptor in every call of [`AsFd::as_fd`]. The loop deregisters
/// the descriptor before it returns or drops the owner. So a duplicate elsewhere wakes the loop no more.
///
/// A handler reads until a call would block, and a call on a blocking descriptor blocks the whole loop instead.
/// [`non_blocking`](Self::non_blocking) prevents that. If other programs need the descriptor blocking, the handler
/// makes one call each time it is called, and then calls [`SourceContext::rearm`](crate::SourceContext::rearm).
///
/// ```
/// use std::io::Read;
/// use std::os::unix::net::UnixStream;
/// use netloop::{Descriptor, EventLoop, Interest, SourceContext, SourceHandler};
///
/// /// Keeps everything that another thread sends.
/// struct Collect;
///
/// impl SourceHandler<Vec<u8>> for Collect {
///     type Source = Descriptor<UnixStream>;
///
///     fn on_readable(&mut self, cx: &mut SourceContext<'_, Self::Source, Vec<u8>>) {
///         let mut buffer = [0; 1024];
///         match cx.try_io(Interest::READABLE, |stream| stream.0.read(&mut buffer)) {
///             Ok(0) => cx.close(),
///             Ok(length) => cx.shared.extend_from_slice(&buffer[..length]),
///             // The loop calls again when the stream is readable.
///             Err(_) => {}
///         }
///     }
/// }
///
/// # fn main() -> netloop::Result<()> {
/// let (reader, mut writer) = UnixStream::pair()?;
/// let mut event_loop = EventLoop::new()?;
/// event_loop.add_source(Descriptor::non_blocking(reader)?, Interest::READABLE, Collect)?;
///
/// std::io::Write::write_all(&mut writer, b"from another thread")?;
/// drop(writer);
/// let mut collected = Vec::new();
/// event_loop.run(&mut collected)?;
/// assert_eq!(collected, b"from another thread");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Descriptor<T: AsFd>(
    /// The owner of the descriptor.
    pub T,
);

impl<T: AsFd> Descriptor<T> {
    /// Makes the descriptor non-blocking (O_NONBLOCK), with all its duplicates, in other processes too.
    ///
    /// # Errors
    ///
    /// The error of `fcntl(2)`.
    pub fn non_blocking(owner: T) -> io::Result<Self> {
        socket2::SockRef::from(&owner).set_nonblocking(true)?;
        Ok(Self(owner))
    }
}

impl<T: AsFd> Source for Descriptor<T> {
    fn register(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).register(registry, token, interest)
    }

    fn reregister(
        &mut self,
        registry: &Registry,
        token: Token,
        interest: Interest,
    ) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).reregister(registry, token, interest)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        SourceFd(&self.0.as_fd().as_raw_fd()).deregister(registry)
    }
}
