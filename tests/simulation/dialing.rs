//! Connects that go wrong in one certain way, which seeds have found.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use netloop::simulation::{AnyHost, Host, Options, Route, Simulation, SimulationEnd};
use netloop::{CloseReason, ConnectOptions, Context, Error, LoopContext, Result, SocketHandler};

/// The events of a connect, and their times.
type Told = Vec<(String, Duration)>;

struct Client {
    began: Instant,
}

impl SocketHandler<Told> for Client {
    fn on_connect(&mut self, cx: &mut Context<'_, Told>) {
        let peer = cx.socket.peer_address().unwrap();
        let told = (peer.to_string(), cx.now() - self.began);
        cx.shared.push(told);
        cx.socket.destroy();
    }
    fn on_data(&mut self, _: &mut Context<'_, Told>, _: &[u8]) {}
    fn on_error(&mut self, cx: &mut Context<'_, Told>, error: &Error) {
        let told = (error.code().to_owned(), cx.now() - self.began);
        cx.shared.push(told);
    }
    fn on_close(&mut self, cx: &mut Context<'_, Told>, reason: CloseReason) {
        assert_ne!(reason, CloseReason::Graceful);
        assert_eq!(cx.shared.len(), 1);
    }
}

fn addresses(text: &str) -> Vec<IpAddr> {
    text.split(' ').map(|it| it.parse().unwrap()).collect()
}

/// Connects to `name`, port 7000, perhaps ends after some time, and says what has become of it.
fn dial(
    simulation: &mut Simulation,
    server: &mut Host<()>,
    options: ConnectOptions,
    end_after: Option<Duration>,
) -> Result<(String, Duration)> {
    let mut client = simulation.host(Told::new())?;
    let began = simulation.now();
    let target = ("name", 7000);
    let id = client
        .event_loop
        .connect_with(target, options, Client { began })?;
    if let Some(time) = end_after {
        simulation.run_for(&mut [server, &mut client], time)?;
        client.event_loop.socket(id).end();
    }
    let rest = simulation.run(&mut [server, &mut client])?;
    assert_eq!(rest, SimulationEnd::Quiescent);
    Ok(client.shared.pop().unwrap())
}

struct Ignore;

impl SocketHandler for Ignore {
    fn on_data(&mut self, _: &mut Context<'_>, _: &[u8]) {}
}

fn network() -> Result<(Simulation, Host<()>)> {
    let mut simulation = Simulation::new(1, Options::new())?;
    let mut server = simulation.host(())?;
    server.event_loop.listen("10.0.0.1:7000", |_, _| Ignore)?;
    Ok((simulation, server))
}

#[test]
fn an_address_that_leads_to_oneself_leaves_its_turn_to_the_next() -> Result<()> {
    let (mut simulation, mut server) = network()?;
    simulation.set_name("name", &addresses("127.0.0.1 10.0.0.1"));
    // From the very port that is connected to: at 127.0.0.1 it is free.
    let options = ConnectOptions::new().local_port(7000);
    let (told, _) = dial(&mut simulation, &mut server, options, None)?;
    assert_eq!(told, "10.0.0.1:7000");
    Ok(())
}

#[test]
fn a_connect_ends_in_time_if_the_last_address_fails_at_once() -> Result<()> {
    let (mut simulation, mut server) = network()?;
    let both = addresses("10.0.0.8 10.0.0.9");
    simulation.set_name("name", &both);
    simulation.set_route(both[0], Route::Blackhole);
    simulation.set_route(both[1], Route::Unreachable);
    let options = ConnectOptions::new().connect_timeout(Duration::from_secs(3));
    let (told, after) = dial(&mut simulation, &mut server, options, None)?;
    assert_eq!(told, "ETIMEDOUT");
    assert!(after < Duration::from_secs(4), "{after:?}");
    Ok(())
}

#[test]
fn ending_while_connecting_does_not_begin_the_time_for_it_anew() -> Result<()> {
    let (mut simulation, mut server) = network()?;
    let both = addresses("10.0.0.8 10.0.0.9");
    simulation.set_name("name", &both);
    simulation.set_route(both[0], Route::Blackhole);
    simulation.set_route(both[1], Route::Blackhole);
    let options = ConnectOptions::new()
        .connect_timeout(Duration::from_secs(3))
        .attempt_delay(Duration::from_secs(2));
    let end_after = Some(Duration::from_secs(2));
    let (told, after) = dial(&mut simulation, &mut server, options, end_after)?;
    assert_eq!(told, "ETIMEDOUT");
    assert!(after < Duration::from_secs(4), "{after:?}");
    Ok(())
}

/// The times at which an attempt ended, and at which each guest was accepted.
#[derive(Default)]
struct Times {
    ended: Option<Instant>,
    accepted: Vec<Instant>,
}

struct Racer;

impl SocketHandler<Times> for Racer {
    fn on_connection_attempt_failed(
        &mut self,
        cx: &mut Context<'_, Times>,
        _: SocketAddr,
        _: &Error,
    ) {
        cx.shared.ended = Some(cx.now());
    }
    fn on_connect(&mut self, cx: &mut Context<'_, Times>) {
        cx.shared.ended = Some(cx.now());
    }
    fn on_data(&mut self, _: &mut Context<'_, Times>, _: &[u8]) {}
}

struct Guest;

impl SocketHandler<Times> for Guest {
    fn on_data(&mut self, _: &mut Context<'_, Times>, _: &[u8]) {}
}

/// Lets two attempts race: one is lost in the network, and the other ends late. With the listener and its reserve, they
/// have all descriptors that there are. Each failed accept turns a guest away.
fn assert_wakes_a_server(succeeds: bool) -> Result<()> {
    let mut options = Options::new();
    options.descriptors = Some(4);
    let mut simulation = Simulation::new(1, options)?;
    let mut target = simulation.host(())?;
    if succeeds {
        target.event_loop.listen("10.0.0.1:7000", |_, _| Ignore)?;
    }
    let both = addresses("10.0.0.9 10.0.0.1");
    simulation.set_name("name", &both);
    simulation.set_route(both[0], Route::Blackhole);
    simulation.set_route(both[1], Route::Delayed(Duration::from_millis(1_500)));
    let mut busy = simulation.host(Times::default())?;
    let accept = |cx: &mut LoopContext<'_, Times>, _: &_| {
        let now = cx.now();
        cx.shared.accepted.push(now);
        Some(Guest)
    };
    busy.event_loop.listen("10.0.0.2:7000", accept)?;
    let options = ConnectOptions::new().attempt_delay(Duration::from_millis(10));
    let name = ("name", 7000);
    busy.event_loop.connect_with(name, options, Racer)?;
    simulation.run_for(&mut [&mut target, &mut busy], Duration::from_millis(50))?;
    let mut guests = Vec::new();
    for _ in 0..8 {
        let mut guest = simulation.host(())?;
        for _ in 0..2 {
            guest.event_loop.connect("10.0.0.2:7000", Ignore)?;
        }
        guests.push(guest);
    }
    let mut hosts: Vec<&mut dyn AnyHost> = vec![&mut target, &mut busy];
    hosts.extend(guests.iter_mut().map(|guest| guest as &mut dyn AnyHost));
    simulation.run_for(&mut hosts, Duration::from_secs(5))?;
    let Times { ended, accepted } = busy.shared;
    let late = accepted[0] - ended.unwrap();
    assert!(late < Duration::from_millis(5), "{late:?}");
    Ok(())
}

#[test]
fn an_attempt_that_loses_wakes_a_server_without_descriptors() -> Result<()> {
    assert_wakes_a_server(true)
}

#[test]
fn an_attempt_that_fails_wakes_a_server_without_descriptors() -> Result<()> {
    assert_wakes_a_server(false)
}
