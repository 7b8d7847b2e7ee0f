//! The state machine of one UDP socket. A failed send or receive is an event, and does not close the socket: a datagram
//! that is lost says nothing about the next one. Only many failed receives in a row close it.

#[cfg(feature = "udp-batch")]
mod batches;
mod event;
mod flow;
mod options;
mod queue;
mod receiving;
mod sending;
mod status;

use std::collections::VecDeque;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;

use crate::net::address::BlockList;
use crate::net::error::{Error, Result, Syscall};
use crate::net::outbox::Outbox;
use crate::net::values::{Endpoint, Event};
use crate::reactor::{Interest, Registration};
#[cfg(feature = "udp-batch")]
use crate::system::PacketInfo;
use crate::system::{Udp, UdpOption};

use queue::SendQueue;

pub use flow::DatagramFlow;
pub use options::{DatagramOptions, DropPolicy};

pub(crate) use event::{DatagramEvent, Message};
pub(crate) use status::DatagramCounts;

/// The number of waiting notices at which errors are only counted, so that no peer can fill the memory with refusals.
const MOST_ERRORS: usize = 32;

#[derive(Debug)]
pub(crate) struct Datagrams {
    stage: Stage,
    /// The address or name that the user asked for, which errors show; for an adopted socket, its own address.
    asked: Endpoint,
    /// The address of the socket once it is bound, also after the close.
    local: Option<SocketAddr>,
    /// The address that the socket is connected to, also after the close.
    peer: Option<SocketAddr>,
    queue: SendQueue,
    /// Whether, since the last drain, a send was answered `Full`, or a limit on queued bytes dropped a datagram.
    owes_drain: bool,
    /// The datagram in the read buffer. Invariant: `None` while the reactor serves another source.
    message: Option<Message>,
    /// The datagrams of a batch, in the read buffer too. Invariant: empty while the reactor serves another source.
    #[cfg(feature = "udp-batch")]
    batch: VecDeque<(Message, PacketInfo)>,
    /// The info of the datagram that the handler has got last, if it came in a batch.
    #[cfg(feature = "udp-batch")]
    last_info: PacketInfo,
    /// The events that the handler gets before the received datagrams.
    notices: VecDeque<DatagramEvent>,
    is_paused: bool,
    /// Whether the socket refuses further datagrams, and closes once its queue is sent.
    closes_soon: bool,
    /// Whether a call has failed for lack of memory. It is tried again when the entry on the wheel falls due.
    rests: bool,
    /// The failed receives in a row, without a send in between. A signal or a lack of memory does not count.
    failures: u32,
    /// The number of sent datagrams at the last failed receive.
    sent_at_failure: u64,
    max_datagram_bytes: usize,
    receives_per_turn: u32,
    high_water_mark: usize,
    max_queued_bytes: usize,
    drop_policy: DropPolicy,
    receive_block_list: Option<Rc<BlockList>>,
    send_block_list: Option<Rc<BlockList>>,
    counts: DatagramCounts,
}

#[derive(Debug)]
enum Stage {
    /// The name is being looked up. The options are kept for the bind.
    LookingUp(Box<DatagramOptions>, Purpose),
    Open(Udp),
    /// The descriptor stays open until the reactor has deregistered it.
    Closing(Udp),
    Closed,
}

/// The use of the address that a name lookup finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Bind,
    Connect,
}

impl Datagrams {
    pub(crate) fn looking_up(asked: Endpoint, purpose: Purpose, options: &DatagramOptions) -> Self {
        let stage = Stage::LookingUp(Box::new(options.clone()), purpose);
        Self::new(stage, asked, options)
    }

    pub(crate) fn open(
        socket: Udp,
        asked: Endpoint,
        peer: Option<SocketAddr>,
        options: &DatagramOptions,
    ) -> Self {
        let mut datagrams = Self::new(Stage::Closed, asked, options);
        datagrams.begin(socket, peer);
        datagrams
    }

    fn new(stage: Stage, asked: Endpoint, options: &DatagramOptions) -> Self {
        Self {
            stage,
            asked,
            local: None,
            peer: None,
            queue: SendQueue::default(),
            owes_drain: false,
            message: None,
            #[cfg(feature = "udp-batch")]
            batch: VecDeque::new(),
            #[cfg(feature = "udp-batch")]
            last_info: PacketInfo::default(),
            notices: VecDeque::new(),
            is_paused: false,
            closes_soon: false,
            rests: false,
            failures: 0,
            sent_at_failure: 0,
            max_datagram_bytes: options.max_datagram_bytes,
            receives_per_turn: options.receives_per_turn,
            high_water_mark: options.high_water_mark,
            max_queued_bytes: options.max_queued_bytes,
            drop_policy: options.drop_policy,
            receive_block_list: options.receive_block_list.clone(),
            send_block_list: options.send_block_list.clone(),
            counts: DatagramCounts::default(),
        }
    }

