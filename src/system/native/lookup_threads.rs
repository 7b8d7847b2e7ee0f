//! Helper threads that look up names, started on demand and never joined. A lookup that hangs keeps its thread. Once
//! the lookup is given up, another thread may take the place of the stuck one. A stuck thread ends after its lookup,
//! unless it is needed.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::system::lookup::{self, Answer, Job, LookupLimits, Ticket, Unasked};
use crate::system::threading::{Builder, Condvar, Mutex, MutexGuard, wait_for};

/// The limit on stuck threads, as a multiple of the limit on threads. A name server that never answers would otherwise
/// cost ever more stacks.
const STUCK_PER_THREAD: usize = 4;

type Wake = Box<dyn Fn() -> io::Result<()> + Send>;

type Tell = Box<dyn Fn() + Send + Sync>;

type Start = fn(Box<dyn FnOnce() + Send>) -> io::Result<()>;

/// The first and the longest time before a failed wake is repeated. Each time is twice as long as the one before.
const FIRST_WAKE_RETRY: Duration = Duration::from_millis(1);
const LONGEST_WAKE_RETRY: Duration = Duration::from_secs(1);

pub(crate) struct LookupThreads {
    shared: Arc<Shared>,
    next_ticket: Ticket,
}

struct Shared {
    limits: LookupLimits,
    start: Start,
    state: Mutex<State>,
    work: Condvar,
    /// Notified when the loop is dropped. A thread whose wake failed waits on `end` before the next try.
    end: Condvar,
    /// Tells the host of an answer, after the wake of the loop.
    tell: Tell,
}

struct State {
    waiting: VecDeque<(Ticket, Job)>,
    /// The jobs that were given up and are not in `stuck`. Either a thread is about to take the job, or the thread that
    /// runs it could not be replaced.
    given_up: Vec<Ticket>,
    answers: VecDeque<Answer>,
    /// The number of threads, without the stuck ones. Invariant: at most `LookupLimits::threads`.
    threads: usize,
    /// The number of threads that wait on `Shared::work`, or were notified and have not resumed.
    idle: usize,
    /// The jobs that run on the threads that `threads` counts.
    running: Vec<Ticket>,
    /// The jobs that run on although they were given up, on threads that `threads` does not count. Invariant: at most
    /// [`STUCK_PER_THREAD`] for each thread of the limit.
    stuck: Vec<Ticket>,
    /// Wakes the loop. Invariant: `Some` until the loop is dropped; a thread that finds `None` ends.
    wake: Option<Wake>,
}

impl LookupThreads {
    pub(crate) fn new(wake: Wake, tell: Tell, limits: LookupLimits) -> Self {
        Self::with_start(wake, tell, limits, start_thread)
    }

    fn with_start(wake: Wake, tell: Tell, limits: LookupLimits, start: Start) -> Self {
        Self {
            shared: Arc::new(Shared {
                limits,
                start,
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    given_up: Vec::new(),
                    answers: VecDeque::new(),
                    threads: 0,
                    idle: 0,
                    running: Vec::new(),
                    stuck: Vec::new(),
                    wake: Some(wake),
                }),
                work: Condvar::new(),
                end: Condvar::new(),
                tell,
            }),
            next_ticket: 0,
        }
    }

    /// Queues `job`. Starts a thread, within the limit, if the jobs that wait already need all idle threads.
    pub(crate) fn ask(&mut self, job: Job) -> Result<Ticket, Unasked> {
        let ticket = self.next_ticket;
        let mut state = self.shared.lock();
        let free = self.shared.limits.threads - state.running.len();
        if !self.shared.limits.allow(state.waiting.len(), free) {
            return Err(Unasked::QueueIsFull);
        }
        if state.idle <= state.waiting.len() {
            match self.shared.add_thread(&mut state) {
                Err(error) if state.threads == 0 => return Err(Unasked::NoThread(error)),
                // After an error, a thread that exists runs the job later.
                Ok(()) | Err(_) => {}
            }
        }
        state.waiting.push_back((ticket, job));
        drop(state);
        self.next_ticket += 1;
        self.shared.work.notify_one();
        Ok(ticket)
    }

    /// Gives up a job. A job that would have to wait for a thread is removed, so that it takes no thread's time. A job
    /// that runs, or that a thread is about to take, goes on, and its thread is replaced if possible.
    pub(crate) fn cancel(&self, ticket: Ticket) {
        let mut state = self.shared.lock();
        // Each thread that runs no job is about to take a job: these threads get the first jobs of the queue.
        let about_to_begin = state.threads - state.running.len();
        let place = state.waiting.iter().position(|(it, _)| *it == ticket);
        let removed = match place {
            Some(place) if place >= about_to_begin => state.waiting.remove(place),
            Some(_) => {
                state.given_up.push(ticket);
                None
            }
            None => {
                self.shared.replace_thread(&mut state, ticket);
                None
            }
        };
        drop(state);
        // A job owns a resolver, so dropping the job may run user code, which must not run under the lock.
        drop(removed);
    }

    /// Whether the job waits, and no thread is about to take it.
    pub(crate) fn waits_for_thread(&self, ticket: Ticket) -> bool {
        let state = self.shared.lock();
        let about_to_begin = state.threads - state.running.len();
        let mut waiting = state.waiting.iter().skip(about_to_begin);
        waiting.any(|(it, _)| *it == ticket)
    }

    pub(crate) fn next_answer(&self) -> Option<Answer> {
        self.shared.lock().answers.pop_front()
    }
}

