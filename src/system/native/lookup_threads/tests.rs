//! The helper threads: wakes that fail, threads that hang or cannot be started, and the limits on both.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn limits(threads: usize, waiting: impl Into<Option<usize>>) -> LookupLimits {
    LookupLimits {
        threads,
        waiting: waiting.into(),
    }
}

/// Makes lookups whose first `failures` wakes fail, and a count of all wakes, failed or not.
fn lookups(failures: usize) -> (LookupThreads, Arc<AtomicUsize>) {
    let wakes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&wakes);
    let wake = move || match counted.fetch_add(1, Ordering::SeqCst) < failures {
        true => Err(io::ErrorKind::Interrupted.into()),
        false => Ok(()),
    };
    let lookups = LookupThreads::new(Box::new(wake), Box::new(|| ()), limits(1, 10));
    (lookups, wakes)
}

fn plain(limits: LookupLimits) -> LookupThreads {
    LookupThreads::new(Box::new(|| Ok(())), Box::new(|| ()), limits)
}

fn wait_for(done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it did not come");
        thread::yield_now();
    }
}

/// Makes a job that hangs until the returned sender is dropped. The job sends a message to `began` first.
fn hanging(began: &mpsc::Sender<()>) -> (Job, mpsc::Sender<()>) {
    let (open, opened) = mpsc::channel::<()>();
    let began = began.clone();
    let job = move || {
        let _ = began.send(());
        let _ = opened.recv();
        Ok(Vec::new())
    };
    (Box::new(job), open)
}

fn quick() -> Job {
    Box::new(|| Ok(Vec::new()))
}

#[test]
fn an_answer_whose_wake_fails_wakes_the_loop_later() {
    let (mut lookups, wakes) = lookups(3);
    lookups.ask(quick()).unwrap();
    wait_for(|| wakes.load(Ordering::SeqCst) == 4);
    assert!(lookups.next_answer().is_some());
}

#[test]
fn a_thread_that_cannot_wake_the_loop_ends_with_the_loop() {
    let (mut lookups, wakes) = lookups(usize::MAX);
    lookups.ask(quick()).unwrap();
    wait_for(|| wakes.load(Ordering::SeqCst) > 3);
    let threads = Arc::downgrade(&lookups.shared);
    drop(lookups);
    // Each thread holds a reference until it ends.
    wait_for(|| threads.strong_count() == 0);
}

#[test]
fn a_given_up_lookup_makes_way_for_the_next() {
    let mut lookups = plain(limits(2, 10));
    let (began, begun) = mpsc::channel();
    let (jobs, opens): (Vec<_>, Vec<_>) = (0..2).map(|_| hanging(&began)).unzip();
    let tickets: Vec<_> = jobs
        .into_iter()
        .map(|job| lookups.ask(job).unwrap())
        .collect();
    (0..2).for_each(|_| begun.recv_timeout(PATIENCE).unwrap());
    let next = lookups.ask(quick()).unwrap();
    assert!(lookups.waits_for_thread(next));
    lookups.cancel(tickets[0]);
    wait_for(|| matches!(lookups.next_answer(), Some((ticket, Ok(_))) if ticket == next));
    // The stuck thread ends with its job, because another has taken its place.
    drop(opens);
    wait_for(|| {
        let state = lookups.shared.lock();
        state.stuck.is_empty() && state.running.is_empty() && state.idle == state.threads
    });
    assert!(lookups.shared.lock().threads <= 2);
}

#[test]
fn stuck_threads_have_a_limit() {
    let mut lookups = plain(limits(1, 100));
    let (began, begun) = mpsc::channel();
    let mut opens = Vec::new();
    for _ in 0..=STUCK_PER_THREAD {
        let (job, open) = hanging(&began);
        let ticket = lookups.ask(job).unwrap();
        begun.recv_timeout(PATIENCE).unwrap();
        opens.push(open);
        lookups.cancel(ticket);
    }
    let waiting = lookups.ask(quick()).unwrap();
    assert!(lookups.waits_for_thread(waiting));
    assert_eq!(lookups.shared.lock().stuck.len(), STUCK_PER_THREAD);
    // A stuck thread that ends its job goes on with the lookup that waits.
    opens.remove(0);
    let answered = || {
        lookups
            .next_answer()
            .is_some_and(|(ticket, _)| ticket == waiting)
    };
    wait_for(answered);
}

#[test]
fn a_job_given_up_before_its_thread_takes_it_is_stuck_too() {
    let mut lookups = plain(limits(1, 10));
    let (began, begun) = mpsc::channel();
    let (job, open) = hanging(&began);
    let ticket = lookups.ask(job).unwrap();
    // The test does not wait for the thread, which may or may not have taken the job.
    lookups.cancel(ticket);
    begun.recv_timeout(PATIENCE).unwrap();
    let next = lookups.ask(quick()).unwrap();
    wait_for(|| matches!(lookups.next_answer(), Some((ticket, _)) if ticket == next));
    drop(open);
}

#[test]
fn the_queue_has_a_limit_beyond_the_free_threads() {
    let mut lookups = plain(limits(2, 1));
    let (began, begun) = mpsc::channel();
    let mut opens = Vec::new();
    for _ in 0..3 {
        let (job, open) = hanging(&began);
        lookups.ask(job).unwrap();
        opens.push(open);
    }
    assert!(matches!(lookups.ask(quick()), Err(Unasked::QueueIsFull)));
    (0..2).for_each(|_| begun.recv_timeout(PATIENCE).unwrap());
    assert!(matches!(lookups.ask(quick()), Err(Unasked::QueueIsFull)));
    drop(opens);
    wait_for(|| lookups.shared.lock().waiting.is_empty());
    lookups.ask(quick()).unwrap();
}

#[test]
fn a_thread_that_cannot_start_fails_its_lookup_alone() {
    fn fails(_: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        Err(io::Error::from_raw_os_error(11))
    }
    let wake = || Ok(());
    let mut lookups =
        LookupThreads::with_start(Box::new(wake), Box::new(|| ()), limits(4, 10), fails);
    for _ in 0..3 {
        let Err(Unasked::NoThread(error)) = lookups.ask(quick()) else {
            panic!("a lookup without a thread was taken");
        };
        assert_eq!(error.raw_os_error(), Some(11));
    }
    assert!(lookups.shared.lock().waiting.is_empty());
}

#[test]
fn a_panic_is_an_error_with_its_text_and_the_thread_goes_on() {
    struct Bad;
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("a payload that is worse");
        }
    }
    let mut lookups = plain(limits(1, 10));
    let jobs: [Job; 3] = [
        Box::new(|| panic!("out of luck")),
        Box::new(|| std::panic::panic_any(Bad)),
        Box::new(|| panic!("{} of luck", "still out")),
    ];
    for (job, text) in jobs
        .into_iter()
        .zip([": out of luck", "", ": still out of luck"])
    {
        let asked = lookups.ask(job).unwrap();
        let mut error = None;
        let deadline = Instant::now() + PATIENCE;
        while error.is_none() {
            assert!(Instant::now() < deadline);
            error = lookups.next_answer().map(|(ticket, answer)| {
                assert_eq!(ticket, asked);
                answer.unwrap_err()
            });
        }
        assert_eq!(
            error.unwrap().to_string(),
            format!("the resolver panicked{text}")
        );
    }
    assert_eq!(lookups.shared.lock().threads, 1);
}
