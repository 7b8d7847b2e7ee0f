//! Blocking std: one thread per connection. What everybody's first server does, and for few connections no bad one.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::service::{Mode, Service, announce};
use crate::pattern::{MESSAGE, flood_block};

const READ_BUFFER: usize = 128 * 1024;
/// The buffer lies on the heap, so a small stack is enough.
const STACK: usize = 64 * 1024;

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    announce(listener.local_addr()?)?;
    for stream in listener.incoming() {
        let service = *service;
        // A connection that fails, or for which no thread can be had, is closed.
        let connection = move || stream.and_then(|stream| converse(stream, &service));
        std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(connection)?;
    }
    Ok(())
}

fn converse(mut stream: TcpStream, service: &Service) -> io::Result<()> {
    stream.set_read_timeout(service.idle_timeout)?;
    if service.mode == Mode::Flood {
        let block = flood_block();
        loop {
            stream.write_all(&block)?;
        }
    }
    let mut buffer = vec![0; READ_BUFFER];
    let mut received = 0_u64;
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        received += length as u64;
        match service.mode {
            Mode::Echo => stream.write_all(&buffer[..length])?,
            Mode::Messages => buffer[..length]
                .chunks(MESSAGE)
                .try_for_each(|message| stream.write_all(message))?,
            Mode::Discard | Mode::Flood | Mode::Broadcast => {}
        }
    }
    if service.mode == Mode::Discard {
        stream.write_all(&received.to_be_bytes())
    } else {
        Ok(())
    }
}
