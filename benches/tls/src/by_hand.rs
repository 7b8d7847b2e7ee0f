//! The same echo by hand: level-triggered epoll, and rustls on top of each socket as its documentation shows it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use netloop_benches::epoll::{Epoll, EventFlags};
use rustls::{ServerConfig, ServerConnection};

use crate::peers::BUFFER_BYTES;

const LISTENER: usize = usize::MAX;

struct Peer {
    stream: TcpStream,
    tls: ServerConnection,
    watches_writable: bool,
}

/// A socket that notes whether its last read was short, which saves the read that would block.
struct Noting<'a> {
    stream: &'a TcpStream,
    was_short: bool,
}

impl Read for Noting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.was_short = length < buffer.len();
        Ok(length)
    }
}

impl Peer {
    /// Returns the peer under the key of its events.
    fn accept(
        stream: TcpStream,
        epoll: &Epoll,
        config: &Arc<ServerConfig>,
    ) -> io::Result<(usize, Self)> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let tls = ServerConnection::new(Arc::clone(config));
        let mut tls = tls.map_err(io::Error::other)?;
        tls.set_buffer_limit(None);
        let key = usize::try_from(stream.as_raw_fd()).map_err(io::Error::other)?;
        epoll.add(&stream, key as u64, EventFlags::IN)?;
        let peer = Self {
            stream,
            tls,
            watches_writable: false,
        };
        Ok((key, peer))
    }

    /// Reads, echoes and writes. Returns whether the connection goes on.
    fn serve(&mut self, buffer: &mut [u8]) -> bool {
        loop {
            let mut reading = Noting {
                stream: &self.stream,
                was_short: false,
            };
            match self.tls.read_tls(&mut reading) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(_) => return false,
            }
            let was_short = reading.was_short;
            if self.tls.process_new_packets().is_err() {
                let _ = self.tls.write_tls(&mut self.stream);
                return false;
            }
            loop {
                match self.tls.reader().read(buffer) {
                    Ok(0) => {
                        self.tls.send_close_notify();
                        self.write();
                        return false;
                    }
                    Ok(length) => {
                        if self.tls.writer().write_all(&buffer[..length]).is_err() {
                            return false;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(_) => return false,
                }
            }
            if was_short {
                break;
            }
        }
        self.write()
    }

    fn write(&mut self) -> bool {
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
        true
    }
}

pub(crate) fn serve(config: &Arc<ServerConfig>) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("listening {}", listener.local_addr()?);
    let mut epoll = Epoll::new(1024)?;
    epoll.add(&listener, LISTENER as u64, EventFlags::IN)?;
    let mut peers: HashMap<usize, Peer> = HashMap::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        for place in 0..epoll.wait(None)? {
            let (key, flags) = epoll.event(place);
            if key == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    // A connection that fails ends itself and nothing else.
                    peers.extend(Peer::accept(stream, &epoll, config).ok());
                }
                continue;
            }
            let Some(peer) = peers.get_mut(&key) else {
                continue;
            };
            let goes_on = match flags.contains(EventFlags::IN) {
                true => peer.serve(&mut buffer),
                false => peer.write(),
            };
            if !goes_on {
                peers.remove(&key);
                continue;
            }
            let wants = peer.tls.wants_write();
            if wants != peer.watches_writable {
                peer.watches_writable = wants;
                let mut flags = EventFlags::IN;
                flags.set(EventFlags::OUT, wants);
                let _ = epoll.modify(&peer.stream, key as u64, flags);
            }
        }
    }
}
