//! Calls from other threads, beside a channel with mio's waker.

use std::sync::mpsc;

use criterion::Criterion;
use mio::{Events, Poll, Token, Waker};
use netloop::{Budget, EventLoop, Wait};

use crate::measure::Group;

pub(crate) fn measure(criterion: &mut Criterion) {
    let alone = "wake: a post is made and run, on the loop's own thread";
    let many = "wake: each of 1,000 posts of which the first one wakes";
    for (name, posts) in [(alone, 1), (many, 1_000)] {
        let mut group = Group::new(criterion, name);
        let mut event_loop: EventLoop<usize> = EventLoop::new().expect("a loop can be made");
        let remote = event_loop.remote();
        group.rounds("netloop", posts, 0, |calls| {
            *calls = 0;
            for _ in 0..posts {
                let _ = remote.post(|cx| *cx.shared += 1);
            }
            while *calls < posts {
                let _ = event_loop.turn(calls, Wait::Forever, Budget::new());
            }
        });
        let mut poll = Poll::new().expect("a poll can be made");
        let waker = Waker::new(poll.registry(), Token(0)).expect("a poll has a waker");
        let mut events = Events::with_capacity(1024);
        let (sender, receiver) = mpsc::channel();
        // A message is a number: that it can do less than a post does not make it slower.
        group.rounds("mpsc and mio by hand", posts, 0, |received| {
            *received = 0;
            for place in 0..posts {
                let _ = sender.send(1);
                if place == 0 {
                    let _ = waker.wake();
                }
            }
            while *received < posts {
                let _ = poll.poll(&mut events, None);
                *received += receiver.try_iter().sum::<usize>();
            }
        });
    }
}
