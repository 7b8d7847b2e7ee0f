//! The places at which the loops of a process wait for one another, so that the process can be measured.

use std::sync::Barrier;
use std::thread;

use netloop::Result;

use super::machine::descriptors;
use super::pattern::table;
use super::tally::Tally;

/// A place at which all loops of a process wait until it was measured.
pub(crate) struct Gate(Barrier);

impl Gate {
    /// Waits for the other loops, and then for the measurement.
    pub(crate) fn pass(&self) {
        self.0.wait();
        self.0.wait();
    }

    fn measure(&self, heap: fn() -> u64) -> Measure {
        self.0.wait();
        let measure = Measure::now(heap);
        self.0.wait();
        measure
    }
}

/// One end of a traffic, which passes the gate when its loop is made, and when its last connection has closed.
pub(crate) type End<'a> = Box<dyn FnOnce(&Gate) -> Result<Tally> + Send + 'a>;

/// The resources of the process at one time.
struct Measure {
    heap: u64,
    descriptors: u64,
}

/// The resources that the loops of a process have not given back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// Descriptors of the loops without connections, beyond those of the new loops.
    pub(crate) descriptors_left: u64,
    /// Descriptors that were left when the loops were gone.
    pub(crate) descriptors_lost: u64,
    /// Bytes of heap of the loops without connections, beyond that of the new loops.
    pub(crate) heap_kept: u64,
    /// Bytes of heap that were left when the loops were gone.
    pub(crate) heap_lost: u64,
}

impl Measure {
    fn now(heap: fn() -> u64) -> Self {
        Self {
            heap: heap(),
            descriptors: descriptors(),
        }
    }
}

/// Runs each of `ends` on a thread of its own, and returns their counts, and the resources that are left.
/// `heap` returns the bytes in use, which only the allocator of the program knows.
///
/// # Panics
///
/// If a call of the system fails for another reason than a fault.
pub(crate) fn run_all(ends: Vec<End<'_>>, heap: fn() -> u64) -> (Vec<Tally>, Remains) {
    // All that is allocated once, and stays.
    table();
    thread::scope(|scope| drop(scope.spawn(|| ()).join()));
    let gate = Gate(Barrier::new(ends.len() + 1));
    let before = Measure::now(heap);
    let (tallies, fresh, emptied) = thread::scope(|scope| {
        let gate = &gate;
        let threads: Vec<_> = ends
            .into_iter()
            .map(|end| scope.spawn(move || end(gate)))
            .collect();
        let fresh = gate.measure(heap);
        let emptied = gate.measure(heap);
        let tallies = threads.into_iter().map(|thread| {
            let tally = thread.join().expect("a loop has panicked");
            tally.expect("a call failed")
        });
        (tallies.collect::<Vec<_>>(), fresh, emptied)
    });
    let after = Measure::now(heap);
    let remains = Remains {
        descriptors_left: emptied.descriptors.saturating_sub(fresh.descriptors),
        descriptors_lost: after.descriptors.saturating_sub(before.descriptors),
        heap_kept: emptied.heap.saturating_sub(fresh.heap),
        heap_lost: after.heap.saturating_sub(before.heap),
    };
    (tallies, remains)
}
