//! Further abilities of sockets: a type of service, and bytes that are read as text.

use netloop::text::{Lines, Utf8Decoder};
use netloop::{CloseReason, Context, SocketHandler, SocketId, SocketOptions};
use socket2::SockRef;

use crate::support::{Peer, Recorder, Scene, Seen, World, listener};

/// The type of service of the stream behind `id`, as the system has it, without its two lowest bits.
fn taken_type_of_service(scene: &mut Scene, id: SocketId) -> u32 {
    let (stream, _) = scene.socket(id).detach().unwrap();
    let stream = stream.into_tcp().unwrap();
    SockRef::from(&stream).tos_v4().unwrap() & 0xFC
}

#[test]
fn the_type_of_service_option_holds_for_every_new_socket() {
    let mut scene = Scene::new();
    let options = || SocketOptions::new().type_of_service(0x20);
    let (accepted, _peer) = scene.accepted(options(), Recorder::new("accepted"));
    let (adopted, _other) = scene.adopted(options(), Recorder::new("adopted"));
    let (_listener, address) = listener();
    let connected = scene
        .event_loop
        .connect_with(address, options(), Recorder::new("connected"))
        .unwrap();
    let changed = scene
        .event_loop
        .connect_with(address, options(), Recorder::new("changed"))
        .unwrap();
    scene.socket(changed).set_type_of_service(0x40).unwrap();
    scene.drive("both connected", |world| {
        world.has_seen("connected", &Seen::Connect) && world.has_seen("changed", &Seen::Connect)
    });
    for id in [accepted, adopted, connected] {
        assert_eq!(taken_type_of_service(&mut scene, id), 0x20);
    }
    assert_eq!(taken_type_of_service(&mut scene, changed), 0x40);
    scene.settle();
    let mut gone = scene.socket(changed);
    gone.set_type_of_service(0).unwrap();
    assert_eq!(gone.type_of_service(), None);
}

/// Notes what it is told as text: each line, and the whole without its cuts.
struct Reader {
    lines: Lines,
    decoder: Utf8Decoder,
    text: String,
}

impl SocketHandler<World> for Reader {
    fn on_data(&mut self, cx: &mut Context<'_, World>, data: &[u8]) {
        self.text.push_str(&self.decoder.push(data));
        for line in self.lines.push(data) {
            cx.shared.note(match line {
                Ok(line) => String::from_utf8_lossy(line).into_owned(),
                Err(too_long) => format!("more than {} bytes", too_long.max_line_bytes()),
            });
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, World>, _: CloseReason) {
        self.text.push_str(self.decoder.finish());
        cx.shared.note(std::mem::take(&mut self.text));
    }
}

// Node's `setEncoding`, and lines.
#[test]
fn a_handler_reads_text_and_lines_however_the_network_cuts_them() {
    let sent = "grüße\r\n\n日本語 ist zu lang\n€ 20\nohne".as_bytes();
    // The end is within a character.
    let sent = [sent, b"\xe2\x82"].concat();
    for seed in 0..20 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut scene = Scene::new();
        let (ours, mut peer) = Peer::roomy_pair();
        let reader = Reader {
            lines: Lines::new(8),
            decoder: Utf8Decoder::new(),
            text: String::new(),
        };
        let id = scene
            .event_loop
            .adopt(ours, SocketOptions::new(), reader)
            .unwrap();
        scene.begin_filters(id, &mut peer);
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let (cut, later) = rest.split_at(random.usize(1..=rest.len().min(7)));
            peer.write(cut);
            rest = later;
            let arrived = (sent.len() - rest.len()) as u64;
            scene.drive_with("the bytes", |scene| {
                scene.socket(id).bytes_read() == arrived
            });
        }
        peer.close();
        scene.drive_with("the close", |scene| scene.socket(id).is_destroyed());
        assert_eq!(
            scene.world.notes,
            [
                "grüße",
                "",
                "more than 8 bytes",
                "€ 20",
                "grüße\r\n\n日本語 ist zu lang\n€ 20\nohne\u{FFFD}"
            ],
            "seed {seed}"
        );
    }
}
