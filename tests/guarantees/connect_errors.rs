//! The errors of a connect: what each names and carries.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use netloop::{ConnectOptions, Endpoint, HostQuery, Syscall};

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

// No DNS name is empty, longer than 253 bytes, or holds a NUL, at which `getaddrinfo` would stop reading.
#[test]
fn a_text_that_cannot_be_a_name_reaches_no_resolver() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let resolver = Arc::new(move |_: &HostQuery<'_>| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(Vec::new())
    });
    let (longest, too_long) = ("a".repeat(253), "a".repeat(254));
    for (name, questions) in [(too_long.as_str(), 0), ("a\0b", 0), (longest.as_str(), 1)] {
        let mut scene = Scene::new();
        let options = ConnectOptions::new().resolver(resolver.clone());
        let connected = scene
            .event_loop
            .connect_with((name, 9), options, Recorder::new("us"));
        if connected.is_ok() {
            scene.drive_to_close("us");
            assert_eq!(scene.world.error("us").code(), "ENOTFOUND", "{name:?}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), questions, "{name:?}");
    }
}
