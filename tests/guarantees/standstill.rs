//! A process stopped for longer than an idle timeout: the stop is told, and times out no peer that has sent
//! (reliability E2).

use std::env;
use std::io::Write;
use std::net::TcpStream;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use netloop::{ListenOptions, RunEnd, SocketOptions, StallKind};

use crate::support::{PATIENCE, Recorder, Scene, in_own_process, let_time_pass};

/// Names, in the environment of the peers' process, the address of the server.
const SERVER: &str = "NETLOOP_TEST_STANDSTILL_SERVER";

const PEERS: usize = 20;
const STOPPED: Duration = Duration::from_secs(3);
const IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Sends a byte from each peer again and again, until the server's process ends this one.
fn chat(address: &str) {
    let mut peers: Vec<TcpStream> = (0..PEERS)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        for peer in &mut peers {
            if peer.write_all(b"x").is_err() {
                return;
            }
        }
        let_time_pass(Duration::from_millis(50));
    }
}

#[test]
fn a_stop_of_the_process_is_told_and_times_no_chatty_peer_out() {
    in_own_process(r#"exec "$@""#, || {
        if let Ok(address) = env::var(SERVER) {
            return chat(&address);
        }
        let mut scene = Scene::new();
        let options = ListenOptions::new().socket(SocketOptions::new().idle_timeout(IDLE_TIMEOUT));
        let (_, address) = scene.listen(options, |number| Recorder::new(number.to_string()));
        scene
            .event_loop
            .on_stall(Duration::from_secs(60), |cx, stall| {
                assert_eq!(stall.kind, StallKind::Standstill);
                assert!(stall.duration > STOPPED / 2, "{stall}");
                cx.shared.note(stall.to_string());
                cx.stop();
            });
        scene.event_loop.every(Duration::from_millis(50), |_| ());
        let mut peers = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "standstill::a_stop_of_the_process_is_told_and_times_no_chatty_peer_out",
            ])
            .env(SERVER, address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        scene.drive("all peers", |world| {
            (0..PEERS).all(|number| world.has(&number.to_string(), "data"))
        });
        let seconds = STOPPED.as_secs();
        let own = process::id();
        // Not before the loop runs: the stop must meet the loop, and not the test.
        let mut stopper = Command::new("sh")
            .args([
                "-c",
                &format!("sleep 1; kill -STOP {own}; sleep {seconds}; kill -CONT {own}"),
            ])
            .spawn()
            .unwrap();
        // In one run, because the time between two turns of a host is none of the loop's.
        let ended = scene.event_loop.run_for(&mut scene.world, PATIENCE);
        assert_eq!(ended.unwrap(), RunEnd::Stopped, "the stop is told");
        stopper.wait().unwrap();
        // Long enough for each timeout that the stop has made due, and shorter than the next.
        scene.let_pass(IDLE_TIMEOUT / 2);
        for number in 0..PEERS {
            let name = number.to_string();
            assert!(!scene.world.has(&name, "timeout"), "{name}");
            assert!(!scene.world.has(&name, "close"), "{name}");
        }
        assert_eq!(
            scene.event_loop.statistics().standstills,
            scene.world.notes.len() as u64
        );
        drop(peers.stdin.take());
        peers.wait().unwrap();
        // Without bytes the timeout comes, as ever.
        scene.drive_until("0", "end");
    });
}
