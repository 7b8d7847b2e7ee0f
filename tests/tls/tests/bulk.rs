//! Many bytes, and few: everything arrives, in both directions.

use std::rc::Rc;

use netloop::{Context, EventLoop, Flow, RunEnd, ServerId, SocketHandler};

use crate::by_hand::server_and_client;
use crate::options;
use crate::support::{PATIENCE, Recorder, Scene, Seen, loopback, pattern};

/// Echoes, and reads no further while the peer does not read.
struct Echo;

impl SocketHandler for Echo {
    fn on_data(&mut self, cx: &mut Context<'_>, data: &[u8]) {
        if cx.socket.write(data) == Flow::Full {
            cx.socket.pause();
        }
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        cx.socket.resume();
    }
}

/// Writes all of it, and compares what comes back.
struct Compare {
    bytes: Rc<[u8]>,
    server: ServerId,
    written: usize,
    received: usize,
}

impl Compare {
    fn write(&mut self, cx: &mut Context<'_>) {
        while self.written < self.bytes.len() {
            let end = self.bytes.len().min(self.written + 50_000);
            let flow = cx.socket.write(&self.bytes[self.written..end]);
            self.written = end;
            if flow == Flow::Full {
                return;
            }
        }
        cx.socket.end();
    }
}

impl SocketHandler for Compare {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        self.write(cx);
    }
    fn on_drain(&mut self, cx: &mut Context<'_>) {
        self.write(cx);
    }
    fn on_data(&mut self, _: &mut Context<'_>, data: &[u8]) {
        let expected = &self.bytes[self.received..self.received + data.len()];
        assert!(data == expected, "behind {} bytes", self.received);
        self.received += data.len();
    }
    fn on_end(&mut self, cx: &mut Context<'_>) {
        assert_eq!(self.received, self.bytes.len());
        cx.socket.server(self.server).close();
    }
    fn on_error(&mut self, _: &mut Context<'_>, error: &netloop::Error) {
        panic!("{error}");
    }
}

#[test]
fn sixty_four_mebibytes_pass_each_way_byte_for_byte() {
    let (server, client) = options();
    let mut event_loop: EventLoop = EventLoop::new().unwrap();
    let server = event_loop
        .listen_with(loopback(), server, |_, _| Echo)
        .unwrap();
    let address = event_loop.server(server).address().unwrap();
    let handler = Compare {
        bytes: pattern(64 << 20, 17).into(),
        server,
        written: 0,
        received: 0,
    };
    event_loop.connect_with(address, client, handler).unwrap();
    let end = event_loop.run_for(&mut (), PATIENCE * 3).unwrap();
    assert_eq!(end, RunEnd::Finished);
}

#[test]
fn tls_arrives_one_byte_at_a_time() {
    let mut scene = Scene::new();
    let echo = |_| {
        Recorder::new("theirs").reacting(|cx, seen| {
            if let Seen::Data(bytes) = seen {
                cx.socket.write(bytes).ignore();
            }
        })
    };
    let mut client = server_and_client(&mut scene, echo);
    client.write(b"slowly");
    let mut unsent = Vec::new();
    scene.drive_with("the echo", |_| {
        unsent.extend(client.outgoing());
        if !unsent.is_empty() {
            client.peer.write(&[unsent.remove(0)]);
        }
        while let Ok(Some(bytes)) = client.peer.read_some(1) {
            client.take(&bytes);
        }
        client.received == b"slowly"
    });
    let trace = scene.world.trace("theirs");
    assert_eq!(trace, "connect data:slowly");
}

#[test]
fn many_small_writes_are_one_record() {
    let mut scene = Scene::new();
    let writer = |_| {
        Recorder::new("theirs").on("connect", |cx, _| {
            for _ in 0..100 {
                cx.socket.write(b"a line\n").ignore();
            }
        })
    };
    let mut client = server_and_client(&mut scene, writer);
    client.shake_hands(&mut scene);
    client.drive(&mut scene, "the lines", |it, _| it.received.len() == 700);
    let id = scene.world.id("theirs");
    assert_eq!(scene.socket(id).bytes_written(), 700, "the handler's bytes");
    assert_eq!(scene.socket(id).queued_bytes(), 0);
}
