//! The timers of tokio: futures, each in a box of its owner's, as a connection has one for its timeout.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::runtime::{EnterGuard, Runtime};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Timers;

pub(super) struct Sleeps {
    start: Instant,
    sleeps: Vec<Option<Pin<Box<Sleep>>>>,
}

impl Timers for Sleeps {
    const NAME: &'static str = "tokio Sleep";
    type Handle = u32;

    fn new() -> Self {
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .build();
            runtime.expect("a runtime without sockets needs nothing")
        });
        thread_local! {
            /// The timers' way to their runtime. Entered once, as it must be left in reverse order.
            static ENTERED: EnterGuard<'static> = RUNTIME.enter();
        }
        ENTERED.with(|_| ());
        Self {
            // Far enough away that none of them comes.
            start: Instant::now() + Duration::from_secs(3_600),
            sleeps: Vec::new(),
        }
    }
    fn arm(&mut self, deadline: u64, id: u32) -> u32 {
        let mut sleep = Box::pin(sleep_until(self.start + Duration::from_millis(deadline)));
        // It is armed when it is polled for the first time.
        let pending = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(pending.is_pending());
        self.sleeps.push(Some(sleep));
        id
    }
    fn cancel(&mut self, id: u32) {
        self.sleeps[id as usize] = None;
    }
    fn rearm(&mut self, id: u32, deadline: u64) -> u32 {
        if let Some(sleep) = &mut self.sleeps[id as usize] {
            sleep
                .as_mut()
                .reset(self.start + Duration::from_millis(deadline));
        }
        id
    }
}
