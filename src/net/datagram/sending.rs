//! Sending: at once while the kernel has space, else through the queue.

use std::io;
use std::net::SocketAddr;

use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Interest, Registration};
use crate::system::errno::is_out_of_buffers;
use crate::system::{PacketInfo, Udp};

use super::DatagramFlow;
use super::{
    DatagramEvent, Datagrams, DropPolicy, Purpose, Stage, check_sendable, is_connected,
    is_not_connected,
};

/// The limit on the datagrams that one call of `on_writable` sends.
const SENDS_A_SERVICE: u32 = 64;

pub(super) struct Sent {
    /// The error of an earlier datagram, which the kernel has kept for the next call on a connected socket.
    pub(super) earlier: Option<io::Error>,
    pub(super) result: io::Result<usize>,
}

impl Datagrams {
    /// Fast path of [`send`](Self::send), without a registration. Answers `None`, without a system call, if the socket
    /// is not open or `to` is `None`. The same if the socket has a peer, a send block list or queued datagrams, sends
    /// in batches, or rests.
    #[inline]
    pub(crate) fn send_at_once(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        outbox: &mut Outbox,
    ) -> Option<io::Result<()>> {
        #[cfg(feature = "udp-batch")]
        if self.sends_in_batches() {
            return None;
        }
        let (Stage::Open(socket), true, Some(to), None) =
            (&self.stage, self.queue.is_empty(), to, self.peer)
        else {
            return None;
        };
        if self.send_block_list.is_some() || self.rests {
            return None;
        }
        let result = socket.send_to(bytes, to);
        if result.is_ok() {
            self.counts.sent += 1;
            outbox.count_datagram(bytes.len());
        }
        Some(result.map(drop))
    }

    pub(crate) fn send(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        #[cfg(feature = "udp-batch")]
        if self.sends_in_batches() {
            return self.gather(bytes, to, PacketInfo::default(), registration, outbox);
        }
        if self.is_closed() || self.closes_soon {
            return DatagramFlow::Closed;
        }
        if let Some(refusal) = self.refusal(to) {
            return self.refuse(refusal, registration);
        }
        let socket = match &self.stage {
            Stage::Open(socket) if self.queue.is_empty() && !self.rests => socket,
            _ => return self.enqueue(bytes, to, PacketInfo::default(), registration, outbox),
        };
        let Sent { earlier, result } = send_past_error(socket, bytes, to);
        self.note_earlier(earlier, registration);
        match result {
            Ok(_) => {
                self.counts.sent += 1;
                outbox.count_datagram(bytes.len());
                DatagramFlow::Open
            }
            Err(error) => self.on_unsent(error, bytes, to, registration, outbox),
        }
    }

    /// Notes the failure of an earlier datagram, which the kernel has returned to this send.
    pub(super) fn note_earlier(
        &mut self,
        earlier: Option<io::Error>,
        registration: &mut Registration<'_>,
    ) {
        if let Some(earlier) = earlier {
            let error = self.at_peer(Error::new(Syscall::Send, earlier));
            self.note_error(error, registration);
        }
    }

    pub(super) fn refusal(&self, to: Option<SocketAddr>) -> Option<Error> {
        // A socket that will be connected has no peer until the lookup is answered.
        let has_peer = match self.pending() {
            Some((_, purpose)) => purpose == Purpose::Connect,
            None => self.peer.is_some(),
        };
        match (to, has_peer) {
            (Some(to), false) => check_sendable(self.send_block_list.as_deref(), to).err(),
            (Some(to), true) => Some(is_connected().at(to.into())),
            (None, false) => Some(is_not_connected()),
            (None, true) => None,
        }
    }

    pub(super) fn refuse(
        &mut self,
        error: Error,
        registration: &mut Registration<'_>,
    ) -> DatagramFlow {
        self.counts.dropped += 1;
        self.note_error(error, registration);
        DatagramFlow::Dropped
    }

    /// Queues the datagram if the kernel may take it later, and else refuses it.
    #[cold]
    pub(crate) fn on_unsent(
        &mut self,
        error: io::Error,
        bytes: &[u8],
        to: Option<SocketAddr>,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        match self.blocks_sending(&error, registration) {
            true => self.enqueue(bytes, to, PacketInfo::default(), registration, outbox),
            false => {
                let error = self.send_error(error, to);
                self.refuse(error, registration)
            }
        }
    }

