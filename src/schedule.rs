//! The order in which sources are served, in rounds. Each [`Phase`] has a list of keys and a quota: the length of the
//! list when its round began. A key that is pushed while a phase runs waits for the next round of that phase. So one
//! busy source cannot delay the others, or the poll, for long.

/// The phases of a turn in which a reactor works through a list of sources. Each phase has a list of its own.
///
/// ```
/// use netloop::reactor::{Handler, Phase, Reactor};
///
/// /// One round of a program's loop: reads and accepts, then sends, then closes.
/// fn round<T: Handler>(reactor: &mut Reactor<T>, resources: &mut T::Resources<'_>) -> std::io::Result<()> {
///     reactor.poll(None)?;
///     reactor.begin(Phase::Serve);
///     while let Some((_key, _event)) = reactor.next(resources) {}
///     reactor.begin(Phase::Flush);
///     reactor.flush(resources);
///     reactor.begin(Phase::Close);
///     while let Some(key) = reactor.next_closing() {
///         reactor.remove(key);
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// [`Reactor::next`](crate::reactor::Reactor::next) and [`next_while`](crate::reactor::Reactor::next_while) serve
    /// the sources that are ready for a wanted direction, have an error, or were
    /// [activated](crate::reactor::Registration::activate).
    Serve,
    /// [`Reactor::flush`](crate::reactor::Reactor::flush) flushes the sources that have
    /// [asked](crate::reactor::Registration::flush_soon) for it, such as those with queued output.
    Flush,
    /// [`Reactor::next_closing`](crate::reactor::Reactor::next_closing) returns the sources that asked to be closed.
    Close,
}

/// Three queues of keys, one for each [`Phase`], each served in rounds.
///
/// A key that is pushed twice is returned twice. So the caller has a flag for each phase in the key's slot. The caller
/// sets the flag with `push`, and clears it when `next` returns the key. An entry cannot be withdrawn: the caller skips
/// a key whose slot is gone, which costs less than a search of the list.
///
/// Nothing allocates once the queues have reached the length that the load needs. Without memory for a longer list,
/// keys are lost: `next` then returns the *gap* in their place. The caller [clears](Self::clear) the list, and pushes
/// all keys that belong to it.
#[derive(Debug)]
pub struct Schedule<K> {
    serve: Lane<K>,
    flush: Lane<K>,
    close: Lane<K>,
    /// The key that `next` returns in place of lost keys.
    gap: K,
}

impl<K: Copy> Schedule<K> {
    /// Makes an empty schedule. `gap` is a key that no source has.
    #[must_use]
    pub fn new(gap: K) -> Self {
        Self {
            serve: Lane::new(),
            flush: Lane::new(),
            close: Lane::new(),
            gap,
        }
    }

    /// Puts `key` at the back of the list of `phase`. While the phase runs, `key` waits for the next round.
    #[inline]
    pub fn push(&mut self, phase: Phase, key: K) {
        let waiting = &mut self.lane_mut(phase).waiting;
        if waiting.len() == waiting.capacity() {
            return self.push_in_longer(phase, key);
        }
        waiting.push(key);
    }

    /// Pushes a key for which the list must grow. Without memory, the gap replaces `key` and the last waiting key.
    #[cold]
    fn push_in_longer(&mut self, phase: Phase, key: K) {
        let gap = self.gap;
        let waiting = &mut self.lane_mut(phase).waiting;
        if waiting.try_reserve(1).is_ok() {
            waiting.push(key);
        } else if let Some(last) = waiting.last_mut() {
            *last = gap;
        }
    }

    /// Puts `key` at the back of the list of `phase`, because its source was served in this round and has more to do.
    /// In the next round, `key` comes after all keys that were [pushed](Self::push): a short task does not wait behind
    /// long ones. Without memory, `key` is [pushed](Self::push).
    #[inline]
    pub fn push_again(&mut self, phase: Phase, key: K) {
        let again = &mut self.lane_mut(phase).again;
        if again.try_reserve(1).is_err() {
            return self.push(phase, key);
        }
        again.push(key);
    }

    /// Removes all keys from the list of `phase`, and ends its round.
    pub fn clear(&mut self, phase: Phase) {
        let lane = self.lane_mut(phase);
        lane.given = 0;
        for keys in [&mut lane.round, &mut lane.waiting, &mut lane.again] {
            keys.clear();
        }
    }

    /// Begins a round of `phase`: [`next`](Self::next) will return the keys that are in the list now. The remaining
    /// keys of an unfinished round, whose time was up or whose handler panicked, stay in front, in order.
    #[inline]
    pub fn begin(&mut self, phase: Phase) {
        self.lane_mut(phase).begin();
    }

    /// Takes the next key of the round off the list; `None` when the round is over, and before the first round.
    #[inline]
    pub fn next(&mut self, phase: Phase) -> Option<K> {
        let lane = self.lane_mut(phase);
        let key = *lane.round.get(lane.given)?;
        lane.given += 1;
        Some(key)
    }

