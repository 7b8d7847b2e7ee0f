//! The interface of a filter, which users implement.

use std::io::IoSlice;
use std::net::SocketAddr;
use std::ops::Range;

use crate::net::error::Result;

/// A transformation of a connection's bytes in both directions: encryption, compression, a recorder, a header in front.
///
/// A filter stands between the wire and the handler. Received bytes pass [`decode`](Self::decode) before `on_data`.
/// Written bytes wait as they were written, and pass [`encode`](Self::encode) when they are sent. A filter makes no
/// system call and has no clock.
///
/// Filters are set by [`ListenOptions::filter`](crate::ListenOptions::filter),
/// [`ConnectOptions::filter`](crate::ConnectOptions::filter) and [`Socket::start_filter`](crate::Socket::start_filter).
/// Several filters stack: the first one is next to the wire.
///
/// # What counts where
///
/// Watermarks, [`queued_bytes`](crate::Socket::queued_bytes), [`on_drain`](crate::SocketHandler::on_drain) and the
/// counters of bytes count the handler's bytes. A byte counts as sent when the kernel has taken what stands for it. The
/// idle timeout and the rate of receiving count the bytes on the wire: a peer that is slow within a record is not
/// silent. The rate of sending counts the handler's bytes, and the first-byte timeout waits for a decoded byte.
///
/// # The handshake
///
/// A filter that has to exchange bytes first is not [ready](Self::is_ready) until it has done so. A socket opens when
/// all of its filters are ready. Then a socket that connects gets [`on_connect`](crate::SocketHandler::on_connect), and
/// the server is told of an accepted one. After [`start_filter`](crate::Socket::start_filter), `on_connect` comes once
/// more. [`Limits::handshake_timeout`](crate::Limits::handshake_timeout) limits the time.
///
/// # The end
///
/// [`end`](crate::Socket::end) sends the queued bytes, then the filter's [`end`](Self::end), then a FIN.
/// [`destroy`](crate::Socket::destroy) and [`reset`](crate::Socket::reset) do not call that `end`. An error of a filter
/// closes its socket with this error, after the bytes that were decoded before it.
///
/// # Panics
///
/// A panic of a filter, or of the closure that makes it, is an error of its socket. The error has the code
/// [`ERR_HANDLER_PANICKED`](crate::Error::HANDLER_PANICKED) and the text of the panic. The panic does not leave the
/// loop, whatever its [policy](crate::PanicPolicy) is. The filter is not called again, and the bytes of the call are
/// lost. [`Statistics::panics`](crate::Statistics::panics) counts it, because a socket that is destroyed in the same
/// callback tells nothing of it.
///
/// ```
/// use std::io::IoSlice;
/// use netloop::{Context, Decoded, EventLoop, Filter, FilterOutput, ListenOptions, Result, SocketHandler};
///
/// /// Hides the bytes from a quick look.
/// struct Xor(u8);
///
/// impl Filter for Xor {
///     fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
///         for byte in &mut *input {
///             *byte ^= self.0;
///         }
///         Ok(Decoded::used(input.len()).in_place(0..input.len()))
///     }
///     fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
///         let bytes = &bytes[0];
///         to_peer.extend(bytes.iter().map(|byte| byte ^ self.0));
///         Ok(bytes.len())
///     }
/// }
///
/// struct Echo;
///
/// impl SocketHandler for Echo {
///     fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
///         let _ = cx.socket.write(data);
///     }
/// }
///
/// let mut event_loop: EventLoop = EventLoop::new()?;
/// let options = ListenOptions::new().filter(|| Ok(Xor(0x55)));
/// let server = event_loop.listen_with("127.0.0.1:0", options, |_, _| Echo)?;
/// # let _ = server;
/// # Ok::<(), netloop::Error>(())
/// ```
pub trait Filter {
    /// Begins, before any byte is decoded: appends to `to_peer` what this side sends first.
    ///
    /// # Errors
    ///
    /// Any error closes the socket. The bytes in `to_peer` are still offered to the kernel, once.
    fn begin(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        let _ = to_peer;
        Ok(())
    }

    /// Whether the handler's bytes may pass: by default always. Once `true`, the answer must stay so.
    fn is_ready(&self) -> bool {
        true
    }

    /// Decodes received bytes. The result lies [in place](Decoded::in_place), or was written to `output`, or both.
    ///
    /// The filter need not [use](Decoded::used) all of `input`. The rest comes again: at once if this call has used or
    /// decoded something, else in front of further bytes. A full `output` brings another call soon, also without input.
    ///
    /// # Errors
    ///
    /// Any error closes the socket, after the bytes that were decoded before. What this call has appended to
    /// [`FilterOutput::to_peer`] is still offered to the kernel, once.
    fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded>;

    /// Encodes written bytes: appends to `to_peer` what stands for the first of `bytes`, and returns their number, at
    /// least 1. There is at least one slice, none is empty, and all together have at most 64 KiB.
    ///
    /// Everything that stands for these bytes has to be in `to_peer` on return, because there may be no further call.
    /// The method is not called before the filter is [ready](Self::is_ready), nor after [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// Any error closes the socket.
    fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize>;

    /// Ends this side, after all written bytes: appends to `to_peer` what marks the end, if anything does.
    ///
    /// # Errors
    ///
    /// Any error closes the socket.
    fn end(&mut self, to_peer: &mut Vec<u8>) -> Result<()> {
        let _ = to_peer;
        Ok(())
    }

