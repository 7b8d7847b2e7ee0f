//! The floor: an edge-triggered epoll loop by hand that answers one resource, with nothing between it and the system calls.
//!
//! It reads heads with httparse, looks at the fields that decide where a request ends, and sends the same bytes as the
//! server. It has no limits, no timeouts, no bodies and no other route: the cost of the server is its cost beyond this.

use std::io::{self, ErrorKind, Read, Write};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::time::SystemTime;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{SocketFlags, accept_with};

const LISTENER: u64 = u64::MAX;
const READ_BUFFER: usize = 128 << 10;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\
    Content-Length: 14\r\n\r\n\
    Hello, world!\n";
const DATE: std::ops::Range<usize> = 23..52;

struct Session {
    stream: TcpStream,
    /// The beginning of a request.
    received: Vec<u8>,
    /// The bytes that the kernel did not take. Invariant: while there are some, nothing is read.
    unsent: Vec<u8>,
}

struct Shared {
    buffer: Vec<u8>,
    out: Vec<u8>,
    response: Vec<u8>,
}

pub(crate) fn serve() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("listening {}", listener.local_addr()?);
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut events = Vec::with_capacity(1024);
    let mut sessions: Vec<Option<Session>> = Vec::new();
    let mut free = Vec::new();
    let mut shared = Shared {
        buffer: vec![0; READ_BUFFER],
        out: Vec::new(),
        response: RESPONSE.to_vec(),
    };
    let mut date = String::new();
    let mut second = 0;
    loop {
        events.clear();
        match epoll::wait(&poll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = SystemTime::now();
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let now_second = since.map_err(io::Error::other)?.as_secs();
        if now_second != second {
            second = now_second;
            date.clear();
            date += &httpdate::fmt_http_date(now);
            shared.response[DATE].copy_from_slice(date.as_bytes());
        }
        for event in &events {
            let token = event.data.u64();
            if token != LISTENER {
                let place = usize::try_from(token).map_err(io::Error::other)?;
                let session = sessions[place].as_mut();
                if session.is_some_and(|session| session.serve(event.flags, &mut shared).is_err()) {
                    sessions[place] = None;
                    free.push(place);
                }
                continue;
            }
            while let Ok(stream) =
                accept_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
            {
                let session = Session {
                    stream: stream.into(),
                    received: Vec::new(),
                    unsent: Vec::new(),
                };
                session.stream.set_nodelay(true)?;
                let place = free.pop().unwrap_or_else(|| {
                    sessions.push(None);
                    sessions.len() - 1
                });
                let edges = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
                epoll::add(
                    &poll,
                    &session.stream,
                    EventData::new_u64(place as u64),
                    edges,
                )?;
                sessions[place] = Some(session);
            }
        }
    }
}

impl Session {
    /// Serves an event. An error is the end of the connection.
    fn serve(&mut self, flags: EventFlags, shared: &mut Shared) -> io::Result<()> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            self.send(&unsent)?;
        } else if !flags.intersects(EventFlags::IN | EventFlags::RDHUP | EventFlags::HUP) {
            return Ok(());
        }
        while self.unsent.is_empty() {
            let length = match self.stream.read(&mut shared.buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => length,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            shared.out.clear();
            if self.received.is_empty() {
                let data = &shared.buffer[..length];
                let used = answer(data, &shared.response, &mut shared.out)?;
                self.received.extend_from_slice(&data[used..]);
            } else {
                self.received.extend_from_slice(&shared.buffer[..length]);
                let used = answer(&self.received, &shared.response, &mut shared.out)?;
                self.received.drain(..used);
            }
            self.send(&shared.out)?;
            // A short read has emptied the socket, unless the end is near.
            if length < READ_BUFFER && !flags.contains(EventFlags::RDHUP) {
                return Ok(());
            }
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = match bytes.is_empty() {
            true => 0,
            false => match self.stream.write(bytes) {
                Ok(sent) => sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error),
            },
        };
        self.unsent.extend_from_slice(&bytes[sent..]);
        Ok(())
    }
}

/// Answers the requests in `data`, and returns their length. An error is a request that this server does not answer.
fn answer(data: &[u8], response: &[u8], out: &mut Vec<u8>) -> io::Result<usize> {
    let mut used = 0;
    while used < data.len() {
        let mut fields = [const { MaybeUninit::uninit() }; 64];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(&data[used..], &mut fields);
        match parsed.map_err(io::Error::other)? {
            httparse::Status::Complete(length) => used += length,
            httparse::Status::Partial => break,
        }
        let mut ends = request.method != Some("GET")
            || request.path != Some("/")
            || request.version != Some(1);
        for header in request.headers.iter() {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            ends |= is("content-length") || is("transfer-encoding");
            ends |= is("connection") && !header.value.eq_ignore_ascii_case(b"keep-alive");
        }
        if ends {
            return Err(ErrorKind::InvalidInput.into());
        }
        out.extend_from_slice(response);
    }
    Ok(used)
}
