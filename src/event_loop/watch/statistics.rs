//! The statistics of a loop: counters, times, peaks and the present state, as one value.

use std::time::Duration;

/// The statistics of a loop, as they were when [`EventLoop::statistics`](crate::EventLoop::statistics) was called.
///
/// A field is one of four kinds. *Counters* and *times* grow from the beginning of the loop on, and
/// [`since`](Self::since) returns their growth. *Peaks* grow until [`reset_peaks`](crate::EventLoop::reset_peaks). The
/// *present state* has no history.
///
/// The loop always keeps its statistics, and makes no system call for them. A line a second, by a timer:
///
/// ```
/// use std::time::Duration;
/// use netloop::{EventLoop, Statistics};
///
/// let mut event_loop: EventLoop<u32> = EventLoop::new()?;
/// let mut last = Statistics::default();
/// # let second = Duration::from_millis(1);
/// # let second = if true { second } else {
/// let second = Duration::from_secs(1);
/// # second };
/// event_loop.every(second, move |cx| {
///     let now = cx.statistics();
///     let it = now.since(&last);
///     println!(
///         "turns={} events={} in={} out={} accepted={} sockets={} queued={} busy={:.1}% lag={:?} timers_late={:?}",
///         it.turns, it.events, it.bytes_received, it.bytes_sent, it.accepted, it.sockets, it.queued_bytes,
///         100.0 * it.utilization(), it.worst_lag, it.worst_timer_lag,
///     );
///     cx.reset_peaks();
///     last = now;
/// #   *cx.shared += 1;
/// #   if *cx.shared == 3 { cx.stop(); }
/// });
/// # let mut lines = 0;
/// # event_loop.run(&mut lines)?;
/// # assert_eq!(lines, 3);
/// # Ok::<(), netloop::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Counter: the turns that were begun.
    pub turns: u64,
    /// Counter: the system calls that asked for events, with or without a wait. An interrupted wait and a
    /// [busy poll](crate::EventLoopOptions::busy_poll) count once.
    pub polls: u64,
    /// Counter: the reports of the kernel. One report may cause several events, or none.
    pub reports: u64,
    /// Counter: the events that were delivered to handlers of sockets, servers and sources. The events of a turn that
    /// ended in a panic are not counted.
    pub events: u64,
    /// Counter: the sources that were still ready at the end of a turn, once for each such turn.
    pub carried_over: u64,
    /// Counter: the deferred calls and posts that were made.
    pub calls: u64,
    /// Counter: the timers, timeouts and deadlines that were told.
    pub timers: u64,
    /// Counter: the system calls by which a [`Remote`](crate::Remote) or a [`Hold`](crate::Hold) has woken the loop. Of
    /// many posts, only the first needs one.
    pub wakes: u64,
    /// Counter: the bytes that sockets have received. Sources of the program are not counted.
    pub bytes_received: u64,
    /// Counter: the bytes of sockets that the kernel has taken.
    pub bytes_sent: u64,
    /// Counter: the datagrams that handlers of UDP sockets were given. Their bytes are in `bytes_received`.
    pub datagrams_received: u64,
    /// Counter: the datagrams of UDP sockets that the kernel has taken. Their bytes are in `bytes_sent`.
    pub datagrams_sent: u64,
    /// Counter: the datagrams that were not sent: the [queue](crate::DatagramOptions::max_queued_bytes) was full, the
    /// send failed or was refused, or the socket closed.
    pub datagrams_dropped: u64,
    /// Counter: the received datagrams that the [block list](crate::DatagramOptions::receive_block_list) discarded.
    pub datagrams_blocked: u64,
    /// Counter: the received datagrams longer than [`max_datagram_bytes`](crate::DatagramOptions::max_datagram_bytes).
    pub datagrams_truncated: u64,
    /// Counter: the errors of UDP sockets, told or not.
    pub datagram_errors: u64,
    /// Counter: the accepted connections, without those that were dropped at the accept. A connection that is dropped
    /// later, for the address that a [filter](crate::Filter::peer_address) has found, counts here and as dropped.
    pub accepted: u64,
    /// Counter: the connections that were dropped because they were over a limit: the sum of the four counters below.
    /// Each connection counts for one limit, the first [`AcceptLimit`](crate::AcceptLimit) that it was over.
    pub dropped_over_limit: u64,
    /// Counter: the connections that were dropped because the loop already had its
    /// [`max_connections`](crate::Limits::max_connections).
    pub dropped_over_loop_limit: u64,
    /// Counter: the connections that were dropped because their server already had its
    /// [`max_connections`](crate::Server::set_max_connections).
    pub dropped_over_server_limit: u64,
    /// Counter: the connections that were dropped because their server already had
    /// [`max_connections_per_network`](crate::Limits::max_connections_per_network) connections of their network.
    pub dropped_over_network_limit: u64,
    /// Counter: the connections that were dropped because they came at more than the
    /// [`accept_rate`](crate::Limits::accept_rate) of their server.
    pub dropped_over_rate: u64,
    /// Counter: the connections that were dropped because of the [block list](crate::BlockList) of their server.
    pub dropped_blocked: u64,
    /// Counter: the accepts that failed for a lack of descriptors. Each drops at most one connection.
    pub descriptor_shortages: u64,
    /// Counter: the sockets that were closed because queued bytes would have passed
    /// [`max_queued_bytes`](crate::SocketOptions::max_queued_bytes) or
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes). `closed_over_total` counts the latter.
    pub closed_over_limit: u64,
    /// Counter: the sockets closed because no byte came within the [first byte
    /// timeout](crate::Limits::first_byte_timeout).
    pub timed_out_first_bytes: u64,
    /// Counter: the sockets that were closed at the [deadline](crate::Socket::set_deadline) of the program.
    pub timed_out_deadlines: u64,
    /// Counter: the sockets closed by the [write stall timeout](crate::Limits::write_stall_timeout).
    pub timed_out_writes: u64,
    /// Counter: the sockets closed because the peer sent more slowly than the [least
    /// rate](crate::Limits::min_receive_rate).
    pub slow_senders: u64,
    /// Counter: the sockets closed because the peer took queued bytes more slowly than the [least
    /// rate](crate::Limits::min_send_rate).
    pub slow_receivers: u64,
    /// Counter: the sockets closed because the peer did not end within the [close
    /// timeout](crate::Limits::close_timeout) or the [linger timeout](crate::Limits::linger_timeout).
    pub timed_out_closes: u64,
    /// Counter: the sockets closed by the [half-open timeout](crate::Limits::half_open_timeout).
    pub timed_out_half_open: u64,
    /// Counter: the connections whose filters were not ready within the [handshake
    /// timeout](crate::Limits::handshake_timeout).
    pub timed_out_handshakes: u64,
    /// Counter: the sockets closed because the queued bytes of all would have passed
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes).
    pub closed_over_total: u64,
    /// Counter: the times that the queued bytes of all sockets have reached nine tenths of
    /// [`max_total_queued_bytes`](crate::Limits::max_total_queued_bytes), each time after they were below eight tenths.
    /// Counts with or without a hook for [pressure](crate::EventLoop::on_pressure).
    pub pressures: u64,
    /// Counter: the lookups of names that were started. Sockets that ask the same at a time share one.
    pub lookups: u64,
    /// Counter: the sockets and servers refused because of [`max_waiting_lookups`](crate::Limits::max_waiting_lookups).
    pub lookups_refused: u64,
    /// Counter: the sockets that waited for a lookup until their timeout.
    pub lookups_timed_out: u64,
    /// Counter: the callbacks and turns that the hook for [stalls](crate::EventLoop::on_stall) was told of.
    pub stalls: u64,
    /// Counter: the panics that the loop has caught: with [`PanicPolicy::Close`](crate::PanicPolicy::Close) those of
    /// callbacks, and with each policy those of [filters](crate::Filter).
    pub panics: u64,
    /// Counter: the [spins](crate::StallKind::Spin) that the loop has ended, with or without a hook.
    pub spins: u64,
    /// Counter: the [standstills](crate::StallKind::Standstill) that the hook for stalls was told of.
    pub standstills: u64,
    /// Counter: the sum of the lags of all `timers`, each measured as for [`worst_timer_lag`](Self::worst_timer_lag).
    /// The deadline is rounded up to whole milliseconds, or to microseconds with the option `precise`.
    pub timer_lag: Duration,

    /// Time: the waits of the loop, also while they [poll busily](crate::EventLoopOptions::busy_poll). A poll that must
    /// not wait counts as `busy`.
    pub idle: Duration,
    /// Time: the turns, without `idle`. The time of a host between two turns is neither busy nor idle.
    pub busy: Duration,

    /// Peak: the longest time in which one turn worked, without its poll.
    pub longest_turn: Duration,
    /// Peak: the longest step of a turn or flush with a [budget](crate::Budget), by the clock of
    /// [`measure_steps`](crate::EventLoop::measure_steps). Zero if steps are not measured.
    pub longest_step: Duration,
    /// Peak: the loop lag. The lag is the longest time from the end of a poll to the next poll, without the time of a
    /// host between two turns. The loop notices no event in that time.
    pub worst_lag: Duration,
    /// Peak: the longest lag of a timer. The lag is the time from the deadline to the first call of a timer in the
    /// turn. With a hook for [stalls](crate::EventLoop::on_stall), it is the time to the call of the timer itself.
    pub worst_timer_lag: Duration,

    /// Present state: the sockets. A closed socket counts until its `on_close` has returned.
    pub sockets: usize,
    /// Present state: the servers. A closed server counts until its `on_close` has returned.
    pub servers: usize,
    /// Present state: the UDP sockets. A closed UDP socket counts until its `on_close` has returned.
    pub datagram_sockets: usize,
    /// Present state: the bytes that wait in the queues of all sockets, UDP sockets included.
    pub queued_bytes: usize,
}

