//! The waits of simulated loops: what ends a wait, and how it is counted.

use std::time::Duration;

use netloop::simulation::{Flavour, Host, Options, Simulation};
use netloop::{Budget, Context, SocketHandler, Wait};

const SERVER: &str = "10.0.0.1:7000";
const LATENCY: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);

/// Sends bytes when it is connected.
struct Greeting;

impl SocketHandler for Greeting {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        cx.socket.write(b"hello").ignore();
    }
    fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}

fn turn(host: &mut Host<()>, wait: Duration) {
    host.event_loop
        .turn(&mut host.shared, Wait::For(wait), Budget::UNLIMITED)
        .unwrap();
}

// The registration of the new socket has put it on the ready list, and an accept that would block the listener.
#[test]
fn a_source_that_has_no_event_any_more_ends_no_wait() {
    for flavour in [Flavour::Epoll, Flavour::Kqueue, Flavour::Afd] {
        let options = Options {
            latency: LATENCY,
            ..Options::new().flavour(flavour)
        };
        let mut simulation = Simulation::new(1, options).unwrap();
        let clock = simulation.handle();
        let mut server = simulation.host(()).unwrap();
        let mut client = simulation.host(()).unwrap();
        server.event_loop.listen(SERVER, |_, _| Greeting).unwrap();
        client.event_loop.connect(SERVER, Greeting).unwrap();
        turn(&mut client, Duration::ZERO);
        while server.event_loop.statistics().accepted == 0 {
            turn(&mut server, SECOND);
        }
        let counted = simulation.call_counts(&server.event_loop).polls;
        let begun = clock.now();
        turn(&mut server, SECOND);
        assert!(clock.now() - begun >= SECOND, "{flavour:?}");
        // The arrival of the greeting at the client has moved the clock on within the wait.
        let polls = simulation.call_counts(&server.event_loop).polls - counted;
        assert_eq!(polls, 1, "{flavour:?}");
    }
}
