//! An echo server for a host, and a client for the hosts' tests.

use netloop::{Context, Flow, SocketHandler};

/// Answers with the same bytes, and counts them.
#[derive(Debug)]
pub(crate) struct Echo;

impl SocketHandler<u64> for Echo {
    fn on_data(&mut self, cx: &mut Context<'_, u64>, data: &[u8]) {
        *cx.shared += data.len() as u64;
        // Flow control: reads no further until the answer has left.
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }

    fn on_drain(&mut self, cx: &mut Context<'_, u64>) {
        cx.socket.resume();
    }
}

/// A peer of a thread of its own, which compares each byte of the answer.
#[cfg(test)]
pub(crate) mod client {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::thread::{self, JoinHandle};
    use std::time::Duration;

    /// The longest wait for anything before a test fails.
    pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

    /// The time for which a host rests.
    pub(crate) const REST: Duration = Duration::from_secs(1);

    /// The most rounds of a host at rest. A descriptor that stays readable causes thousands.
    pub(crate) const FEW: u32 = 10;

    /// Whether a guest with this `poll_timeout` has nothing to do in a rest. The memory of a burst is freed in steps of a
    /// quarter of a second. A socket keeps the deadline of its last write, which is a minute away.
    pub(crate) fn rests(poll_timeout: Option<Duration>) -> bool {
        poll_timeout.is_none_or(|it| it > REST * 10)
    }

    /// Sends `length` bytes while it reads the answer, and returns the connection.
    pub(crate) fn talk(address: SocketAddr, length: usize) -> JoinHandle<TcpStream> {
        let byte = |index: usize| u8::try_from(index * 7 % 251).expect("it is below 251");
        thread::spawn(move || {
            let mut stream = TcpStream::connect(address).expect("the host listens");
            stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
            let mut writing = stream.try_clone().expect("a duplicate");
            let writer = thread::spawn(move || {
                let bytes: Vec<u8> = (0..length).map(byte).collect();
                writing.write_all(&bytes).expect("the host reads");
            });
            let mut answer = vec![0; length];
            stream.read_exact(&mut answer).expect("the host answers");
            assert!(
                answer
                    .iter()
                    .enumerate()
                    .all(|(index, it)| *it == byte(index))
            );
            writer.join().expect("it has written");
            stream
        })
    }
}
