//! The results of a TLS negotiation, and the calls with which a handler asks for them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use netloop::{ConnectOptions, ListenOptions};
use netloop_tls::Authority;
use rustls::{ClientConfig, ServerConfig};

use crate::support::{Recorder, Scene};
use crate::{NAME, name};

type Notes = Rc<RefCell<Vec<String>>>;

/// A handler that notes what was negotiated, sends a byte, and ends.
fn noting(name: &'static str, notes: &Notes, ends: bool) -> Recorder {
    let notes = Rc::clone(notes);
    Recorder::new(name).on("connect", move |cx, _| {
        let tls = cx.socket.tls().unwrap();
        let alpn = tls.alpn().map(|it| it.escape_ascii().to_string());
        let note = format!(
            "{name} {:?} {:?} {:?} certificates: {} resumed: {}",
            tls.version().unwrap(),
            alpn,
            tls.server_name(),
            tls.peer_certificates().map_or(0, <[_]>::len),
            tls.is_resumed()
        );
        notes.borrow_mut().push(note);
        cx.socket.write(b".").ignore();
        if ends {
            cx.socket.end();
        }
    })
}

/// Connects with the configurations `times` times in a row.
fn negotiate(server: ServerConfig, client: ClientConfig, times: usize) -> Vec<String> {
    let mut scene = Scene::new();
    let notes = Notes::default();
    let of_server = Rc::clone(&notes);
    let server = ListenOptions::new().tls(Arc::new(server));
    let (_, address) = scene.listen(server, move |_| noting("server", &of_server, false));
    let client = ConnectOptions::new().tls(Arc::new(client), name());
    for _ in 0..times {
        scene.world.log.clear();
        scene.connect(address, client.clone(), noting("client", &notes, true));
        scene.drive_to_close("client");
        scene.drive("the server's close", |world| {
            world.close_reason("server").is_some()
        });
    }
    let mut notes = notes.borrow().clone();
    notes.sort();
    notes
}

#[test]
fn both_sides_know_the_version_the_name_and_the_protocol() {
    let authority = Authority::new();
    let mut server = authority.identity(&[NAME]).server();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut client = authority.client();
    client.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert_eq!(
        negotiate(server, client, 1),
        [
            r#"client TLSv1_3 Some("http/1.1") None certificates: 1 resumed: false"#,
            r#"server TLSv1_3 Some("http/1.1") Some("localhost") certificates: 0 resumed: false"#,
        ]
    );
}

#[test]
fn the_server_knows_the_certificate_of_the_client() {
    let authority = Authority::new();
    let server = authority.server_for_clients(&authority.identity(&[NAME]));
    let client = authority.client_with(&authority.identity(&["a client"]));
    let notes = negotiate(server, client, 1);
    assert!(notes[1].contains("certificates: 1"), "{notes:?}");
}

#[test]
fn a_second_connection_resumes_the_session_of_the_first() {
    let authority = Authority::new();
    let server = authority.identity(&[NAME]).server();
    let notes = negotiate(server, authority.client(), 2);
    let resumed = notes.iter().filter(|it| it.ends_with("resumed: true"));
    assert_eq!(resumed.count(), 2, "{notes:?}");
}

#[test]
fn a_plain_socket_has_no_tls() {
    let mut scene = Scene::new();
    let (_, address) = scene.listen(ListenOptions::new(), |_| Recorder::new("theirs"));
    let id = scene.connect(address, ConnectOptions::new(), Recorder::new("ours"));
    scene.drive_until("ours", "connect");
    assert!(scene.socket(id).tls().is_none());
}
