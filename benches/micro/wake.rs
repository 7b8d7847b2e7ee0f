//! Calls from elsewhere, beside a channel with mio's waker.

use std::io;
use std::sync::mpsc;
use std::thread;

use criterion::Criterion;
use mio::{Events, Poll, Token, Waker};
use netloop::{Budget, EventLoop, Result, Wait};

use crate::measure::Group;

const POSTS: usize = 1_000;

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(
        criterion,
        "wake: a post is made and run, on the loop's own thread",
    );
    posts(&mut group, 1).expect("a loop can be made and woken");
    channel(&mut group, 1).expect("a poll can be made and woken");
    waker(&mut group).expect("a poll can be made and woken");
    drop(group);
    let mut group = Group::new(
        criterion,
        "wake: each of 1,000 posts of which the first one wakes",
    );
    posts(&mut group, POSTS).expect("a loop can be made and woken");
    channel(&mut group, POSTS).expect("a poll can be made and woken");
    drop(group);
    let mut group = Group::new(criterion, "wake: to another thread, which posts, and back");
    posts_of_a_thread(&mut group).expect("a loop can be made and woken");
    channel_of_a_thread(&mut group).expect("a poll can be made and woken");
}

fn posts(group: &mut Group<'_>, count: usize) -> Result<()> {
    let mut event_loop: EventLoop<usize> = EventLoop::new()?;
    let remote = event_loop.remote();
    group.rounds(
        "netloop",
        None,
        count,
        0,
        |_| (),
        |calls| {
            *calls = 0;
            for _ in 0..count {
                let _ = remote.post(|cx| *cx.shared += 1);
            }
            while *calls < count {
                let _ = event_loop.turn(calls, Wait::Forever, Budget::UNLIMITED);
            }
        },
    );
    Ok(())
}

/// A message is a number: what a post can do that it cannot is not its fault.
fn channel(group: &mut Group<'_>, count: usize) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let mut events = Events::with_capacity(1024);
    let (sender, receiver) = mpsc::channel();
    group.rounds(
        "mpsc and mio by hand",
        None,
        count,
        0,
        |_| (),
        |calls| {
            *calls = 0;
            for place in 0..count {
                let _ = sender.send(1);
                if place == 0 {
                    let _ = waker.wake();
                }
            }
            while *calls < count {
                let _ = poll.poll(&mut events, None);
                *calls += receiver.try_iter().sum::<usize>();
            }
        },
    );
    Ok(())
}

/// The call that a wake-up costs at least, and that all posts behind the first one are spared.
fn waker(group: &mut Group<'_>) -> io::Result<()> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    group.each("mio's waker, and nobody looks", None, || waker.wake());
    Ok(())
}

fn posts_of_a_thread(group: &mut Group<'_>) -> Result<()> {
    let mut event_loop: EventLoop<usize> = EventLoop::new()?;
    let remote = event_loop.remote();
    let (ask, asked) = mpsc::channel();
    let thread = thread::spawn(move || {
        while asked.recv().is_ok() {
            let _ = remote.post(|cx| *cx.shared += 1);
        }
    });
    group.rounds(
        "netloop",
        None,
        1,
        0,
        |_| (),
        |calls| {
            *calls = 0;
            let _ = ask.send(());
            while *calls == 0 {
                let _ = event_loop.turn(calls, Wait::Forever, Budget::UNLIMITED);
            }
        },
    );
    drop(ask);
    thread.join().expect("the thread has only posted");
    Ok(())
}

fn channel_of_a_thread(group: &mut Group<'_>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), Token(0))?;
    let mut events = Events::with_capacity(1024);
    let (sender, receiver) = mpsc::channel();
    let (ask, asked) = mpsc::channel();
    let thread = thread::spawn(move || {
        while asked.recv().is_ok() {
            let _ = sender.send(());
            let _ = waker.wake();
        }
    });
    group.rounds(
        "mpsc and mio by hand",
        None,
        1,
        (),
        |_| (),
        |()| {
            let _ = ask.send(());
            loop {
                let _ = poll.poll(&mut events, None);
                if receiver.try_recv().is_ok() {
                    break;
                }
            }
        },
    );
    drop(ask);
    thread.join().expect("the thread has only sent");
    Ok(())
}
