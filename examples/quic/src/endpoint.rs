//! A QUIC endpoint: the handler of the one UDP socket that all connections share.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

use bytes::Bytes;
use netloop::{DatagramContext, DatagramFlow, DatagramHandler, Ecn, Error, PacketInfo};
use quinn_proto::{
    Connection, ConnectionError, ConnectionHandle, DatagramEvent, EcnCodepoint, Endpoint, Event,
    Transmit,
};

use crate::session::Session;

/// The limit on the datagrams that a connection gives the socket at once.
const SEGMENTS: usize = 10;

/// The state of the program: how its last connection was lost.
type Outcome = Result<(), ConnectionError>;
type Context<'a> = DatagramContext<'a, Outcome>;

pub(crate) struct Quic {
    endpoint: Endpoint,
    sessions: HashMap<ConnectionHandle, Session>,
    /// The connections with news from the current batch of datagrams.
    touched: HashSet<ConnectionHandle>,
    /// Whether the queue of the socket is full, so that all connections wait for `on_drain`.
    is_full: bool,
    buffer: Vec<u8>,
}

impl Quic {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            sessions: HashMap::new(),
            touched: HashSet::new(),
            is_full: false,
            buffer: Vec::new(),
        }
    }

    /// Takes a connection over, which sends `unsent` if it is a client's.
    pub(crate) fn begin(
        &mut self,
        handle: ConnectionHandle,
        connection: Connection,
        unsent: Bytes,
    ) {
        let session = Session {
            connection,
            stream: None,
            unsent,
            answer: Vec::new(),
        };
        self.sessions.insert(handle, session);
        self.touched.insert(handle);
    }

    fn drive_touched(&mut self, cx: &mut Context<'_>) {
        for handle in std::mem::take(&mut self.touched) {
            self.drive(cx, handle);
        }
    }

    /// Does what an event may have made necessary: the streams, datagrams to send, the next deadline.
    fn drive(&mut self, cx: &mut Context<'_>, handle: ConnectionHandle) {
        let Some(session) = self.sessions.get_mut(&handle) else {
            return;
        };
        let now = cx.now();
        while let Some(event) = session.connection.poll() {
            if let Event::ConnectionLost { reason } = event {
                eprintln!("{}: {reason}", session.connection.remote_address());
                *cx.shared = Err(reason);
            }
        }
        let advanced = session.advance(now);
        let connection = &mut session.connection;
        if let Err(error) = advanced {
            connection.close(now, 1_u8.into(), error.to_string().into());
        }
        while !self.is_full {
            self.buffer.clear();
            let transmit = connection.poll_transmit(now, SEGMENTS, &mut self.buffer);
            let Some(transmit) = transmit else { break };
            self.is_full = send(cx, &transmit, &self.buffer) == DatagramFlow::Full;
        }
        while let Some(event) = connection.poll_endpoint_events() {
            if let Some(event) = self.endpoint.handle_event(handle, event) {
                connection.handle_event(event);
            }
        }
        // The one timer of the connection moves to its next deadline.
        match connection.poll_timeout() {
            Some(at) => cx
                .socket
                .after(at.saturating_duration_since(now), handle.0 as u64),
            None => drop(cx.socket.cancel(handle.0 as u64)),
        }
        if connection.is_drained() {
            if connection.side().is_client() {
                cx.socket.close();
            }
            self.sessions.remove(&handle);
        }
    }
}

impl DatagramHandler<Outcome> for Quic {
    fn on_listening(&mut self, cx: &mut Context<'_>) {
        eprintln!("{:?}", cx.socket);
        self.drive_touched(cx);
    }
    fn on_message(&mut self, cx: &mut Context<'_>, from: SocketAddr, data: &[u8]) {
        let (now, buffer) = (cx.now(), &mut self.buffer);
        let PacketInfo { local_address, ecn } = cx.socket.packet_info();
        let ecn = ecn.and_then(|mark| EcnCodepoint::from_bits(mark as u8));
        buffer.clear();
        match self
            .endpoint
            .handle(now, from, local_address, ecn, data.into(), buffer)
        {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                if let Some(session) = self.sessions.get_mut(&handle) {
                    session.connection.handle_event(event);
                }
                self.touched.insert(handle);
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                match self.endpoint.accept(incoming, now, buffer, None) {
                    Ok((handle, connection)) => self.begin(handle, connection, Bytes::new()),
                    Err(refused) => respond(cx, refused.response, buffer),
                }
            }
            Some(DatagramEvent::Response(response)) => respond(cx, Some(response), buffer),
            None => {}
        }
        if cx.socket.remaining_in_batch() == 0 {
            self.drive_touched(cx);
        }
    }
    fn on_timer(&mut self, cx: &mut Context<'_>, timer: u64) {
        let handle = ConnectionHandle(usize::try_from(timer).expect("`drive` has armed it"));
        if let Some(session) = self.sessions.get_mut(&handle) {
            session.connection.handle_timeout(cx.now());
        }
        self.drive(cx, handle);
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.is_full = false;
        self.touched.extend(self.sessions.keys());
        self.drive_touched(cx);
    }
    fn on_error(&mut self, _: &mut Context<'_>, error: &Error) {
        // A probe for longer datagrams may be too long.
        if error.code() != "EMSGSIZE" {
            eprintln!("{error:#}");
        }
    }
}

/// Sends the datagrams in `buffer`, which have one length, but for the last one.
fn send(cx: &mut Context<'_>, transmit: &Transmit, buffer: &[u8]) -> DatagramFlow {
    let ecn = transmit.ecn.and_then(|mark| Ecn::from_bits(mark as u8));
    let local_address = transmit.src_ip;
    let info = PacketInfo { local_address, ecn };
    let length = transmit.segment_size.unwrap_or(transmit.size);
    let mut flow = DatagramFlow::Open;
    for datagram in buffer[..transmit.size].chunks(length) {
        flow = cx.socket.send_with(transmit.destination, info, datagram);
    }
    flow
}

fn respond(cx: &mut Context<'_>, response: Option<Transmit>, buffer: &[u8]) {
    if let Some(response) = response {
        send(cx, &response, buffer).ignore();
    }
}
