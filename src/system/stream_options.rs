//! The options of a connection that can be set while it is there.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use super::Stream;

/// The times of TCP keep-alive probes; what is `None` stays as the operating system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeepAliveTimes {
    /// How long the connection is silent before the first probe.
    pub(crate) idle: Option<Duration>,
    /// The time between two probes.
    pub(crate) interval: Option<Duration>,
    /// How many probes stay unanswered before the connection is given up.
    pub(crate) count: Option<u32>,
}

impl Stream {
    /// Whether it is TCP, in a simulation too: nothing else has a reset.
    pub(crate) fn can_be_reset(&self) -> bool {
        match self {
            Self::Tcp(_) => true,
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => false,
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => true,
        }
    }

    /// Makes the coming close a reset: what is unsent is thrown away and the peer gets a RST.
    pub(crate) fn reset_on_close(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => SockRef::from(stream).set_linger(Some(Duration::ZERO)),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Err(io::ErrorKind::Unsupported.into()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.reset_on_close(),
        }
    }

    /// Sets TCP_NODELAY. Without effect on what is not TCP, as in Node.
    pub(crate) fn set_no_delay(&self, on: bool) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(on),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.set_no_delay(on),
        }
    }

    /// Sets SO_KEEPALIVE and its times. Without effect on what is not TCP, as in Node.
    pub(crate) fn set_keep_alive(&self, times: Option<KeepAliveTimes>) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => keep_alive(&SockRef::from(stream), times),
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(stream) => stream.set_keep_alive(times),
        }
    }

    /// Sets IP_TOS or IPV6_TCLASS. Without effect on what is not TCP, as in Node.
    pub(crate) fn set_type_of_service(&self, value: u8) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                let socket = SockRef::from(stream);
                match stream.local_addr()? {
                    SocketAddr::V4(_) => socket.set_tos_v4(value.into()),
                    SocketAddr::V6(_) => traffic_class::set(&socket, value),
                }
            }
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(()),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(()),
        }
    }

    /// What [`set_type_of_service`](Self::set_type_of_service) sets, as the system has it.
    pub(crate) fn type_of_service(&self) -> io::Result<Option<u32>> {
        match self {
            Self::Tcp(stream) => {
                let socket = SockRef::from(stream);
                match stream.local_addr()? {
                    SocketAddr::V4(_) => socket.tos_v4().map(Some),
                    SocketAddr::V6(_) => traffic_class::of(&socket).map(Some),
                }
            }
            #[cfg(unix)]
            Self::Unix(_) | Self::Input(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(None),
        }
    }
}

/// Sets SO_KEEPALIVE on `socket`, and the times that are given.
pub(super) fn keep_alive(socket: &SockRef<'_>, times: Option<KeepAliveTimes>) -> io::Result<()> {
    let Some(times) = times else {
        return socket.set_keepalive(false);
    };
    let mut keep_alive = TcpKeepalive::new();
    if let Some(idle) = times.idle {
        keep_alive = keep_alive.with_time(idle);
    }
    #[cfg(not(any(
        target_os = "openbsd",
        target_os = "redox",
        target_os = "solaris",
        target_os = "nto",
        target_os = "haiku",
    )))]
    {
        if let Some(interval) = times.interval {
            keep_alive = keep_alive.with_interval(interval);
        }
        if let Some(count) = times.count {
            keep_alive = keep_alive.with_retries(count);
        }
    }
    socket.set_tcp_keepalive(&keep_alive)
}

/// IPV6_TCLASS, where socket2 has it.
mod traffic_class {
    use std::io;

    use socket2::SockRef;

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ))]
    pub(super) fn set(socket: &SockRef<'_>, value: u8) -> io::Result<()> {
        socket.set_tclass_v6(value.into())
    }

    #[cfg(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    ))]
    pub(super) fn of(socket: &SockRef<'_>) -> io::Result<u32> {
        socket.tclass_v6()
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    pub(super) fn set(_: &SockRef<'_>, _: u8) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd",
        target_vendor = "apple"
    )))]
    pub(super) fn of(_: &SockRef<'_>) -> io::Result<u32> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
