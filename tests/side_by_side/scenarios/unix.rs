//! Unix sockets.

use super::super::peer::{Listener, Peer};
use super::super::scenario::Scenario;
use super::super::stage::{Stage, Step};
use super::super::trace::LONG_NAME;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario::alone("unix_client", "K G5", client),
    Scenario::alone("unix_server", "K G5", server),
    Scenario::alone("unix_path_that_is_missing", "K", missing),
    Scenario::alone("unix_path_that_is_stale", "K", stale),
    Scenario::alone("unix_path_that_is_a_file", "K", regular_file),
    Scenario::alone("unix_path_that_is_taken", "K H2", taken),
    Scenario::alone("unix_path_that_is_too_long", "K", too_long),
    Scenario::alone("unix_socket_cannot_be_reset", "C13", reset),
    Scenario::alone("unix_peer_closes_with_unread_data", "A5 X4", closes_unread),
];

fn client(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "addresses c; write c 3; end c 2")?;
    let path = stage.path("client");
    let listener = Listener::on_path(&path)?;
    stage.tell(&format!("connect c path={}; state c", path.display()))?;
    let mut peer = listener.accept()?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.write(4)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn server(stage: &mut Stage<'_>) -> Step {
    stage.on("s.connection", "addresses s1")?;
    stage.on("s1.data", "write s1 3")?;
    let path = stage.path("server");
    stage.tell(&format!("listen s path={}", path.display()))?;
    stage.wait("s", "listening")?;
    let mut peer = Peer::connect_path(&path)?;
    peer.write(3)?;
    stage.peer_reads(&mut peer, 3)?;
    peer.finish()?;
    stage.wait("s1", "close")?;
    stage.tell("close s")?;
    stage.wait("s", "close")?;
    stage.note("path", if path.exists() { "left" } else { "removed" });
    Ok(())
}

fn missing(stage: &mut Stage<'_>) -> Step {
    let path = stage.path("missing");
    stage.tell(&format!("connect c path={}", path.display()))?;
    stage.wait("c", "close")
}

fn stale(stage: &mut Stage<'_>) -> Step {
    let path = stage.path("stale");
    drop(Listener::on_path(&path)?);
    stage.tell(&format!("connect c path={}", path.display()))?;
    stage.wait("c", "close")
}

fn regular_file(stage: &mut Stage<'_>) -> Step {
    let path = stage.path("file");
    std::fs::write(&path, "")?;
    stage.tell(&format!("connect c path={}", path.display()))?;
    stage.wait("c", "close")
}

fn taken(stage: &mut Stage<'_>) -> Step {
    let path = stage.path("taken");
    let _listener = Listener::on_path(&path)?;
    stage.tell(&format!("listen s path={}", path.display()))?;
    stage.let_pass(10);
    stage.note("path", if path.exists() { "left" } else { "removed" });
    Ok(())
}

fn too_long(stage: &mut Stage<'_>) -> Step {
    let path = stage.path(LONG_NAME);
    stage.tell(&format!("connect c path={}", path.display()))?;
    stage.let_pass(10);
    Ok(())
}

fn reset(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "reset c; destroyed c; write c 2; end c")?;
    let path = stage.path("reset");
    let listener = Listener::on_path(&path)?;
    stage.tell(&format!("connect c path={}", path.display()))?;
    let mut peer = listener.accept()?;
    stage.peer_reads_to_end(&mut peer)?;
    peer.finish()?;
    stage.wait("c", "close")
}

fn closes_unread(stage: &mut Stage<'_>) -> Step {
    stage.on("c.connect", "write c 5 1")?;
    let path = stage.path("unread");
    let listener = Listener::on_path(&path)?;
    stage.tell(&format!("connect c path={}", path.display()))?;
    let peer = listener.accept()?;
    stage.wait("c", "sent")?;
    drop(peer);
    stage.wait("c", "close")
}
