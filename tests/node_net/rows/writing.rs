//! Writing: bytes, large and small, corked and queued.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use netloop::{
    CloseReason, ConnectOptions, Context, Flow, ListenOptions, SocketHandler, SocketOptions, State,
};

use crate::support::{Recorder, Scene, Seen, World, assert_same_bytes, loopback, pattern};

#[test]
fn net_binary() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(ListenOptions::new(), |_| {
        Recorder::new("accepted").on("data", |cx, seen| {
            if let Seen::Data(bytes) = seen {
                let _ = cx.socket.write(bytes);
            }
        })
    });
    let descending: Vec<u8> = (0..=255).rev().collect();
    let ascending: Vec<u8> = (0..=255).collect();
    let first = descending.clone();
    let mut next = 0;
    let client = Recorder::new("client")
        .on("connect", move |cx, _| {
            let _ = cx.socket.write(&first);
        })
        .on("data", move |cx, _| {
            // The bytes that are sent one by one begin when all of the first part is back.
            if cx.shared.received_length("client") != 256 + next {
                return;
            }
            match u8::try_from(next) {
                Ok(byte) => {
                    let _ = cx.socket.write(&[byte]);
                    next += 1;
                }
                Err(_) => cx.socket.end(),
            }
        });
    scene.connect(address, ConnectOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.received("client"),
        [descending, ascending].concat()
    );
    assert_eq!(
        scene.world.trace("client"),
        "connect data:512 end close:Graceful"
    );
    scene.close(server);
    scene.drive_to_exit();
}

#[test]
fn net_buffersize() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let at_finish = Rc::new(Cell::new(None));
    let seen_at_finish = Rc::clone(&at_finish);
    let recorder = Recorder::new("client").on("sent", move |cx, _| {
        seen_at_finish.set(Some(cx.socket.queued_bytes()));
    });
    let client = scene.connect(address, SocketOptions::new(), recorder);
    let mut socket = scene.socket(client);
    for written in 1..10 {
        let _ = socket.write(b"a");
        assert_eq!(socket.queued_bytes(), written);
    }
    socket.end();
    socket.notify_when_sent(0);
    scene.drive_to_close("client");
    assert_eq!(at_finish.get(), Some(0));
    assert_eq!(scene.world.received("accepted"), b"aaaaaaaaa");
}

#[test]
fn net_connect_buffer2() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        assert_eq!(cx.socket.bytes_written(), 11);
    });
    // With a mark of 0 everything that is queued is too much.
    let options = SocketOptions::new().high_water_mark(0);
    let client = scene.connect(address, options, client);
    let mut socket = scene.socket(client);
    assert_eq!(socket.state(), State::Opening);
    assert_eq!(socket.write(b"L'Etat, "), Flow::Full);
    socket.notify_when_sent(1);
    assert_eq!(socket.bytes_written(), 8);
    assert_eq!(socket.queued_bytes(), 8);
    assert_eq!(socket.end_with(b"c'e"), Flow::Full);
    assert_eq!(socket.bytes_written(), 11);
    assert_eq!(socket.state(), State::Opening);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.trace("client"),
        "connect sent:1 end close:Graceful"
    );
    assert_eq!(scene.world.received("accepted"), b"L'Etat, c'e");
}

#[test]
fn net_large_string() {
    let mut scene = Scene::new();
    let (server, address) = scene.listen(SocketOptions::new().allow_half_open(true), |_| {
        Recorder::new("accepted").on("end", |cx, _| cx.socket.end())
    });
    let sent = pattern(122_880, 1);
    let client = scene.connect(address, ConnectOptions::new(), Recorder::new("client"));
    let _ = scene.socket(client).write(&sent);
    scene.socket(client).end();
    scene.drive_until("server", "connection");
    scene.close(server);
    scene.drive_to_exit();
    assert_same_bytes(&scene.world.received("accepted"), &sent);
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:122880 end close:Graceful"
    );
    assert_eq!(scene.world.trace("client"), "connect end close:Graceful");
}

#[test]
fn net_socket_byteswritten() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client")
        .on("connect", |cx, _| {
            let written = cx.socket.bytes_written();
            cx.shared.note(format!("connect {written}"));
            cx.socket.end();
        })
        .on("end", |cx, _| {
            let written = cx.socket.bytes_written();
            cx.shared.note(format!("end {written}"));
        });
    let id = scene.connect(address, SocketOptions::new(), client);
    let mut socket = scene.socket(id);
    socket.cork();
    assert_eq!(socket.write(b"one"), Flow::Open);
    assert_eq!(socket.write("twø".as_bytes()), Flow::Open);
    socket.uncork();
    assert_eq!(socket.bytes_written(), 7);
    scene.drive_to_close("client");
    assert_eq!(scene.world.notes, ["connect 7", "end 7"]);
    assert_eq!(scene.world.received("accepted"), "onetwø".as_bytes());
}

#[test]
fn net_sync_cork() {
    const PAIRS: usize = 100;
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client").on("connect", |cx, _| {
        for _ in 0..PAIRS {
            cx.socket.cork();
            assert_eq!(cx.socket.write(b"aa"), Flow::Open);
            assert_eq!(cx.socket.write(b"bb"), Flow::Open);
            cx.socket.uncork();
        }
        cx.socket.end();
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(scene.world.received("accepted"), b"aabb".repeat(PAIRS));
    assert_eq!(
        scene.world.trace("accepted"),
        "connect data:400 end close:Graceful"
    );
}