impl Statistics {
    /// Returns the growth of the counters and times since `earlier`, with the peaks and the present state of `self`.
    /// Each reader can keep an `earlier` of its own; the peaks are common to all.
    ///
    /// ```
    /// use netloop::{Budget, EventLoop, Wait};
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// let before = event_loop.statistics();
    /// event_loop.defer(|_| {});
    /// event_loop.turn(&mut (), Wait::No, Budget::new())?;
    /// let growth = event_loop.statistics().since(&before);
    /// assert_eq!((growth.turns, growth.polls, growth.calls, growth.events), (1, 1, 1, 0));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let growth = |of: fn(&Self) -> u64| of(self).saturating_sub(of(earlier));
        Self {
            turns: growth(|it| it.turns),
            polls: growth(|it| it.polls),
            reports: growth(|it| it.reports),
            events: growth(|it| it.events),
            carried_over: growth(|it| it.carried_over),
            calls: growth(|it| it.calls),
            timers: growth(|it| it.timers),
            wakes: growth(|it| it.wakes),
            bytes_received: growth(|it| it.bytes_received),
            bytes_sent: growth(|it| it.bytes_sent),
            datagrams_received: growth(|it| it.datagrams_received),
            datagrams_sent: growth(|it| it.datagrams_sent),
            datagrams_dropped: growth(|it| it.datagrams_dropped),
            datagrams_blocked: growth(|it| it.datagrams_blocked),
            datagrams_truncated: growth(|it| it.datagrams_truncated),
            datagram_errors: growth(|it| it.datagram_errors),
            accepted: growth(|it| it.accepted),
            dropped_over_limit: growth(|it| it.dropped_over_limit),
            dropped_over_loop_limit: growth(|it| it.dropped_over_loop_limit),
            dropped_over_server_limit: growth(|it| it.dropped_over_server_limit),
            dropped_over_network_limit: growth(|it| it.dropped_over_network_limit),
            dropped_over_rate: growth(|it| it.dropped_over_rate),
            dropped_blocked: growth(|it| it.dropped_blocked),
            descriptor_shortages: growth(|it| it.descriptor_shortages),
            closed_over_limit: growth(|it| it.closed_over_limit),
            timed_out_first_bytes: growth(|it| it.timed_out_first_bytes),
            timed_out_deadlines: growth(|it| it.timed_out_deadlines),
            timed_out_writes: growth(|it| it.timed_out_writes),
            slow_senders: growth(|it| it.slow_senders),
            slow_receivers: growth(|it| it.slow_receivers),
            timed_out_closes: growth(|it| it.timed_out_closes),
            timed_out_half_open: growth(|it| it.timed_out_half_open),
            timed_out_handshakes: growth(|it| it.timed_out_handshakes),
            closed_over_total: growth(|it| it.closed_over_total),
            pressures: growth(|it| it.pressures),
            lookups: growth(|it| it.lookups),
            lookups_refused: growth(|it| it.lookups_refused),
            lookups_timed_out: growth(|it| it.lookups_timed_out),
            stalls: growth(|it| it.stalls),
            panics: growth(|it| it.panics),
            spins: growth(|it| it.spins),
            standstills: growth(|it| it.standstills),
            timer_lag: self.timer_lag.saturating_sub(earlier.timer_lag),
            idle: self.idle.saturating_sub(earlier.idle),
            busy: self.busy.saturating_sub(earlier.busy),
            ..*self
        }
    }

    /// Returns the share of the loop's time in which the loop was busy, from 0 to 1: Node's event loop utilization.
    /// 0 before the first turn.
    ///
    /// ```
    /// use std::time::Duration;
    /// use netloop::EventLoop;
    ///
    /// let mut event_loop: EventLoop = EventLoop::new()?;
    /// assert_eq!(event_loop.statistics().utilization(), 0.0);
    /// event_loop.after(Duration::from_millis(5), |_| {});
    /// event_loop.run(&mut ())?;
    /// assert!((0.0..=1.0).contains(&event_loop.statistics().utilization()));
    /// # Ok::<(), netloop::Error>(())
    /// ```
    #[doc(alias = "eventLoopUtilization")]
    pub fn utilization(&self) -> f64 {
        let busy = self.busy.as_secs_f64();
        let total = busy + self.idle.as_secs_f64();
        if total > 0.0 { busy / total } else { 0.0 }
    }
}
