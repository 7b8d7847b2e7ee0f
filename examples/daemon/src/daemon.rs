//! The daemon: its state, its signals, and its messages to systemd.

use std::env;
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use netloop::{EventLoop, LoopContext, ServerId, Signal};
use sd_notify::NotifyState;

use crate::options::Options;
use crate::{listeners, restart};

/// The state that all callbacks share.
pub(crate) struct Daemon {
    options: Options,
    greeting: String,
    servers: Vec<ServerId>,
    /// The path of this program, which another version may have by the time of a restart.
    program: PathBuf,
    /// The process that takes this one's place.
    successor: Option<Child>,
}

impl Daemon {
    pub(crate) fn response(&self, line: &str) -> String {
        format!("{} from {}: {line}\n", self.greeting, std::process::id())
    }

    /// Notes whether the successor has ended without taking this one's place.
    fn look_after_successor(&mut self) {
        let status = self.successor.as_mut().map(Child::try_wait);
        if let Some(Ok(Some(status))) = status {
            eprintln!("the successor has failed: {status}");
            self.successor = None;
        }
    }
}

pub(crate) fn run() -> Result<(), Box<dyn std::error::Error>> {
    let options = Options::read()?;
    let mut event_loop = EventLoop::new()?;
    let servers = listeners::listen(&mut event_loop, &options)?;
    let mut daemon = Daemon {
        greeting: options.greeting().unwrap_or_else(|| "hello".to_owned()),
        options,
        servers,
        program: env::current_exe()?,
        successor: None,
    };
    event_loop.on_signal(Signal::TERM, terminate)?;
    event_loop.on_signal(Signal::INT, terminate)?;
    event_loop.on_signal(Signal::HUP, reload)?;
    event_loop.on_signal(Signal::USR2, restart)?;
    event_loop.on_signal(Signal::CHLD, |cx| cx.shared.look_after_successor())?;
    if let Some(limit) = sd_notify::watchdog_enabled() {
        // From the loop: systemd sees a loop that hangs, and not only a process that is gone.
        let timer = event_loop.every(limit / 2, |_| notify(&[NotifyState::Watchdog]));
        event_loop.timer(timer).release();
    }
    notify(&[NotifyState::Ready, NotifyState::MainPid(std::process::id())]);
    restart::end_predecessor();
    println!("ready {}", std::process::id());
    event_loop.run(&mut daemon)?;
    Ok(())
}

/// Sends `states` to systemd. Without systemd this does nothing.
fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        eprintln!("systemd is not told: {error}");
    }
}

/// SIGTERM and SIGINT. The second one forces.
fn terminate(cx: &mut LoopContext<'_, Daemon>) {
    let is_second = cx.is_shutting_down();
    println!("{}", if is_second { "forcing" } else { "terminating" });
    // With a successor, the service goes on.
    if cx.shared.successor.is_none() {
        notify(&[NotifyState::Stopping]);
    }
    let deadline = match is_second {
        true => Duration::ZERO,
        false => cx.shared.options.deadline,
    };
    cx.shutdown(deadline, move |cx, report| {
        if !is_second {
            println!("{report}");
        }
        cx.stop();
    });
}

/// SIGHUP. systemd waits for both messages, and takes the time in the first for the answer to its own signal.
fn reload(cx: &mut LoopContext<'_, Daemon>) {
    let Ok(now) = NotifyState::monotonic_usec_now() else {
        return;
    };
    notify(&[NotifyState::Reloading, now]);
    if let Some(greeting) = cx.shared.options.greeting() {
        cx.shared.greeting = greeting;
    }
    println!("reloaded");
    notify(&[NotifyState::Ready]);
}

/// SIGUSR2.
fn restart(cx: &mut LoopContext<'_, Daemon>) {
    if cx.is_shutting_down() || cx.shared.successor.is_some() {
        return;
    }
    let Daemon {
        program, servers, ..
    } = &*cx.shared;
    match restart::start_successor(program, servers, &mut cx.sockets) {
        Ok(successor) => cx.shared.successor = Some(successor),
        Err(error) => eprintln!("there is no successor: {error}"),
    }
}
