//! The options that can be set on an open connection.

use std::io;

use super::native::tcp;
use super::options::KeepAliveTimes;
use super::stream::Stream;

impl Stream {
    /// Whether this stream is TCP, real or simulated: no other kind of stream has a reset.
    pub(crate) fn can_be_reset(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::SharedTcp(_) | Self::FilteredTcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(_)
            | Self::Faulty(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_) => true,
        }
    }

    /// Sets SO_LINGER to 0: closing the socket discards unsent bytes and sends the peer a RST.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::reset_on_close(stream),
            Self::SharedTcp(shared) => tcp::reset_on_close(shared.get()),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => {
                stream.reset_on_close();
                Ok(())
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.reset_on_close(),
        }
    }

    /// Sets TCP_NODELAY. As in Node, the call has no effect on streams other than TCP.
    pub(crate) fn set_no_delay(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => stream.set_nodelay(on),
            Self::SharedTcp(shared) => shared.get().set_nodelay(on),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => stream.set_no_delay(),
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.set_no_delay(on),
        }
    }

    /// Sets SO_KEEPALIVE. As in Node, the call has no effect on streams other than TCP.
    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::set_keep_alive(stream, times),
            Self::SharedTcp(shared) => tcp::set_keep_alive(shared.get(), times),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) | Self::FilteredSimulated(stream) => {
                stream.set_keep_alive(times)
            }
            #[cfg(feature = "simulation")]
            Self::Faulty(stream) | Self::FilteredFaulty(stream) => stream.set_keep_alive(times),
        }
    }

    /// Sets IP_TOS or IPV6_TCLASS. The call has no effect on simulated and faulty streams, and, as in Node, on streams
    /// other than TCP.
    pub(crate) fn set_type_of_service(&self, value: u8) -> io::Result<()> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => {
                tcp::set_type_of_service(stream, value)
            }
            Self::SharedTcp(shared) => tcp::set_type_of_service(shared.get(), value),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_)
            | Self::Faulty(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_) => Ok(()),
        }
    }

    /// Returns IP_TOS or IPV6_TCLASS as the kernel has it.
    pub(crate) fn type_of_service(&self) -> io::Result<Option<u32>> {
        match self {
            Self::Tcp(stream) | Self::FilteredTcp(stream) => tcp::type_of_service(stream).map(Some),
            Self::SharedTcp(shared) => tcp::type_of_service(shared.get()).map(Some),
            #[cfg(unix)]
            Self::Unix(_) | Self::SharedUnix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(_)
            | Self::Faulty(_)
            | Self::FilteredSimulated(_)
            | Self::FilteredFaulty(_) => Ok(None),
        }
    }
}
