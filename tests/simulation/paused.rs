//! A socket that does not read hears of a reset all the same, whatever its kernel calls it.

use std::time::Duration;

use netloop::simulation::{Flavour, Host, Options, Route, Simulation};
use netloop::{
    CloseReason, ConnectOptions, Context, Error, ListenOptions, Socket, SocketHandler,
    SocketOptions,
};

struct Paused;

impl SocketHandler<Vec<String>> for Paused {
    fn on_data(&mut self, _cx: &mut Context<'_, Vec<String>>, _data: &[u8]) {
        panic!("it is paused");
    }
    fn on_error(&mut self, cx: &mut Context<'_, Vec<String>>, error: &Error) {
        cx.shared.push(error.code().to_owned());
    }
    fn on_close(&mut self, cx: &mut Context<'_, Vec<String>>, reason: CloseReason) {
        cx.shared.push(format!("{reason:?}"));
    }
}

/// Sends something, and resets.
struct Resetting;

impl SocketHandler for Resetting {
    fn on_connect(&mut self, cx: &mut Context<'_>) {
        let _ = cx.socket.write(b"unread");
        let id = cx.socket.id();
        cx.after(Duration::from_secs(1), move |cx| {
            cx.sockets.socket(id).reset().unwrap();
        });
    }
    fn on_data(&mut self, _cx: &mut Context<'_>, _data: &[u8]) {}
}

#[test]
fn a_paused_socket_hears_of_a_reset_on_every_system() {
    for flavour in Flavour::ALL {
        for seed in 0..20 {
            let mut simulation = Simulation::new(seed, Options::new().flavour(flavour)).unwrap();
            let mut server = simulation.host(Vec::new()).unwrap();
            let mut client = simulation.host(()).unwrap();
            let options = SocketOptions::new().pause_on_connect(true);
            let options = ListenOptions::new().socket(options);
            server
                .event_loop
                .listen_with("10.0.0.1:7", options, |_, _| Paused)
                .unwrap();
            client.event_loop.connect("10.0.0.1:7", Resetting).unwrap();
            simulation.run(&mut [&mut server, &mut client]).unwrap();
            assert_eq!(server.shared, ["ECONNRESET", "Reset"], "{simulation:?}");
        }
    }
}

#[test]
fn a_paused_socket_hears_of_an_end_behind_its_own() {
    for flavour in Flavour::ALL {
        let mut simulation = Simulation::new(1, Options::new().flavour(flavour)).unwrap();
        let mut server = simulation.host(Vec::new()).unwrap();
        let mut client = simulation.host(()).unwrap();
        let options = SocketOptions::new()
            .pause_on_connect(true)
            .allow_half_open(true);
        let options = ListenOptions::new().socket(options);
        server
            .event_loop
            .listen_with("10.0.0.1:7", options, |_, _| Paused)
            .unwrap();
        let id = client.event_loop.connect("10.0.0.1:7", Silent).unwrap();
        simulation.run(&mut [&mut server, &mut client]).unwrap();
        client.event_loop.socket(id).end();
        let mut run_a_second = |server: &mut Host<Vec<String>>, client: &mut Host<()>| {
            simulation
                .run_for(&mut [server, client], Duration::from_secs(1))
                .unwrap();
        };
        run_a_second(&mut server, &mut client);
        assert!(server.shared.is_empty(), "{flavour:?}: {:?}", server.shared);
        let ids: Vec<_> = server.event_loop.sockets().ids().collect();
        for &id in &ids {
            server.event_loop.socket(id).end();
        }
        run_a_second(&mut server, &mut client);
        assert_eq!(server.shared, ["Graceful"], "{flavour:?}");
    }
}

struct Silent;

impl SocketHandler for Silent {
    fn on_data(&mut self, _cx: &mut Context<'_>, _data: &[u8]) {}
}

// The seed 6308 of the room
#[test]
fn no_request_while_connecting_puts_the_connect_timeout_off() {
    let ways: [fn(&mut Socket<'_>); 5] = [
        |socket| socket.destroy_soon(),
        |socket| socket.end(),
        |socket| socket.resume(),
        |socket| {
            socket.end();
            socket.destroy_soon();
        },
        |socket| {
            socket.end();
            socket.resume();
            socket.destroy_soon();
        },
    ];
    for way in ways {
        let mut simulation = Simulation::new(1, Options::new()).unwrap();
        simulation.set_route([10, 0, 0, 9].into(), Route::Blackhole);
        let mut client = simulation.host(Vec::new()).unwrap();
        let options = ConnectOptions::new()
            .connect_timeout(Duration::from_secs(20))
            .socket(SocketOptions::new().pause_on_connect(true));
        let connecting = client
            .event_loop
            .connect_with("10.0.0.9:7", options, Paused)
            .unwrap();
        client.event_loop.after(Duration::from_secs(5), move |cx| {
            way(&mut cx.sockets.socket(connecting));
        });
        let after = Duration::from_secs(20) + Duration::from_millis(2);
        simulation.run_for(&mut [&mut client], after).unwrap();
        assert_eq!(client.shared, ["ETIMEDOUT", "TimedOut"]);
    }
}