// The call answers what a write callback would tell.
#[test]
fn net_write_after_close() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| Recorder::new("accepted"));
    let client = Recorder::new("client")
        .on("connect", |cx, _| cx.socket.end())
        .on("end", |cx, _| {
            let accepted = cx.shared.id("accepted");
            let flow = cx.socket.socket(accepted).write(b"test");
            cx.shared.note(format!("{flow:?}"));
        });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert!(["Closed", "Ended"].contains(&scene.world.notes[0].as_str()));
    assert_eq!(scene.world.trace("accepted"), "connect end close:Graceful");
}

#[test]
fn net_write_connect_write() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(SocketOptions::new(), |_| {
        Recorder::new("accepted").on("data", |cx, seen| {
            let Seen::Data(bytes) = seen else { return };
            let _ = cx.socket.write(bytes);
        })
    });
    let client = Recorder::new("client").on("connect", |cx, _| {
        let _ = cx.socket.end_with(b" after");
    });
    let id = scene.connect(address, SocketOptions::new(), client);
    assert_eq!(scene.socket(id).write(b"before"), Flow::Open);
    scene.drive_to_close("client");
    assert_eq!(
        scene.world.trace("client"),
        "connect data:before after end close:Graceful"
    );
}

/// The `number`th of the buffers that are written until the kernel takes no more.
fn buffer(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); 1_000_000]
}

/// Writes until it is told to stop, and again at each drain.
struct Filling {
    rounds: u32,
    buffers: usize,
}

impl Filling {
    fn fill(&mut self, cx: &mut Context<'_, World>) {
        loop {
            self.buffers += 1;
            // The buffer is given away.
            match cx.socket.write_owned(buffer(self.buffers)) {
                Flow::Open => {}
                flow => return assert_eq!(flow, Flow::Full),
            }
        }
    }
}

impl SocketHandler<World> for Filling {
    fn on_connect(&mut self, cx: &mut Context<'_, World>) {
        self.fill(cx);
    }
    fn on_data(&mut self, _: &mut Context<'_, World>, _: &[u8]) {}
    fn on_drain(&mut self, cx: &mut Context<'_, World>) {
        self.rounds -= 1;
        if self.rounds > 0 {
            self.fill(cx);
        } else {
            cx.socket.end();
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        let Self { rounds, buffers } = self;
        cx.shared.note(format!(
            "{reason:?}, {rounds} rounds left, {buffers} buffers"
        ));
    }
}

/// Checks that it is given the buffers in their order.
#[derive(Default)]
struct Checking {
    buffers: usize,
    rest: Vec<u8>,
}

impl SocketHandler<World> for Checking {
    fn on_data(&mut self, _: &mut Context<'_, World>, mut data: &[u8]) {
        while !data.is_empty() {
            if self.rest.is_empty() {
                self.buffers += 1;
                self.rest = buffer(self.buffers);
            }
            let length = data.len().min(self.rest.len());
            let (now, later) = data.split_at(length);
            let expected = self.rest.split_off(self.rest.len() - length);
            assert!(now == expected, "buffer {}", self.buffers);
            data = later;
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, reason: CloseReason) {
        assert!(self.rest.is_empty());
        let buffers = self.buffers;
        cx.shared
            .note(format!("{reason:?}, 0 rounds left, {buffers} buffers"));
    }
}

#[test]
fn net_write_fully_async_buffer() {
    let mut scene = Scene::new();
    let server = scene
        .event_loop
        .listen(loopback(), |_, _| Checking::default())
        .unwrap();
    let address = scene.address_of(server);
    let filling = Filling {
        rounds: 20,
        buffers: 0,
    };
    scene.event_loop.connect(address, filling).unwrap();
    scene.drive("both ends closed", |world| world.notes.len() == 2);
    assert_eq!(scene.world.notes[0], scene.world.notes[1]);
    assert!(scene.world.notes[0].starts_with("Graceful, 0 rounds left, "));
}

#[test]
fn net_write_slow() {
    const WRITES: u64 = 10;
    const BYTES: usize = 200_000;
    let mut scene = Scene::new();
    let options = SocketOptions::new().idle_timeout(Duration::from_millis(9_999));
    let (_, address) = scene.listen(options, |_| {
        Recorder::new("accepted").on("connect", |cx, _| {
            for write in 1..=WRITES {
                let byte = u8::try_from(write).unwrap();
                assert!(cx.socket.write(&vec![byte; BYTES]).is_accepted());
                cx.socket.notify_when_sent(write);
            }
            cx.socket.end();
        })
    });
    let client = Recorder::new("client").on("data", |cx, _| {
        cx.socket.pause();
        let id = cx.socket.id();
        cx.after(Duration::from_millis(20), move |cx| {
            cx.sockets.socket(id).resume();
        });
    });
    scene.connect(address, SocketOptions::new(), client);
    scene.drive_to_close("client");
    scene.drive_to_close("accepted");
    assert_eq!(
        scene.world.trace("accepted"),
        "connect sent:1 sent:2 sent:3 sent:4 sent:5 sent:6 sent:7 sent:8 sent:9 sent:10 \
         end close:Graceful"
    );
    assert_eq!(
        scene.world.trace("client"),
        "connect data:2000000 end close:Graceful"
    );
    let expected: Vec<u8> = (1..=10).flat_map(|byte| vec![byte; BYTES]).collect();
    assert_same_bytes(&scene.world.received("client"), &expected);
}
