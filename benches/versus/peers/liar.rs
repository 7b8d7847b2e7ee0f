//! A server that is wrong in every mode, with which the comparison checks its own checks. It never takes part.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::service::{Mode, Service, announce};
use crate::pattern::flood_block;

/// So many bytes it serves as it should.
const HONEST_BYTES: usize = 1000;

pub(crate) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    announce(listener.local_addr()?)?;
    for stream in listener.incoming() {
        let mode = service.mode;
        std::thread::spawn(move || stream.and_then(|stream| lie(stream, mode)));
    }
    Ok(())
}

fn lie(mut stream: TcpStream, mode: Mode) -> io::Result<()> {
    if mode == Mode::Flood {
        let mut block = flood_block();
        block[HONEST_BYTES] ^= 1;
        loop {
            stream.write_all(&block)?;
        }
    }
    let mut total = 0;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        total += length;
        match mode {
            // One bit of one byte.
            Mode::Echo | Mode::Messages => {
                buffer[length - 1] ^= u8::from(total > HONEST_BYTES);
                stream.write_all(&buffer[..length])?;
            }
            // A member hears himself.
            Mode::Broadcast => stream.write_all(&buffer[..length])?,
            Mode::Discard | Mode::Flood => {}
        }
    }
    // One byte is lost.
    if mode == Mode::Discard {
        stream.write_all(&(total as u64 - 1).to_be_bytes())?;
    }
    Ok(())
}
