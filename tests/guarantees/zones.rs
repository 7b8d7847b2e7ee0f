//! The zone of an IPv6 address is kept, whether it is a name or a number (H1).
#![cfg(target_os = "linux")]

use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;

use netloop::{BlockList, ConnectOptions, Endpoint, HostQuery, IntoEndpoint, ListenOptions};

use crate::support::{Reception, Recorder, Scene, in_own_network};

const LINK_LOCAL: &str = "ip -6 addr add fe80::77/64 dev lo nodad";
const FORMS: [&str; 2] = ["fe80::77%lo", "fe80::77%1"];

/// A server outside of the loop, at `[fe80::77%1]`.
fn outside() -> (TcpListener, SocketAddr) {
    let any: SocketAddr = "[fe80::77%1]:0".parse().unwrap();
    let listener = TcpListener::bind(any).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_connect_keeps_the_zone_by_name_and_by_number() {
    in_own_network(LINK_LOCAL, || {
        let (_listener, address) = outside();
        for form in FORMS {
            for endpoint in [
                format!("[{form}]:{}", address.port())
                    .into_endpoint()
                    .unwrap(),
                (form, address.port()).into_endpoint().unwrap(),
            ] {
                let mut scene = Scene::new();
                let shown = endpoint.to_string();
                let again: Endpoint = shown.into_endpoint().unwrap();
                assert_eq!(again, endpoint, "the text of an endpoint is an endpoint");
                let id = scene.connect(endpoint, ConnectOptions::new(), Recorder::new("us"));
                scene.drive_until("us", "connect");
                assert_eq!(scene.socket(id).peer_address(), Some(address));
                let local = scene.socket(id).local_address().unwrap();
                assert!(local.to_string().contains("%1]"), "{local}");
            }
        }
    });
}

#[test]
fn a_server_keeps_the_zone_and_its_address_can_be_typed() {
    in_own_network(LINK_LOCAL, || {
        for form in FORMS {
            let mut scene = Scene::new();
            let reception = Reception::new("server", |_| Recorder::new("accepted"));
            let to = format!("[{form}]:0");
            let server = scene.serve(to, ListenOptions::new(), reception);
            scene.drive_until("server", "listening");
            let address = scene.address_of(server);
            assert!(
                address.to_string().starts_with("[fe80::77%1]:"),
                "{address}"
            );
            let typed = address.to_string();
            scene.connect(typed, ConnectOptions::new(), Recorder::new("us"));
            scene.drive_until("us", "connect");
            scene.drive_until("accepted", "connect");
            let accepted = scene.world.newest.unwrap();
            let peer = scene.socket(accepted).peer_address().unwrap();
            assert!(peer.to_string().contains("%1]"), "{peer}");
        }
    });
}

#[test]
fn a_resolver_of_the_program_may_answer_with_a_zone() {
    in_own_network(LINK_LOCAL, || {
        let (_listener, address) = outside();
        let found: SocketAddr = "[fe80::77%1]:0".parse().unwrap();
        let resolver = Arc::new(move |_: &HostQuery<'_>| Ok(vec![found]));
        let mut scene = Scene::new();
        let options = ConnectOptions::new().resolver(resolver.clone());
        let to = ("printer.invalid", address.port());
        let id = scene.connect(to, options, Recorder::new("us"));
        scene.drive_until("us", "connect");
        assert_eq!(scene.socket(id).peer_address(), Some(address));

        let reception = Reception::new("server", |_| Recorder::new("accepted"));
        let options = ListenOptions::new().resolver(resolver);
        let server = scene.serve(("printer.invalid", 0), options, reception);
        scene.drive_until("server", "listening");
        let listens_at = scene.address_of(server).to_string();
        assert!(listens_at.starts_with("[fe80::77%1]:"), "{listens_at}");
    });
}

#[test]
fn an_error_of_an_address_with_a_zone_shows_the_zone() {
    in_own_network(LINK_LOCAL, || {
        let (listener, address) = outside();
        drop(listener);
        for form in FORMS {
            let mut scene = Scene::new();
            let to = (form, address.port());
            scene.connect(to, ConnectOptions::new(), Recorder::new("us"));
            scene.drive_to_close("us");
            let text = scene.world.error("us").to_string();
            let expected = format!("connect ECONNREFUSED fe80::77%1:{}", address.port());
            assert_eq!(text, expected);
        }
        let mut scene = Scene::new();
        let to = ("fe80::77%nosuch0", address.port());
        scene.connect(to, ConnectOptions::new(), Recorder::new("us"));
        scene.drive_to_close("us");
        let text = scene.world.error("us").to_string();
        assert!(text.contains("fe80::77%nosuch0"), "{text}");
    });
}

#[test]
fn a_block_list_blocks_an_address_on_every_link() {
    in_own_network(LINK_LOCAL, || {
        let (_listener, address) = outside();
        for form in FORMS {
            let mut blocked = BlockList::new();
            blocked.add_address(address.ip());
            let options = ConnectOptions::new().block_list(Rc::new(blocked));
            let mut scene = Scene::new();
            scene.connect((form, address.port()), options, Recorder::new("us"));
            scene.drive_to_close("us");
            let text = scene.world.error("us").to_string();
            assert_eq!(scene.world.error("us").code(), "ERR_IP_BLOCKED", "{text}");
        }
    });
}

#[test]
fn a_local_address_is_bound_in_the_zone_of_the_peer() {
    in_own_network(LINK_LOCAL, || {
        let (_listener, address) = outside();
        for form in FORMS {
            let mut scene = Scene::new();
            let options = ConnectOptions::new().local_address(address.ip());
            let id = scene.connect((form, address.port()), options, Recorder::new("us"));
            scene.drive_until("us", "connect");
            let local = scene.socket(id).local_address().unwrap();
            assert!(local.to_string().starts_with("[fe80::77%1]:"), "{local}");
        }
    });
}
