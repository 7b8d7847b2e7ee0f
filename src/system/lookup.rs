//! Name lookups off the loop's thread: a few helper threads that are started when they are needed, and that nobody
//! ever waits for.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Waker;
#[cfg(feature = "simulation")]
use super::simulated::Clerk;

/// As many as libuv has. One that a lookup is stuck in holds up the others only when all of them are stuck.
const MOST_THREADS: usize = 4;

/// How many questions may wait. A name server that does not answer must not fill the memory (node#62503).
const MOST_WAITING: usize = 1024;

/// What is to be done to find an answer; it may block.
pub(crate) type Job = Box<dyn FnOnce() -> io::Result<Vec<IpAddr>> + Send>;

/// The name of a question that was asked.
pub(crate) type Ticket = u64;

/// An answer, with the question that it belongs to.
pub(crate) type Answer = (Ticket, io::Result<Vec<IpAddr>>);

/// Lookups that are waiting, under way, or answered.
pub(crate) struct Lookups {
    shared: Arc<Shared>,
    next_ticket: Ticket,
    /// Who answers in a simulation, which has no other threads.
    #[cfg(feature = "simulation")]
    clerk: Option<Clerk>,
}

struct Shared {
    state: Mutex<State>,
    work: Condvar,
}

struct State {
    waiting: VecDeque<(Ticket, Job)>,
    answers: VecDeque<Answer>,
    threads: usize,
    /// Invariant: how many of the threads wait for work.
    idle: usize,
    /// Invariant: `Some` as long as the loop is there; threads end as soon as they see that it is not. It has a
    /// descriptor, which must go with the loop even if a thread is stuck.
    waker: Option<Waker>,
}

impl Lookups {
    pub(crate) fn new(waker: Waker) -> Self {
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State {
                    waiting: VecDeque::new(),
                    answers: VecDeque::new(),
                    threads: 0,
                    idle: 0,
                    waker: Some(waker),
                }),
                work: Condvar::new(),
            }),
            next_ticket: 0,
            #[cfg(feature = "simulation")]
            clerk: None,
        }
    }

    /// Lookups that `clerk` does, in the time of a simulation.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(waker: Waker, clerk: Clerk) -> Self {
        let mut lookups = Self::new(waker);
        lookups.clerk = Some(clerk);
        lookups
    }

    /// Asks a question. The answer comes with [`next_answer`](Self::next_answer), after the loop was woken.
    ///
    /// # Errors
    ///
    /// EAGAIN in `getaddrinfo`'s sense if too many wait already, or what the system says if there is no thread to be
    /// had at all.
    pub(crate) fn ask(&mut self, job: Job) -> io::Result<Ticket> {
        let ticket = self.next_ticket;
        #[cfg(feature = "simulation")]
        if let Some(clerk) = &self.clerk {
            self.next_ticket += 1;
            clerk.take_question(ticket, || do_job(job));
            return Ok(ticket);
        }
        let mut state = self.shared.lock();
        if state.waiting.len() >= MOST_WAITING {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "too many lookups are waiting already",
            ));
        }
        if state.idle <= state.waiting.len() && state.threads < MOST_THREADS {
            match self.start_thread() {
                Ok(()) => state.threads += 1,
                // Those that there are will come to it.
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

    /// The next answer, of those that are there. One whose question was given up on comes too.
    pub(crate) fn next_answer(&self) -> Option<Answer> {
        #[cfg(feature = "simulation")]
        if let Some(clerk) = &self.clerk {
            return clerk.next_answer();
        }
        self.shared.lock().answers.pop_front()
    }

    fn start_thread(&self) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        thread::Builder::new()
            .name("netloop lookup".into())
            .spawn(move || shared.work())?;
        Ok(())
    }
}

impl Drop for Lookups {
    /// Nobody is waited for: a thread that is stuck in a lookup ends when that does, or with the process.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.waker = None;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        // A job holds a resolver, which is code of others and is dropped with it.
        drop(waiting);
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so nothing is left half done by a panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `job` and lays its answer out for the loop.
    fn answer(&self, ticket: Ticket, job: Job) -> MutexGuard<'_, State> {
        let answer = do_job(job);
        let mut state = self.lock();
        state.answers.push_back((ticket, answer));
        if let Some(waker) = &state.waker {
            // A loop that cannot be woken finds the answer in its next turn.
            let _ = waker.wake();
        }
        state
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if state.waker.is_none() {
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
            drop(state);
            state = self.answer(ticket, job);
        }
    }
}

/// Does `job`, which may panic.
fn do_job(job: Job) -> io::Result<Vec<IpAddr>> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(io::Error::other("the resolver panicked")))
}

impl fmt::Debug for Lookups {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        formatter
            .debug_struct("Lookups")
            .field("waiting", &state.waiting.len())
            .field("threads", &state.threads)
            .finish_non_exhaustive()
    }
}
