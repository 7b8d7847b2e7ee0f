//! Attacks that hide commands: after STARTTLS, where the client does not know of them, and in a message.

use crate::peer::{Peer, SecurePeer};
use crate::sink::Sink;

#[test]
fn a_command_behind_starttls_closes_the_connection() {
    let sink = Sink::start(&[]);
    for injected in ["RSET\r\n", "R", "EHLO me\r\nMAIL FROM:<a@example.org>\r\n"] {
        let mut peer = Peer::greeted(&sink);
        peer.send(b"EHLO me\r\n");
        for _ in 0..5 {
            peer.hears("250-");
        }
        peer.hears("250 STARTTLS");
        peer.send(format!("STARTTLS\r\n{injected}").as_bytes());
        let rest = peer.rest();
        assert!(!rest.windows(3).any(|code| code == b"250"), "{rest:?}");
        sink.says(": the peer has sent bytes in front of the filter");
        sink.says(" is gone: Error");
    }
}

#[test]
fn a_command_in_place_of_the_handshake_closes_the_connection() {
    let sink = Sink::start(&[]);
    let mut peer = Peer::greeted(&sink);
    peer.send(b"EHLO me\r\n");
    for _ in 0..5 {
        peer.hears("250-");
    }
    peer.hears("250 STARTTLS");
    peer.send(b"STARTTLS\r\n");
    peer.hears("220 ");
    peer.send(b"RSET\r\n");
    let rest = peer.rest();
    assert!(!rest.windows(3).any(|code| code == b"250"), "{rest:?}");
    sink.says(": handshake failed: ");
    sink.says(" is gone: Error");
}

#[test]
fn a_message_cannot_hide_another_one() {
    let sink = Sink::start(&[]);
    // Each would be the end of the message to a server that is lenient with the ends of lines.
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r\r\n"] {
        let Some(mut peer) = SecurePeer::greeting(&sink) else {
            return;
        };
        sink.says(" speaks ");
        peer.envelope();
        peer.send(format!("text{end}mail from:<c@example.org>\r\n").as_bytes());
        peer.hears("500 5.5.2");
        drop(peer);
        sink.is_left();
    }
}
