//! Tests of the age at which a lookup counts as slow, with a clock that the tests set. No test waits for a resolver.

use std::sync::{Arc, Mutex, mpsc};

use crate::net::connect::Resolver;
use crate::slots::Slots;
use crate::system::{ScriptedWaker, System, WakeHandle, WakeListener};

use super::*;

const LIMITS: LookupLimits = LookupLimits {
    threads: 4,
    waiting: None,
};
const JUST_BEFORE: Duration = SLOW.saturating_sub(Duration::from_millis(1));

struct Lookup {
    lookups: PendingLookups,
    resolver: SharedResolver,
    keys: Slots<()>,
    begun: Instant,
}

impl Lookup {
    fn new() -> Self {
        Self::within(LIMITS, |_: &HostQuery<'_>| Ok(Vec::new()))
    }

    fn within(limits: LookupLimits, found: impl Resolver + 'static) -> Self {
        let waker = WakeHandle::Scripted(Arc::new(ScriptedWaker::default()));
        let lookups = System::Kernel.lookups(waker, WakeListener::default(), limits);
        Self {
            lookups: PendingLookups::new(lookups, limits),
            resolver: SharedResolver::new(Arc::new(found)),
            keys: Slots::default(),
            begun: Instant::now(),
        }
    }

    fn ask(&mut self, after: Duration) -> Key {
        let key = self.keys.insert(());
        let query = HostQuery::new("example.invalid", None);
        let asked = self
            .lookups
            .ask(&query, &self.resolver, key, self.begun + after);
        asked.unwrap();
        key
    }

    fn depart(&mut self, key: Key, departure: Departure, after: Duration) {
        self.lookups.depart(key, departure, self.begun + after);
    }

    /// Returns the number of sources that wait for each lookup, the oldest lookup first.
    fn waiting(&self) -> Vec<usize> {
        let mut pending: Vec<&PendingLookup> = self.lookups.pending.iter().collect();
        pending.sort_by_key(|lookup| lookup.ticket);
        pending.iter().map(|lookup| lookup.askers.len()).collect()
    }
}

#[test]
fn sources_share_a_lookup_until_it_is_slow() {
    let mut lookup = Lookup::new();
    lookup.ask(Duration::ZERO);
    lookup.ask(JUST_BEFORE);
    assert_eq!(lookup.waiting(), [2]);
    lookup.ask(SLOW);
    assert_eq!(lookup.waiting(), [3, 3]);
    // The newest lookup is not slow yet.
    lookup.ask(SLOW + JUST_BEFORE);
    assert_eq!(lookup.waiting(), [4, 4]);
    lookup.ask(SLOW * 2);
    assert_eq!(lookup.waiting(), [5, 5, 5]);
}

#[test]
fn slow_lookups_of_a_name_leave_one_thread() {
    let mut lookup = Lookup::new();
    for times in 0..10 {
        lookup.ask(SLOW * times);
    }
    assert_eq!(lookup.waiting(), [10; LIMITS.threads - 1]);
}

#[test]
fn sources_that_time_out_together_ask_once_more() {
    let mut lookup = Lookup::new();
    let impatient: Vec<Key> = (0..20).map(|_| lookup.ask(Duration::ZERO)).collect();
    lookup.ask(JUST_BEFORE);
    let timeout = Duration::from_millis(50);
    for (number, key) in (0..).zip(impatient) {
        let after = timeout + Duration::from_millis(number);
        lookup.depart(key, Departure::TimedOut, after);
    }
    assert_eq!(lookup.waiting(), [1, 1]);
}

#[test]
fn a_source_that_leaves_a_fast_lookup_asks_no_more() {
    let mut lookup = Lookup::new();
    let first = lookup.ask(Duration::ZERO);
    let second = lookup.ask(Duration::ZERO);
    lookup.ask(Duration::ZERO);
    lookup.depart(first, Departure::Left, JUST_BEFORE);
    assert_eq!(lookup.waiting(), [2]);
    lookup.depart(second, Departure::Left, SLOW);
    assert_eq!(lookup.waiting(), [1, 1]);
}

#[test]
fn a_second_lookup_that_is_refused_refuses_no_source() {
    let (open, opened) = mpsc::channel::<()>();
    let opened = Mutex::new(opened);
    let limits = LookupLimits {
        threads: 1,
        waiting: Some(0),
    };
    let mut lookup = Lookup::within(limits, move |_: &HostQuery<'_>| {
        let _ = opened.lock().unwrap().recv();
        Ok(Vec::new())
    });
    lookup.ask(Duration::ZERO);
    let impatient = lookup.ask(SLOW);
    lookup.depart(impatient, Departure::TimedOut, SLOW * 2);
    assert_eq!(lookup.waiting(), [1]);
    let counts = lookup.lookups.counts();
    assert_eq!((counts.started, counts.refused), (1, 0));
    let query = HostQuery::new("other.invalid", None);
    let other = lookup.keys.insert(());
    let refused = lookup
        .lookups
        .ask(&query, &lookup.resolver, other, lookup.begun);
    assert!(refused.is_err());
    assert_eq!(lookup.lookups.counts().refused, 1);
    drop(open);
}
