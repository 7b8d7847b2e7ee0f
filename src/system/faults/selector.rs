//! The kernel's selector, whose polls meet faults.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;

use crate::readiness::Readiness;
use crate::system::native;

use super::injector::Injector;

#[derive(Debug)]
pub(crate) struct FaultySelector {
    inner: native::Selector,
    injector: Injector,
    /// The events of the last poll: those of the kernel, and those that faults have added or put off.
    batch: Vec<(usize, Readiness)>,
}

impl FaultySelector {
    pub(crate) fn new(capacity: usize, injector: &Injector) -> io::Result<Self> {
        Ok(Self {
            inner: native::Selector::new(capacity)?,
            injector: injector.clone(),
            batch: Vec::new(),
        })
    }

    pub(crate) fn poll_busily(&mut self, duration: Duration) {
        self.inner.poll_busily(duration);
    }

    pub(crate) fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    pub(crate) fn waker(&self) -> io::Result<Arc<mio::Waker>> {
        self.inner.waker()
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.inner.registry()
    }

    pub(crate) fn poll(&mut self, timeout: Option<Duration>, asked_at: Instant) -> io::Result<()> {
        self.batch.clear();
        if self.injector.strikes(|faults| faults.empty_polls) {
            return Ok(());
        }
        self.injector.maybe_owe_spurious();
        let timeout = match self.injector.owes() {
            true => Some(Duration::ZERO),
            false => timeout,
        };
        self.inner.poll(timeout, asked_at)?;
        let batch = &mut self.batch;
        self.inner
            .for_each(|token, readiness| batch.push((token, readiness)));
        self.injector.take_owed(batch);
        Ok(())
    }

    pub(crate) fn batch(&self) -> &[(usize, Readiness)] {
        &self.batch
    }
}
