//! The timers of sockets and of the program's sources, each under a token that the handler chooses. Few sockets have a
//! timer, so a connection has no field for it. The close phase and a change of handler cancel the timers of a socket,
//! so that none wakes the loop in vain.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::net::values::{DatagramId, SocketId, SourceId};
use crate::reactor::{Key, TimerHandle};
use crate::slots::Slots;

use super::source::Source;
use super::{Due, Net};

/// The timers that are armed, or that have fired and of which the handler was not told yet.
#[derive(Debug, Default)]
pub(super) struct SocketTimers {
    /// The key of an entry is the name under which the wheel knows the timer.
    armed: Slots<SocketTimer>,
    /// The name of each timer in `armed`, by owner and token. Sorted, so that one owner's timers are neighbours. A
    /// search through all would be too slow, because a socket may have one for each request under way. Invariant: one
    /// entry for each timer.
    names: BTreeMap<(Key, u64), Key>,
}

#[derive(Debug)]
struct SocketTimer {
    owner: Key,
    token: u64,
    handle: TimerHandle,
}

impl SocketTimers {
    pub(super) fn shrink(&mut self) {
        self.armed.shrink();
    }
}

impl Net {
    /// Arms or moves the timer of `id` with `token`. Does nothing for a closed socket.
    pub(crate) fn arm_socket_timer(&mut self, id: SocketId, after: Duration, token: u64) {
        self.arm_timer_of(id.0, after, token);
    }

    pub(crate) fn arm_source_timer(&mut self, id: SourceId, after: Duration, token: u64) {
        self.arm_timer_of(id.0, after, token);
    }

    pub(crate) fn arm_datagram_timer(&mut self, id: DatagramId, after: Duration, token: u64) {
        self.arm_timer_of(id.0, after, token);
    }

    fn arm_timer_of(&mut self, owner: Key, after: Duration, token: u64) {
        if self.is_closed(owner) {
            return;
        }
        // The turn's reading may be old, and a timer must not fire early.
        let deadline = self.reactor.read_clock().checked_add(after);
        let reactor = &mut self.reactor;
        if let Some(&name) = self.socket_timers.names.get(&(owner, token)) {
            // Both entries are kept: a timer that every message arms anew must not allocate.
            if let Some(timer) = self.socket_timers.armed.get_mut(name) {
                reactor.disarm(timer.handle);
                timer.handle = reactor.arm_source_timer(deadline, name);
            }
            return;
        }
        if !self.reserve_timer_of(owner) {
            return;
        }
        let reactor = &mut self.reactor;
        let name = self.socket_timers.armed.insert_with(|name| SocketTimer {
            owner,
            token,
            handle: reactor.arm_source_timer(deadline, name),
        });
        self.socket_timers.names.insert((owner, token), name);
    }

    /// Reserves memory for a connection's timer, because peers decide how many connections have timers. Without memory,
    /// closes the connection, and returns `false`.
    fn reserve_timer_of(&mut self, owner: Key) -> bool {
        if self.connection(SocketId(owner)).is_none() {
            return true;
        }
        let has_memory =
            self.reactor.reserve_timer().is_ok() && self.socket_timers.armed.reserve().is_ok();
        if !has_memory {
            self.reactor
                .visit(owner, |_, registration| registration.close());
        }
        has_memory
    }

    /// Cancels the timer of `id` with `token`. Returns whether the handler was still to be told of it; `false` for a
    /// closed socket.
    pub(crate) fn cancel_socket_timer(&mut self, id: SocketId, token: u64) -> bool {
        self.cancel_timer_of(id.0, token)
    }

    pub(crate) fn cancel_source_timer(&mut self, id: SourceId, token: u64) -> bool {
        self.cancel_timer_of(id.0, token)
    }

    pub(crate) fn cancel_datagram_timer(&mut self, id: DatagramId, token: u64) -> bool {
        self.cancel_timer_of(id.0, token)
    }

    fn cancel_timer_of(&mut self, owner: Key, token: u64) -> bool {
        let Some(name) = self.socket_timers.names.remove(&(owner, token)) else {
            return false;
        };
        self.disarm_socket_timer(name);
        !self.is_closed(owner)
    }

