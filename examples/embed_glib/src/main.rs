//! GLib's main loop as the host, as in programs of GTK, and the loop as a guest.
//!
//! ```text
//! $ sudo apt-get install libglib2.0-dev
//! $ cargo run --manifest-path examples/embed_glib/Cargo.toml     # or, with an address: ... -- 0.0.0.0:7005
//! listening 127.0.0.1:7005
//! second 1: 0 bytes
//! second 2: 6 bytes
//! ```
//!
//! GLib watches the loop's descriptor, and has one timeout for the loop's next deadline. `take_nearer_deadline` says when
//! that timeout must be set anew.

use std::cell::RefCell;
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

use glib::{ControlFlow, IOCondition, SourceId};
use netloop::{Budget, EventLoop, LoopContext, Wait};

#[path = "../../embed_poll/src/echo.rs"]
mod echo;

use echo::Echo;

/// A loop in GLib. All clones share it.
#[derive(Clone)]
struct Guest(Rc<RefCell<State>>);

struct State {
    event_loop: EventLoop<u64>,
    /// The bytes that were echoed.
    bytes: u64,
    timeout: Option<SourceId>,
    turns: u32,
}

impl Guest {
    /// Makes a loop, which the default context of this thread turns.
    fn new() -> netloop::Result<Self> {
        let event_loop = EventLoop::new()?;
        let descriptor = event_loop.as_fd().as_raw_fd();
        let guest = Self(Rc::new(RefCell::new(State {
            event_loop,
            bytes: 0,
            timeout: None,
            turns: 0,
        })));
        let own = guest.clone();
        glib::source::unix_fd_add_local(descriptor, IOCondition::IN, move |_, _| {
            own.turn();
            ControlFlow::Continue
        });
        Ok(guest)
    }

    fn turn(&self) {
        let mut state = self.0.borrow_mut();
        state.turns += 1;
        let State {
            event_loop, bytes, ..
        } = &mut *state;
        if let Err(error) = event_loop.turn(bytes, Wait::No, Budget::new()) {
            glib::g_critical!("embed_glib", "the loop cannot poll: {error}");
        }
        drop(state);
        self.set_timeout();
    }

