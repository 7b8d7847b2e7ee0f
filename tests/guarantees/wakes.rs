//! Wakes that fail, wakes in signal handlers, and wakes while the loop ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;

use netloop::{ConnectOptions, Error, EventLoop, Remote, Wait};

use crate::event_loop::{assert_short, note};
use crate::support::{
    Looked, PATIENCE, Recorder, Scene, World, descriptors, failing, in_own_process,
    with_failing_wakes,
};

/// As many failures as one wake makes calls (`write(2)` on its eventfd), in each thread.
const ONE_WAKE_FAILS: &str = "error=ENOMEM:when=1..8";

/// Runs `calls` on another thread, and turns until it has noted `last`, in waits that only a wake ends.
fn post_from_another_thread<T: Send>(
    scene: &mut Scene,
    last: &str,
    calls: impl FnOnce(&Remote<World>) -> T + Send,
) -> T {
    let remote = scene.event_loop.remote();
    thread::scope(|scope| {
        let caller = scope.spawn(move || calls(&remote));
        while !scene.world.notes.contains(&last.to_owned()) {
            assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
        }
        caller.join().unwrap()
    })
}

// libevpl#56
#[test]
fn a_wake_that_fails_once_is_tried_again() {
    with_failing_wakes("error=EINTR:when=1+2", || {
        let mut scene = Scene::new();
        post_from_another_thread(&mut scene, "3", |remote| {
            for number in 1..=3 {
                remote
                    .post(move |cx| note(cx, &number.to_string()))
                    .unwrap();
            }
        });
        assert_eq!(scene.world.notes, ["1", "2", "3"]);
    });
}

// libevpl#56
#[test]
fn a_post_whose_wake_fails_is_not_made_and_the_next_one_is() {
    with_failing_wakes(ONE_WAKE_FAILS, || {
        let mut scene = Scene::new();
        let (first, second) = post_from_another_thread(&mut scene, "second", |remote| {
            let first = remote.post(|cx| note(cx, "first"));
            (first, remote.post(|cx| note(cx, "second")))
        });
        assert_eq!(first.unwrap_err().code(), "ENOMEM");
        second.unwrap();
        scene.settle();
        assert_eq!(scene.world.notes, ["second"]);
    });
}

#[test]
fn a_post_does_not_rely_on_a_failed_wake_or_stop() {
    with_failing_wakes("error=EINTR:when=1..16", || {
        let mut scene = Scene::new();
        let remote = scene.event_loop.remote();
        let (have_failed, failures) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(move || {
                let errors = (remote.wake().is_err(), remote.stop().is_err());
                have_failed.send(errors).unwrap();
                remote.post(|cx| note(cx, "post")).unwrap();
            });
            // A turn that meets the request for a stop before its wake has failed takes it, and the stop is no failure.
            assert_eq!(failures.recv_timeout(PATIENCE), Ok((true, true)));
            while scene.world.notes.is_empty() {
                let turn = assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
                assert!(!turn.stopped, "a stop that failed does not come");
            }
        });
        assert_eq!(scene.world.notes, ["post"]);
    });
}

#[test]
fn a_hold_whose_wake_fails_once_still_lets_run_end() {
    with_failing_wakes("error=EINTR:when=1", || {
        let mut scene = Scene::new();
        let hold = scene.event_loop.remote().hold();
        let worker = thread::spawn(move || drop(hold));
        scene.run_to_its_end();
        worker.join().unwrap();
    });
}

#[test]
fn an_answer_of_a_lookup_whose_wake_fails_comes_all_the_same() {
    with_failing_wakes(ONE_WAKE_FAILS, || {
        let mut scene = Scene::new();
        let options = ConnectOptions::new().resolver(failing(&Looked::default()));
        scene.connect("name.test:1", options, Recorder::new("socket"));
        while !scene.world.has("socket", "close") {
            assert_short(|| scene.turn_within(Wait::For(PATIENCE)));
        }
        assert_eq!(scene.world.error("socket").code(), "ENOTFOUND");
    });
}

