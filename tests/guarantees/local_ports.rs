//! Local ports of an address that the program has set: they are shared between destinations.
#![cfg(target_os = "linux")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};

use netloop::ConnectOptions;

use crate::support::{Recorder, Scene, in_own_network};

const EIGHT_PORTS: &str = "echo 40000 40007 > /proc/sys/net/ipv4/ip_local_port_range";
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Connects `count` times to each of `to` from [`HERE`], one after the other, and returns how many have connected.
fn connect_to(scene: &mut Scene, to: &[SocketAddr], count: usize) -> usize {
    let mut connected = 0;
    for (place, address) in to.iter().enumerate() {
        for number in 0..count {
            let name = format!("{place} {number}");
            let options = ConnectOptions::new().local_address(HERE);
            scene.connect(*address, options, Recorder::new(name.clone()));
            scene.drive("the result", |world| {
                world.has(&name, "connect") || world.has(&name, "close")
            });
            connected += scene.world.count(&name, "connect");
        }
    }
    connected
}

fn listeners(count: u16) -> Vec<TcpListener> {
    let listen = |number| TcpListener::bind((HERE, 700 + number)).unwrap();
    (0..count).map(listen).collect()
}

fn addresses(listeners: &[TcpListener]) -> Vec<SocketAddr> {
    let address = |listener: &TcpListener| listener.local_addr().unwrap();
    listeners.iter().map(address).collect()
}

#[test]
fn two_destinations_share_the_ports_of_a_local_address() {
    in_own_network(EIGHT_PORTS, || {
        let mut scene = Scene::new();
        let there = listeners(2);
        let connected = connect_to(&mut scene, &addresses(&there), 8);
        assert_eq!(connected, 16, "{}", scene.world.brief());
    });
}

#[test]
fn a_destination_whose_ports_are_all_taken_says_what_is_missing() {
    in_own_network(EIGHT_PORTS, || {
        let mut scene = Scene::new();
        let there = listeners(1);
        let connected = connect_to(&mut scene, &addresses(&there), 9);
        assert_eq!(connected, 8);
        let error = scene.world.error("0 8");
        assert!(
            matches!(error.code(), "EADDRNOTAVAIL" | "EADDRINUSE"),
            "{error}"
        );
        let advice = format!("{error:#}");
        assert!(advice.contains("ip_local_port_range"), "{advice}");
        assert!(!advice.contains("port 0"), "{advice}");
    });
}
