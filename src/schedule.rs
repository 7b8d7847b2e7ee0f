//! The order in which sources are served. All fairness lies here.
//!
//! Each phase of a turn has a first-in first-out list and a quota: the length of the list when the phase began. A key
//! that is pushed while a phase runs waits for its next round. So one busy source cannot keep the others, or the poll,
//! from their turn. This module knows neither the meaning of a key nor the reason for which it was pushed.

/// The phases of a turn in which a reactor works off a list of sources: each has a list of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Sources that are ready for something they want, which [`Reactor::next`](crate::reactor::Reactor::next) serves.
    Serve,
    /// Sources with queued output that was not offered to the kernel since it was queued, which
    /// [`Reactor::flush`](crate::reactor::Reactor::flush) flushes.
    Flush,
    /// Sources whose end is decided and only has to be reported and carried out, which
    /// [`Reactor::next_closing`](crate::reactor::Reactor::next_closing) returns.
    Close,
}

/// Three queues of keys, one for each [`Phase`], each served in rounds.
///
/// The caller guarantees that a key is in a list at most once, by a flag for each phase in the key's slot. It sets the
/// flag with `push`, and clears it when `next` gives the key out. The schedule does not search for duplicates: a key
/// that is pushed twice is given out twice. Nor can an entry be withdrawn: the caller skips a key whose slot is gone by
/// its turn, which costs less than finding it here.
///
/// Nothing allocates once the queues have reached the length that the load needs.
#[derive(Debug)]
pub struct Schedule<K> {
    serve: Lane<K>,
    flush: Lane<K>,
    close: Lane<K>,
}

impl<K: Copy> Schedule<K> {
    /// Makes a schedule with nothing to do, which has not allocated.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            serve: Lane::new(),
            flush: Lane::new(),
            close: Lane::new(),
        }
    }

    /// Puts `key` at the back of the list. While the phase runs this is behind its quota: `key` waits for the round
    /// after this one.
    #[inline]
    pub fn push(&mut self, phase: Phase, key: K) {
        self.lane_mut(phase).waiting.push(key);
    }

    /// Begins a round of `phase`: [`next`](Self::next) will give out the keys that are in its list now.
    ///
    /// A round that was not finished (its time was up, or a handler panicked) needs no care. The rest of it is still in
    /// front, in order, and belongs to the new round.
    #[inline]
    pub fn begin(&mut self, phase: Phase) {
        self.lane_mut(phase).begin();
    }

    /// Takes the next key off the list; `None` when the round is over. Without a [`begin`](Self::begin) there is no
    /// round.
    #[inline]
    pub fn next(&mut self, phase: Phase) -> Option<K> {
        let lane = self.lane_mut(phase);
        let key = *lane.round.get(lane.given)?;
        lane.given += 1;
        Some(key)
    }

    /// Returns how many keys the running round still has to give out.
    #[must_use]
    pub fn remaining(&self, phase: Phase) -> usize {
        self.lane(phase).remaining()
    }

    /// Returns how many keys wait for `phase`, in this round and the next.
    #[must_use]
    pub fn len(&self, phase: Phase) -> usize {
        self.lane(phase).len()
    }

    /// Whether nothing waits for any phase: the condition for a poll that may sleep.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.serve.len() + self.flush.len() + self.close.len() == 0
    }

    /// Gives back the memory of entries that are gone, for use after a spike.
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

impl<K: Copy> Default for Schedule<K> {
    fn default() -> Self {
        Self::new()
    }
}

/// The list of one phase: two arrays that take turns, since a round is never added to. A ring would do with one, and
/// cost every entry a few instructions more.
#[derive(Debug)]
struct Lane<K> {
    /// The running round, or the last one.
    round: Vec<K>,
    /// The number of keys of the round that were given out. Invariant: at most the length of `round`.
    given: usize,
    /// The keys that were pushed since the round began.
    waiting: Vec<K>,
}

impl<K: Copy> Lane<K> {
    const fn new() -> Self {
        Self {
            round: Vec::new(),
            given: 0,
            waiting: Vec::new(),
        }
    }

    #[inline]
    fn begin(&mut self) {
        // Fast path: nothing was pushed, as nearly every time in nearly every phase.
        if !self.waiting.is_empty() {
            self.begin_with_more();
        }
    }

    fn begin_with_more(&mut self) {
        if self.remaining() == 0 {
            self.round.clear();
            self.given = 0;
            std::mem::swap(&mut self.round, &mut self.waiting);
            return;
        }
        // Under a small budget little is given out of much: the rest is moved when it is the smaller part.
        if self.given > self.round.len() / 2 {
            self.round.drain(..self.given);
            self.given = 0;
        }
        self.round.append(&mut self.waiting);
    }

    fn shrink(&mut self) {
        self.round.drain(..self.given);
        self.given = 0;
        self.round.shrink_to_fit();
        self.waiting.shrink_to_fit();
    }

    fn remaining(&self) -> usize {
        self.round.len() - self.given
    }

    fn len(&self) -> usize {
        self.remaining() + self.waiting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 3] = [Phase::Serve, Phase::Flush, Phase::Close];

    fn round(schedule: &mut Schedule<u32>, phase: Phase) -> Vec<u32> {
        schedule.begin(phase);
        std::iter::from_fn(|| schedule.next(phase)).collect()
    }

