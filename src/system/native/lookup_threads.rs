//! Helper threads for name lookups, which are started on demand and never joined.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::system::lookup::{self, Answer, Job, Ticket};
use crate::system::threading::{Builder, Condvar, Mutex, MutexGuard, wait_for};

/// The limit on the number of waiting lookups, which keeps a silent name server from filling the memory (node#62503).
const MOST_WAITING: usize = 1024;

/// A closure that wakes the loop.
type Wake = Box<dyn Fn() -> io::Result<()> + Send>;

type Tell = Box<dyn Fn() + Send + Sync>;

/// The first and the longest time until a wake that failed is tried again. Each time is twice as long as the one before.
const FIRST_WAKE_RETRY: Duration = Duration::from_millis(1);
const LONGEST_WAKE_RETRY: Duration = Duration::from_secs(1);

/// The lookups that wait for a helper thread, are running, or are answered.
pub(crate) struct LookupThreads {
    shared: Arc<Shared>,
    next_ticket: Ticket,
    /// The limit on the number of threads. A lookup that hangs delays other lookups only while all threads hang.
    most_threads: usize,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
    /// Notified when the loop is dropped. A thread whose wake failed waits on it before the next try.
    end: Condvar,
    /// Tells the host of an answer, behind its wake.
    tell: Tell,
}

struct State {
    waiting: VecDeque<(Ticket, Job)>,
    answers: VecDeque<Answer>,
    threads: usize,
    /// Invariant: the number of threads that wait on `Shared::work`.
    idle: usize,
    /// Invariant: the number of threads that run a job.
    busy: usize,
    /// Wakes the loop. Invariant: `Some` until the loop is dropped; a thread that finds `None` ends.
    wake: Option<Wake>,
}

impl LookupThreads {
    /// Makes an empty queue, which at most `threads` threads will serve. `wake` wakes the loop for each answer,
    /// and `tell` is called behind it.
    pub(crate) fn new(wake: Wake, tell: Tell, threads: usize) -> Self {
        Self {
            most_threads: threads.max(1),
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    answers: VecDeque::new(),
                    threads: 0,
                    idle: 0,
                    busy: 0,
                    wake: Some(wake),
                }),
                work: Condvar::new(),
                end: Condvar::new(),
                tell,
            }),
            next_ticket: 0,
        }
    }

    /// Queues `job`. Starts a thread if all threads are busy and there are fewer threads than the limit.
    ///
    /// # Errors
    ///
    /// `ResourceBusy` if too many lookups wait already, or the system's error if it cannot start the first thread.
    pub(crate) fn ask(&mut self, job: Job) -> io::Result<Ticket> {
        let ticket = self.next_ticket;
        let mut state = self.shared.lock();
        if state.waiting.len() >= MOST_WAITING {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "too many lookups are waiting already",
            ));
        }
        if state.idle <= state.waiting.len() && state.threads < self.most_threads {
            match self.start_thread() {
                Ok(()) => state.threads += 1,
                // A thread that exists will run the job later.
                Err(_) if state.threads > 0 => {}
                Err(error) => return Err(error),
            }
        }
        state.waiting.push_back((ticket, job));
        drop(state);
        self.next_ticket += 1;
        self.shared.work.notify_one();
        Ok(ticket)
    }

    /// Removes a job that would have to wait for a thread, so that no thread spends its time on the job.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        let mut state = self.shared.lock();
        // A thread that runs no job is about to take one of the first jobs.
        let about_to_begin = state.threads - state.busy;
        let place = state.waiting.iter().position(|(it, _)| *it == ticket);
        let place = place.filter(|place| *place >= about_to_begin);
        let removed = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        // A job owns a resolver, so dropping the job may run user code, which must not run under the lock.
        drop(removed);
    }

    pub(crate) fn next_answer(&self) -> Option<Answer> {
        self.shared.lock().answers.pop_front()
    }

    fn start_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        Builder::new()
            .name("netloop lookup".into())
            .spawn(move || shared.work())?;
        Ok(())
    }
}

impl Drop for LookupThreads {
    /// Joins no thread: a thread that hangs in a lookup ends with the lookup, or with the process.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.wake = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // A job owns a resolver, so dropping the job may run user code, which must not run under the lock.
        drop(waiting);
        self.shared.work.notify_all();
        self.shared.end.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under the lock, so even a poisoned lock protects a consistent state.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `job`, queues its answer and wakes the loop.
    fn answer(&self, ticket: Ticket, job: Job) -> MutexGuard<'_, State> {
        let answer = lookup::run(job);
        let mut state = self.lock();
        state.answers.push_back((ticket, answer));
        self.wake(state)
    }

    /// Wakes the loop. If the wake fails, tries again until it succeeds, the loop has taken the answers by itself, or the
    /// loop is gone: no caller could be told of the failure.
    fn wake<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        let mut wait = FIRST_WAKE_RETRY;
        while !state.answers.is_empty() {
            match &state.wake {
                Some(wake) if wake().is_err() => {}
                Some(_) | None => break,
            }
            state = wait_for(&self.end, &self.state, state, wait);
            wait = (wait * 2).min(LONGEST_WAKE_RETRY);
        }
        state
    }

    /// Runs queued jobs until the loop is dropped; the body of each thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.wake.is_none() {
                return;
            }
            let Some((ticket, job)) = state.waiting.pop_front() else {
                state.idle += 1;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            state.busy += 1;
            drop(state);
            state = self.answer(ticket, job);
            state.busy -= 1;
            // User code, which must not run under the lock.
            drop(state);
            (self.tell)();
            state = self.lock();
        }
    }
}

impl fmt::Debug for LookupThreads {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        formatter
            .debug_struct("LookupThreads")
            .field("waiting", &state.waiting.len())
            .field("threads", &state.threads)
            .finish_non_exhaustive()
    }
}

#[cfg(all(loom, test))]
mod interleavings;

#[cfg(all(not(loom), test))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Makes lookups of which the first `failures` wakes fail, with a count of the wakes.
    fn lookups(failures: usize) -> (LookupThreads, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        let wake = move || match counted.fetch_add(1, Ordering::SeqCst) < failures {
            true => Err(io::ErrorKind::Interrupted.into()),
            false => Ok(()),
        };
        (
            LookupThreads::new(Box::new(wake), Box::new(|| ()), 1),
            wakes,
        )
    }

    fn wait_for(done: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "it did not come");
            thread::yield_now();
        }
    }

    #[test]
    fn an_answer_whose_wake_fails_wakes_the_loop_later() {
        let (mut lookups, wakes) = lookups(3);
        lookups.ask(Box::new(|| Ok(Vec::new()))).unwrap();
        wait_for(|| wakes.load(Ordering::SeqCst) == 4);
        assert!(lookups.next_answer().is_some());
    }

    #[test]
    fn a_thread_that_cannot_wake_the_loop_ends_with_the_loop() {
        let (mut lookups, wakes) = lookups(usize::MAX);
        lookups.ask(Box::new(|| Ok(Vec::new()))).unwrap();
        wait_for(|| wakes.load(Ordering::SeqCst) > 3);
        drop(lookups);
        // The closure of the thread holds a reference to `wakes`, until the thread ends.
        wait_for(|| Arc::strong_count(&wakes) == 1);
    }
}
