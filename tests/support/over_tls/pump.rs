//! The pump: goes on with the handshakes of peers, and with bytes that the kernel has not taken, while a test waits for its
//! loop.

use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use super::link::Engine;

/// The time between two steps of the thread.
const PERIOD: Duration = Duration::from_millis(1);

type Engines = Vec<Arc<Mutex<Engine>>>;

#[derive(Default)]
struct Busy {
    engines: Mutex<Engines>,
    has_come: Condvar,
}

/// The engines with something to do, for which a thread of their own steps.
static BUSY: OnceLock<&'static Busy> = OnceLock::new();

fn busy() -> &'static Busy {
    BUSY.get_or_init(|| {
        let busy: &'static Busy = Box::leak(Box::default());
        thread::spawn(move || step_for_ever(busy));
        busy
    })
}

pub(super) fn add(engine: Arc<Mutex<Engine>>) {
    busy().engines.lock().unwrap().push(engine);
    busy().has_come.notify_one();
}

/// Steps for the peers of this thread's test, between two turns of its loop. So a handshake takes turns and no time.
pub(crate) fn pump() {
    // A test may count its threads.
    let Some(busy) = BUSY.get() else {
        return;
    };
    let this = thread::current().id();
    let engines = busy.engines.lock().unwrap().clone();
    for engine in engines {
        if let Ok(mut engine) = engine.try_lock() {
            if engine.is_owned_by(this) {
                engine.step();
            }
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a rest between two looks, in a thread of its own; no test waits for it by time"
)]
fn step_for_ever(busy: &Busy) {
    loop {
        let mut engines = busy.engines.lock().unwrap();
        while engines.is_empty() {
            engines = busy.has_come.wait(engines).unwrap();
        }
        let all = engines.clone();
        drop(engines);
        for engine in &all {
            // One that panicked with its test is left alone.
            if let Ok(mut engine) = engine.lock() {
                engine.step();
            }
        }
        busy.engines.lock().unwrap().retain(|engine| {
            let Ok(mut engine) = engine.lock() else {
                return false;
            };
            engine.is_listed = engine.is_busy();
            engine.is_listed
        });
        thread::sleep(PERIOD);
    }
}
