//! Servers at their limit: no more connections than `max_connections`, and no fewer (S8).

use netloop::{AcceptLimit, LoopContext, OverLimit, ServerId, Sockets};

use super::checker::World;
use super::crowd::Besieger;
use super::requests::Request;
use super::run::Scene;

/// The sockets of `server` that take a place: those that are open. The server is not told of all of them, but they have its
/// address. `connection_count` also counts those that have closed within this turn. `None` if the server has stopped, and
/// has no address any more.
pub(crate) fn places_taken(sockets: &mut Sockets<'_>, server: ServerId) -> Option<usize> {
    let address = sockets.server(server).address()?;
    let ids: Vec<_> = sockets.ids().collect();
    let mut takes_place = |id: &_| {
        let socket = sockets.socket(*id);
        !socket.is_destroyed() && socket.local_address() == Some(address)
    };
    Some(ids.iter().filter(|&id| takes_place(id)).count())
}

/// S8: a connection was taken, which there was a place for.
pub(crate) fn check_taken(cx: &mut LoopContext<'_, World>, server: ServerId) {
    let most = cx.sockets.server(server).max_connections();
    if let (Some(most), Some(taken)) = (most, places_taken(&mut cx.sockets, server)) {
        assert!(taken <= most, "S8: {taken} of {most} places are taken");
    }
}

/// S8: a connection was refused, which there was no place for.
pub(crate) fn check_refused(cx: &mut LoopContext<'_, World>, refused: &OverLimit) {
    let server = refused.server;
    assert_eq!(refused.limit, AcceptLimit::Server, "S8: refused");
    assert!(refused.refused > 0, "S8: told of no refused connection");
    let most = cx.sockets.server(server).max_connections();
    let most = most.unwrap_or_else(|| panic!("S8: refused by a server without a limit"));
    let taken = places_taken(&mut cx.sockets, server);
    let taken = taken.expect("S8: a server that has stopped refuses no connection");
    assert!(
        taken >= most,
        "S8: refused, and {taken} of {most} places are taken"
    );
}

impl Scene {
    /// Fills the server up, with guests that stay: as many are taken as there are places, and one is refused.
    pub(super) fn fill_up(&mut self) {
        let (host, server) = self.servers[0];
        let event_loop = &mut self.hosts[host].event_loop;
        let most = event_loop.server(server).max_connections().unwrap();
        let taken = places_taken(&mut event_loop.sockets(), server);
        let taken = taken.expect("the server listens");
        let (accepted, refused) = {
            let ledger = self.ledger.borrow();
            (ledger.accepted, ledger.refused)
        };
        let places = most.saturating_sub(taken);
        let last = self.hosts.len() - 1;
        for _ in 0..=places {
            let request = Request::to(self.hosts[0].shared.server);
            let options = self.hosts[last].shared.options.clone();
            self.connect_with(last, request, options.idle_timeout(None), Besieger);
            self.settle();
        }
        let ledger = self.ledger.borrow();
        assert_eq!(
            (ledger.accepted - accepted, ledger.refused - refused),
            (places, 1),
            "L: of {most} places {taken} were taken"
        );
    }
}
