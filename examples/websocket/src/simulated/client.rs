//! A client in the simulation: it sends frames, and notes those that come.

use std::time::Duration;

use netloop::{CloseReason, Context, SocketHandler};

use crate::mask;

pub(super) const TEXT: u8 = 0x81;
pub(super) const BINARY: u8 = 0x82;
pub(super) const CLOSE: u8 = 0x88;
pub(super) const PING: u8 = 0x89;
pub(super) const PONG: u8 = 0x8a;

/// A client: its place among those of its test, and its habits.
pub(super) struct Client {
    pub(super) place: usize,
    pub(super) path: &'static str,
    /// The frames that it sends after its request, without waiting.
    pub(super) frames: Vec<u8>,
    pub(super) answers_pings: bool,
    /// The time for which it reads nothing.
    pub(super) deaf_for: Duration,
    /// The frames that it sends after that time.
    pub(super) late_frames: Vec<u8>,
}

/// The part of a connection that a client has seen.
#[derive(Default)]
pub(super) struct Seen {
    unread: Vec<u8>,
    is_upgraded: bool,
    pub(super) frames: Vec<(u8, Vec<u8>)>,
    pub(super) close: Option<CloseReason>,
}

impl Client {
    pub(super) fn new(place: usize, path: &'static str) -> Self {
        Self {
            place,
            path,
            frames: Vec::new(),
            answers_pings: true,
            deaf_for: Duration::ZERO,
            late_frames: Vec::new(),
        }
    }

    pub(super) fn says(mut self, opcode: u8, payload: &[u8]) -> Self {
        self.frames.extend(frame(opcode, payload));
        self
    }
}

impl SocketHandler<Vec<Seen>> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<Seen>>) {
        write!(
            cx.socket,
            "GET {} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.path
        );
        cx.socket.write(&self.frames).ignore();
        if !self.deaf_for.is_zero() {
            cx.socket.pause();
            cx.socket.after(self.deaf_for, 0);
        }
    }

    fn on_data(&mut self, cx: &mut Context<'_, Vec<Seen>>, data: &[u8]) {
        let seen = &mut cx.shared[self.place];
        seen.unread.extend_from_slice(data);
        while let Some((first, payload)) = seen.next_frame() {
            if first == PING && self.answers_pings {
                cx.socket.write(&frame(PONG, &payload)).ignore();
            }
            seen.frames.push((first, payload));
        }
    }

    fn on_timer(&mut self, cx: &mut Context<'_, Vec<Seen>>, _: u64) {
        cx.socket.resume();
        cx.socket.write(&self.late_frames).ignore();
    }

    fn on_close(&mut self, cx: &mut Context<'_, Vec<Seen>>, reason: CloseReason) {
        cx.shared[self.place].close = Some(reason);
    }
}

impl Seen {
    /// Takes the next frame of the server, after its response.
    fn next_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        if !self.is_upgraded {
            let head = self
                .unread
                .windows(4)
                .position(|four| four == b"\r\n\r\n")?;
            assert!(self.unread.starts_with(b"HTTP/1.1 101 "));
            self.unread.drain(..head + 4);
            self.is_upgraded = true;
        }
        let (start, length) = match self.unread.get(1)? {
            126 => (
                4,
                usize::from(u16::from_be_bytes(
                    self.unread.get(2..4)?.try_into().unwrap(),
                )),
            ),
            127 => unreachable!("no test has such a message"),
            length => (2, usize::from(*length)),
        };
        let payload = self.unread.get(start..start + length)?.to_vec();
        let first = self.unread[0];
        self.unread.drain(..start + length);
        Some((first, payload))
    }

    pub(super) fn texts(&self) -> Vec<&str> {
        let texts = self.frames.iter().filter(|(first, _)| *first == TEXT);
        texts
            .map(|(_, text)| std::str::from_utf8(text).unwrap())
            .collect()
    }
}

/// A frame as a client sends it.
pub(super) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x9e, 0x01, 0xc4, 0x55];
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ ..=125) => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    bytes.extend(key);
    let start = bytes.len();
    bytes.extend(payload);
    mask::apply(key, &mut bytes[start..]);
    bytes
}
