//! The errors of a connect: what each names and carries.

use std::net::Ipv4Addr;

use netloop::{ConnectOptions, Endpoint, Syscall};

use crate::support::{DeadPort, Recorder, Scene, host, listener, loopback};

// B4
#[test]
fn a_connect_error_carries_code_call_address_and_port() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let address = dead.address();
    scene
        .event_loop
        .connect(address, Recorder::new("us"))
        .unwrap();
    scene.drive_to_close("us");
    let error = scene.world.error("us");
    assert_eq!(error.code(), "ECONNREFUSED");
    assert_eq!(error.to_string(), format!("connect ECONNREFUSED {address}"));
    assert_eq!(error.syscall(), Some(Syscall::Connect));
    assert_eq!(error.endpoint(), Some(&Endpoint::Socket(address)));
    assert_eq!(error.local(), None);
}

// B4
#[test]
fn a_connect_error_names_the_local_address_if_one_was_asked_for() {
    let mut scene = Scene::new();
    let dead = DeadPort::new();
    let address = dead.address();
    let local = host("host2");
    scene
        .event_loop
        .connect_with(
            address,
            ConnectOptions::new().local_address(local),
            Recorder::new("us"),
        )
        .unwrap();
    scene.drive_to_close("us");
    let error = scene.world.error("us");
    assert_eq!(error.code(), "ECONNREFUSED");
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("connect ECONNREFUSED {address} - Local ({local}")),
        "{text}"
    );
    assert_eq!(error.local().unwrap().ip(), local);
}

// B4
#[test]
fn a_bind_error_names_bind() {
    let mut scene = Scene::new();
    let (_listener, address) = listener();
    // An address of TEST-NET-1, which no machine has.
    let elsewhere = Ipv4Addr::new(192, 0, 2, 7);
    scene
        .event_loop
        .connect_with(
            address,
            ConnectOptions::new().local_address(std::net::IpAddr::V4(elsewhere)),
            Recorder::new("us"),
        )
        .unwrap();
    scene.drive_to_close("us");
    let error = scene.world.error("us");
    assert_eq!(error.code(), "EADDRNOTAVAIL");
    let text = error.to_string();
    assert!(text.starts_with("bind EADDRNOTAVAIL"), "{text}");
    assert_eq!(error.syscall(), Some(Syscall::Bind));
}

// B4
#[test]
fn port_0_is_refused_like_any_other() {
    let mut scene = Scene::new();
    scene
        .event_loop
        .connect(loopback(), Recorder::new("us"))
        .unwrap();
    scene.drive_to_close("us");
    assert_eq!(scene.world.trace("us"), "error:ECONNREFUSED close:Error");
}
