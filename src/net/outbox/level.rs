//! The level of all unsent bytes of a loop: their limit, and the mark below the limit at which the program is told.

#[derive(Debug)]
pub(super) struct Level {
    /// `usize::MAX` means that there is no limit.
    limit: usize,
    /// Set at nine tenths of the limit, and cleared only below eight tenths. So a level that wavers near nine tenths is
    /// one episode, and is told once.
    is_high: bool,
    /// Whether an episode has begun that was not taken by [`take_episode`](Self::take_episode).
    is_untold: bool,
    episodes: u64,
}

impl Level {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            limit: limit.unwrap_or(usize::MAX),
            is_high: false,
            is_untold: false,
            episodes: 0,
        }
    }

    #[inline]
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Notes that the level has risen to `bytes`.
    #[inline]
    pub(super) fn rise(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.limit, "the limit holds at every step");
        if bytes >= self.limit - self.limit / 10 && !self.is_high {
            self.begin_episode();
        }
    }

    #[cold]
    fn begin_episode(&mut self) {
        // Without a limit there is no pressure. With a limit of zero there is no news, because it is always reached.
        if self.limit != usize::MAX && self.limit > 0 {
            self.is_high = true;
            self.is_untold = true;
            self.episodes += 1;
        }
    }

    #[inline]
    pub(super) fn is_high(&self) -> bool {
        self.is_high
    }

    /// Notes that the level has fallen to `bytes`.
    pub(super) fn fall(&mut self, bytes: usize) {
        if self.is_high && bytes < self.limit - self.limit / 5 {
            self.is_high = false;
        }
    }

    #[inline]
    pub(super) fn has_episode(&self) -> bool {
        self.is_untold
    }

    pub(super) fn take_episode(&mut self) {
        self.is_untold = false;
    }

    pub(super) fn episodes(&self) -> u64 {
        self.episodes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_episode_ends_below_eight_tenths_and_not_before() {
        let mut level = Level::new(Some(1000));
        let told = |level: &mut Level| {
            let has_episode = level.has_episode();
            level.take_episode();
            has_episode
        };
        level.rise(899);
        assert!(!told(&mut level));
        level.rise(900);
        assert!(told(&mut level) && !told(&mut level));
        level.fall(800);
        level.rise(1000);
        assert!(!told(&mut level), "still the same");
        level.fall(799);
        level.rise(900);
        assert!(told(&mut level));
        assert_eq!(level.episodes(), 2);
    }

    #[test]
    fn without_a_limit_there_is_no_pressure() {
        let mut level = Level::new(None);
        level.rise(usize::MAX);
        assert!(!level.has_episode());
    }
}
