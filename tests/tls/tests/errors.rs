//! Handshakes that fail: both sides hear of it, in words.

use std::error::Error as _;
use std::sync::Arc;

use netloop::{ConnectOptions, ListenOptions};
use netloop_tls::{Authority, Identity};

use crate::support::{Peer, Recorder, Scene, loopback};
use crate::{NAME, name};

/// Connects a client that trusts `authority` to a server with `identity`. Returns the texts of the errors of both, with
/// their codes.
fn errors_of(authority: &Authority, identity: &Identity) -> [(String, &'static str); 2] {
    let mut scene = Scene::new();
    let server = ListenOptions::new().tls(Arc::new(identity.server()));
    let (_, address) = scene.listen(server, |_| Recorder::new("theirs"));
    let client = ConnectOptions::new().tls(Arc::new(authority.client()), name());
    scene.connect(address, client, Recorder::new("ours"));
    scene.drive_to_close("ours");
    scene.drive_until("server", "failed");
    assert!(!scene.world.has("ours", "connect"));
    assert!(!scene.world.has("theirs", "connect"));
    ["ours", "server"].map(|name| {
        let error = scene.world.error(name);
        (error.to_string(), error.code())
    })
}

#[test]
fn an_expired_certificate_is_told_with_its_name_and_date() {
    let authority = Authority::new();
    let [ours, theirs] = errors_of(&authority, &authority.expired(&[NAME]));
    let text = "handshake failed: certificate expired (localhost, since 2025-01-01)";
    assert_eq!(ours, (text.to_owned(), "CERT_HAS_EXPIRED"));
    let text = "handshake failed: the peer refuses: certificate expired (alert 45)";
    assert_eq!(theirs, (text.to_owned(), "ERR_TLS_HANDSHAKE"));
}

#[test]
fn a_certificate_of_another_name_is_told_with_both() {
    let authority = Authority::new();
    let [ours, _] = errors_of(&authority, &authority.identity(&["example.org"]));
    assert!(ours.0.contains("example.org"), "{}", ours.0);
    assert!(ours.0.contains("not localhost"), "{}", ours.0);
    assert_eq!(ours.1, "ERR_TLS_CERT_ALTNAME_INVALID");
}

#[test]
fn a_certificate_of_a_stranger_is_refused() {
    let identity = Authority::new().identity(&[NAME]);
    let [ours, theirs] = errors_of(&Authority::new(), &identity);
    let text = "handshake failed: certificate of an issuer that is not trusted (localhost)";
    assert_eq!(ours, (text.to_owned(), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"));
    assert!(theirs.0.ends_with("(alert 48)"), "{}", theirs.0);
}

#[test]
fn a_client_without_its_certificate_is_refused() {
    let authority = Authority::new();
    let mut scene = Scene::new();
    let config = authority.server_for_clients(&authority.identity(&[NAME]));
    let server = ListenOptions::new().tls(Arc::new(config));
    let (_, address) = scene.listen(server, |_| Recorder::new("theirs"));
    let client = ConnectOptions::new().tls(Arc::new(authority.client()), name());
    scene.connect(address, client, Recorder::new("ours"));
    scene.drive_until("server", "failed");
    let text = scene.world.error("server").to_string();
    assert!(text.starts_with("handshake failed: "), "{text}");
    // With TLS 1.3 the client hears of it only behind its own handshake.
    scene.drive_to_close("ours");
    let text = scene.world.error("ours").to_string();
    assert!(text.ends_with("certificate required (alert 116)"), "{text}");
}

#[test]
fn a_peer_that_does_not_speak_tls_is_told_in_words() {
    let mut scene = Scene::new();
    let config = Arc::new(Authority::new().identity(&[NAME]).server());
    let (_, address) = scene.listen(ListenOptions::new().tls(config), |_| {
        Recorder::new("theirs")
    });
    let mut peer = Peer::connect(address);
    peer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    scene.drive_until("server", "failed");
    let error = scene.world.error("server");
    let text = "handshake failed: the peer sends bytes that are no TLS";
    assert_eq!(error.to_string(), text);
    assert_eq!(error.code(), "ERR_TLS_HANDSHAKE");
    // A program tells more cases apart by the error of rustls.
    let rustls = error.io().source().and_then(|it| it.downcast_ref());
    let expected = rustls::InvalidMessage::InvalidContentType.into();
    assert_eq!(rustls, Some::<&rustls::Error>(&expected));
}

#[test]
fn sides_without_a_common_version_fail_in_words() {
    let authority = Authority::new();
    let identity = authority.identity(&[NAME]);
    let mut scene = Scene::new();
    let server = Arc::new(identity.server_of(&[&rustls::version::TLS12]));
    let (_, address) = scene.listen(ListenOptions::new().tls(server), |_| {
        Recorder::new("theirs")
    });
    let client = Arc::new(authority.client_of(&[&rustls::version::TLS13]));
    let client = ConnectOptions::new().tls(client, name());
    scene.connect(address, client, Recorder::new("ours"));
    scene.drive_until("server", "failed");
    let text = "handshake failed: the peer is incompatible: TLS 1.2 not offered or enabled";
    assert_eq!(scene.world.error("server").to_string(), text);
    scene.drive_to_close("ours");
    let text = "handshake failed: the peer refuses: protocol version (alert 70)";
    assert_eq!(scene.world.error("ours").to_string(), text);
}

#[test]
fn a_server_that_accepts_early_data_is_refused() {
    let mut config = Authority::new().identity(&[NAME]).server();
    config.max_early_data_size = 1;
    let config = Arc::new(config);
    let error = netloop::TlsFilter::new(Arc::clone(&config)).unwrap_err();
    assert_eq!(error.code(), netloop::Error::INVALID_ARGUMENT);
    // The server is refused, and not each of its connections.
    let mut scene = Scene::new();
    let options = ListenOptions::new().tls(config);
    let refused = scene
        .event_loop
        .listen_with(loopback(), options, |_, _| Recorder::new("theirs"));
    assert_eq!(
        refused.unwrap_err().code(),
        netloop::Error::INVALID_ARGUMENT
    );
}