    /// Returns the number of keys that the running round still has.
    #[must_use]
    pub fn remaining(&self, phase: Phase) -> usize {
        self.lane(phase).remaining()
    }

    /// Returns the number of keys that wait for `phase`, in the running round and the next.
    #[must_use]
    pub fn len(&self, phase: Phase) -> usize {
        self.lane(phase).len()
    }

    /// Returns the keys that wait for `phase`, in order, without those that were [pushed again](Self::push_again).
    pub(crate) fn waiting(&self, phase: Phase) -> impl Iterator<Item = K> + '_ {
        let lane = self.lane(phase);
        lane.round[lane.given..]
            .iter()
            .chain(&lane.waiting)
            .copied()
    }

    pub(crate) fn all(&self, phase: Phase) -> impl Iterator<Item = K> + '_ {
        self.waiting(phase)
            .chain(self.lane(phase).again.iter().copied())
    }

    pub(crate) fn first(&self, phase: Phase) -> Option<K> {
        self.all(phase).next()
    }

    /// Whether all lists are empty. Only then may the next poll sleep.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.serve.len() + self.flush.len() + self.close.len() == 0
    }

    /// Frees the memory of empty arrays, which may be large after a spike in the number of keys.
    pub fn shrink(&mut self) {
        for lane in [&mut self.serve, &mut self.flush, &mut self.close] {
            lane.shrink();
        }
    }

    const fn lane(&self, phase: Phase) -> &Lane<K> {
        match phase {
            Phase::Serve => &self.serve,
            Phase::Flush => &self.flush,
            Phase::Close => &self.close,
        }
    }

    const fn lane_mut(&mut self, phase: Phase) -> &mut Lane<K> {
        match phase {
            Phase::Serve => &mut self.serve,
            Phase::Flush => &mut self.flush,
            Phase::Close => &mut self.close,
        }
    }
}

/// The largest capacity of an array of keys that is not worth freeing.
const SMALLEST: usize = 16;

/// The first capacity of `round` and `waiting`, which can then store the gap without memory for more keys.
const FIRST: usize = 4;

/// The list of one phase. No key enters a running round. After a finished round, `begin` exchanges the arrays `round`
/// and `waiting`. A ring buffer would take a few more instructions for each entry.
#[derive(Debug)]
struct Lane<K> {
    /// The keys of the running round, or of the last one if none runs. Invariant: never without capacity, because the
    /// array becomes `waiting`, in which `push` may have to store the gap.
    round: Vec<K>,
    /// The number of keys of `round` that `next` has returned. Invariant: at most the length of `round`.
    given: usize,
    waiting: Vec<K>,
    /// The keys that were pushed again since the round began, which come after those of `waiting` in the next round.
    again: Vec<K>,
}

impl<K: Copy> Lane<K> {
    fn new() -> Self {
        Self {
            round: Vec::with_capacity(FIRST),
            given: 0,
            waiting: Vec::with_capacity(FIRST),
            again: Vec::new(),
        }
    }

    #[inline]
    fn begin(&mut self) {
        // Fast path: usually nothing was pushed since the last round began.
        if self.waiting.len() + self.again.len() > 0 {
            self.begin_with_more();
        }
    }

    fn begin_with_more(&mut self) {
        if self.remaining() == 0 {
            self.round.clear();
            self.given = 0;
            std::mem::swap(&mut self.round, &mut self.waiting);
            append(&mut self.round, &mut self.again);
            return;
        }
        // A small budget may end each round after a few of many keys. To move all the others each time would cost too
        // much. So they move to the front only once they are the smaller part of the array.
        if self.given > self.round.len() / 2 {
            self.round.drain(..self.given);
            self.given = 0;
        }
        append(&mut self.round, &mut self.waiting);
        append(&mut self.round, &mut self.again);
    }

    fn shrink(&mut self) {
        if self.remaining() == 0 {
            self.round.clear();
            self.given = 0;
        }
        for keys in [&mut self.round, &mut self.waiting, &mut self.again] {
            let mut fresh = Vec::new();
            if keys.is_empty()
                && keys.capacity() > SMALLEST
                && fresh.try_reserve_exact(FIRST).is_ok()
            {
                *keys = fresh;
            }
        }
    }

    fn remaining(&self) -> usize {
        self.round.len() - self.given
    }

    fn len(&self) -> usize {
        self.remaining() + self.waiting.len() + self.again.len()
    }
}

/// Moves all keys of `more` after those of `keys`. Without memory, the keys stay in `more` for the next round.
fn append<K>(keys: &mut Vec<K>, more: &mut Vec<K>) {
    if !more.is_empty() && keys.try_reserve(more.len()).is_ok() {
        keys.append(more);
    }
}

#[cfg(test)]
mod tests;
