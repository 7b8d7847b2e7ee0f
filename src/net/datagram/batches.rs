//! Batches: one system call sends or receives several datagrams.

use std::io;
use std::mem;
use std::net::SocketAddr;

use crate::net::outbox::Outbox;
use crate::net::values::Event;
use crate::reactor::{Interest, Registration};
use crate::system::{PacketInfo, Udp};

use super::DatagramFlow;
use super::queue::Run;
use super::sending::{Sent, past_error};
use super::{Datagrams, Message, Stage};

/// The limit on the queued bytes that wait for the flush, entries included, or the least of `max_queued_bytes` and
/// `high_water_mark` if that is less.
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
        let mut received = mem::take(&mut self.batch);
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
        // Without an event, the burst would end. This event has no news if the block list has discarded all datagrams.
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

    /// Sends a datagram with `info`. A socket without batches leaves out the mark (ECN).
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
        // Without batches, the source address cannot be chosen. The datagram is refused, because the peer would drop an
        // answer from another address.
        if info.local_address.is_some() && !self.is_closed() {
            let error = io::Error::from(io::ErrorKind::Unsupported);
            let error = self.send_error(error, Some(to));
            return self.refuse(error, registration);
        }
        self.send(bytes, Some(to), registration, outbox)
    }

    /// Queues a datagram for the flush. If the queue would get long while the socket is writable, first sends from the
    /// queue. So the queue drops datagrams only while the kernel takes none. It is full only then too, or with one
    /// datagram as long as the high watermark.
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
        // Only the flush tells the drain: one told here would call an `on_drain` that sends on endlessly in one turn.
        let owes_drain = mem::take(&mut self.owes_drain);
        self.send_until(registration, outbox, |it, outbox| {
            let most = MOST_GATHERED
                .min(it.max_queued_bytes)
                .min(it.high_water_mark);
            it.queue.weight_with(bytes.len()) <= most && bytes.len() <= outbox.free_capacity()
        });
        self.owes_drain = owes_drain;
        let is_writable = registration.readiness().serves(Interest::WRITABLE);
        if is_writable && self.queue.is_empty() && bytes.len() > outbox.free_capacity() {
            if owes_drain {
                // The queue may be empty, and the drain is told all the same.
                registration.flush_soon();
            }
            return self.send_alone(bytes, to, info, registration, outbox);
        }
        let flow = self.enqueue(bytes, to, info, registration, outbox);
        if is_writable {
            // The flush phase sends the queue; the socket need not wait to be writable.
            registration.unwant(Interest::WRITABLE);
            registration.flush_soon();
        }
        flow
    }

    /// Sends the queue before a close, until the kernel has no space.
    pub(crate) fn send_all(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.send_until(registration, outbox, |_, _| false);
    }

    /// Sends the queue until `is_enough` returns `true`, the kernel has no space, or nothing is left.
    fn send_until(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
        is_enough: impl Fn(&Self, &Outbox) -> bool,
    ) {
        let mut queued = usize::MAX;
        while (1..queued).contains(&self.queued_datagrams())
            && !is_enough(self, outbox)
            && registration.readiness().serves(Interest::WRITABLE)
        {
            queued = self.queued_datagrams();
            self.send_batch(registration, outbox);
        }
    }

    /// Sends a datagram past the empty queue, because the limit of the loop has no space for it.
    #[cold]
    fn send_alone(
        &mut self,
        bytes: &[u8],
        to: Option<SocketAddr>,
        info: PacketInfo,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> DatagramFlow {
        let run = Run {
            bytes,
            segment: bytes.len(),
            count: 1,
            to,
            info,
        };
        let (Stage::Open(socket), peer) = (&self.stage, self.peer) else {
            return DatagramFlow::Closed;
        };
        let Sent { earlier, result } = send_run(socket, peer, run);
        self.note_earlier(earlier, registration);
        match result {
            Ok(length) => {
                self.counts.sent += 1;
                outbox.count_datagram(length);
                DatagramFlow::Open
            }
            Err(error) if self.blocks_sending(&error, registration) => {
                self.enqueue(bytes, to, info, registration, outbox)
            }
            Err(error) => {
                self.note_lost_run(error, 1, to, info, registration);
                DatagramFlow::Dropped
            }
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
                (send_run(socket, peer, run), run.count, run.to, run.info)
            });
            let Some((Sent { earlier, result }, count, to, info)) = sent else {
                break;
            };
            self.note_earlier(earlier, registration);
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
                Err(error) => self.note_lost_run(error, count, to, info, registration),
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
        info: PacketInfo,
        registration: &mut Registration<'_>,
    ) {
        // A run that fails with EINVAL is sent again, each datagram alone. So this is one datagram, and only its
        // source address can be invalid. quinn-udp takes the error for a limit of the system, which `renew_batches` makes it
        // forget.
        if error.kind() == io::ErrorKind::InvalidInput && info.local_address.is_some() {
            self.renew_batches();
        }
        let error = self.send_error(error, to);
        self.refuse(error, registration);
        self.counts.dropped += count as u64 - 1;
    }
}

fn send_run(socket: &Udp, peer: Option<SocketAddr>, run: Run<'_>) -> Sent {
    let Run {
        bytes,
        segment,
        count,
        to,
        info,
    } = run;
    let is_plain = count == 1 && info == PacketInfo::default();
    past_error(|| match (to.or(peer), socket.batched()) {
        (Some(there), Some(batched)) if !is_plain => batched
            .send_run(bytes, segment, there, info)
            .map(|()| bytes.len()),
        _ => socket.send(bytes, to),
    })
}
