//! The limit on all queued bytes, in the simulated network: it holds behind every write of any kind, and peers that
//! read lose nothing.

use std::rc::Rc;
use std::time::Duration;

use netloop::simulation::{Options, Seeds};
use netloop::{
    CloseReason, Context, EventLoopOptions, Limits, LoopContext, SocketHandler, SocketId,
    SocketOptions,
};

const LIMIT: usize = 40_000;
const HOGS: usize = 20;
const READERS: usize = 4;
const ROUNDS: u32 = 60;

/// The sockets of the server, and the bytes that it has written to each reader.
#[derive(Default)]
struct Server {
    sockets: Vec<(SocketId, bool)>,
    written: Vec<(SocketId, usize)>,
    closed_readers: usize,
    random: fastrand::Rng,
    pressures: u64,
}

struct Accepted;

impl SocketHandler<Server> for Accepted {
    fn on_data(&mut self, cx: &mut Context<'_, Server>, data: &[u8]) {
        let reads = data[0] == b'r';
        let id = cx.socket.id();
        cx.shared.sockets.push((id, reads));
        if reads {
            cx.shared.written.push((id, 0));
        }
    }
    fn on_close(&mut self, cx: &mut Context<'_, Server>, reason: CloseReason) {
        let id = cx.socket.id();
        let reads = cx.shared.sockets.contains(&(id, true));
        assert!(
            !reads || reason != CloseReason::Limit,
            "a peer that reads pays"
        );
        cx.shared.closed_readers += usize::from(reads);
        cx.shared.sockets.retain(|(it, _)| *it != id);
    }
}

fn check(cx: &LoopContext<'_, Server>) {
    let queued = cx.statistics().queued_bytes;
    assert!(queued <= LIMIT, "{queued} bytes are queued");
}

/// Writes something to everyone, by any of the ways, and checks the limit behind every write.
fn write_round(cx: &mut LoopContext<'_, Server>) {
    let shared: Rc<[u8]> = [3; 2_400].into();
    for (id, reads) in cx.shared.sockets.clone() {
        let way = cx.shared.random.u8(0..6);
        let mut socket = cx.sockets.socket(id);
        if reads && socket.queued_bytes() > 0 {
            continue;
        }
        let before = socket.bytes_written();
        match way {
            0 => socket.write(&[1; 300]).ignore(),
            1 => socket.write_owned(vec![2; 2_000]).ignore(),
            2 => socket.write_shared(Rc::clone(&shared)).ignore(),
            3 => socket.write_static(&[4; 1_500]).ignore(),
            4 => {
                write!(socket, "{:>800}", 5);
            }
            _ => {
                let _ = cx.sockets.broadcast([id], &[6; 700]);
            }
        }
        let length = cx.sockets.socket(id).bytes_written() - before;
        if let Some((_, written)) = cx.shared.written.iter_mut().find(|it| it.0 == id) {
            *written += usize::try_from(length).unwrap();
        }
        check(cx);
    }
    let everyone: Vec<_> = cx.shared.sockets.iter().map(|it| it.0).collect();
    let is_quiet = everyone.iter().all(|id| {
        let is_hog = cx.shared.sockets.contains(&(*id, false));
        is_hog || cx.sockets.socket(*id).queued_bytes() == 0
    });
    if is_quiet {
        let before: Vec<_> = everyone
            .iter()
            .map(|id| cx.sockets.socket(*id).bytes_written())
            .collect();
        let _ = cx.sockets.broadcast(everyone.iter().copied(), &[7; 500]);
        for (id, before) in everyone.iter().zip(before) {
            let length = cx.sockets.socket(*id).bytes_written() - before;
            if let Some((_, written)) = cx.shared.written.iter_mut().find(|it| it.0 == *id) {
                *written += usize::try_from(length).unwrap();
            }
        }
        check(cx);
    }
}

/// A peer, with the bytes that it has received.
struct Client {
    reads: bool,
    index: usize,
}

impl SocketHandler<Vec<usize>> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Vec<usize>>) {
        cx.socket
            .write(if self.reads { b"r" } else { b"h" })
            .ignore();
        if !self.reads {
            cx.socket.pause();
        }
    }
    fn on_data(&mut self, cx: &mut Context<'_, Vec<usize>>, data: &[u8]) {
        cx.shared[self.index] += data.len();
    }
}

#[test]
fn the_total_holds_behind_every_write_and_readers_lose_nothing() {
    let calm = |options: &mut Options| {
        options.faults = netloop::simulation::Faults::NONE;
        options.descriptors = None;
        options.capacity = options.capacity.clamp(1 << 10, 8 << 10);
    };
    let run = Seeds::new(0..40).options(calm).run(|simulation| {
        let limits = Limits::new().max_total_queued_bytes(LIMIT);
        let options = EventLoopOptions::new().limits(limits);
        let server = Server {
            random: fastrand::Rng::with_seed(simulation.trace_entries() + 7),
            ..Server::default()
        };
        let mut server = simulation.host_with(server, options)?;
        let mut clients = simulation.host(vec![0; READERS + HOGS])?;
        server.event_loop.listen("10.0.0.1:7000", |_, _| Accepted)?;
        server.event_loop.on_pressure(|cx, pressure| {
            assert!(pressure.limit == LIMIT && pressure.queued_bytes <= LIMIT);
            cx.shared.pressures += 1;
        });
        for index in 0..READERS + HOGS {
            let reads = index < READERS;
            let options = SocketOptions::new();
            let client = Client { reads, index };
            clients
                .event_loop
                .connect_with("10.0.0.1:7000", options, client)?;
        }
        let mut rounds = 0;
        server
            .event_loop
            .every(Duration::from_millis(20), move |cx| {
                rounds += 1;
                if rounds <= ROUNDS {
                    write_round(cx);
                }
            });
        simulation.run_for(&mut [&mut server, &mut clients], Duration::from_secs(20))?;
        let statistics = server.event_loop.statistics();
        assert!(statistics.closed_over_total > 0, "no hog had to go");
        // Of several times within one callback, one is told.
        let told = server.shared.pressures;
        assert!(told > 0 && told <= statistics.pressures);
        assert_eq!(server.shared.closed_readers, 0);
        // The readers come in any order, and are told apart by their sums.
        let mut written: Vec<_> = server.shared.written.iter().map(|it| it.1).collect();
        let mut received = clients.shared[..READERS].to_vec();
        written.sort_unstable();
        received.sort_unstable();
        assert_eq!(received, written);
        Ok(())
    });
    run.unwrap();
}
