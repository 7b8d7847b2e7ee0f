//! The settings of a socket: its options, joined with the limits that count for it.

use std::time::Duration;

use super::limits::SocketLimits;
use super::socket_options::SocketOptions;

/// The settings of a socket. Sockets that are made alike share one value; one whose settings change gets a copy.
#[derive(Clone, Debug)]
pub(crate) struct SocketSettings {
    pub(crate) allow_half_open: bool,
    pub(crate) pause_on_connect: bool,
    pub(crate) no_delay: bool,
    pub(crate) high_water_mark: usize,
    pub(crate) low_water_mark: usize,
    pub(crate) unread_timeout: Option<Duration>,
    pub(crate) type_of_service: Option<u8>,
    pub(crate) limits: SocketLimits,
}

impl SocketSettings {
    /// An option that is set counts in place of the limit of the same name.
    pub(crate) fn new(options: &SocketOptions, limits: &SocketLimits) -> Self {
        Self {
            allow_half_open: options.allow_half_open,
            pause_on_connect: options.pause_on_connect,
            no_delay: options.no_delay,
            high_water_mark: options.high_water_mark,
            low_water_mark: options.low_water_mark,
            unread_timeout: options.unread_timeout,
            type_of_service: options.type_of_service,
            limits: SocketLimits {
                max_queued_bytes: options.max_queued_bytes.unwrap_or(limits.max_queued_bytes),
                idle_timeout: options.idle_timeout.unwrap_or(limits.idle_timeout),
                close_timeout: options.close_timeout.unwrap_or(limits.close_timeout),
                keep_alive: options.keep_alive.unwrap_or(limits.keep_alive),
                ..*limits
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::values::Limits;

    #[test]
    fn an_option_that_is_set_counts_in_place_of_the_limit() {
        let limits = Limits::internet().socket;
        let unset = SocketSettings::new(&SocketOptions::new(), &limits);
        assert_eq!(unset.limits, limits);
        let options = SocketOptions::new()
            .max_queued_bytes(7)
            .idle_timeout(None)
            .close_timeout(None)
            .keep_alive(None);
        let expected = SocketLimits {
            max_queued_bytes: 7,
            idle_timeout: None,
            close_timeout: None,
            keep_alive: None,
            ..limits
        };
        assert_eq!(SocketSettings::new(&options, &limits).limits, expected);
        let seconds = Duration::from_secs(3);
        let options = options.idle_timeout(seconds).close_timeout(seconds);
        let settings = SocketSettings::new(&options, &Limits::new().socket);
        assert_eq!(settings.limits.idle_timeout, Some(seconds));
        assert_eq!(settings.limits.close_timeout, Some(seconds));
        let zero = SocketOptions::new().idle_timeout(Duration::ZERO);
        assert_eq!(
            SocketSettings::new(&zero, &limits).limits.idle_timeout,
            None
        );
    }
}
