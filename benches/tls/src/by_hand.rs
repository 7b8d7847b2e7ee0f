//! The same echo by hand: level-triggered epoll, and rustls on top of each socket as its documentation shows it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use rustix::event::epoll;
use rustls::{ServerConfig, ServerConnection};

const LISTENER: u64 = u64::MAX;

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

pub(crate) fn serve(config: Arc<ServerConfig>, announce: impl FnOnce(SocketAddr)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a server");
    listener.set_nonblocking(true).expect("a descriptor");
    announce(listener.local_addr().expect("it is bound"));
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
    let readable = epoll::EventFlags::IN;
    epoll::add(
        &epoll,
        &listener,
        epoll::EventData::new_u64(LISTENER),
        readable,
    )
    .expect("the listener can be polled");
    let mut peers: HashMap<u64, Peer> = HashMap::new();
    let mut buffer = vec![0; 128 << 10];
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        if epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).is_err() {
            continue;
        }
        for event in &events {
            let (key, flags) = (event.data.u64(), event.flags);
            if key == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    let key = u64::try_from(stream.as_raw_fd()).expect("not negative");
                    let _ = stream.set_nonblocking(true);
                    let _ = stream.set_nodelay(true);
                    let data = epoll::EventData::new_u64(key);
                    let added = epoll::add(&epoll, &stream, data, readable);
                    let Ok(mut tls) = ServerConnection::new(Arc::clone(&config)) else {
                        continue;
                    };
                    tls.set_buffer_limit(None);
                    if added.is_ok() {
                        let peer = Peer {
                            stream,
                            tls,
                            watches_writable: false,
                        };
                        peers.insert(key, peer);
                    }
                }
                continue;
            }
            let Some(peer) = peers.get_mut(&key) else {
                continue;
            };
            let goes_on = match flags.contains(epoll::EventFlags::IN) {
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
                let flags = match wants {
                    true => readable | epoll::EventFlags::OUT,
                    false => readable,
                };
                let data = epoll::EventData::new_u64(key);
                let _ = epoll::modify(&epoll, &peer.stream, data, flags);
            }
        }
    }
}
