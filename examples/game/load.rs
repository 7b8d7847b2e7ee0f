//! Clients of the game, as plain as they come: a thread and a blocking socket each.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;

/// The time between two keys of a client that plays.
const BETWEEN_KEYS: Duration = Duration::from_millis(100);

/// Connects all clients, and lets them be until the game kills this process.
pub(crate) fn run(arguments: &Arguments) -> io::Result<()> {
    let mut threads = Vec::new();
    for number in 0..arguments.clients {
        let stream = TcpStream::connect(&arguments.address)?;
        let reads = match number {
            _ if number < arguments.deaf => false,
            _ if number < arguments.deaf + arguments.floods => {
                let flooding = stream.try_clone()?;
                threads.push(spawn(move || flood(flooding))?);
                true
            }
            _ => {
                let playing = stream.try_clone()?;
                threads.push(spawn(move || play(playing, number))?);
                true
            }
        };
        threads.push(spawn(move || match reads {
            true => discard(stream),
            // Holds the connection, and never reads.
            false => loop {
                thread::park();
            },
        })?);
    }
    for thread in threads {
        // A client ends with the game, however that ends.
        let _ = thread.join();
    }
    Ok(())
}

fn spawn(client: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<Client> {
    thread::Builder::new().stack_size(64 << 10).spawn(client)
}

type Client = thread::JoinHandle<io::Result<()>>;

fn discard(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    while stream.read(&mut buffer)? > 0 {}
    Ok(())
}

fn play(mut stream: TcpStream, number: usize) -> io::Result<()> {
    for step in number.. {
        stream.write_all(&[b"wasd"[step / 7 % 4]])?;
        #[expect(clippy::disallowed_methods, reason = "a player is slow")]
        thread::sleep(BETWEEN_KEYS);
    }
    Ok(())
}

fn flood(mut stream: TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(&[b'.'; 16 << 10])?;
    }
}
