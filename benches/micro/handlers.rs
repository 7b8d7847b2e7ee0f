//! The call of a handler that is boxed, as ours are, beside one of an enum that knows all kinds there are.
//!
//! This is why handlers may be boxed: what an enum would save is told in nanoseconds, of the thousands that a message
//! takes.

use std::hint::black_box;

use criterion::Criterion;
use fastrand::Rng;

use crate::measure::Group;

const HANDLERS: usize = 1_000;

/// What every kind of handler does: next to nothing, so that only the call is measured.
trait Handler {
    fn on_data(&mut self, data: &[u8]);
}

#[derive(Default)]
struct Count(usize);

#[derive(Default)]
struct Sum(usize);

#[derive(Default)]
struct Longest(usize);

impl Handler for Count {
    fn on_data(&mut self, _: &[u8]) {
        self.0 += 1;
    }
}

impl Handler for Sum {
    fn on_data(&mut self, data: &[u8]) {
        self.0 += data.len();
    }
}

impl Handler for Longest {
    fn on_data(&mut self, data: &[u8]) {
        self.0 = self.0.max(data.len());
    }
}

enum Known {
    Count(Count),
    Sum(Sum),
    Longest(Longest),
}

impl Handler for Known {
    fn on_data(&mut self, data: &[u8]) {
        match self {
            Self::Count(handler) => handler.on_data(data),
            Self::Sum(handler) => handler.on_data(data),
            Self::Longest(handler) => handler.on_data(data),
        }
    }
}

pub(crate) fn measure(criterion: &mut Criterion) {
    let mut group = Group::new(criterion, "dispatch: the call of one of 1,000 handlers");
    let boxed: fn(usize) -> Box<dyn Handler> = |kind| match kind {
        0 => Box::new(Count::default()),
        1 => Box::new(Sum::default()),
        _ => Box::new(Longest::default()),
    };
    let known: fn(usize) -> Known = |kind| match kind {
        0 => Known::Count(Count::default()),
        1 => Known::Sum(Sum::default()),
        _ => Known::Longest(Longest::default()),
    };
    for (kinds, size) in [("of one kind", 1), ("of three kinds, mixed", 3)] {
        let mut random = Rng::with_seed(1);
        let of_kinds: Vec<usize> = (0..HANDLERS).map(|_| random.usize(..size)).collect();
        let handlers: Vec<_> = of_kinds.iter().map(|&kind| boxed(kind)).collect();
        group.rounds(
            &format!("dyn, {kinds}"),
            None,
            HANDLERS,
            handlers,
            |_| (),
            |handlers| {
                for handler in handlers {
                    handler.on_data(black_box(b"sixteen bytes .."));
                }
            },
        );
        let handlers: Vec<_> = of_kinds.iter().map(|&kind| known(kind)).collect();
        group.rounds(
            &format!("enum, {kinds}"),
            None,
            HANDLERS,
            handlers,
            |_| (),
            |handlers| {
                for handler in handlers {
                    handler.on_data(black_box(b"sixteen bytes .."));
                }
            },
        );
    }
}
