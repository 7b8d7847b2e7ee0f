//! Handshakes that fail: both sides hear of it, in words.

use std::error::Error as _;
use std::sync::Arc;

use netloop::{ConnectOptions, ListenOptions};
use netloop_tls::{Authority, Identity, short_lived_provider};
use rustls::version::{TLS12, TLS13};

use crate::by_hand::TlsPeer;
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
    let server = Arc::new(identity.server_of(&[&TLS12]));
    let (_, address) = scene.listen(ListenOptions::new().tls(server), |_| {
        Recorder::new("theirs")
    });
    let client = Arc::new(authority.client_of(&[&TLS13]));
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

// The keys of TLS 1.2 cannot be renewed. Those of AES-GCM last for 16 million records, which short messages use up.
#[test]
fn keys_that_are_used_up_fail_the_socket_with_what_is_lost() {
    for (versions, is_renewed) in [([&TLS12], false), ([&TLS13], true)] {
        for parts in [1, 3] {
            let mut scene = Scene::new();
            let authority = Authority::new();
            let identity = authority.identity(&[NAME]);
            let server = identity.server_by(short_lived_provider(100), &versions);
            let options = ListenOptions::new().tls(Arc::new(server));
            let (_, address) = scene.listen(options, |_| Recorder::new("theirs"));
            let mut client = TlsPeer::client(Peer::connect(address), &authority);
            client.shake_hands(&mut scene);
            client.drive(&mut scene, "the connection", |_, scene| {
                scene.world.has("theirs", "connect")
            });
            let id = scene.world.id("theirs");
            let mut written = Vec::new();
            while written.len() < 300 * parts && scene.world.close_reason("theirs").is_none() {
                for _ in 0..parts {
                    let byte = [written.len().to_le_bytes()[0]];
                    written.extend(byte);
                    // Each part is a slice of its own in the queue.
                    scene.socket(id).write_owned(byte.to_vec()).ignore();
                }
                scene.turn();
                client.step();
            }
            match is_renewed {
                true => client.drive(&mut scene, "all bytes", |it, _| it.received == written),
                false => {
                    scene.drive_to_close("theirs");
                    let error = scene.world.error("theirs");
                    assert_eq!(error.code(), "ERR_TLS_PROTOCOL");
                    assert!(error.to_string().contains("keys"), "{error}");
                    client.drive(&mut scene, "the end", |it, _| it.end.is_some());
                    assert!(written.starts_with(&client.received) && !client.has_close_notify);
                    assert!(client.received.len() > 90, "{}", client.received.len());
                }
            }
        }
    }
}
