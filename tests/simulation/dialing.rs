//! Connects that go wrong in one certain way, which seeds have found.

use std::net::IpAddr;
use std::time::Duration;

use netloop::simulation::{Host, Options, Route, Simulation, SimulationEnd};
use netloop::{CloseReason, ConnectOptions, Context, Error, Result, SocketHandler};

/// The events of a connect, and their times.
type Told = Vec<(String, Duration)>;

struct Client {
    began: std::time::Instant,
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
