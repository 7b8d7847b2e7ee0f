//! A server that is wrong in every mode, with which the comparison checks its own checks. It never takes part.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use super::service::{Mode, Service};
use crate::pattern::FLOOD;

/// The bytes that it serves as it should.
const HONEST_BYTES: usize = 1000;

pub(super) fn serve(service: &Service) -> io::Result<()> {
    let listener = service.listen()?;
    listener.set_nonblocking(false)?;
    for stream in listener.incoming() {
        let mode = service.mode;
        std::thread::spawn(move || stream.and_then(|stream| lie(stream, mode)));
    }
    Ok(())
}

fn lie(mut stream: TcpStream, mode: Mode) -> io::Result<()> {
    let mut block = FLOOD.to_vec();
    block[HONEST_BYTES] ^= 1;
    if mode == Mode::Flood {
        loop {
            stream.write_all(&block)?;
        }
    }
    let mut total = 0;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer)?;
        total += length;
        match mode {
            // One byte is lost.
            Mode::Discard if length == 0 => {
                return stream.write_all(&(total as u64 - 1).to_be_bytes());
            }
            _ if length == 0 => return Ok(()),
            // One bit of one byte is wrong.
            Mode::Echo | Mode::Messages => {
                buffer[length - 1] ^= u8::from(total > HONEST_BYTES);
                stream.write_all(&buffer[..length])?;
            }
            // A member hears itself.
            Mode::Broadcast => stream.write_all(&buffer[..length])?,
            Mode::Discard | Mode::Flood => {}
        }
    }
}
