//! A body that is made while the client reads it. Byte `i` is `PATTERN[i % PATTERN.len()]`.

use netloop::{Flow, Socket};

/// The longest block of one write.
const BLOCK: usize = 64 << 10;

/// A prime number of bytes, so that a block that is lost or sent twice shows.
static PATTERN: [u8; 131_071] = {
    let mut pattern = [0; 131_071];
    let mut i = 0;
    while i < pattern.len() {
        let [low, middle, high, ..] = i.to_le_bytes();
        pattern[i] = low ^ middle ^ high;
        i += 1;
    }
    pattern
};

#[derive(Debug)]
pub(crate) struct Download {
    left: u64,
    is_chunked: bool,
    /// The place in the pattern.
    place: usize,
}

impl Download {
    pub(crate) fn new(bytes: u64, is_chunked: bool) -> Self {
        Self {
            left: bytes,
            is_chunked,
            place: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    pub(crate) fn is_chunked(&self) -> bool {
        self.is_chunked
    }

    /// Writes until the queue is full, or until the body is over. Returns the last answer.
    pub(crate) fn pour(&mut self, socket: &mut Socket<'_>) -> Flow {
        let mut flow = Flow::Open;
        while flow == Flow::Open && self.left > 0 {
            let rest = &PATTERN[self.place..];
            let left = usize::try_from(self.left).unwrap_or(usize::MAX);
            let block = &rest[..left.min(rest.len()).min(BLOCK)];
            flow = match self.is_chunked {
                true => write_chunk(socket, |socket| socket.write_static(block), block.len()),
                // Static bytes are never copied.
                false => socket.write_static(block),
            };
            self.place = (self.place + block.len()) % PATTERN.len();
            self.left -= block.len() as u64;
        }
        flow
    }
}

/// Writes a chunk of `length` bytes. `write` writes the bytes.
pub(crate) fn write_chunk(
    socket: &mut Socket<'_>,
    write: impl FnOnce(&mut Socket<'_>) -> Flow,
    length: usize,
) -> Flow {
    write!(socket, "{length:x}\r\n");
    let flow = write(socket);
    match socket.write(b"\r\n") {
        Flow::Open => flow,
        other => other,
    }
}

/// The chunk after the last one.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
