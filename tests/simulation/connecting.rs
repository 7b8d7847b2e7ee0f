//! Connecting with a checked handler, from a callback, a timer or the test itself.

use std::rc::Rc;
use std::time::Instant;

use netloop::{ConnectOptions, Context, Endpoint, EventLoop, LoopContext, SocketId, SocketOptions};

use super::checker::{Behaviour, Checked, World};
use super::dialed::Dialed;
use super::requests::Request;

/// Connects as `request` says; answers with the new socket and its side.
pub(crate) fn connect<B: Behaviour>(
    from: &mut impl Connects,
    request: Request,
    options: SocketOptions,
    behaviour: B,
) -> (SocketId, usize) {
    let now = from.time();
    let world = from.world();
    let ledger = Rc::clone(&world.ledger);
    let (link, port) = ledger.borrow_mut().new_link();
    let (endpoint, options) = request.to_options(port, options);
    let options = world.filters.of_client(options);
    let stalled = ledger.borrow().stalled;
    let dialed = Dialed::new(request, &world.book, port, now, stalled);
    let side = ledger.borrow_mut().open_client(link, dialed, world.time());
    {
        let mut ledger = ledger.borrow_mut();
        ledger.live[world.number] += 1;
        ledger.calls += 1;
    }
    let handler = Checked::new(&ledger, side, behaviour);
    let id = from.connect_checked(endpoint, options, handler);
    from.world().sides.push((id, side));
    (id, side)
}

/// A context from which a connection can be made.
pub(crate) trait Connects {
    fn time(&self) -> Instant;
    fn world(&mut self) -> &mut World;
    fn connect_checked<B: Behaviour>(
        &mut self,
        endpoint: Endpoint,
        options: ConnectOptions,
        handler: Checked<B>,
    ) -> SocketId;
}

impl Connects for Context<'_, World> {
    fn time(&self) -> Instant {
        self.now()
    }
    fn world(&mut self) -> &mut World {
        self.shared
    }
    fn connect_checked<B: Behaviour>(
        &mut self,
        endpoint: Endpoint,
        options: ConnectOptions,
        handler: Checked<B>,
    ) -> SocketId {
        self.as_loop()
            .connect_with(endpoint, options, handler)
            .unwrap()
    }
}

impl Connects for LoopContext<'_, World> {
    fn time(&self) -> Instant {
        self.now()
    }
    fn world(&mut self) -> &mut World {
        self.shared
    }
    fn connect_checked<B: Behaviour>(
        &mut self,
        endpoint: Endpoint,
        options: ConnectOptions,
        handler: Checked<B>,
    ) -> SocketId {
        self.connect_with(endpoint, options, handler).unwrap()
    }
}

/// The test itself, with the time that it is.
pub(crate) struct FromOutside<'a> {
    pub(crate) event_loop: &'a mut EventLoop<World>,
    pub(crate) world: &'a mut World,
    pub(crate) now: Instant,
}

impl Connects for FromOutside<'_> {
    fn time(&self) -> Instant {
        self.now
    }
    fn world(&mut self) -> &mut World {
        self.world
    }
    fn connect_checked<B: Behaviour>(
        &mut self,
        endpoint: Endpoint,
        options: ConnectOptions,
        handler: Checked<B>,
    ) -> SocketId {
        self.event_loop
            .connect_with(endpoint, options, handler)
            .unwrap()
    }
}