    /// Whether the kernel may take the datagram later, in spite of `error`. If so, notes when to try again.
    pub(super) fn blocks_sending(
        &mut self,
        error: &io::Error,
        registration: &mut Registration<'_>,
    ) -> bool {
        match error.kind() {
            io::ErrorKind::WouldBlock => registration.would_block(Interest::WRITABLE),
            // The readiness stays, so the reactor calls `on_writable` again.
            io::ErrorKind::Interrupted => {}
            _ if is_out_of_buffers(error) => self.rest(Interest::WRITABLE, registration),
            _ => return false,
        }
        true
    }

    pub(super) fn send_error(&self, error: io::Error, to: Option<SocketAddr>) -> Error {
        let error = Error::new(Syscall::Send, error);
        match to {
            Some(to) => error.at(to.into()),
            None => self.at_peer(error),
        }
    }

    /// Queues a datagram. Without space, drops older datagrams or this one, by the policy.
    pub(super) fn enqueue(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        info: PacketInfo,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        loop {
            let is_over = !self.queue.is_empty()
                && self.queue.weight_with(bytes.len()) > self.max_queued_bytes;
            if !is_over && bytes.len() <= outbox.free_capacity() {
                break;
            }
            self.owes_drain = true;
            let drops_newest = self.drop_policy == DropPolicy::Newest || self.queue.is_empty();
            self.counts.dropped += 1;
            if drops_newest {
                // The limit of all queues may drop a datagram although this queue is empty. The drain is then reported
                // once the socket is writable.
                registration.want(Interest::WRITABLE);
                return DatagramFlow::Dropped;
            }
            if let Some(length) = self.queue.pop() {
                outbox.forget_datagrams(length);
            }
        }
        if self.queue.reserve(bytes.len()).is_err() {
            self.owes_drain = true;
            self.counts.dropped += 1;
            registration.want(Interest::WRITABLE);
            return DatagramFlow::Dropped;
        }
        self.queue.push(to, info, bytes);
        outbox.keep_datagram(bytes.len());
        registration.want(Interest::WRITABLE);
        match self.queue.bytes() >= self.high_water_mark {
            true => {
                self.owes_drain = true;
                DatagramFlow::Full
            }
            false => DatagramFlow::Open,
        }
    }

    pub(crate) fn on_writable(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<Event> {
        #[cfg(feature = "udp-batch")]
        if self.sends_in_batches() {
            self.send_batch(registration, outbox);
            return self.on_activated();
        }
        for _ in 0..SENDS_A_SERVICE {
            let Stage::Open(socket) = &self.stage else {
                break;
            };
            let sent = self
                .queue
                .with_oldest(|bytes, to| (send_past_error(socket, bytes, to), to));
            let Some((Sent { earlier, result }, to)) = sent else {
                break;
            };
            self.note_earlier(earlier, registration);
            match result {
                Ok(length) => {
                    self.counts.sent += 1;
                    outbox.count_datagram(length);
                }
                Err(error) if self.blocks_sending(&error, registration) => {
                    return self.on_activated();
                }
                Err(error) => {
                    let error = self.send_error(error, to);
                    self.refuse(error, registration);
                }
            }
            if let Some(length) = self.queue.pop() {
                outbox.forget_datagrams(length);
            }
        }
        if self.queue.is_empty() {
            self.on_empty_queue(registration, outbox);
        }
        self.on_activated()
    }

    pub(super) fn on_empty_queue(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        registration.unwant(Interest::WRITABLE);
        if self.closes_soon {
            return self.end(registration, outbox);
        }
        if std::mem::take(&mut self.owes_drain) {
            self.notices.push_back(DatagramEvent::Drained);
            registration.activate();
        }
    }
}

fn send_past_error(socket: &Udp, bytes: &[u8], to: Option<SocketAddr>) -> Sent {
    past_error(|| socket.send(bytes, to))
}

/// Calls `send`, and once more if the error may be the refusal of an earlier datagram. If it is, the first call has
/// taken the error out of the kernel without sending this datagram. The same error once more is this datagram's own.
pub(super) fn past_error(send: impl Fn() -> io::Result<usize>) -> Sent {
    let alone = |result| Sent {
        earlier: None,
        result,
    };
    let error = match send() {
        Err(error) if may_be_earlier(&error) => error,
        result => return alone(result),
    };
    match send() {
        Err(again) if again.raw_os_error() == error.raw_os_error() => alone(Err(again)),
        result => Sent {
            earlier: Some(error),
            result,
        },
    }
}

fn may_be_earlier(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::PermissionDenied
    )
}
