//! The state that all handlers share, and the loop around it.

use std::time::Duration;

use netloop::{EventLoop, Limits, ListenOptions, LoopContext, SocketOptions};

use crate::chat::Room;
use crate::handshake::Handshake;
use crate::options::Options;

/// The number of bytes that may wait for a client before its echo pauses, or before it is dropped from the chat.
const HIGH_WATER_MARK: usize = 256 << 10;

/// The time in which clients must answer the Close frame of a server that stops.
const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

pub(crate) struct Server {
    pub(crate) options: Options,
    pub(crate) room: Room,
}

impl Server {
    pub(crate) fn new(options: Options) -> Self {
        Self {
            options,
            room: Room::new(),
        }
    }
}

/// Listens on the address of `options`.
pub(crate) fn listen(
    event_loop: &mut EventLoop<Server>,
    options: &Options,
) -> netloop::Result<netloop::ServerId> {
    // After the mark an echo adds the message that has led to it, and the messages of the same read, which have
    // arrived already.
    let read_bytes = 128 << 10;
    let socket = SocketOptions::new()
        .high_water_mark(HIGH_WATER_MARK)
        .max_queued_bytes(HIGH_WATER_MARK + options.limits.message + 2 * read_bytes);
    let listen = ListenOptions::new()
        .limits(Limits::internet())
        .socket(socket);
    event_loop.listen_with(options.address.as_str(), listen, |_, _| {
        Handshake::default()
    })
}

/// Ends all clients with a Close frame, and `run` with the last of them. The second call does not wait for them.
pub(crate) fn shut_down(cx: &mut LoopContext<'_, Server>) {
    let time = match cx.is_shutting_down() {
        false => SHUTDOWN_TIME,
        true => Duration::ZERO,
    };
    cx.shutdown(time, |_, _| {});
}