    /// Takes over `socket`, which is bound, and connected if there is a `peer`. The caller activates the source.
    pub(crate) fn begin(&mut self, socket: Udp, peer: Option<SocketAddr>) {
        self.local = socket.local_address().ok();
        self.peer = peer;
        self.stage = Stage::Open(socket);
        self.notices.push_back(DatagramEvent::Listening);
        if peer.is_some() {
            self.notices.push_back(DatagramEvent::Connected);
        }
    }

    pub(crate) fn pending(&self) -> Option<(&DatagramOptions, Purpose)> {
        match &self.stage {
            Stage::LookingUp(options, purpose) => Some((options, *purpose)),
            Stage::Open(_) | Stage::Closing(_) | Stage::Closed => None,
        }
    }

    pub(crate) fn socket_mut(&mut self) -> Option<&mut Udp> {
        match &mut self.stage {
            Stage::Open(socket) | Stage::Closing(socket) => Some(socket),
            Stage::LookingUp(..) | Stage::Closed => None,
        }
    }

    fn socket(&self) -> Option<&Udp> {
        match &self.stage {
            Stage::Open(socket) => Some(socket),
            Stage::LookingUp(..) | Stage::Closing(_) | Stage::Closed => None,
        }
    }

    pub(crate) fn on_activated(&self) -> Option<Event> {
        self.has_news().then_some(Event::Datagram)
    }

    fn has_news(&self) -> bool {
        #[cfg(feature = "udp-batch")]
        if !self.batch.is_empty() {
            return true;
        }
        !self.notices.is_empty() || self.message.is_some()
    }

    /// Takes the message if no notice waits before it, and the socket receives no batches. In the other cases,
    /// [`take_event`](Self::take_event) returns the next event.
    #[inline]
    pub(crate) fn take_only_message(&mut self) -> Option<Message> {
        match self.notices.is_empty() {
            true => self.message.take(),
            false => None,
        }
    }

    pub(crate) fn take_event(&mut self) -> Option<DatagramEvent> {
        if let Some(notice) = self.notices.pop_front() {
            return Some(notice);
        }
        #[cfg(feature = "udp-batch")]
        if let Some((message, info)) = self.batch.pop_front() {
            self.last_info = info;
            return Some(DatagramEvent::Message(message));
        }
        self.message.take().map(DatagramEvent::Message)
    }

    pub(crate) fn forget_messages(&mut self, registration: &mut Registration<'_>) {
        self.message = None;
        #[cfg(feature = "udp-batch")]
        self.batch.clear();
        if !self.notices.is_empty() {
            registration.activate();
        }
    }

    /// Takes the next error for the handler of a socket that closes, and drops the other events before it.
    pub(crate) fn take_last_error(&mut self) -> Option<Error> {
        while let Some(notice) = self.notices.pop_front() {
            if let DatagramEvent::Error(error) = notice {
                return Some(error);
            }
        }
        None
    }

    /// Counts an error, and notes it for the handler unless [`MOST_ERRORS`] notices wait.
    fn note_error(&mut self, error: Error, registration: &mut Registration<'_>) {
        self.counts.errors += 1;
        if self.notices.len() < MOST_ERRORS {
            self.notices.push_back(DatagramEvent::Error(error));
            registration.activate();
        }
    }

    pub(crate) fn connect(
        &mut self,
        peer: SocketAddr,
        registration: &mut Registration<'_>,
    ) -> Result<()> {
        let Some(socket) = self.socket() else {
            return Err(not_running());
        };
        if self.peer.is_some() {
            return Err(is_connected());
        }
        check_sendable(self.send_block_list.as_deref(), peer)?;
        let failed = |error| Error::new(Syscall::Connect, error).at(peer.into());
        socket.connect(peer).map_err(failed)?;
        // The kernel has chosen the local address if it was unspecified.
        self.local = socket.local_address().ok();
        self.peer = Some(peer);
        self.notices.push_back(DatagramEvent::Connected);
        registration.activate();
        Ok(())
    }

    pub(crate) fn set(&self, option: UdpOption) -> Result<()> {
        let (Some(socket), Some(local)) = (self.socket(), self.local) else {
            return Err(not_running());
        };
        let set = socket.set(option, local.is_ipv6());
        set.map_err(|error| Error::new(Syscall::SetOption, error).at(local.into()))
    }