    /// Changes the loop from outside of its callbacks.
    fn with<R>(&self, change: impl FnOnce(&mut LoopContext<'_, u64>) -> R) -> R {
        let mut state = self.0.borrow_mut();
        let State {
            event_loop, bytes, ..
        } = &mut *state;
        let result = change(&mut event_loop.context(bytes));
        drop(state);
        self.set_timeout();
        result
    }

    /// Sets the timeout of GLib for the next deadline, if that is nearer than before.
    fn set_timeout(&self) {
        let mut state = self.0.borrow_mut();
        let Some(deadline) = state.event_loop.take_nearer_deadline() else {
            return;
        };
        if let Some(before) = state.timeout.take() {
            before.remove();
        }
        // GLib rounds down to milliseconds. Rounded up here, so that it does not spin until the deadline.
        let left = deadline.saturating_duration_since(Instant::now());
        let left = left.as_nanos().div_ceil(1_000_000);
        let left = Duration::from_millis(u64::try_from(left).unwrap_or(u64::MAX));
        let own = self.clone();
        state.timeout = Some(glib::timeout_add_local_once(left, move || {
            own.0.borrow_mut().timeout = None;
            own.turn();
        }));
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:7005".into());
    let host = glib::MainLoop::new(None, false);
    let guest = Guest::new()?;
    let listening = guest.with(|cx| -> netloop::Result<_> {
        let server = cx.listen(address.as_str(), |_, _| Echo)?;
        Ok(cx.sockets.server(server).address())
    })?;
    let mut output = std::io::stdout();
    if let Some(address) = listening {
        writeln!(output, "listening {address}")?;
    }
    let mut seconds = 0;
    glib::timeout_add_seconds_local(1, move || {
        seconds += 1;
        let bytes = guest.0.borrow().bytes;
        match writeln!(output, "second {seconds}: {bytes} bytes") {
            Ok(()) => ControlFlow::Continue,
            Err(_) => ControlFlow::Break,
        }
    });
    host.run();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::SocketAddr;
    use std::net::TcpStream;
    use std::thread::JoinHandle;

    use super::echo::client::{FEW, PATIENCE, REST, rests, talk};
    use super::*;

    const LENGTH: usize = 4 << 20;
    const PERIOD: Duration = Duration::from_millis(10);

    fn listen(guest: &Guest) -> SocketAddr {
        guest.with(|cx| {
            let server = cx.listen("127.0.0.1:0", |_, _| Echo).expect("a port");
            cx.sockets.server(server).address().expect("it listens")
        })
    }

    fn drive(context: &glib::MainContext, client: JoinHandle<TcpStream>) -> TcpStream {
        while !client.is_finished() {
            // Something of the host, so that the end of the client is noticed.
            glib::timeout_add_local_once(PERIOD, || {});
            context.iteration(true);
        }
        client.join().expect("every byte was right")
    }

    /// One test, because the default context belongs to one thread.
    #[test]
    fn the_guest_serves_the_timer_keeps_its_times_and_both_rest() {
        let context = glib::MainContext::default();
        let _own = context.acquire().expect("no other thread has it");
        let guest = Guest::new().expect("a loop");
        let _stream = serve_beside_a_timer(&context, &guest);
        rest_for_a_second(&context, &guest);
    }

    fn serve_beside_a_timer(context: &glib::MainContext, guest: &Guest) -> TcpStream {
        let client = talk(listen(guest), LENGTH);
        let begun = Instant::now();
        let ticks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&ticks);
        glib::timeout_add_local(PERIOD, move || {
            counted.set(counted.get() + 1);
            // GLib counts from its own time, and the first period may be shorter by a part of a millisecond.
            assert!(begun.elapsed() + PERIOD / 2 >= PERIOD * counted.get());
            match counted.get() < 20 {
                true => ControlFlow::Continue,
                false => ControlFlow::Break,
            }
        });
        // Timers of the guest, of which the second is nearer.
        for periods in [9, 5] {
            let due = begun + PERIOD * periods;
            guest.with(|cx| {
                cx.after(PERIOD * periods, move |cx| {
                    assert!(Instant::now() >= due);
                    *cx.shared += 1 << 40;
                })
            });
        }
        let stream = drive(context, client);
        while ticks.get() < 20 || guest.0.borrow().bytes < 2 << 40 {
            assert!(begun.elapsed() < PATIENCE);
            context.iteration(true);
        }
        assert_eq!(guest.0.borrow().bytes - (2 << 40), LENGTH as u64);
        stream
    }

    fn rest_for_a_second(context: &glib::MainContext, guest: &Guest) {
        let _idle = drive(context, talk(listen(guest), 1000));
        settle(context, guest);
        let over = Rc::new(Cell::new(false));
        let tell = Rc::clone(&over);
        glib::timeout_add_local_once(REST, move || tell.set(true));
        let turns = guest.0.borrow().turns;
        let mut rounds = 0;
        while !over.get() {
            context.iteration(true);
            rounds += 1;
        }
        assert!(rounds <= FEW, "{rounds} rounds");
        assert_eq!(guest.0.borrow().turns, turns);
    }

    /// Waits until the guest has no near deadline and makes no turn in three periods, which end the timeouts of `drive`.
    fn settle(context: &glib::MainContext, guest: &Guest) {
        let begun = Instant::now();
        let mut turns = None;
        while turns != Some(guest.0.borrow().turns)
            || !rests(guest.0.borrow().event_loop.poll_timeout())
        {
            assert!(begun.elapsed() < PATIENCE);
            turns = Some(guest.0.borrow().turns);
            let over = Rc::new(Cell::new(false));
            let tell = Rc::clone(&over);
            glib::timeout_add_local_once(PERIOD * 3, move || tell.set(true));
            while !over.get() {
                context.iteration(true);
            }
        }
    }
}
