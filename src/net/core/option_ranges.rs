//! The range of each option, the same on all systems. A wrong option is refused before any option is set.

use std::time::Duration;

use crate::net::address::ListenOn;
use crate::net::connect::ConnectOptions;
use crate::net::error::{Error, Result};
use crate::net::listener::ListenOptions;
use crate::net::values::{Endpoint, KeepAlive, SocketSettings};
use crate::system::UdpOption;

/// The longest keep-alive times, in seconds (`MAX_TCP_KEEPIDLE` and `MAX_TCP_KEEPINTVL` of Linux).
const LONGEST_KEEP_ALIVE: u64 = 32_767;

/// The greatest number of keep-alive probes (`MAX_TCP_KEEPCNT` of Linux).
const MOST_PROBES: u32 = 127;

pub(crate) fn check_socket_settings(settings: &SocketSettings) -> Result<()> {
    check_keep_alive(settings.limits.keep_alive)
}

pub(super) fn check_connect_options(
    endpoint: &Endpoint,
    options: &ConnectOptions,
    settings: &SocketSettings,
) -> Result<()> {
    check_socket_settings(settings)?;
    if !matches!(endpoint, Endpoint::Path(_)) {
        return Ok(());
    }
    if options.local_address.is_some() {
        return Err(out_of_place("ConnectOptions::local_address", "a path"));
    }
    if options.local_port != 0 {
        return Err(out_of_place("ConnectOptions::local_port", "a path"));
    }
    Ok(())
}

pub(super) fn check_listen_options(
    on: &ListenOn,
    options: &ListenOptions,
    settings: &SocketSettings,
) -> Result<()> {
    check_socket_settings(settings)?;
    for filter in &options.filters {
        filter.check()?;
    }
    let kind = match on {
        ListenOn::Endpoint(Endpoint::Path(_)) => return Ok(()),
        ListenOn::Endpoint(Endpoint::Socket(_)) => "an address",
        ListenOn::Endpoint(Endpoint::Name { .. }) => "a name",
        ListenOn::Adopted(_) => "a listener that is bound already",
    };
    if options.readable_all {
        return Err(out_of_place("ListenOptions::readable_all", kind));
    }
    if options.writable_all {
        return Err(out_of_place("ListenOptions::writable_all", kind));
    }
    Ok(())
}

pub(crate) fn check_keep_alive(keep_alive: Option<KeepAlive>) -> Result<()> {
    let Some(keep_alive) = keep_alive else {
        return Ok(());
    };
    if let Some(idle) = keep_alive.idle() {
        check_seconds("KeepAlive::after", idle)?;
    }
    check_seconds("KeepAlive::interval", keep_alive.probe_interval())?;
    let probes = keep_alive.probe_count();
    if probes > MOST_PROBES {
        let range = format!("1 to {MOST_PROBES} probes");
        return Err(out_of_range("KeepAlive::probes", &range, &probes));
    }
    Ok(())
}

fn check_seconds(option: &str, duration: Duration) -> Result<()> {
    if duration.as_secs() > LONGEST_KEEP_ALIVE {
        let range = format!("1 s to {LONGEST_KEEP_ALIVE} s");
        let received = format!("{} s", duration.as_secs());
        return Err(out_of_range(option, &range, &received));
    }
    Ok(())
}

/// Checks an option of a UDP socket. `name` is its name for the user.
pub(super) fn check_udp_option(name: &str, option: UdpOption) -> Result<()> {
    match option {
        UdpOption::Ttl(hops) if !(1..=255).contains(&hops) => {
            Err(out_of_range(name, "1 to 255", &hops))
        }
        UdpOption::MulticastTtl(hops) if hops > 255 => Err(out_of_range(name, "0 to 255", &hops)),
        UdpOption::Join(membership) | UdpOption::Leave(membership)
            if !membership.group.is_multicast() =>
        {
            let range = "a multicast address (224.0.0.0/4, ff00::/8)";
            Err(out_of_range(name, range, &membership.group))
        }
        UdpOption::ReceiveBuffer(bytes) | UdpOption::SendBuffer(bytes)
            if i32::try_from(bytes).is_err() =>
        {
            let range = format!("at most {} bytes", i32::MAX);
            Err(out_of_range(name, &range, &bytes))
        }
        _ => Ok(()),
    }
}

fn out_of_place(option: &str, kind: &str) -> Error {
    let text = format!("`{option}` has no effect on {kind}");
    Error::with_code(Error::INVALID_ARGUMENT, text)
}

pub(crate) fn out_of_range(option: &str, range: &str, received: &dyn std::fmt::Display) -> Error {
    let text = format!("`{option}` is out of range: expected {range}, received {received}");
    Error::with_code(Error::INVALID_ARGUMENT, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_each_range_are_in_it() {
        let longest = Duration::from_secs(LONGEST_KEEP_ALIVE);
        let widest = KeepAlive::after(longest).interval(longest).probes(127);
        assert!(check_keep_alive(Some(widest)).is_ok());
        assert!(check_keep_alive(Some(KeepAlive::after(Duration::ZERO).probes(0))).is_ok());
        assert!(check_keep_alive(None).is_ok());
        let beyond = longest + Duration::from_nanos(1);
        for (keep_alive, option) in [
            (KeepAlive::after(beyond), "KeepAlive::after"),
            (KeepAlive::after(Duration::MAX), "KeepAlive::after"),
            (KeepAlive::new().interval(beyond), "KeepAlive::interval"),
            (KeepAlive::new().probes(128), "KeepAlive::probes"),
        ] {
            let error = check_keep_alive(Some(keep_alive)).unwrap_err();
            assert_eq!(error.code(), Error::INVALID_ARGUMENT);
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