// I12
#[test]
fn the_descriptors_go_with_a_loop_that_is_being_woken() {
    in_own_process(r#"exec "$@""#, || {
        let before = descriptors();
        for _ in 0..100 {
            let event_loop: EventLoop = EventLoop::new().unwrap();
            let remote = event_loop.remote();
            let is_over = Arc::new(AtomicBool::new(false));
            let wakers: Vec<_> = [Remote::wake as fn(&Remote) -> _, Remote::stop]
                .into_iter()
                .map(|wake| {
                    let (remote, is_over) = (remote.clone(), Arc::clone(&is_over));
                    thread::spawn(move || {
                        while !is_over.load(Ordering::Relaxed) {
                            wake(&remote).unwrap();
                        }
                    })
                })
                .collect();
            remote.post(|_| ()).unwrap();
            drop(event_loop);
            assert_eq!(remote.post(|_| ()).unwrap_err().code(), Error::LOOP_CLOSED);
            is_over.store(true, Ordering::Relaxed);
            for waker in wakers {
                waker.join().unwrap();
            }
            // The loop is gone, and its handle is not.
            remote.wake().unwrap();
            assert_eq!(descriptors(), before);
        }
    });
}

/// Wakes in a signal handler (signal-safety(7)). With poll(2) a wake takes a lock of mio.
#[cfg(all(target_os = "linux", not(mio_unsupported_force_poll_poll)))]
mod in_a_signal_handler {
    use std::sync::OnceLock;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    use super::*;

    static REMOTE: OnceLock<Remote<World>> = OnceLock::new();
    static HANDLED: AtomicUsize = AtomicUsize::new(0);
    static FAILED: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn wake(_: libc::c_int) {
        if let Some(remote) = REMOTE.get() {
            let done = match HANDLED.fetch_add(1, Ordering::SeqCst) % 64 {
                63 => remote.stop(),
                _ => remote.wake(),
            };
            if done.is_err() {
                FAILED.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Calls `call` again and again, while another thread sends signals to this one, until `signals` were handled.
    #[expect(
        unsafe_code,
        reason = "std has no signals, and a crate for them would be one more to compile"
    )]
    fn under_signals(signals: usize, remote: Remote<World>, mut call: impl FnMut()) {
        assert!(REMOTE.set(remote).is_ok());
        // SAFETY: the handler only uses atomics and the methods of `Remote` that permit it. The thread that the signals
        // are sent to is this one, which outlives the scope.
        let this = unsafe {
            let handler: extern "C" fn(libc::c_int) = wake;
            assert_ne!(
                libc::signal(libc::SIGUSR1, handler as libc::sighandler_t),
                libc::SIG_ERR
            );
            libc::pthread_self()
        };
        let deadline = Instant::now() + 6 * PATIENCE;
        let handled = || HANDLED.load(Ordering::SeqCst);
        thread::scope(|scope| {
            scope.spawn(|| {
                while handled() < signals && Instant::now() < deadline {
                    // SAFETY: as above.
                    unsafe { libc::pthread_kill(this, libc::SIGUSR1) };
                    std::hint::spin_loop();
                }
            });
            while handled() < signals {
                assert!(Instant::now() < deadline, "{} signals", handled());
                call();
            }
        });
    }

    // It deadlocked in a tenth of a second while a wake took a lock.
    #[test]
    fn a_wake_interrupts_posts_and_turns_without_harm() {
        in_own_process(r#"exec "$@""#, || {
            let mut scene = Scene::new();
            let remote = scene.event_loop.remote();
            let (mut posted, mut stops) = (0_usize, 0);
            under_signals(1_000, scene.event_loop.remote(), || {
                for _ in 0..3 {
                    remote.post(|cx| cx.shared.note("post")).unwrap();
                    posted += 1;
                }
                remote.wake().unwrap();
                stops += usize::from(scene.turn().stopped);
            });
            assert_eq!(FAILED.load(Ordering::SeqCst), 0);
            scene.settle();
            assert_eq!(scene.world.notes.len(), posted);
            assert!(stops > 0);
        });
    }

    #[test]
    fn a_wake_that_fails_does_no_harm_either() {
        with_failing_wakes("error=ENOMEM:when=1+", || {
            let mut scene = Scene::new();
            let remote = scene.event_loop.remote();
            under_signals(1_000, scene.event_loop.remote(), || {
                remote.post(|_| ()).unwrap_err();
                scene.turn();
            });
            assert!(FAILED.load(Ordering::SeqCst) > 0);
        });
    }

    #[test]
    fn a_wake_interrupts_the_end_of_the_loop_without_harm() {
        in_own_process(r#"exec "$@""#, || {
            let before = descriptors();
            let mut scene = Some(Scene::new());
            let remote = scene.as_ref().unwrap().event_loop.remote();
            under_signals(1_000, remote, || {
                drop(scene.take());
                drop(Scene::new());
            });
            assert_eq!(FAILED.load(Ordering::SeqCst), 0);
            assert_eq!(descriptors(), before);
        });
    }
}
