//! Tests of the queue of lookups in every order in which its threads can run (loom). A thread that waits for ever shows
//! as a deadlock, and so does a loop that is not woken for an answer.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::system::threading::{ModelledWaker, in_every_order};

use super::*;

struct Scene {
    lookups: LookupThreads,
    waker: Arc<ModelledWaker>,
}

impl Scene {
    fn new(threads: usize, failures: usize) -> Self {
        let waker = Arc::new(ModelledWaker::failing(failures));
        let wakes = Arc::clone(&waker);
        let limits = LookupLimits {
            threads,
            waiting: None,
        };
        let lookups = LookupThreads::new(Box::new(move || wakes.wake()), Box::new(|| ()), limits);
        Self { lookups, waker }
    }

    fn ask(&mut self) -> Ticket {
        self.lookups.ask(Box::new(|| Ok(Vec::new()))).unwrap()
    }

    fn next_answer(&self) -> Ticket {
        loop {
            if let Some((ticket, _)) = self.lookups.next_answer() {
                return ticket;
            }
            self.waker.wait();
        }
    }
}

#[test]
fn each_lookup_is_answered_once_by_one_thread() {
    in_every_order(3, || {
        let mut scene = Scene::new(1, 0);
        let asked = [scene.ask(), scene.ask()];
        assert_eq!([scene.next_answer(), scene.next_answer()], asked);
        assert!(scene.lookups.next_answer().is_none());
    });
}

#[test]
fn each_lookup_is_answered_once_by_two_threads() {
    in_every_order(2, || {
        let mut scene = Scene::new(2, 0);
        let asked = [scene.ask(), scene.ask()];
        let mut answered = [scene.next_answer(), scene.next_answer()];
        answered.sort_unstable();
        assert_eq!(answered, asked);
    });
}

#[test]
fn a_lookup_that_follows_an_answer_finds_a_thread() {
    in_every_order(3, || {
        let mut scene = Scene::new(1, 0);
        for _ in 0..2 {
            let asked = scene.ask();
            assert_eq!(scene.next_answer(), asked);
        }
    });
}

#[test]
fn an_answer_whose_wakes_fail_still_wakes_the_loop() {
    in_every_order(3, || {
        let mut scene = Scene::new(1, 2);
        let asked = scene.ask();
        assert_eq!(scene.next_answer(), asked);
    });
}

#[test]
fn the_threads_end_with_the_loop_whatever_they_do() {
    in_every_order(3, || {
        // In the first round all wakes succeed. In the second round the first two fail.
        for failures in [0, 2] {
            let mut scene = Scene::new(2, failures);
            scene.ask();
            scene.ask();
        }
    });
}

#[test]
fn a_cancelled_lookup_delays_no_other_and_is_dropped() {
    in_every_order(3, || {
        let runs = Arc::new(AtomicUsize::new(0));
        let mut scene = Scene::new(1, 0);
        let first = scene.ask();
        let counted = Arc::clone(&runs);
        let job = move || -> io::Result<Vec<SocketAddr>> {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(Vec::new())
        };
        let cancelled = scene.lookups.ask(Box::new(job)).unwrap();
        let last = scene.ask();
        scene.lookups.cancel(cancelled);
        let mut answered = vec![scene.next_answer()];
        while answered.last() != Some(&last) {
            answered.push(scene.next_answer());
        }
        let was_run = runs.load(Ordering::Relaxed) == 1;
        // The job runs if a thread was about to take the job.
        assert!(was_run || !answered.contains(&cancelled));
        assert_eq!(answered.first(), Some(&first));
        assert!(was_run || Arc::strong_count(&runs) == 1, "the job is kept");
    });
}

#[test]
fn a_lookup_that_hangs_and_was_given_up_keeps_no_thread() {
    in_every_order(2, || {
        let gate = Arc::new(ModelledWaker::failing(0));
        let mut scene = Scene::new(1, 0);
        let hanging = Arc::clone(&gate);
        let job = move || -> io::Result<Vec<SocketAddr>> {
            hanging.wait();
            Ok(Vec::new())
        };
        let given_up = scene.lookups.ask(Box::new(job)).unwrap();
        scene.lookups.cancel(given_up);
        let asked = scene.ask();
        // The first job still hangs here: nothing has woken `gate`.
        assert_eq!(scene.next_answer(), asked);
        gate.wake().unwrap();
    });
}