fn start_thread(body: Box<dyn FnOnce() + Send>) -> io::Result<()> {
    Builder::new().name("netloop lookup".into()).spawn(body)?;
    Ok(())
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

    fn add_thread(self: &Arc<Self>, state: &mut State) -> io::Result<()> {
        if state.threads < self.limits.threads {
            let shared = Arc::clone(self);
            (self.start)(Box::new(move || shared.work()))?;
            state.threads += 1;
        }
        Ok(())
    }

    /// Counts the thread of the given-up job `ticket` as stuck, and starts another one if the waiting jobs need it. If
    /// that is impossible, notes the job in `given_up`. The next stuck thread that ends its job then takes the place.
    fn replace_thread(self: &Arc<Self>, state: &mut State, ticket: Ticket) {
        let Some(place) = state.running.iter().position(|it| *it == ticket) else {
            return;
        };
        let most = self.limits.threads.saturating_mul(STUCK_PER_THREAD);
        if state.stuck.len() < most {
            state.threads -= 1;
            if state.waiting.len() <= state.idle || self.add_thread(state).is_ok() {
                state.running.swap_remove(place);
                state.stuck.push(ticket);
                return;
            }
            state.threads += 1;
        }
        state.given_up.push(ticket);
    }

    fn next_job(self: &Arc<Self>, state: &mut State) -> Option<(Ticket, Job)> {
        let (ticket, job) = state.waiting.pop_front()?;
        state.running.push(ticket);
        let given_up = state.given_up.iter().position(|it| *it == ticket);
        if let Some(place) = given_up {
            state.given_up.swap_remove(place);
            self.replace_thread(state, ticket);
        }
        Some((ticket, job))
    }

    /// Ends a job. Returns whether its thread goes on: always, unless it is stuck and not needed.
    fn end_job(&self, state: &mut State, ticket: Ticket) -> bool {
        let is = |it: &Ticket| *it == ticket;
        if let Some(place) = state.running.iter().position(is) {
            state.running.swap_remove(place);
            state.given_up.retain(|it| *it != ticket);
            return true;
        }
        state.stuck.retain(|it| *it != ticket);
        if state.threads < self.limits.threads {
            state.threads += 1;
            return true;
        }
        // This thread takes the place of a thread whose job was given up. That job now counts as stuck.
        let State {
            running, given_up, ..
        } = state;
        let Some(place) = running.iter().position(|it| given_up.contains(it)) else {
            return false;
        };
        let next = running.swap_remove(place);
        given_up.retain(|it| *it != next);
        state.stuck.push(next);
        true
    }

    /// Wakes the loop. No caller could be told of a failed wake, so it is repeated until the loop takes the answers or
    /// ends.
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

    fn work(self: &Arc<Self>) {
        let mut state = self.lock();
        loop {
            if state.wake.is_none() {
                return;
            }
            let Some((ticket, job)) = self.next_job(&mut state) else {
                state.idle += 1;
                state = self
                    .work
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
                continue;
            };
            drop(state);
            let answer = lookup::run(job);
            state = self.lock();
            // Nothing waits for the answer of a job that was given up, and the loop drops it.
            state.answers.push_back((ticket, answer));
            state = self.wake(state);
            let goes_on = self.end_job(&mut state, ticket);
            // `tell` runs user code, which must not run under the lock.
            drop(state);
            (self.tell)();
            if !goes_on {
                return;
            }
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
            .field("stuck", &state.stuck.len())
            .finish_non_exhaustive()
    }
}

#[cfg(all(loom, test))]
mod interleavings;

#[cfg(all(not(loom), test))]
mod tests;