    /// Stops or resumes receiving. A call during the lookup takes effect once the socket is bound. While the socket is
    /// paused, received datagrams stay in the kernel's buffer.
    pub(crate) fn set_paused(&mut self, is_paused: bool, registration: &mut Registration<'_>) {
        self.is_paused = is_paused;
        match is_paused || self.closes_soon || self.is_closed() {
            true => registration.unwant(Interest::READABLE),
            false => registration.want(Interest::READABLE),
        }
    }

    /// Fails a socket: its handler gets the errors that wait, then `error`, and then `on_close`.
    pub(crate) fn fail(
        &mut self,
        error: Error,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) {
        if !self.is_closed() {
            // Without batches the kernel has the gathered datagrams already.
            #[cfg(feature = "udp-batch")]
            self.send_all(registration, outbox);
            self.end(registration, outbox);
            self.counts.errors += 1;
            self.notices.push_back(DatagramEvent::Error(error));
        }
    }

    /// Closes the socket, and drops all that waits: the handler gets `on_close` alone.
    pub(crate) fn close(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        self.end(registration, outbox);
        // Also if the socket is closed already: sending the last of its queue closes one that closes soon, and keeps the
        // errors.
        self.notices.clear();
    }

    /// Closes the socket once its queue, which is not empty, is sent. Until then, it refuses further datagrams, and
    /// receives none.
    pub(crate) fn close_soon(&mut self, registration: &mut Registration<'_>) {
        if !self.is_closed() {
            self.closes_soon = true;
            self.message = None;
            #[cfg(feature = "udp-batch")]
            self.batch.clear();
            self.set_paused(true, registration);
        }
    }

    /// Closes the socket: its handler gets the errors that wait, and then `on_close`.
    pub(crate) fn end(&mut self, registration: &mut Registration<'_>, outbox: &mut Outbox) {
        if self.is_closed() {
            return;
        }
        self.drop_queue(outbox);
        self.message = None;
        #[cfg(feature = "udp-batch")]
        self.batch.clear();
        self.stage = match mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Open(socket) | Stage::Closing(socket) => Stage::Closing(socket),
            Stage::LookingUp(..) | Stage::Closed => Stage::Closed,
        };
        registration.unwant(Interest::READABLE);
        registration.unwant(Interest::WRITABLE);
        registration.close();
    }

    fn drop_queue(&mut self, outbox: &mut Outbox) {
        let (datagrams, bytes) = self.queue.clear();
        self.counts.dropped += datagrams as u64;
        outbox.forget_datagrams(bytes);
    }

    /// Closes the descriptor, which the caller has deregistered. Without memory for a deadline, the registration has
    /// closed the socket, and its queue is left.
    pub(crate) fn shut(&mut self, outbox: &mut Outbox) {
        self.drop_queue(outbox);
        self.stage = Stage::Closed;
    }

    /// Closes this source, and returns its socket, which the caller has deregistered, for use outside of the loop.
    pub(crate) fn detach(
        &mut self,
        registration: &mut Registration<'_>,
        outbox: &mut Outbox,
    ) -> Option<std::net::UdpSocket> {
        self.close(registration, outbox);
        match mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Closing(socket) => socket.into_standard(),
            Stage::LookingUp(..) | Stage::Open(_) | Stage::Closed => None,
        }
    }

    /// Lends the descriptor to the user, who may duplicate it: from now on a close alone does not deregister it.
    #[cfg(unix)]
    pub(crate) fn lend_descriptor(&mut self) -> Option<std::os::fd::BorrowedFd<'_>> {
        self.socket()?.descriptor()?;
        self.stage = match mem::replace(&mut self.stage, Stage::Closed) {
            Stage::Open(socket) => Stage::Open(socket.into_shared()),
            other => other,
        };
        self.socket()?.descriptor()
    }
}

pub(crate) fn check_sendable(block_list: Option<&BlockList>, to: SocketAddr) -> Result<()> {
    match block_list {
        Some(list) if list.check(to.ip()) => {
            let text = format!("the block list has {}", to.ip());
            Err(Error::with_code(Error::IP_BLOCKED, text).at(to.into()))
        }
        _ => Ok(()),
    }
}

pub(crate) fn not_running() -> Error {
    let text = "the UDP socket is closed, or its name is being looked up";
    Error::with_code(Error::DATAGRAM_NOT_RUNNING, text)
}

fn is_connected() -> Error {
    let text = "the UDP socket is connected: it sends to its peer alone";
    Error::with_code(Error::DATAGRAM_IS_CONNECTED, text)
}

fn is_not_connected() -> Error {
    let text = "the UDP socket is not connected: name the address to send to";
    Error::with_code(Error::DATAGRAM_NOT_CONNECTED, text)
}
