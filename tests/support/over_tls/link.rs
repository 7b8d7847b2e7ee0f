//! A connection of a peer over TLS, with the face of a plain socket that does not block.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use netloop::TlsSide;
use netloop::rustls::{ClientConnection, Connection, ServerConnection};
use socket2::SockRef;

use super::pump;

/// The bytes that a peer may write before its handshake is done: about what a kernel would take.
const EARLY_BYTES: usize = 64 << 10;

/// The bytes that are encrypted at a time: a record.
const RECORD_BYTES: usize = 16 << 10;

/// A connection of a peer.
#[derive(Debug)]
pub(crate) struct Link {
    engine: Arc<Mutex<Engine>>,
    /// For its addresses.
    socket: Arc<TcpStream>,
}

impl Link {
    pub(crate) fn new(stream: TcpStream, side: TlsSide) -> Self {
        let mut tls: Connection = match side {
            TlsSide::Server(config) => ServerConnection::new(config).unwrap().into(),
            TlsSide::Client(config, name) => ClientConnection::new(config, name).unwrap().into(),
        };
        tls.set_buffer_limit(None);
        let socket = Arc::new(stream);
        let engine = Engine {
            socket: Some(Arc::clone(&socket)),
            tls,
            owner: thread::current().id(),
            early_bytes: 0,
            ends: false,
            has_close_notify: false,
            has_ended: false,
            is_let_go: false,
            is_listed: false,
            failure: None,
        };
        let link = Self {
            engine: Arc::new(Mutex::new(engine)),
            socket,
        };
        drop(link.step());
        link
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Moves what can be moved, and lets the pump go on with the rest.
    fn step(&self) -> MutexGuard<'_, Engine> {
        let mut engine = self.lock();
        engine.step();
        if !engine.is_busy() || engine.is_listed {
            return engine;
        }
        engine.is_listed = true;
        // The pump locks its list first.
        drop(engine);
        pump::add(Arc::clone(&self.engine));
        self.lock()
    }

    /// A panic of the test does not matter to its end.
    fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut engine = self.step();
        let mut filled = 0;
        while filled < bytes.len() {
            match engine.read(&mut bytes[filled..]) {
                Ok(0) => break,
                Ok(length) => filled += length,
                // The next call tells it.
                Err(_) if filled > 0 => break,
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    /// Takes as much as the kernel takes, and perhaps a record more.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut taken = 0;
        while taken < bytes.len() {
            let mut engine = self.step();
            engine.check_writable()?;
            if !engine.has_capacity() {
                break;
            }
            let rest = &bytes[taken..];
            taken += engine.write(&rest[..rest.len().min(RECORD_BYTES)])?;
        }
        self.step().check_writable()?;
        match taken {
            0 if !bytes.is_empty() => Err(ErrorKind::WouldBlock.into()),
            taken => Ok(taken),
        }
    }

    pub(crate) fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut engine = self.step();
        engine.check_writable()?;
        engine.write(bytes)?;
        drop(engine);
        self.step().check_writable()
    }

    pub(crate) fn half_close(&self) -> io::Result<()> {
        let mut engine = self.lock();
        engine.check_writable()?;
        engine.ends = true;
        drop(engine);
        drop(self.step());
        Ok(())
    }

    pub(crate) fn reset(self) {
        SockRef::from(&*self.socket)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
        self.lock().socket = None;
    }
}

/// Goes away as a program does that ends.
impl Drop for Link {
    fn drop(&mut self) {
        let mut engine = self.lock();
        if engine.socket.is_none() {
            return;
        }
        engine.step();
        let has_unread = matches!(engine.read(&mut [0]), Ok(1));
        if has_unread {
            // The kernel does the same to a plain socket.
            let _ = SockRef::from(&*self.socket).set_linger(Some(Duration::ZERO));
            engine.socket = None;
            return;
        }
        engine.ends = true;
        engine.is_let_go = true;
        drop(engine);
        drop(self.step());
    }
}