    #[test]
    fn keys_are_served_in_the_order_of_pushing() {
        let mut schedule = Schedule::new();
        for key in [3, 1, 2] {
            schedule.push(Phase::Serve, key);
        }
        assert_eq!(round(&mut schedule, Phase::Serve), [3, 1, 2]);
        assert!(schedule.is_idle());
    }

    #[test]
    fn a_key_pushed_during_a_phase_waits_for_the_next_round() {
        let mut schedule = Schedule::new();
        schedule.push(Phase::Serve, 1);
        schedule.begin(Phase::Serve);
        assert_eq!(schedule.next(Phase::Serve), Some(1));
        schedule.push(Phase::Serve, 2);
        assert_eq!(schedule.next(Phase::Serve), None);
        assert_eq!(schedule.len(Phase::Serve), 1);
        assert_eq!(round(&mut schedule, Phase::Serve), [2]);
    }

    #[test]
    fn one_source_that_is_always_ready_does_not_delay_the_others() {
        let mut schedule = Schedule::new();
        for key in 0..4 {
            schedule.push(Phase::Serve, key);
        }
        for _ in 0..100 {
            schedule.begin(Phase::Serve);
            let mut served = Vec::new();
            while let Some(key) = schedule.next(Phase::Serve) {
                served.push(key);
                schedule.push(Phase::Serve, key);
            }
            served.sort_unstable();
            assert_eq!(served, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn an_interrupted_round_goes_on_in_order_before_what_came_later() {
        let mut schedule = Schedule::new();
        for key in 0..4 {
            schedule.push(Phase::Flush, key);
        }
        schedule.begin(Phase::Flush);
        assert_eq!(schedule.next(Phase::Flush), Some(0));
        schedule.push(Phase::Flush, 4);
        assert_eq!(schedule.remaining(Phase::Flush), 3);
        assert_eq!(round(&mut schedule, Phase::Flush), [1, 2, 3, 4]);
    }

    #[test]
    fn nothing_is_served_before_the_phase_begins() {
        let mut schedule = Schedule::new();
        schedule.push(Phase::Close, 1);
        assert_eq!(schedule.next(Phase::Close), None);
        assert_eq!(schedule.remaining(Phase::Close), 0);
        assert!(!schedule.is_idle());
    }

    #[test]
    fn a_schedule_that_shrinks_keeps_what_waits_in_order() {
        let mut schedule = Schedule::new();
        for key in 0..1_000 {
            schedule.push(Phase::Serve, key);
        }
        schedule.begin(Phase::Serve);
        for key in 0..990 {
            assert_eq!(schedule.next(Phase::Serve), Some(key));
        }
        schedule.push(Phase::Serve, 1_000);
        schedule.shrink();
        assert!(schedule.lane(Phase::Serve).round.capacity() < 100);
        assert_eq!(schedule.remaining(Phase::Serve), 10);
        for key in 990..1_000 {
            assert_eq!(schedule.next(Phase::Serve), Some(key));
        }
        assert_eq!(round(&mut schedule, Phase::Serve), [1_000]);
    }

    #[test]
    fn a_steady_load_does_not_allocate() {
        let mut schedule = Schedule::new();
        let mut capacities = None;
        for turn in 0..1_000 {
            for phase in PHASES {
                for key in 0..100 {
                    schedule.push(phase, key);
                }
                assert_eq!(round(&mut schedule, phase).len(), 100);
            }
            let now = PHASES.map(|phase| {
                let lane = schedule.lane(phase);
                lane.round.capacity() + lane.waiting.capacity()
            });
            // Two arrays take turns, so there are two first times.
            if turn > 0 {
                let first = *capacities.get_or_insert(now);
                assert_eq!(now, first, "in turn {turn}");
            }
        }
    }

    /// A plain model of the contract: every entry remembers whether a round has begun since it was pushed.
    #[derive(Default)]
    struct Model {
        entries: Vec<(u32, bool)>,
    }

    impl Model {
        fn begin(&mut self) {
            for (_, in_round) in &mut self.entries {
                *in_round = true;
            }
        }

        fn next(&mut self) -> Option<u32> {
            let position = self.entries.iter().position(|&(_, in_round)| in_round)?;
            Some(self.entries.remove(position).0)
        }

        fn remaining(&self) -> usize {
            self.entries
                .iter()
                .filter(|&&(_, in_round)| in_round)
                .count()
        }
    }

    #[test]
    fn random_operations_agree_with_plain_queues() {
        for seed in 0..100 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut schedule = Schedule::new();
            let mut models = [Model::default(), Model::default(), Model::default()];
            // Some runs grow and some stay nearly empty, where the edges are.
            let pushes = random.u32(30..=55);
            for step in 0..5_000 {
                let which = random.usize(0..PHASES.len());
                let (phase, model) = (PHASES[which], &mut models[which]);
                match random.u32(0..100) {
                    roll if roll < pushes => {
                        schedule.push(phase, step);
                        model.entries.push((step, false));
                    }
                    roll if roll < pushes + 5 => {
                        schedule.begin(phase);
                        model.begin();
                    }
                    _ => {
                        let (given, expected) = (schedule.next(phase), model.next());
                        assert_eq!(given, expected, "seed {seed}, step {step}");
                    }
                }
                let model = &models[which];
                assert_eq!(
                    (schedule.len(phase), schedule.remaining(phase)),
                    (model.entries.len(), model.remaining()),
                    "seed {seed}, step {step}"
                );
                let idle = models.iter().all(|model| model.entries.is_empty());
                assert_eq!(schedule.is_idle(), idle, "seed {seed}, step {step}");
            }
        }
    }
}
