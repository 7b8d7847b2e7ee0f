//! Batches: one system call sends or receives several datagrams.

use std::io;
use std::net::SocketAddr;

use crate::net::error::{Error, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Interest, Registration};
use crate::system::{PacketInfo, Udp};

use super::DatagramFlow;
use super::queue::Run;
use super::sending::{Sent, past_error};
use super::{Datagrams, Message, Stage};

/// The number of queued bytes that are sent without waiting for the flush; half of `max_queued_bytes` if that is less.
const MOST_GATHERED: usize = 60 << 10;

/// The limit on the bytes of a run of several datagrams: the payload of the longest IPv4 datagram.
const LONGEST_RUN: usize = 65_507;

/// The limit on the runs, each of one system call, that one call of `send_batch` sends.
const RUNS_A_SERVICE: u32 = 16;

impl Datagrams {
    pub(super) fn sends_in_batches(&self) -> bool {
        matches!(&self.stage, Stage::Open(socket) if socket.batched().is_some())
    }

    pub(super) fn receive_batch(
        &mut self,
        registration: &mut Registration<'_>,
        buffer: &mut [u8],
        outbox: &mut Outbox,
    ) -> Option<Event> {
        let mut received = std::mem::take(&mut self.batch);
        let socket = self.socket().and_then(Udp::batched)?;
        let result = socket.receive(buffer, |offset, length, from, info, is_truncated| {
            let message = Message {
                from,
                offset,
                length,
                is_truncated,
            };
            received.push_back((message, info));
        });
        if let Err(error) = result {
            self.batch = received;
            return self.on_unreceived(error, registration, outbox);
        }
        self.failures = 0;
        for _ in 0..received.len() {
            if let Some((message, info)) = received.pop_front() {
                let admitted = self.admit(message, outbox);
                received.extend(admitted.map(|message| (message, info)));
            }
        }
        self.batch = received;
        // An event without news if the block list has discarded all datagrams: the burst goes on.
        Some(Event::Datagram)
    }

    /// Counts a datagram, and cuts it to the length that the handler may get. `None` if the block list discards it.
    fn admit(&mut self, mut message: Message, outbox: &mut Outbox) -> Option<Message> {
        if self.blocks(message.from) {
            outbox.count_received_datagram(message.length);
            return None;
        }
        message.is_truncated |= message.length > self.max_datagram_bytes;
        message.length = message.length.min(self.max_datagram_bytes);
        self.count_received(message.length, message.is_truncated, outbox);
        Some(message)
    }

    /// Sends a datagram with `info`, whose mark a socket without batches leaves out.
    pub(crate) fn send_with(
        &mut self,
        bytes: &[u8],
        to: SocketAddr,
        info: PacketInfo,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        if self.sends_in_batches() {
            return self.gather(bytes, Some(to), info, registration, outbox);
        }
        // Without batches, the source address cannot be chosen: the peer would drop an answer from another address.
        if info.local_address.is_some() && !self.is_closed() {
            let error = io::Error::from(io::ErrorKind::Unsupported);
            let error = self.send_error(error, Some(to));
            return self.refuse(error, registration);
        }
        self.send(bytes, Some(to), registration, outbox)
    }

    /// Queues a datagram for the flush. Sends the queue at once if it is long and the socket is writable.
    pub(super) fn gather(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        info: PacketInfo,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        if self.closes_soon {
            return DatagramFlow::Closed;
        }
        if let Some(refusal) = self.refusal(to) {
            return self.refuse(refusal, registration);
        }
        let is_blocked = !registration.readiness().serves(Interest::WRITABLE);
        let flow = self.enqueue(bytes, to, info, registration, outbox);
        if !is_blocked {
            // The flush phase sends the queue; the socket need not wait to be writable.
            registration.unwant(Interest::WRITABLE);
            registration.flush_soon();
            if self.queue.bytes() >= MOST_GATHERED.min(self.max_queued_bytes / 2) {
                self.send_batch(registration, outbox);
                if self.queue.is_empty() {
                    return DatagramFlow::Open;
                }
            }
        }
        flow
    }

    /// Sends the queue before a close, until the kernel has no space.
    pub(crate) fn send_all(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        let mut queued = usize::MAX;
        while self.queued_datagrams() < queued
            && registration.readiness().serves(Interest::WRITABLE)
        {
            queued = self.queued_datagrams();
            self.send_batch(registration, outbox);
        }
    }

    pub(crate) fn send_batch(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        for _ in 0..RUNS_A_SERVICE {
            let Stage::Open(socket) = &self.stage else {
                return;
            };
            let Some(batched) = socket.batched() else {
                return;
            };
            // `send_run` names a destination, which only some systems accept on a connected socket.
            let can_run = self.peer.is_none() || cfg!(target_os = "linux");
            let most = if can_run { batched.most_segments() } else { 1 };
            let peer = self.peer;
            let sent = self.queue.with_oldest_run(most, LONGEST_RUN, |run| {
                let Run {
                    bytes,
                    segment,
                    count,
                    to,
                    info,
                } = run;
                let is_plain = count == 1 && info == PacketInfo::default();
                let send = || match to.or(peer) {
                    Some(there) if !is_plain => batched
                        .send_run(bytes, segment, there, info)
                        .map(|()| bytes.len()),
                    _ => socket.send(bytes, to),
                };
                (past_error(send), count, to, info)
            });
            let Some((Sent { earlier, result }, count, to, info)) = sent else {
                break;
            };
            if let Some(earlier) = earlier {
                let error = self.at_peer(Error::new(Syscall::Send, earlier));
                self.note_error(error, registration);
            }
            match result {
                Ok(length) => {
                    self.counts.sent += count as u64;
                    outbox.count_datagram(length);
                }
                Err(error) if self.blocks_sending(&error, registration) => {
                    return registration.want(Interest::WRITABLE);
                }
                // `send_run` has found that the network card cannot cut a run: from now on each datagram is sent alone.
                Err(_) if count > 1 && self.has_lost_runs() => continue,
                Err(error) => {
                    // A run that fails with EINVAL takes the arm above. So this is one datagram, whose source address
                    // alone can be invalid. The crate quinn-udp takes the error for a limit of the system, and
                    // `renew_batches` makes it forget that limit.
                    if error.kind() == io::ErrorKind::InvalidInput && info.local_address.is_some() {
                        self.renew_batches();
                    }
                    self.note_lost_run(error, count, to, registration);
                }
            }
            for _ in 0..count {
                if let Some(length) = self.queue.pop() {
                    outbox.forget_datagrams(length);
                }
            }
        }
        match self.queue.is_empty() {
            true => self.on_empty_queue(registration, outbox),
            false => registration.want(Interest::WRITABLE),
        }
    }

    fn renew_batches(&mut self) {
        if let Some(batched) = self.socket_mut().and_then(Udp::batched_mut) {
            batched.renew();
        }
    }

    fn has_lost_runs(&self) -> bool {
        let batched = self.socket().and_then(Udp::batched);
        batched.is_some_and(|batched| batched.most_segments() == 1)
    }

    fn note_lost_run(
        &mut self,
        error: io::Error,
        count: usize,
        to: Option<SocketAddr>,
        registration: &mut Registration<'_>,
    ) {
        let error = self.send_error(error, to);
        self.refuse(error, registration);
        self.counts.dropped += count as u64 - 1;
    }
}
