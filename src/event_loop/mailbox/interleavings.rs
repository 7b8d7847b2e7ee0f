//! Tests of the mailbox in every order in which its threads can run (loom). A lost wake shows as a deadlock.

use loom::thread;

use crate::system::threading::{ModelledWaker, in_every_order};

use super::*;

/// The number of system calls that one wake tries. If all fail, the wake fails.
const ONE_WAKE: usize = 8;

struct Stage {
    mailbox: Mailbox<()>,
    waker: Arc<ModelledWaker>,
}

impl Stage {
    fn new(failures: usize) -> Arc<Self> {
        let waker = Arc::new(ModelledWaker::failing(failures));
        let handle = WakeHandle::Modelled(Arc::clone(&waker));
        Arc::new(Self {
            mailbox: Mailbox::new(handle, WakeListener::default(), 1024),
            waker,
        })
    }

    fn post(&self) -> bool {
        self.mailbox.post(|_: &mut LoopContext<'_>| ()).is_ok()
    }

    /// Plays a turn of the loop. Returns the number of posts that it has taken, and whether a stop was asked for.
    fn turn(&self, most: usize) -> (usize, bool) {
        if !self.mailbox.is_pending() {
            self.waker.wait();
        }
        let mut taken = VecDeque::new();
        let is_stopped = self.mailbox.is_pending() && self.mailbox.take(most, &mut taken);
        (taken.len(), is_stopped)
    }
}

#[test]
fn each_accepted_post_ends_the_wait_and_is_taken_once() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        let posters = [1, 2].map(|posts| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || assert!((0..posts).all(|_| stage.post())))
        });
        let mut taken = 0;
        while taken < 3 {
            taken += stage.turn(usize::MAX).0;
        }
        for poster in posters {
            poster.join().unwrap();
        }
        assert_eq!(taken, 3);
    });
}

#[test]
fn posts_beyond_the_share_of_a_turn_need_no_further_wake() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        let poster = {
            let stage = Arc::clone(&stage);
            thread::spawn(move || assert!(stage.post() && stage.post()))
        };
        let mut taken = 0;
        while taken < 2 {
            taken += stage.turn(1).0;
        }
        poster.join().unwrap();
    });
}

#[test]
fn a_post_is_taken_if_and_only_if_its_poster_was_told_so() {
    in_every_order(3, || {
        // The first wake fails, whichever thread makes it.
        let stage = Stage::new(ONE_WAKE);
        let posters = [(); 2].map(|()| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.post())
        });
        let accepted = posters.map(|poster| usize::from(poster.join().unwrap()));
        let accepted: usize = accepted.iter().sum();
        let mut taken = 0;
        while taken < accepted {
            taken += stage.turn(usize::MAX).0;
        }
        let mut left = VecDeque::new();
        stage.mailbox.take(usize::MAX, &mut left);
        assert_eq!((taken, left.len()), (accepted, 0));
    });
}

#[test]
fn a_stop_beside_posts_and_wakes_is_told_once() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        let others = [Stage::stop as fn(&Stage), Stage::wake].map(|call| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || call(&stage))
        });
        while !stage.turn(usize::MAX).1 {}
        for other in others {
            other.join().unwrap();
        }
        let mut taken = VecDeque::new();
        assert!(!stage.mailbox.take(usize::MAX, &mut taken));
    });
}

#[test]
fn a_stop_whose_wake_fails_is_withdrawn_or_taken() {
    in_every_order(3, || {
        let stage = Stage::new(ONE_WAKE);
        let stoppers = [(); 2].map(|()| {
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.mailbox.stop().is_ok())
        });
        let mut taken = VecDeque::new();
        let early = stage.mailbox.take(usize::MAX, &mut taken);
        let asked = stoppers.map(|stopper| stopper.join().unwrap());
        let late = stage.mailbox.take(usize::MAX, &mut taken);
        // The loop takes a stop if, and only if, a thread was told that its stop succeeded.
        assert_eq!(early | late, asked[0] | asked[1]);
    });
}

#[test]
fn the_release_of_the_last_hold_ends_the_wait() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        let holders = [(); 2].map(|()| {
            stage.mailbox.hold();
            let stage = Arc::clone(&stage);
            thread::spawn(move || stage.mailbox.release())
        });
        while stage.mailbox.holds_loop() {
            stage.turn(usize::MAX);
        }
        for holder in holders {
            holder.join().unwrap();
        }
    });
}

#[test]
fn a_post_before_the_release_of_the_last_hold_keeps_the_loop() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        stage.mailbox.hold();
        let poster = {
            let stage = Arc::clone(&stage);
            thread::spawn(move || {
                assert!(stage.post());
                stage.mailbox.release();
            })
        };
        // Until the turn below takes the post, the loop is not over, whether the hold was released or not.
        assert!(stage.mailbox.holds_loop());
        poster.join().unwrap();
        assert!(stage.mailbox.holds_loop());
        // The wake of a released hold does not keep the loop going.
        stage.turn(usize::MAX);
        stage.mailbox.hold();
        stage.mailbox.release();
        assert!(!stage.mailbox.holds_loop());
    });
}

#[test]
fn a_post_beside_the_close_is_refused_or_dropped() {
    in_every_order(3, || {
        let stage = Stage::new(0);
        let dropped = Arc::new(());
        let poster = {
            let (stage, dropped) = (Arc::clone(&stage), Arc::clone(&dropped));
            thread::spawn(move || {
                let post = move |_: &mut LoopContext<'_>| drop(dropped);
                stage.mailbox.post(post).is_ok()
            })
        };
        stage.mailbox.close();
        poster.join().unwrap();
        assert_eq!(Arc::strong_count(&dropped), 1);
        assert!(!stage.post());
    });
}

impl Stage {
    fn stop(&self) {
        self.mailbox.stop().unwrap();
    }

    fn wake(&self) {
        self.mailbox.wake().unwrap();
    }
}
