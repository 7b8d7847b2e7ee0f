//! Handlers that do something drastic from inside a callback: to themselves, to others, to all, to the server (I1,
//! I2, I3; A8; reliability C11, D2).

mod deeds;

use std::cell::Cell;
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use netloop::{Flow, ListenOptions, SocketId, SocketOptions};

use crate::support::{Peer, Reception, Recorder, Scene, Seen, loopback};

use deeds::{Acting, Cast, Deed, EVERYTHING};

/// The callback in which something is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Within {
    Connect,
    ConnectOfClient,
    Data,
    Drain,
    Sent,
    End,
    Timeout,
    Error,
    Close,
    ServerListening,
    ServerConnection,
    ServerDrop,
    ServerClose,
    Timer,
    Deferred,
    Post,
}

const EVERYWHERE: [Within; 16] = [
    Within::Connect,
    Within::ConnectOfClient,
    Within::Data,
    Within::Drain,
    Within::Sent,
    Within::End,
    Within::Timeout,
    Within::Error,
    Within::Close,
    Within::ServerListening,
    Within::ServerConnection,
    Within::ServerDrop,
    Within::ServerClose,
    Within::Timer,
    Within::Deferred,
    Within::Post,
];

/// A deed to be done, once, in the callback that is waited for.
#[derive(Clone)]
struct Plot {
    within: Within,
    deed: Deed,
    cast: Rc<Cell<Option<Cast>>>,
    is_done: Rc<Cell<bool>>,
}

impl Plot {
    fn new(within: Within, deed: Deed) -> Self {
        Self {
            within,
            deed,
            cast: Rc::default(),
            is_done: Rc::default(),
        }
    }

    /// Does it if this is the callback and the whole cast is there.
    fn act(&self, within: Within, cx: &mut impl Acting) {
        if self.within != within || self.is_done.get() {
            return;
        }
        if let Some(cast) = self.cast.get() {
            self.is_done.set(true);
            self.deed.commit(cx, &cast);
        }
    }

    /// The handler of an accepted socket.
    fn recorder(&self, name: String) -> Recorder {
        let plot = self.clone();
        Recorder::new(name).reacting(move |cx, seen| {
            let own = plot.cast.get().map(|cast| cast.own);
            let within = match seen {
                Seen::Connect => Within::Connect,
                Seen::Data(_) => Within::Data,
                Seen::Drain => Within::Drain,
                Seen::Sent(..) => Within::Sent,
                Seen::End => Within::End,
                Seen::Timeout => Within::Timeout,
                Seen::Error(..) => Within::Error,
                _ => Within::Close,
            };
            if own == Some(cx.socket.id()) {
                plot.act(within, cx);
            }
        })
    }

    /// Makes the callback come. Answers with a peer that must not be dropped yet.
    fn provoke(&self, scene: &mut Scene, cast: Cast, peer: &mut Option<Peer>) -> Option<Peer> {
        let own = cast.own;
        match self.within {
            Within::Data => peer.as_mut().unwrap().write(b"data"),
            Within::Drain => {
                assert_eq!(scene.socket(own).write(&[0; 8 << 20]), Flow::Full);
                let peer = peer.as_mut().unwrap();
                scene.drive_with("the drain", |_| {
                    while let Ok(Some(_)) = peer.read_some(1 << 20) {}
                    self.is_done.get()
                });
            }
            Within::Sent => scene.socket(own).notify_when_sent(1),
            Within::End => peer.as_mut().unwrap().half_close(),
            Within::Timeout => scene.socket(own).set_idle_timeout(Duration::from_millis(1)),
            Within::Error => peer.take().unwrap().reset(),
            Within::Close => scene.socket(own).destroy(),
            Within::ServerDrop => {
                let address = scene.event_loop.server(cast.server).address().unwrap();
                return Some(Peer::connect(address));
            }
            Within::ServerClose => {
                scene.event_loop.server(cast.server).close();
                scene.event_loop.server(cast.server).destroy_connections();
            }
            Within::Timer => {
                let plot = self.clone();
                scene
                    .event_loop
                    .after(Duration::ZERO, move |cx| plot.act(Within::Timer, cx));
            }
            Within::Deferred => {
                let plot = self.clone();
                scene
                    .event_loop
                    .defer(move |cx| plot.act(Within::Deferred, cx));
            }
            Within::Post => {
                let (deed, is_done) = (self.deed, scene.world.notes.len());
                assert_eq!(is_done, 0);
                scene
                    .event_loop
                    .remote()
                    .post(move |cx| {
                        deed.commit(cx, &cast);
                        cx.shared.note("posted");
                    })
                    .unwrap();
            }
            // These come by themselves, and have been provoked before the cast was complete.
            Within::Connect
            | Within::ConnectOfClient
            | Within::ServerListening
            | Within::ServerConnection => {}
        }
        None
    }
}

