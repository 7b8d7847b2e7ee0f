//! The other end, the same for both subjects: sockets of the system, used with blocking calls that have a deadline.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

/// The longest that a call may block. A peer that has to wait longer makes its scenario fail. On a machine with a load of
/// 30, Node takes more than five seconds for eight megabytes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// One end of a connection.
pub(crate) struct Peer(Socket);

/// The bytes that a peer was sent, and the end of the stream.
pub(crate) struct Received {
    /// The letters in the order in which they came, each with its count: `a5 b3`.
    pub(crate) runs: String,
    pub(crate) ending: Ending,
}

/// The end of a stream of bytes.
pub(crate) enum Ending {
    /// With a FIN.
    End,
    /// With a RST.
    Reset,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.connect_timeout(&address.into(), PATIENCE)?;
        Self::patient(socket)
    }

    pub(crate) fn connect_path(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.connect(&SockAddr::unix(path)?)?;
        Self::patient(socket)
    }

    fn patient(socket: Socket) -> io::Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        // Bytes that a scenario writes at once leave at once, whether the subject reads or not.
        socket.set_send_buffer_size(1 << 20)?;
        Ok(Self(socket))
    }

    /// Sends `length` bytes.
    pub(crate) fn write(&mut self, length: usize) -> io::Result<()> {
        self.0.write_all(&vec![b'p'; length])
    }

    /// Sends a FIN.
    pub(crate) fn finish(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    /// Closes with a RST.
    pub(crate) fn reset(self) -> io::Result<()> {
        self.0.set_linger(Some(Duration::ZERO))
    }

    pub(crate) fn read_exactly(&mut self, length: usize) -> io::Result<String> {
        let mut runs = Runs::default();
        let mut buffer = vec![0; length.min(128 << 10)];
        let mut left = length;
        while left > 0 {
            let most = left.min(buffer.len());
            self.0.read_exact(&mut buffer[..most])?;
            runs.add(&buffer[..most]);
            left -= most;
        }
        Ok(runs.to_string())
    }

    pub(crate) fn read_to_end(&mut self) -> io::Result<Received> {
        let mut runs = Runs::default();
        let mut buffer = vec![0; 128 << 10];
        loop {
            let ending = match self.0.read(&mut buffer) {
                Ok(0) => Ending::End,
                Ok(length) => {
                    runs.add(&buffer[..length]);
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ending::Reset,
                Err(error) => return Err(error),
            };
            let runs = runs.to_string();
            return Ok(Received { runs, ending });
        }
    }
}

pub(crate) struct Listener(Socket);

impl Listener {
    /// Listens on a port that the system chooses, or on `port`.
    pub(crate) fn on(address: IpAddr, port: u16, backlog: i32) -> io::Result<Self> {
        let address = SocketAddr::new(address, port);
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&address.into())?;
        socket.listen(backlog)?;
        Self::patient(socket)
    }

    pub(crate) fn on_path(path: &Path) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        socket.listen(16)?;
        Self::patient(socket)
    }

    fn patient(socket: Socket) -> io::Result<Self> {
        // On Linux the time limit of reading is that of accepting, too.
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(socket))
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        let address = self.0.local_addr()?.as_socket();
        Ok(address.map_or(0, |address| address.port()))
    }

    /// Whether a connection waits to be accepted.
    pub(crate) fn has_connection(&self) -> io::Result<bool> {
        self.0.set_nonblocking(true)?;
        match self.0.accept() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn accept(&self) -> io::Result<Peer> {
        let (socket, _) = self.0.accept()?;
        Peer::patient(socket)
    }
}

/// A port at which connects neither succeed nor fail: its queue is full, and no call accepts.
pub(crate) struct BlackHole {
    listener: Listener,
    waiting: Vec<Socket>,
}

impl BlackHole {
    pub(crate) fn on(address: IpAddr, port: u16) -> io::Result<Self> {
        let listener = Listener::on(address, port, 0)?;
        let full = SocketAddr::new(address, listener.port()?);
        let mut waiting = Vec::new();
        // One more than the queue holds, however the kernel counts, is found by trying.
        while waiting.len() < 8 {
            let socket = Socket::new(Domain::for_address(full), Type::STREAM, None)?;
            if let Err(error) = socket.connect_timeout(&full.into(), Duration::from_millis(100)) {
                return match error.kind() {
                    io::ErrorKind::TimedOut => Ok(Self { listener, waiting }),
                    _ => Err(error),
                };
            }
            waiting.push(socket);
        }
        Err(io::Error::other("the queue does not fill"))
    }

    pub(crate) fn port(&self) -> io::Result<u16> {
        self.listener.port()
    }

    /// Makes space in the queue: a connect that hangs succeeds when it sends its next SYN.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        for _ in self.waiting.drain(..) {
            self.listener.accept()?;
        }
        Ok(())
    }
}

/// Bytes as letters in a row, each with its count: of `aaabb`, `a3 b2`.
#[derive(Default)]
struct Runs(Vec<(u8, usize)>);

impl Runs {
    fn add(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some(&letter) = rest.first() {
            // Nearly always all of it is one run, which is seen without a look at each byte.
            let is_one_run = rest[1..] == rest[..rest.len() - 1];
            let length = if is_one_run {
                rest.len()
            } else {
                rest.iter().take_while(|&&byte| byte == letter).count()
            };
            match self.0.last_mut() {
                Some((last, count)) if *last == letter => *count += length,
                _ => self.0.push((letter, length)),
            }
            rest = &rest[length..];
        }
    }
}

impl std::fmt::Display for Runs {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, &(letter, count)) in self.0.iter().enumerate() {
            let before = if index == 0 { "" } else { " " };
            write!(formatter, "{before}{}{count}", char::from(letter))?;
        }
        Ok(())
    }
}

#[test]
fn runs_keep_the_order_of_the_letters() {
    let mut runs = Runs::default();
    assert_eq!(runs.to_string(), "");
    runs.add(b"aaabb");
    runs.add(b"bbac");
    assert_eq!(runs.to_string(), "a3 b4 a1 c1");
}
