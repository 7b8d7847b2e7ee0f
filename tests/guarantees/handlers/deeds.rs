//! Everything drastic that a handler could do, to be done in any callback.

use netloop::{Context, Error, Flow, LoopContext, Server, ServerId, Socket, SocketId};

use crate::support::{Recorder, World, loopback};

/// A deed of a handler within its callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    DestroyItself,
    FailItself,
    ResetItself,
    EndItself,
    EndItselfAndClose,
    DestroyAnother,
    DestroyAll,
    CloseTheServer,
    DestroyAllOfTheServer,
    DestroyEverything,
    WriteToAll,
    PauseAll,
    ReplaceItself,
    ReplaceAnother,
    ConnectAndListen,
    DestroyItselfLater,
}

pub(crate) const EVERYTHING: [Deed; 16] = [
    Deed::DestroyItself,
    Deed::FailItself,
    Deed::ResetItself,
    Deed::EndItself,
    Deed::EndItselfAndClose,
    Deed::DestroyAnother,
    Deed::DestroyAll,
    Deed::CloseTheServer,
    Deed::DestroyAllOfTheServer,
    Deed::DestroyEverything,
    Deed::WriteToAll,
    Deed::PauseAll,
    Deed::ReplaceItself,
    Deed::ReplaceAnother,
    Deed::ConnectAndListen,
    Deed::DestroyItselfLater,
];

/// The verbs that both kinds of context have, under one name.
pub(crate) trait Acting {
    fn socket(&mut self, id: SocketId) -> Socket<'_>;
    fn all(&mut self) -> Vec<SocketId>;
    fn with_server(&mut self, id: ServerId, act: fn(&mut Server<'_>));
    fn replace(&mut self, id: SocketId, recorder: Recorder);
    fn connect_and_listen(&mut self);
    fn destroy_later(&mut self, id: SocketId);
}

macro_rules! acting {
    ($context:ident, $cx:ident, $sockets:expr, $id:ident, $socket:expr, $verbs:expr) => {
        impl Acting for $context<'_, World> {
            fn socket(&mut self, $id: SocketId) -> Socket<'_> {
                let $cx = self;
                $socket
            }
            fn all(&mut self) -> Vec<SocketId> {
                let $cx = self;
                $sockets.ids().collect()
            }
            fn with_server(&mut self, id: ServerId, act: fn(&mut Server<'_>)) {
                let $cx = self;
                act(&mut $sockets.server(id));
            }
            fn replace(&mut self, id: SocketId, recorder: Recorder) {
                self.replace_handler(id, recorder, b"");
            }
            fn connect_and_listen(&mut self) {
                let $cx = &mut *self;
                let server = $verbs
                    .listen(loopback(), |_, _| Recorder::new("newcomer"))
                    .unwrap();
                let $cx = &mut *self;
                let address = $sockets.server(server).address().unwrap();
                $sockets.server(server).release();
                let client = self.connect(address, Recorder::new("visitor")).unwrap();
                self.socket(client).destroy_soon();
            }
            fn destroy_later(&mut self, id: SocketId) {
                self.defer(move |cx| cx.sockets.socket(id).destroy());
            }
        }
    };
}

acting!(
    Context,
    cx,
    cx.socket.sockets(),
    id,
    cx.socket.socket(id),
    cx.as_loop()
);
acting!(LoopContext, cx, cx.sockets, id, cx.sockets.socket(id), cx);

/// Three sockets of one server; `own` is the one whose callback it is, where it is one of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cast {
    pub(crate) own: SocketId,
    pub(crate) other: SocketId,
    pub(crate) third: SocketId,
    pub(crate) server: ServerId,
}

impl Deed {
    /// Does it, as far as it can be done: everything named here may be dead already.
    pub(crate) fn commit(self, cx: &mut impl Acting, cast: &Cast) {
        match self {
            Self::DestroyItself => cx.socket(cast.own).destroy(),
            Self::FailItself => cx.socket(cast.own).destroy_with(Error::other("drastic")),
            Self::ResetItself => cx.socket(cast.own).reset().unwrap(),
            Self::EndItself => cx.socket(cast.own).end(),
            Self::EndItselfAndClose => cx.socket(cast.own).destroy_soon(),
            Self::DestroyAnother => cx.socket(cast.other).destroy(),
            Self::DestroyAll => {
                for id in cx.all() {
                    cx.socket(id).destroy();
                }
            }
            Self::CloseTheServer => cx.with_server(cast.server, |server| server.close()),
            Self::DestroyAllOfTheServer => {
                cx.with_server(cast.server, |server| server.destroy_connections());
            }
            Self::DestroyEverything => {
                cx.with_server(cast.server, |server| {
                    server.close();
                    server.destroy_connections();
                    server.close();
                });
                for id in cx.all() {
                    let mut socket = cx.socket(id);
                    socket.destroy();
                    assert_eq!(socket.write(b"dead"), Flow::Closed);
                }
            }
            Self::WriteToAll => {
                for id in cx.all() {
                    let _ = cx.socket(id).write(b"to all");
                    let _ = cx.socket(id).write_static(&[0; 20_000]);
                }
            }
            Self::PauseAll => {
                for id in cx.all() {
                    cx.socket(id).pause();
                    cx.socket(id).resume();
                    cx.socket(id).pause();
                }
            }
            Self::ReplaceItself => cx.replace(cast.own, Recorder::new("replacement")),
            Self::ReplaceAnother => cx.replace(cast.other, Recorder::new("replacement")),
            Self::ConnectAndListen => cx.connect_and_listen(),
            Self::DestroyItselfLater => cx.destroy_later(cast.own),
        }
    }

    /// Which of the sockets it closes, at once or in a moment.
    pub(crate) fn closes(self, cast: &Cast) -> Vec<SocketId> {
        match self {
            Self::DestroyItself
            | Self::FailItself
            | Self::ResetItself
            | Self::EndItselfAndClose
            | Self::DestroyItselfLater => vec![cast.own],
            Self::DestroyAnother => vec![cast.other],
            Self::DestroyAll | Self::DestroyAllOfTheServer | Self::DestroyEverything => {
                vec![cast.own, cast.other, cast.third]
            }
            Self::EndItself
            | Self::CloseTheServer
            | Self::WriteToAll
            | Self::PauseAll
            | Self::ReplaceItself
            | Self::ReplaceAnother
            | Self::ConnectAndListen => vec![],
        }
    }

    pub(crate) fn closes_the_server(self) -> bool {
        matches!(self, Self::CloseTheServer | Self::DestroyEverything)
    }
}
