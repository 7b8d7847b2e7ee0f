//! The two that are compared, behind one face: lines go in that say what to do, lines come out that say what happened.

use std::io::{BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use netloop::{EventLoop, Remote};

use super::netloop_subject::{World, obey};

/// Node or netloop, doing what it is told.
pub(crate) struct Subject {
    body: Body,
    lines: Receiver<String>,
}

enum Body {
    Node {
        child: Child,
        commands: ChildStdin,
    },
    Netloop {
        remote: Remote<World>,
        thread: Option<JoinHandle<()>>,
    },
}

impl Subject {
    /// Node in a process of its own, which ends with this value.
    pub(crate) fn node(script: &Path, local: IpAddr) -> Self {
        let mut child = Command::new("node")
            .arg(script)
            .arg(local.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node could be asked for its version");
        let commands = child.stdin.take().expect("it was piped");
        let output = child.stdout.take().expect("it was piped");
        let (told, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        Self {
            body: Body::Node { child, commands },
            lines,
        }
    }

    /// A loop on a thread of its own, which ends with this value.
    pub(crate) fn netloop(local: IpAddr) -> Self {
        let (told, lines) = mpsc::channel();
        let (hand_over, handed) = mpsc::channel();
        let thread = std::thread::spawn(move || run_loop(told, local, &hand_over));
        let remote = handed.recv().expect("the loop could be made");
        Self {
            body: Body::Netloop {
                remote,
                thread: Some(thread),
            },
            lines,
        }
    }

    /// Which of the two it is.
    pub(crate) fn name(&self) -> &'static str {
        match self.body {
            Body::Node { .. } => "node",
            Body::Netloop { .. } => "netloop",
        }
    }

    /// Hands a command in. It is obeyed in a turn of its own.
    pub(crate) fn send(&mut self, command: &str) -> Result<(), String> {
        match &mut self.body {
            Body::Node { commands, .. } => writeln!(commands, "{command}")
                .and_then(|()| commands.flush())
                .map_err(|error| format!("node is gone: {error}")),
            Body::Netloop { remote, .. } => {
                let command = command.to_owned();
                remote
                    .post(move |cx| obey(cx, &command))
                    .map_err(|error| format!("the loop is gone: {error}"))
            }
        }
    }

    /// The next line that it says, if one comes in time.
    pub(crate) fn next_line(&self, within: Duration) -> Option<String> {
        self.lines.recv_timeout(within).ok()
    }
}

fn run_loop(told: Sender<String>, local: IpAddr, hand_over: &Sender<Remote<World>>) {
    let mut event_loop = EventLoop::new().expect("a loop can be made");
    let remote = event_loop.remote();
    let _until_stopped = remote.hold();
    hand_over
        .send(remote)
        .expect("the one who started us waits for it");
    event_loop
        .run(&mut World::new(told, local))
        .expect("polling works");
}

impl Drop for Subject {
    fn drop(&mut self) {
        match &mut self.body {
            Body::Node { child, .. } => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Body::Netloop { remote, thread } => {
                let _ = remote.stop();
                if let Some(thread) = thread.take() {
                    let _ = thread.join();
                }
            }
        }
    }
}
