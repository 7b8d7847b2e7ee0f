//! A peer whose TLS a test drives by hand, byte by byte if it wants to: rustls over a plain socket.

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;

use netloop_tls::Authority;
use rustls::{ClientConnection, Connection};

use crate::support::{Peer, PeerEnd, Scene};
use crate::{NAME, name};

pub(crate) struct TlsPeer {
    pub(crate) peer: Peer,
    pub(crate) tls: Connection,
    /// The decrypted bytes.
    pub(crate) received: Vec<u8>,
    /// Whether the other end has sent a close_notify.
    pub(crate) has_close_notify: bool,
    /// The end of the connection below.
    pub(crate) end: Option<PeerEnd>,
    /// Encrypted bytes that the kernel has not taken.
    unsent: Vec<u8>,
}

impl TlsPeer {
    pub(crate) fn new(peer: Peer, mut tls: Connection) -> Self {
        tls.set_buffer_limit(None);
        Self {
            peer,
            tls,
            received: Vec::new(),
            has_close_notify: false,
            end: None,
            unsent: Vec::new(),
        }
    }

    /// A client of a server whose certificate is of `authority`.
    pub(crate) fn client(peer: Peer, authority: &Authority) -> Self {
        let tls = ClientConnection::new(Arc::new(authority.client()), name()).unwrap();
        Self::new(peer, tls.into())
    }

    /// Takes the encrypted bytes that are to be sent.
    pub(crate) fn outgoing(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.unsent);
        while self.tls.wants_write() {
            self.tls.write_tls(&mut bytes).unwrap();
        }
        bytes
    }

    /// Moves what can be moved, in both directions.
    pub(crate) fn step(&mut self) {
        let outgoing = self.outgoing();
        let sent = match self.end {
            Some(PeerEnd::Reset) => outgoing.len(),
            _ => self.peer.try_write(&outgoing).unwrap_or_else(|error| {
                if error.kind() == ErrorKind::ConnectionReset {
                    // The kernel tells it once, and a read then sees a plain end.
                    self.end = Some(PeerEnd::Reset);
                }
                0
            }),
        };
        self.unsent = outgoing[sent..].to_vec();
        while self.end.is_none() {
            match self.peer.read_some(64 << 10) {
                Ok(Some(bytes)) => self.take(&bytes),
                Ok(None) => break,
                Err(end) => self.end = Some(end),
            }
        }
    }

    /// Decrypts bytes that were received.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.tls.read_tls(&mut bytes).unwrap() == 0 {
                return;
            }
            self.tls.process_new_packets().unwrap();
            let mut plain = [0; 16 << 10];
            loop {
                match self.tls.reader().read(&mut plain) {
                    Ok(0) => {
                        self.has_close_notify = true;
                        break;
                    }
                    Ok(length) => self.received.extend_from_slice(&plain[..length]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.tls.writer().write_all(bytes).unwrap();
    }

    /// Turns the loop and this peer until `done`.
    #[track_caller]
    pub(crate) fn drive(
        &mut self,
        scene: &mut Scene,
        what: &str,
        mut done: impl FnMut(&Self, &Scene) -> bool,
    ) {
        scene.drive_with(what, |scene| {
            self.step();
            done(self, scene)
        });
    }

    /// Turns until the handshake is done at this end.
    #[track_caller]
    pub(crate) fn shake_hands(&mut self, scene: &mut Scene) {
        self.drive(scene, "the handshake", |it, _| !it.tls.is_handshaking());
        self.step();
    }
}

/// A server with TLS, whose sockets `make` handles, and a client by hand that has not begun.
pub(crate) fn server_and_client(
    scene: &mut Scene,
    make: impl FnMut(usize) -> crate::support::Recorder + 'static,
) -> TlsPeer {
    let authority = Authority::new();
    let server = Arc::new(authority.identity(&[NAME]).server());
    let options = netloop::ListenOptions::new().tls(server);
    let (_, address) = scene.listen(options, make);
    TlsPeer::client(Peer::connect(address), &authority)
}
