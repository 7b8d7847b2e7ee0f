//! tokio as its documentation shows it: one task per connection with a 16 KiB buffer of its own, on one thread.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

use super::service::{Mode, Service, announce};
use crate::pattern::{MESSAGE, flood_block};

const READ_BUFFER: usize = 16 * 1024;

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Only a broadcast has state that tasks share; the others need no local set, which costs a little.
    if service.mode == Mode::Broadcast {
        tokio::task::LocalSet::new().block_on(&runtime, broadcast(service))
    } else {
        runtime.block_on(accept(service))
    }
}

/// The listener of all tokio peers.
pub(crate) fn listen(service: &Service) -> io::Result<TcpListener> {
    let listener = service.listen()?;
    listener.set_nonblocking(true)?;
    announce(listener.local_addr()?)?;
    TcpListener::from_std(listener)
}

async fn accept(service: &Service) -> io::Result<()> {
    let listener = listen(service)?;
    let idle_timeout = service.idle_timeout;
    loop {
        let (stream, _) = listener.accept().await?;
        // A connection that fails ends its own task and nothing else.
        match service.mode {
            Mode::Discard => drop(tokio::spawn(discard(stream, idle_timeout))),
            Mode::Flood => drop(tokio::spawn(flood(stream))),
            Mode::Messages => drop(tokio::spawn(messages(stream, idle_timeout))),
            Mode::Echo | Mode::Broadcast => drop(tokio::spawn(echo(stream, idle_timeout))),
        }
    }
}

async fn echo(mut stream: TcpStream, idle_timeout: Option<Duration>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = read(&mut stream, &mut buffer, idle_timeout).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

async fn messages(mut stream: TcpStream, idle_timeout: Option<Duration>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER];
    loop {
        let length = read(&mut stream, &mut buffer, idle_timeout).await?;
        if length == 0 {
            return Ok(());
        }
        for message in buffer[..length].chunks(MESSAGE) {
            stream.write_all(message).await?;
        }
    }
}

async fn discard(mut stream: TcpStream, idle_timeout: Option<Duration>) -> io::Result<()> {
    let mut buffer = vec![0; READ_BUFFER];
    let mut received = 0_u64;
    loop {
        let length = read(&mut stream, &mut buffer, idle_timeout).await?;
        if length == 0 {
            return stream.write_all(&received.to_be_bytes()).await;
        }
        received += length as u64;
    }
}

async fn flood(mut stream: TcpStream) -> io::Result<()> {
    let block = flood_block();
    loop {
        stream.write_all(&block).await?;
    }
}

async fn read(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    idle_timeout: Option<Duration>,
) -> io::Result<usize> {
    match idle_timeout {
        Some(idle_timeout) => tokio::time::timeout(idle_timeout, stream.read(buffer)).await?,
        None => stream.read(buffer).await,
    }
}

type Members = Rc<RefCell<Vec<Rc<Member>>>>;

struct Member {
    writer: tokio::net::tcp::OwnedWriteHalf,
    /// What the kernel did not take; a task that waits for room sends it.
    unsent: RefCell<Vec<u8>>,
}

async fn broadcast(service: &Service) -> io::Result<()> {
    let listener = listen(service)?;
    let members = Members::default();
    loop {
        let (stream, _) = listener.accept().await?;
        let (reader, writer) = stream.into_split();
        let member = Rc::new(Member {
            writer,
            unsent: RefCell::default(),
        });
        members.borrow_mut().push(Rc::clone(&member));
        tokio::task::spawn_local(speak(reader, member, Rc::clone(&members)));
    }
}

async fn speak(mut reader: OwnedReadHalf, myself: Rc<Member>, members: Members) {
    let mut buffer = vec![0; READ_BUFFER];
    while let Ok(length @ 1..) = reader.read(&mut buffer).await {
        for member in members
            .borrow()
            .iter()
            .filter(|member| !Rc::ptr_eq(member, &myself))
        {
            member.hear(&buffer[..length]);
        }
    }
    members
        .borrow_mut()
        .retain(|member| !Rc::ptr_eq(member, &myself));
}

impl Member {
    fn hear(self: &Rc<Self>, words: &[u8]) {
        let mut unsent = self.unsent.borrow_mut();
        if !unsent.is_empty() {
            unsent.extend_from_slice(words);
            return;
        }
        // An error shows itself to the member's own task, which reads.
        let sent = self.writer.try_write(words).unwrap_or(0);
        if sent < words.len() {
            unsent.extend_from_slice(&words[sent..]);
            tokio::task::spawn_local(flush(Rc::clone(self)));
        }
    }
}

async fn flush(member: Rc<Member>) {
    while !member.unsent.borrow().is_empty() {
        if member.writer.writable().await.is_err() {
            return;
        }
        let mut unsent = member.unsent.borrow_mut();
        match member.writer.try_write(&unsent) {
            Ok(sent) => drop(unsent.drain(..sent)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
