//! The endpoint in virtual time, on a network that loses, doubles and reorders datagrams.

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
        let mut simulation = Simulation::new(seed, network).unwrap();
        let mut server = simulation.host(Ok(())).unwrap();
        let mut client = simulation.host(Ok(())).unwrap();
        let (server_config, client_config) = configs();
        let server_config = Some(Arc::new(server_config));
        let endpoint = Endpoint::new(Arc::default(), server_config, true, None);
        let quic = Quic::new(endpoint);
        let options = DatagramOptions::new();
        let bound = server.event_loop.bind_udp("10.0.0.1:7443", options, quic);
        bound.unwrap();
        let mut endpoint = Endpoint::new(Arc::default(), None, true, None);
        let (now, to) = (client.event_loop.now(), "10.0.0.1:7443".parse().unwrap());
        let begun = endpoint.connect(now, client_config, to, "localhost");
        let (handle, connection) = begun.unwrap();
        let mut quic = Quic::new(endpoint);
        let line = "a line of many datagrams ".repeat(1_000);
        quic.begin(handle, connection, line.into());
        let options = DatagramOptions::new();
        let bound = client.event_loop.bind_udp("0.0.0.0:0", options, quic);
        bound.unwrap();

        let end = simulation.run(&mut [&mut server, &mut client]).unwrap();
        assert_eq!(end, SimulationEnd::Quiescent);
        assert_eq!(client.shared, Ok(()), "seed {seed}");
        match server.shared {
            Err(ConnectionError::ApplicationClosed(_)) => clean_ends += 1,
            // The network has lost the farewell.
            Err(ConnectionError::TimedOut) => {}
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(clean_ends >= 10, "{clean_ends} of 20");
}