    pub(crate) fn cancel_socket_timers(&mut self, id: SocketId) {
        self.cancel_timers_of(id.0);
    }

    #[inline]
    pub(super) fn cancel_timers_of(&mut self, owner: Key) {
        // Fast path: every close calls this function, and few sockets have timers.
        if !self.socket_timers.names.is_empty() {
            self.cancel_each_timer_of(owner);
        }
    }

    #[inline(never)]
    fn cancel_each_timer_of(&mut self, owner: Key) {
        let of_owner = (owner, 0)..=(owner, u64::MAX);
        while let Some((&entry, &name)) = self.socket_timers.names.range(of_owner.clone()).next() {
            self.socket_timers.names.remove(&entry);
            self.disarm_socket_timer(name);
        }
    }

    fn disarm_socket_timer(&mut self, name: Key) {
        if let Some(timer) = self.socket_timers.armed.remove(name) {
            self.put_off.retain(|put_off| put_off.name != name);
            self.reactor.disarm(timer.handle);
        }
    }

    /// Returns the owner of the fired timer `name`. `None` if the timer was cancelled, or armed anew.
    pub(super) fn owner_of_timer(&self, name: Key) -> Option<Key> {
        let timer = self.socket_timers.armed.get(name)?;
        (!self.reactor.is_armed(timer.handle)).then_some(timer.owner)
    }

    /// Takes out the fired timer `name`. `None` if it was cancelled or armed anew, or its owner was closed.
    pub(super) fn take_socket_timer(&mut self, name: Key) -> Option<Due> {
        self.owner_of_timer(name)?;
        let timer = self.socket_timers.armed.remove(name)?;
        self.socket_timers.names.remove(&(timer.owner, timer.token));
        if self.is_closed(timer.owner) {
            return None;
        }
        let (owner, token) = (timer.owner, timer.token);
        Some(match self.reactor.get(owner) {
            Some(Source::Custom(_)) => Due::SourceTimer(SourceId(owner), token),
            Some(Source::Datagrams(_)) => Due::DatagramTimer(DatagramId(owner), token),
            _ => Due::SocketTimer(SocketId(owner), token),
        })
    }

    fn is_closed(&self, owner: Key) -> bool {
        match self.reactor.get(owner) {
            Some(Source::Custom(source)) => source.is_closing(),
            Some(Source::Datagrams(datagrams)) => datagrams.is_closed(),
            _ => self.socket_is_closed(SocketId(owner)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::connect::ConnectOptions;
    use crate::net::core::Capacities;
    use crate::net::values::Limits;
    use crate::system::System;

    fn net() -> Net {
        Net::new(
            System::Kernel,
            &Capacities {
                events_per_poll: 16,
                pooled_bytes: 0,
            },
            Limits::new(),
        )
        .unwrap()
    }

    fn socket(net: &mut Net) -> SocketId {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let options = ConnectOptions::new();
        net.connect(listener.local_addr().unwrap().into(), &options)
            .unwrap()
    }

    #[test]
    fn timers_of_one_socket_leave_those_of_another_alone() {
        let mut net = net();
        let (one, other) = (socket(&mut net), socket(&mut net));
        for token in [0, 7, u64::MAX] {
            net.arm_socket_timer(one, Duration::from_secs(60), token);
            net.arm_socket_timer(other, Duration::from_secs(60), token);
        }
        net.cancel_socket_timers(one);
        assert!(!net.cancel_socket_timer(one, 7));
        assert_eq!(net.socket_timers.armed.len(), 3);
        for token in [0, 7, u64::MAX] {
            assert!(net.cancel_socket_timer(other, token));
        }
        assert!(net.socket_timers.armed.is_empty() && net.socket_timers.names.is_empty());
    }

    #[test]
    fn a_timer_that_is_armed_again_is_one_entry() {
        let mut net = net();
        let id = socket(&mut net);
        for _ in 0..100 {
            net.arm_socket_timer(id, Duration::from_secs(60), 1);
        }
        assert_eq!(net.socket_timers.armed.len(), 1);
        assert_eq!(net.socket_timers.names.len(), 1);
    }
}