// A8, I1, I2, I3; reliability D2. That no event comes after on_close, or is missing, is checked at each event.
#[test]
fn anything_may_be_done_to_any_socket_within_any_callback() {
    for within in EVERYWHERE {
        for deed in EVERYTHING {
            let case = format!("{deed:?} within {within:?}");
            println!("{case}");
            play(within, deed, &case);
        }
    }
}

fn play(within: Within, deed: Deed, case: &str) {
    let mut scene = Scene::new();
    let plot = Plot::new(within, deed);
    let members = Rc::new(Cell::new(0));
    let reception = {
        let (plot, members) = (plot.clone(), Rc::clone(&members));
        let reacting = plot.clone();
        let reception = Reception::welcoming("server", move |cx, accepted| {
            let name = format!("member {}", members.replace(members.get() + 1));
            cx.shared.newest = Some(accepted.id);
            if let Within::ServerConnection | Within::Connect = plot.within {
                // The last to come is the one whose callback it is, and the other two are there.
                let all: Vec<SocketId> = cx.sockets.ids().collect();
                if let &[one, two, three] = &all[..] {
                    let rest = [one, two, three]
                        .into_iter()
                        .filter(|&id| id != accepted.id);
                    let rest: Vec<SocketId> = rest.collect();
                    plot.cast.set(Some(Cast {
                        own: accepted.id,
                        other: rest[0],
                        third: rest[1],
                        server: accepted.server,
                    }));
                    plot.act(Within::ServerConnection, cx);
                }
            }
            Some(plot.recorder(name))
        });
        reception.reacting(move |cx, seen| match seen {
            Seen::Drop(_) => reacting.act(Within::ServerDrop, cx),
            Seen::ServerClose => reacting.act(Within::ServerClose, cx),
            Seen::Listening => reacting.act(Within::ServerListening, cx),
            _ => {}
        })
    };
    let options = ListenOptions::new()
        .max_connections(3)
        .socket(SocketOptions::new().allow_half_open(true));
    let server = scene
        .event_loop
        .serve(loopback(), options, reception)
        .unwrap();
    let address = scene.event_loop.server(server).address().unwrap();

    let mut peers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        scene.world.newest = None;
        peers.push(Some(Peer::connect(address)));
        scene.drive("a member", |world| world.newest.is_some());
        ids.extend(scene.world.newest);
    }
    let mut cast = Cast {
        own: ids[2],
        other: ids[0],
        third: ids[1],
        server,
    };
    let mut extra = None;
    match within {
        Within::ConnectOfClient => {
            let listener = std::net::TcpListener::bind(loopback()).unwrap();
            let to = listener.local_addr().unwrap();
            let client = {
                let plot = plot.clone();
                Recorder::new("client").reacting(move |cx, seen| {
                    if *seen == Seen::Connect {
                        plot.act(Within::ConnectOfClient, cx);
                    }
                })
            };
            let options = SocketOptions::new().allow_half_open(true);
            cast.own = scene.connect(to, options, client);
            plot.cast.set(Some(cast));
            extra = Some(scene.peer_accepts(&listener));
        }
        Within::ServerListening => {
            // A second server, whose first event comes when the others are there.
            plot.cast.set(Some(cast));
            let reacting = plot.clone();
            let second = Reception::welcoming("second", |_, _| None).reacting(move |cx, seen| {
                if *seen == Seen::Listening {
                    reacting.act(Within::ServerListening, cx);
                }
            });
            let second = scene
                .event_loop
                .serve(loopback(), ListenOptions::new(), second)
                .unwrap();
            scene.event_loop.server(second).release();
        }
        Within::Connect | Within::ServerConnection => {}
        _ => plot.cast.set(Some(cast)),
    }
    let mut own_peer = peers[2].take();
    let late = plot.provoke(&mut scene, cast, &mut own_peer);
    scene.drive(case, |world| {
        plot.is_done.get() || world.notes == ["posted"]
    });
    scene.settle();

    // The sockets that should be gone are, and no others.
    let mut gone: HashSet<SocketId> = deed.closes(&cast).into_iter().collect();
    match within {
        Within::Error | Within::Close => {
            gone.insert(cast.own);
        }
        Within::ServerClose => gone.extend([cast.own, cast.other, cast.third]),
        // Both sides have ended then.
        Within::End if deed == Deed::EndItself => {
            gone.insert(cast.own);
        }
        _ => {}
    }
    if within == Within::ConnectOfClient && deed == Deed::DestroyAllOfTheServer {
        gone.remove(&cast.own);
        gone.insert(ids[2]);
    }
    if within == Within::ConnectOfClient
        && matches!(deed, Deed::DestroyAll | Deed::DestroyEverything)
    {
        gone.insert(ids[2]);
    }
    for id in ids.iter().copied().chain([cast.own]) {
        let is_gone = scene.socket(id).is_destroyed();
        assert_eq!(is_gone, gone.contains(&id), "{case}: {id:?} of {cast:?}");
        let is_told = scene
            .world
            .lives
            .get(&id)
            .is_some_and(|life| life.is_closed());
        assert_eq!(is_told, is_gone, "{case}: {id:?} of {cast:?}");
    }
    let is_listening = !deed.closes_the_server() && within != Within::ServerClose;
    assert_eq!(
        scene.event_loop.server(server).is_listening(),
        is_listening,
        "{case}"
    );

    // The loop goes on as if nothing had happened, until all is over.
    drop((late, extra, own_peer, peers));
    scene.event_loop.server(server).close();
    let rest: Vec<SocketId> = scene.event_loop.sockets().ids().collect();
    for id in rest {
        scene.socket(id).destroy();
    }
    scene.drive_with(case, |scene| !scene.event_loop.is_alive());
    assert!(scene.world.all_are_closed(), "{case}");
    assert_eq!(scene.event_loop.sockets().ids().count(), 0, "{case}");
    let closes = scene.world.count("server", "server-close");
    assert_eq!(closes, 1, "{case}");
}

/// A socket of a loop that is connected to another of the same loop.
fn couple(scene: &mut Scene, options: SocketOptions, one: Recorder, other: Recorder) -> SocketId {
    let mut other = Some(other);
    let (server, address) = scene.listen(options.clone(), move |_| other.take().unwrap());
    let id = scene.connect(address, options, one);
    scene.world.newest = None;
    scene.drive("the connection", |world| world.newest.is_some());
    scene.event_loop.server(server).close();
    id
}

// I1; reliability C11
#[test]
fn two_sockets_that_answer_each_other_for_ever_do_not_nest() {
    let mut scene = Scene::new();
    let rally = |name: &str| {
        Recorder::new(name).reacting(|cx, seen| {
            if matches!(seen, Seen::Connect | Seen::Data(_)) && cx.shared.log.len() < 2000 {
                let before = cx.shared.log.len();
                let _ = cx.socket.write(b"ball");
                assert_eq!(cx.shared.log.len(), before, "no callback within the write");
            }
        })
    };
    couple(
        &mut scene,
        SocketOptions::new(),
        rally("one"),
        rally("other"),
    );
    scene.drive("2,000 strokes", |world| world.log.len() >= 2000);
}
