//! The endpoint in virtual time, on networks that lose, double and reorder datagrams, or are slow.

use std::sync::Arc;
use std::time::Duration;

use netloop::DatagramOptions;
use netloop::simulation::{Options, Simulation, SimulationEnd};
use quinn_proto::{ClientConfig, ConnectionError, Endpoint, ServerConfig};
use rustls::RootCertStore;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::endpoint::Quic;

/// A certificate for both ends. They are new for each run: with the ticket of an earlier one, a client would send its
/// line before the handshake.
fn configs() -> (ServerConfig, ClientConfig) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::with_root_certificates(Arc::new(roots)).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::with_single_cert(vec![made.cert.into()], key.into()).unwrap();
    (server, client)
}

/// Has a line of 25,000 bytes echoed. Returns how the server has lost the connection; the client must have closed it.
fn echo(seed: u64, network: Options, options: &DatagramOptions) -> ConnectionError {
    let mut simulation = Simulation::new(seed, network).unwrap();
    let mut server = simulation.host(Ok(())).unwrap();
    let mut client = simulation.host(Ok(())).unwrap();
    let (server_config, client_config) = configs();
    let server_config = Some(Arc::new(server_config));
    let endpoint = Endpoint::new(Arc::default(), server_config, true, None);
    let quic = Quic::new(endpoint);
    let address = "10.0.0.1:7443";
    let bound = server.event_loop.bind_udp(address, options.clone(), quic);
    bound.unwrap();
    let mut endpoint = Endpoint::new(Arc::default(), None, true, None);
    let (now, to) = (client.event_loop.now(), address.parse().unwrap());
    let begun = endpoint.connect(now, client_config, to, "localhost");
    let (handle, connection) = begun.unwrap();
    let mut quic = Quic::new(endpoint);
    let line = "a line of many datagrams ".repeat(1_000);
    quic.begin(handle, connection, line.into());
    let bound = client
        .event_loop
        .bind_udp("0.0.0.0:0", options.clone(), quic);
    bound.unwrap();

    let end = simulation.run(&mut [&mut server, &mut client]).unwrap();
    assert_eq!(end, SimulationEnd::Quiescent);
    assert_eq!(client.shared, Ok(()), "seed {seed}");
    server.shared.unwrap_err()
}

#[test]
fn a_network_that_loses_a_fifth_breaks_no_echo() {
    let mut clean_ends = 0;
    for seed in 0..20 {
        let network = Options {
            datagram_loss: 200,
            datagram_duplication: 100,
            datagram_reordering: 100,
            latency: Duration::from_millis(20),
            ..Options::new()
        };
        match echo(seed, network, &DatagramOptions::new()) {
            ConnectionError::ApplicationClosed(_) => clean_ends += 1,
            // The network has lost the farewell.
            ConnectionError::TimedOut => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(clean_ends >= 10, "{clean_ends} of 20");
}

#[test]
fn a_full_queue_holds_the_echo_up_and_loses_nothing() {
    for seed in 0..5 {
        let network = Options {
            bytes_per_second: Some(10_000),
            capacity: 2_000,
            ..Options::new()
        };
        let options = DatagramOptions::new().high_water_mark(2_000);
        let end = echo(seed, network, &options);
        assert!(
            matches!(end, ConnectionError::ApplicationClosed(_)),
            "{end:?}"
        );
    }
}