    /// Notes the FIN of the peer, if no [end](Decoded::end) was decoded before. The default takes the FIN for the end.
    /// If received bytes are [unused](Decoded::used), or the filter is not [ready](Self::is_ready), something is
    /// missing, and the socket closes with [`ERR_FILTER`](crate::Error::FILTER).
    ///
    /// # Errors
    ///
    /// An error means that something is missing before the FIN. The error closes the socket.
    fn peer_ended(&mut self) -> Result<()> {
        Ok(())
    }

    /// Returns the peer's address, if the filter knows a better one than the kernel. The loop asks once the filter is
    /// ready. Then the server looks the address up in its [block list](crate::ListenOptions::block_list), and counts
    /// the connection in the address's network, before the next filter begins.
    fn peer_address(&self) -> Option<SocketAddr> {
        None
    }
}

/// The result of [`Filter::decode`].
///
/// ```
/// use netloop::{Decoded, Filter, FilterOutput, Result};
/// use std::io::IoSlice;
///
/// /// Removes a greeting of four bytes in front of everything else.
/// #[derive(Default)]
/// struct Greeting {
///     is_past: bool,
/// }
///
/// impl Filter for Greeting {
///     fn is_ready(&self) -> bool {
///         self.is_past
///     }
///     fn decode(&mut self, input: &mut [u8], _: &mut FilterOutput<'_>) -> Result<Decoded> {
///         let start = if self.is_past { 0 } else { 4 };
///         if input.len() < start {
///             // The bytes come again, with further ones after them.
///             return Ok(Decoded::used(0));
///         }
///         self.is_past = true;
///         Ok(Decoded::used(input.len()).in_place(start..input.len()))
///     }
///     fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
///         to_peer.extend_from_slice(&bytes[0]);
///         Ok(bytes[0].len())
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Decoded {
    pub(super) used: usize,
    pub(super) in_place: Range<usize>,
    pub(super) is_end: bool,
}

impl Decoded {
    /// Makes the result of a filter that has used the first `bytes` of its input.
    pub fn used(bytes: usize) -> Self {
        Self {
            used: bytes,
            in_place: 0..0,
            is_end: false,
        }
    }

    /// Adds the decoded bytes in `range` of the input, which come after those that were put into the output.
    pub fn in_place(mut self, range: Range<usize>) -> Self {
        self.in_place = range;
        self
    }

    /// Notes that the peer has ended after the decoded bytes. The filter gets no further input.
    pub fn end(mut self) -> Self {
        self.is_end = true;
        self
    }
}

/// The places into which [`Filter::decode`] writes: decoded bytes for the handler, and bytes for the peer.
///
/// ```
/// use netloop::{Decoded, Filter, FilterOutput, Result};
/// use std::io::IoSlice;
///
/// /// Hexadecimal digits on the wire, two for each byte.
/// struct Hex;
///
/// impl Filter for Hex {
///     fn decode(&mut self, input: &mut [u8], output: &mut FilterOutput<'_>) -> Result<Decoded> {
///         let mut used = 0;
///         // No pair is used for which the output has no space: it comes again.
///         for pair in input.chunks_exact(2).take(output.space().len()) {
///             let text = std::str::from_utf8(pair).unwrap_or("");
///             let byte = u8::from_str_radix(text, 16).map_err(|_| netloop::Error::other("no digits"))?;
///             output.put(&[byte]);
///             used += 2;
///         }
///         Ok(Decoded::used(used))
///     }
///     fn encode(&mut self, bytes: &[IoSlice<'_>], to_peer: &mut Vec<u8>) -> Result<usize> {
///         for byte in bytes[0].iter() {
///             to_peer.extend_from_slice(format!("{byte:02x}").as_bytes());
///         }
///         Ok(bytes[0].len())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct FilterOutput<'a> {
    pub(super) space: &'a mut [u8],
    pub(super) filled: usize,
    pub(super) to_peer: &'a mut Vec<u8>,
}

impl FilterOutput<'_> {
    /// Returns the space left for decoded bytes. Bytes at its front count once [`fill`](Self::fill) is called.
    pub fn space(&mut self) -> &mut [u8] {
        &mut self.space[self.filled..]
    }

    /// Notes decoded bytes at the front of the [space](Self::space): `bytes`, but at most its length.
    pub fn fill(&mut self, bytes: usize) {
        self.filled = self.space.len().min(self.filled.saturating_add(bytes));
    }

    /// Copies decoded bytes, as many as fit, and returns their number.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let length = bytes.len().min(space.len());
        space[..length].copy_from_slice(&bytes[..length]);
        self.filled += length;
        length
    }

    /// Returns the buffer of bytes for the peer, to which the filter appends. They leave as soon as possible, with one
    /// exception. The filter next to the handler may append in a call that also decodes bytes or completes the
    /// handshake. Such bytes leave with the handler's answer, or else in the next flush. Bytes that are appended after
    /// the [end](Filter::end) of this side are dropped. A filter that removes bytes from the buffer fails with
    /// [`ERR_FILTER`](crate::Error::FILTER).
    pub fn to_peer(&mut self) -> &mut Vec<u8> {
        self.to_peer
    }
}