/// The two ends of a connection: rustls, and the socket.
#[derive(Debug)]
pub(super) struct Engine {
    /// `None` when it is closed.
    socket: Option<Arc<TcpStream>>,
    tls: Connection,
    /// The thread of the test.
    owner: ThreadId,
    early_bytes: usize,
    /// Whether a close_notify and a FIN are to follow everything that was written.
    ends: bool,
    has_close_notify: bool,
    has_ended: bool,
    /// Whether the socket is closed after that.
    is_let_go: bool,
    /// Whether the pump has it.
    pub(super) is_listed: bool,
    failure: Option<ErrorKind>,
}

impl Engine {
    pub(super) fn is_owned_by(&self, thread: ThreadId) -> bool {
        self.owner == thread
    }

    /// Whether there is something to do without the test.
    pub(super) fn is_busy(&self) -> bool {
        self.socket.is_some()
            && self.failure.is_none()
            && (self.tls.is_handshaking()
                || self.tls.wants_write()
                || (self.ends && !self.has_ended))
    }

    fn has_capacity(&self) -> bool {
        match self.tls.is_handshaking() {
            true => self.early_bytes < EARLY_BYTES,
            false => !self.tls.wants_write(),
        }
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.failure {
            Some(kind) => Err(kind.into()),
            None if self.ends => Err(ErrorKind::BrokenPipe.into()),
            None => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.tls.is_handshaking() {
            self.early_bytes += bytes.len();
        }
        self.tls.writer().write_all(bytes)?;
        Ok(bytes.len())
    }

    /// Goes on with the handshake, and sends what is to be sent. Reads nothing behind the handshake.
    pub(super) fn step(&mut self) {
        let Some(socket) = self.socket.clone() else {
            return;
        };
        if self.failure.is_none() {
            if let Err(error) = self.advance(&socket) {
                if error.kind() != ErrorKind::WouldBlock {
                    self.failure = Some(error.kind());
                }
            }
        }
        if self.is_let_go && !self.is_busy() {
            self.socket = None;
        }
    }

    fn advance(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        loop {
            self.send(socket)?;
            if !self.tls.is_handshaking() {
                break;
            }
            if self.tls.read_tls(&mut socket)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            self.process(socket)?;
        }
        if self.ends && !self.has_ended {
            if !self.has_close_notify {
                self.has_close_notify = true;
                self.tls.send_close_notify();
            }
            self.send(socket)?;
            self.has_ended = true;
            socket.shutdown(Shutdown::Write)?;
        }
        Ok(())
    }

    fn send(&mut self, mut socket: &TcpStream) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut socket)?;
        }
        Ok(())
    }

    fn process(&mut self, socket: &TcpStream) -> io::Result<()> {
        let processed = self.tls.process_new_packets();
        processed.map(|_| ()).map_err(|error| {
            let _ = self.send(socket);
            io::Error::new(ErrorKind::InvalidData, error)
        })
    }

    /// Reads as a plain socket does: 0 is the FIN. Keeps a failure, which the kernel tells once.
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.read_on(bytes);
        match &read {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.failure = Some(error.kind());
            }
            _ => {}
        }
        read
    }

    fn read_on(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let Some(socket) = self.socket.clone() else {
            return Err(ErrorKind::NotConnected.into());
        };
        let mut socket = &*socket;
        loop {
            match self.failure {
                Some(ErrorKind::UnexpectedEof) => return Ok(0),
                Some(kind) => return Err(kind.into()),
                None => {}
            }
            match self.tls.reader().read(bytes) {
                Ok(0) => return end_of(socket),
                Ok(length) => return Ok(length),
                // Without a close_notify, as from a plain socket that is destroyed.
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if self.tls.is_handshaking() {
                return Err(ErrorKind::WouldBlock.into());
            }
            self.tls.read_tls(&mut socket)?;
            self.process(socket)?;
        }
    }
}

/// The FIN behind a close_notify.
fn end_of(mut socket: &TcpStream) -> io::Result<usize> {
    let length = socket.read(&mut [0; 64])?;
    assert_eq!(length, 0, "bytes follow a close_notify");
    Ok(0)
}
